import type { BrowseAnswer, BrowseEntry } from "../engine/browse.ts";
import { HoldfastError } from "../lib/errors.ts";
import { printable } from "../words/format.ts";
import { displayWidth, padEnd, truncate } from "../words/width.ts";
import { entityLines, recordText, showRecords } from "./browse-records.ts";
import { type Command, countOption, textOption } from "./command.ts";
import type { Context } from "./context.ts";
import { exitCodes } from "./exit-codes.ts";
import { pointArgument } from "./point-argument.ts";
import { renderTable } from "./table.ts";

export const browseCommand: Command = {
  name: "browse",
  answers: "question",
  arguments: [{ form: "[point]" }, { form: "[what]" }],
  options: [{ flags: "--limit <count>" }, { flags: "--after <record>" }],
  async run(context, invocation) {
    const { point, paths } = pointArgument(context, invocation.arguments);
    if (paths.length > 1) throw new HoldfastError("usage", { problem: "extra-argument" });
    const limit = countOption(invocation, "limit") ?? 50;
    const after = textOption(invocation, "after");
    const crm = await context.crmName();
    const repository = await context.access();
    const crms = (await context.config())?.crms ?? [];
    const paging = { limit, ...(after === undefined ? {} : { after }) };
    const input = { repository, point, crms, paging, path: paths[0] ?? "/", ...(crm === undefined ? {} : { crm }) };
    await context.door.browse(input, context.run, (answer) => show(context, answer));
    return exitCodes.done;
  },
};

async function show(context: Context, answer: BrowseAnswer): Promise<void> {
  const { output } = context;
  switch (answer.type) {
    case "list":
      output.record(answer);
      output.lines(listLines(context, answer.entries));
      if (answer.entities) output.lines(entityLines(context, answer.entities));
      break;
    case "records":
      await showRecords(context, answer);
      break;
    case "record":
      output.record(answer);
      output.lines(recordText(context, answer));
      break;
    case "file": {
      const { content, ...about } = answer;
      output.record(about);
      for await (const bytes of content) {
        if (output.json) output.record({ type: "content", base64: bytes.toString("base64") });
        else output.raw(bytes);
      }
      break;
    }
    case "rows": {
      const { rows, ...about } = answer;
      output.record(about);
      if (output.json) for await (const values of rows) output.record({ type: "row", values });
      else await printRows(context, answer.columns, rows);
    }
  }
}

function listLines({ words, format }: Context, entries: readonly BrowseEntry[]): string[] {
  const { tables } = words;
  if (entries.length === 0) return [words.browse.empty];
  const columns = [
    { heading: tables.type },
    { heading: tables.size, align: "right" as const },
    { heading: tables.modified },
    { heading: tables.name },
  ];
  const cells = entries.map((entry) => [
    words.entryTypes[entry.type],
    entry.rows === undefined
      ? entry.size === undefined
        ? ""
        : format.bytes(entry.size)
      : format.count(entry.rows, "row"),
    entry.modified === undefined ? "" : format.time(entry.modified),
    entry.type === "folder" || entry.type === "table" ? `${entry.name}/` : entry.name,
  ]);
  return renderTable(columns, cells);
}

const sampleRows = 50;
const widestColumn = 40;

/** Rows as they come: the first fifty say how wide each column is, so that a table of any size can be read. */
async function printRows(
  { output }: Context,
  columns: readonly string[],
  rows: AsyncIterable<readonly (string | null)[]>,
): Promise<void> {
  const sample: string[][] = [];
  let widths: readonly number[] | undefined;
  const measure = () =>
    columns.map((_, index) => Math.min(widestColumn, Math.max(...sample.map((row) => displayWidth(row[index] ?? "")))));
  const print = (row: readonly string[], wide: readonly number[]) =>
    output.line(
      row
        .map((cell, index) => padEnd(truncate(cell, widestColumn), wide[index] ?? 0))
        .join("  ")
        .trimEnd(),
    );
  const flush = () => {
    const wide = measure();
    for (const row of sample) print(row, wide);
    return wide;
  };
  sample.push(columns.map(printable));
  for await (const values of rows) {
    const row = values.map((value) => (value === null ? "NULL" : printable(value)));
    if (widths) print(row, widths);
    else if (sample.push(row) > sampleRows) widths = flush();
  }
  if (!widths) flush();
}
