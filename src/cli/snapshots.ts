import type { SnapshotRow, SnapshotsReport } from "../engine/snapshots.ts";
import type { Command } from "./command.ts";
import type { Context } from "./context.ts";
import { exitCodes } from "./exit-codes.ts";
import { nextAboutCrm } from "./next-command.ts";
import { renderTable } from "./table.ts";

export const snapshotsCommand: Command = {
  name: "snapshots",
  answers: "question",
  async run(context) {
    const { crm } = context.globals;
    const repository = await context.access();
    const input = { repository, ...(crm === undefined ? {} : { crm }) };
    const report = await context.door.snapshots(input, context.run);
    context.output.record(report);
    context.output.lines([...snapshotLines(context, report.snapshots), ...journalLines(context, report)]);
    return exitCodes.done;
  },
};

function snapshotLines(context: Context, rows: readonly SnapshotRow[]): string[] {
  const { words, format } = context;
  const { tables } = words;
  if (rows.length === 0) return [format.fill(words.snapshots.empty, { command: nextAboutCrm(context, "backup") })];
  const columns = [
    { heading: tables.id },
    { heading: tables.time },
    { heading: tables.crm },
    { heading: tables.kind },
    { heading: tables.outcome },
    { heading: tables.size, align: "right" as const },
    { heading: tables.added, align: "right" as const },
    { heading: "" },
  ];
  const cells = rows.map((row) => [
    row.id.slice(0, 8),
    format.time(row.time),
    row.crm || row.paths.join(" "),
    row.kind ? words.kinds[row.kind] : tables.foreign,
    row.outcome ? words.outcomes[row.outcome] : "",
    row.totalBytes === undefined ? "" : format.bytes(row.totalBytes),
    row.addedBytes === undefined ? "" : format.bytes(row.addedBytes),
    [row.latest ? `← ${tables.latest}` : "", row.hold ?? ""].filter(Boolean).join(", "),
  ]);
  return [...renderTable(columns, cells), format.fill(words.snapshots.zone, { zone: format.zone })];
}

/** Which moments between recovery points can be had, and where there is a gap. */
function journalLines({ words, format }: Context, { journal, files }: SnapshotsReport): string[] {
  const { transactions: texts, gapReasons } = words;
  const fileLines = files.flatMap(({ crm, spans }) =>
    spans.map(({ from, to }) => format.fill(texts.files, { crm, from, to })),
  );
  const lines = journal.flatMap(({ crm, database: subject, spans, gaps, outside }) => [
    ...spans.map(({ from, to, anew }, at) =>
      format.fill(texts.span, { crm, subject, from, to, ...(at > 0 && { reason: gapReasons[anew] }) }),
    ),
    ...gaps.map(({ from, to, tables, reason }) =>
      format.fill(texts.gap, { crm, tables: tables.join(", "), from, to, reason: gapReasons[reason] }),
    ),
    ...(outside.length === 0
      ? []
      : [format.fill(texts.outside, { crm, tables: outside.map(({ table }) => table).join(", ") })]),
  ]);
  const all = [...lines, ...fileLines];
  return all.length === 0 ? [] : ["", ...all];
}
