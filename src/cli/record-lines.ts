import type { RecordItem, RecordsSummary } from "../engine/records-prepare.ts";
import { printable } from "../words/format.ts";
import { sentence } from "../words/words.ts";
import type { Context } from "./context.ts";
import { entityName } from "./entity-name.ts";
import { renderTable } from "./table.ts";

const shown = 20;
const columns = ["insert", "undelete", "update", "remove", "skip", "conflict"] as const;

/** What a restore of records would do: how many of each, the first of them, and what a person must know. */
export function recordLines(context: Context, records: RecordsSummary): string[] {
  const { words, format, output } = context;
  const texts = words.records;
  const used = columns.filter((action) => records.groups.some(({ counts }) => counts[action] > 0));
  const table = renderTable(
    [
      { heading: words.tables.name },
      ...used.map((action) => ({ heading: texts.actions[action], align: "right" as const })),
    ],
    records.groups.map(({ name, label, counts }) => [
      entityName(words, { entity: name, table: name, ...(label !== undefined && { label }) }),
      ...used.map((action) => (counts[action] === 0 ? "" : format.number(counts[action]))),
    ]),
  );
  const rows = output.detail === "verbose" ? records.rows : records.rows.slice(0, shown);
  const total = records.groups.reduce((sum, { counts }) => sum + columns.reduce((all, one) => all + counts[one], 0), 0);
  const more = total - rows.length;
  const notes = [
    ...records.schema.map(({ table: name, column, how }) =>
      format.fill(texts.schema[how], { column: column === undefined ? name : `${name}.${column}` }),
    ),
    ...records.triggers.map(({ table: name, name: trigger, how }) =>
      format.fill(texts.triggers[how], { table: name, trigger }),
    ),
  ];
  return [
    ...(records.groups.length > 0 ? [...table, ""] : []),
    ...rows.map((row) => `  ${line(context, row)}`),
    ...(more > 0 ? [`  ${format.fill(words.plan.more, { count: more })}`] : []),
    ...(notes.length > 0 ? ["", ...notes.map((note) => `! ${printable(note)}`)] : []),
  ];
}

function line({ words, format, output }: Context, row: RecordItem): string {
  const { actions, reasons } = words.records;
  const reason = row.reason === undefined ? undefined : (sentence(reasons, row.reason) ?? row.reason);
  const why = reason === undefined ? undefined : format.fill(reason, { detail: row.detail });
  const text = format.fill(words.records.item, {
    action: actions[row.action],
    record: printable(row.record),
    title: row.title === undefined ? undefined : printable(row.title),
    fields: row.fields?.join(words.label.comma),
    why,
  });
  return row.action === "conflict" ? output.paint("yellow", text) : text;
}

/** A reason as a report gives it: its code, and what it is about. */
export function reasonText({ words, format }: Context, reason: string): string {
  const [code = "", ...detail] = reason.split(" ");
  const text = sentence(words.records.reasons, code);
  if (text === undefined) return printable(reason);
  return printable(format.fill(text, detail.length === 0 ? {} : { detail: detail.join(" ") }));
}
