import { parseRate, sizePattern } from "../config/size.ts";
import type { RepositoryAccess } from "../engine/engine.ts";
import type { PruneInput, PruneReport } from "../engine/prune.ts";
import { HoldfastError } from "../lib/errors.ts";
import { type Command, hasFlag, type Invocation, type OptionSpec, textOption } from "./command.ts";
import type { Context } from "./context.ts";
import { parseDuration } from "../lib/duration.ts";
import { waitOption } from "./duration.ts";
import { exitCodes } from "./exit-codes.ts";

/** How a prune goes about it: the same after `forget --prune`. */
export const pruneOptions: readonly OptionSpec[] = [
  { flags: "--now" },
  { flags: "--delete-after <duration>" },
  { flags: "--max-unused <limit>" },
  { flags: "--max-repack-size <size>" },
];

export const pruneCommand: Command = {
  name: "prune",
  answers: "stream",
  options: [{ flags: "--dry-run" }, ...pruneOptions, { flags: "--wait [duration]" }],
  async run(context, invocation) {
    const input = await pruneInput(context, invocation, await context.access());
    const report = await context.door.prune(input, context.run);
    context.output.record(report);
    // A plan is an answer, not a report.
    if (input.mode === "plan") context.output.lines(pruneLines(context, report));
    else context.output.report(pruneLines(context, report), exitCodes.done);
    return exitCodes.done;
  },
};

/** rustic's figure: a little less than a day, so that a daily prune deletes what the last one marked. */
const keepMarkedMs = 23 * 3_600_000;
/** restic's figure. */
const maxUnused = { share: 0.05 };

export async function pruneInput(
  context: Context,
  invocation: Invocation,
  repository: RepositoryAccess,
): Promise<PruneInput> {
  const now = hasFlag(invocation, "now");
  const after = textOption(invocation, "deleteAfter");
  if (now && after !== undefined) {
    throw new HoldfastError("usage", { problem: "conflict", what: "--now", other: "--delete-after" });
  }
  return {
    repository,
    limits: await context.limits(),
    keepMarkedMs: now ? 0 : after === undefined ? keepMarkedMs : durationOf(after),
    maxUnused: unusedOf(textOption(invocation, "maxUnused")),
    maxRepackBytes: sizeOf(textOption(invocation, "maxRepackSize"), "--max-repack-size"),
    mode: hasFlag(invocation, "dryRun") ? "plan" : "apply",
    waitMs: waitOption(invocation),
  };
}

function durationOf(text: string): number {
  const ms = parseDuration(text);
  if (ms === undefined) throw new HoldfastError("usage", { problem: "bad-duration", value: text });
  return ms;
}

/** `5%`, `1GB` or `unlimited`. */
function unusedOf(text: string | undefined): PruneInput["maxUnused"] {
  if (text === undefined) return maxUnused;
  const percent = /^(\d{1,3}(?:\.\d+)?)\s*%$/.exec(text)?.[1];
  if (percent === undefined) return { bytes: sizeOf(text, "--max-unused") };
  if (Number(percent) >= 100) throw badSize("--max-unused", text);
  return { share: Number(percent) / 100 };
}

function sizeOf(text: string | undefined, what: string): number {
  if (text === undefined || text === "unlimited") return Infinity;
  const bytes = text === "0" ? 0 : new RegExp(sizePattern).test(text) ? parseRate(text) : undefined;
  if (bytes === undefined) throw badSize(what, text);
  return bytes;
}

function badSize(what: string, value: string): HoldfastError {
  const expected = what === "--max-unused" ? "5%, 500MB, 2GiB, unlimited" : "0, 500MB, 2GiB, unlimited";
  return new HoldfastError("usage", { problem: "bad-value", what, value, expected });
}

export function pruneLines({ words, format, output }: Context, report: PruneReport): string[] {
  const texts = words.prune;
  const { keep, repack, remove, unnamed, due, waiting, unlocked, total, result, keepMarkedMs: keepMs } = report;
  const line = (text: string, { packs, bytes }: { packs: number; bytes: number }, more: object = {}): string[] =>
    packs === 0 ? [] : [format.fill(text, { packs, bytes, ...more })];
  const lines = [
    format.fill(texts.total, {
      packs: total.packs,
      bytes: total.bytes,
      snapshots: report.snapshots,
      trees: report.trees,
    }),
    ...line(texts.unnamed, unnamed),
    ...line(texts.due, due),
    ...line(texts.remove, remove),
    ...line(texts.repack, repack, { kept: repack.keptBytes }),
    ...line(texts.keep, keep, { waste: report.wasteLeftBytes }),
    ...line(texts.waiting, waiting),
    ...(unlocked.files > 0 ? [format.fill(texts.unlocked, { ...unlocked })] : []),
  ];
  const locked = result?.locked ?? report.locked;
  const lockedLines = locked.files > 0 ? [format.fill(texts.locked, { ...locked })] : [];
  if (result === undefined) return [...lines, ...lockedLines, output.paint("bold", texts.planned)];
  const { deletedPacks, deletedBytes, markedPacks, markedBytes, forLackOfRoom, postponedPacks } = result;
  if (forLackOfRoom) lines.push(texts.forLackOfRoom);
  if (postponedPacks > 0) lines.push(format.fill(texts.postponed, { packs: postponedPacks }));
  if (markedPacks > 0) lines.push(format.fill(texts.marked, { packs: markedPacks, bytes: markedBytes, keepMs }));
  lines.push(...lockedLines);
  const done = deletedPacks + markedPacks + deletedBytes === 0 ? texts.nothing : texts.done;
  const facts = { packs: deletedPacks, bytes: deletedBytes, ms: report.durationMs };
  lines.push(output.paint("bold", format.fill(done, facts)));
  return lines;
}
