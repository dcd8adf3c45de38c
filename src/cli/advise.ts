import { statfs, writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { isPath } from "../config/location.ts";
import type { AdviceReport, CrmAdvice, Forecast, StrategyEstimate } from "../engine/advise.ts";
import { HoldfastError } from "../lib/errors.ts";
import { advicePicture } from "./advise-picture.ts";
import { type Command, textOption } from "./command.ts";
import type { Context } from "./context.ts";
import { exitCodes } from "./exit-codes.ts";
import { renderTable } from "./table.ts";

export const adviseCommand: Command = {
  name: "advise",
  answers: "question",
  options: [{ flags: "--picture <file>" }],
  async run(context, invocation) {
    const { door, format, output, globals, surroundings, words } = context;
    const config = await context.config();
    const repository = await context.access();
    const copy = config?.copies.find(({ location }) => location === repository.location);
    const configured = config?.repository.location === repository.location ? config.repository : copy;
    const { price, capacityBytes } = configured ?? {};
    const freeBytes = await freeAt(repository.location);
    const { crm } = globals;
    const report = await door.advise(
      {
        repository,
        ...(crm !== undefined && { crm }),
        retention: copy?.retention ? { byCrm: {}, others: copy.retention } : (config?.retention ?? { byCrm: {} }),
        ...(price && { price }),
        ...(capacityBytes !== undefined && { capacityBytes }),
        ...(freeBytes !== undefined && { freeBytes }),
        zone: format.zone,
      },
      context.run,
    );
    output.record(report);
    output.lines(report.crms.length === 0 ? [words.snapshots.empty] : adviceLines(context, report));
    const picture = textOption(invocation, "picture");
    if (picture !== undefined) {
      const file = resolve(surroundings.folder, picture);
      await writeFile(file, advicePicture(context, report)).catch((error: unknown) => {
        throw new HoldfastError("state-unwritable", { path: file }, error);
      });
      output.talk(format.fill(words.advise.picture, { file }));
    }
    return report.crms.some(({ history }) => history !== undefined) ? exitCodes.done : exitCodes.nothingMatched;
  },
};

/** What a local disk has left for whoever is not root: others' files lie on it as well. */
async function freeAt(location: string): Promise<number | undefined> {
  if (!isPath(location)) return undefined;
  const found = await statfs(location).catch(() => undefined);
  return found && found.bavail * found.bsize;
}

function adviceLines(context: Context, report: AdviceReport): string[] {
  const lines = report.crms.flatMap((crm) => [...crmLines(context, crm, report.currency), ""]);
  if (report.forecast) lines.push(...forecastLines(context, report.forecast));
  return lines;
}

function crmLines(context: Context, advice: CrmAdvice, currency: string | undefined): string[] {
  const { words, format, output } = context;
  const texts = words.advise;
  const { crm, history, needed, strategies, recommended } = advice;
  if (history === undefined) return [format.fill(texts.thin, { crm, ...needed })];
  const { backups, days, totalBytes, changeBytesPerDay } = history;
  const seen = { crm, backups, days: Math.floor(days), total: totalBytes, change: changeBytesPerDay.middle };
  const { columns: heads } = texts;
  const columns = [
    { heading: heads.strategy },
    { heading: heads.stored, align: "right" as const },
    { heading: heads.usual, align: "right" as const },
    { heading: heads.full, align: "right" as const },
    { heading: "RPO", align: "right" as const },
    { heading: "RTO", align: "right" as const },
    { heading: heads.points, align: "right" as const },
    ...(currency === undefined ? [] : [{ heading: format.fill(heads.cost, { currency }), align: "right" as const }]),
  ];
  const duration = (ms: number | undefined) => (ms === undefined ? "?" : format.duration(ms));
  const row = (one: StrategyEstimate) => [
    `${one.name === recommended?.name ? "→ " : "  "}${texts.names[one.name]}`,
    `${format.bytes(one.storedBytes.middle)} (${format.bytes(one.storedBytes.low)} – ${format.bytes(one.storedBytes.high)})`,
    duration(one.usualMs),
    duration(one.fullMs),
    duration(one.rpoMs),
    duration(one.rtoMs),
    format.number(one.recoveryPoints),
    ...(one.cost === undefined ? [] : [one.cost.toFixed(2)]),
  ];
  const lines = [format.fill(texts.seen, seen), "", ...renderTable(columns, strategies.map(row)), ""];
  if (recommended === undefined) return lines;
  lines.push(output.paint("bold", format.fill(texts.recommended, { name: texts.names[recommended.name] })));
  lines.push(...recommended.reasons.map((reason) => `  ${texts.reasons[reason]}`), texts.note);
  return lines;
}

function forecastLines({ words, format }: Context, { points, full, capacityBytes, nowBytes }: Forecast): string[] {
  const texts = words.advise;
  const lines = [format.fill(texts.forecast, { now: nowBytes })];
  for (const { days, bytes } of points.slice(1)) {
    lines.push(format.fill(texts.forecastPoint, { days, middle: bytes.middle, low: bytes.low, high: bytes.high }));
  }
  if (full) lines.push(format.fill(texts.fullOn, { ...full, capacity: capacityBytes }));
  else if (capacityBytes !== undefined) lines.push(format.fill(texts.notFull, { capacity: capacityBytes }));
  return lines;
}
