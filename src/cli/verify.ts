import { parseRate } from "../config/size.ts";
import type { VerifyAnswer, VerifyInput } from "../engine/verify.ts";
import { HoldfastError } from "../lib/errors.ts";
import { printable } from "../words/format.ts";
import { sentence } from "../words/words.ts";
import { type Command, hasFlag, type Invocation, textOption } from "./command.ts";
import type { Context } from "./context.ts";
import { exitCodes } from "./exit-codes.ts";
import { nextCommand } from "./next-command.ts";

type ReadChoice = VerifyInput["read"];

export const verifyCommand: Command = {
  name: "verify",
  answers: "stream",
  options: [{ flags: "--read-data" }, { flags: "--read-data-subset <part>" }],
  async run(context, invocation) {
    const read = readChoice(invocation);
    const input = { repository: await context.access(), read, limits: await context.limits() };
    const answer = await context.door.verify(input, context.run);
    context.output.record(answer);
    const isSound = answer.defects.length === 0;
    context.output.report(verifyLines(context, answer), isSound ? exitCodes.done : exitCodes.checkFailed);
    if (!isSound) throw new HoldfastError("verify-failed", { defects: answer.defects.length });
    return exitCodes.done;
  },
};

/** `2/10`, `10%` or `5G`. */
export function parseSubset(text: string): ReadChoice | undefined {
  const [, part, of] = /^(\d{1,3})\/(\d{1,3})$/.exec(text) ?? [];
  if (part !== undefined) {
    const [number, count] = [Number(part), Number(of)];
    // By the first byte of a name, of which there are 256.
    return number >= 1 && number <= count && count <= 256 ? { kind: "part", part: number, of: count } : undefined;
  }
  const [, percent] = /^(\d{1,3}(?:\.\d+)?)%$/.exec(text) ?? [];
  if (percent !== undefined) {
    const value = Number(percent);
    return value > 0 && value <= 100 ? { kind: "percent", percent: value } : undefined;
  }
  const bytes = text.includes("/") ? undefined : parseRate(text);
  return bytes === undefined ? undefined : { kind: "bytes", bytes };
}

function readChoice(invocation: Invocation): ReadChoice {
  const subset = textOption(invocation, "readDataSubset");
  if (subset === undefined) return { kind: hasFlag(invocation, "readData") ? "all" : "none" };
  const other = hasFlag(invocation, "readData") ? "--read-data" : undefined;
  if (other) throw new HoldfastError("usage", { problem: "conflict", what: "--read-data-subset", other });
  const choice = parseSubset(subset);
  if (choice === undefined) {
    throw new HoldfastError("usage", {
      problem: "bad-value",
      what: "--read-data-subset",
      value: subset,
      expected: "2/10, 10%, 5G",
    });
  }
  return choice;
}

function verifyLines(context: Context, answer: VerifyAnswer): string[] {
  const { words, format, output } = context;
  const texts = words.verify;
  const lines: string[] = [];
  for (const { code, subject, detail, snapshots } of answer.defects) {
    const what = format.fill(sentence(words.defects, code) ?? code, { subject, detail });
    lines.push(`${output.paint("red", "✗")} ${printable(subject)}: ${what}${detail ? ` (${printable(detail)})` : ""}`);
    const ids = snapshots.map((id) => id.slice(0, 8)).join(", ");
    if (ids) lines.push(`  ${format.fill(texts.touches, { ids })}`);
  }
  const { snapshots, trees, blobs, packs, durationMs: ms } = answer;
  if (answer.defects.length === 0)
    lines.push(output.paint("green", format.fill(texts.sound, { snapshots, trees, blobs, packs, ms })));
  lines.push(...readLines(context, answer));
  if (answer.coldPacks > 0) lines.push(format.fill(texts.cold, { packs: answer.coldPacks }));
  if (answer.parity !== undefined) lines.push(format.fill(texts.parity, { ...answer.parity }));
  if (answer.unusedBlobs + answer.unindexedPacks > 0) {
    lines.push(format.fill(texts.unused, { blobs: answer.unusedBlobs, packs: answer.unindexedPacks }));
  }
  if (answer.unnamedRoots > 0) {
    const command = nextCommand(context, "repair", "snapshots", "--lost");
    lines.push(format.fill(texts.unnamedRoots, { count: answer.unnamedRoots, command }));
  }
  if (answer.defects.length > 0) lines.push(texts.repair, `  ${nextCommand(context, "repair", "index")}`);
  return lines;
}

/** What was read now, and what before. */
function readLines({ words, format }: Context, { read, tables }: VerifyAnswer): string[] {
  const texts = words.verify;
  const { packs, bytes, ofBytes, neverBytes, neverPacks, oldest } = read;
  const lines = [packs === 0 ? texts.shallow : format.fill(texts.read, { bytes, ofBytes, packs, tables })];
  if (oldest !== undefined && neverPacks === 0) lines.push(format.fill(texts.allRead, { time: oldest }));
  else if (oldest !== undefined) lines.push(format.fill(texts.neverRead, { bytes: neverBytes, packs: neverPacks }));
  return lines;
}
