import type { BrowseAnswer } from "../engine/browse.ts";
import type { EntityEntry } from "../engine/browse-records.ts";
import { printable } from "../words/format.ts";
import { padEnd, displayWidth, truncate } from "../words/width.ts";
import type { Context } from "./context.ts";
import { entityName } from "./entity-name.ts";
import { fieldName } from "./field-lines.ts";
import { renderTable } from "./table.ts";

const widestValue = 60;

/** What records there are: under the list of a recovery point's parts. */
export function entityLines({ words, format }: Context, entities: readonly EntityEntry[]): string[] {
  if (entities.length === 0) return [];
  const { tables } = words;
  const columns = [
    { heading: tables.records },
    { heading: tables.rows, align: "right" as const },
    { heading: tables.name },
  ];
  const labels: Readonly<Record<string, string>> = words.entities;
  const cells = entities.map(({ name, label, rows }) => [
    (label === undefined ? undefined : labels[label]) ?? name,
    format.number(rows),
    name,
  ]);
  return ["", ...renderTable(columns, cells)];
}

/** A page of records: their handles, what they are called, and of a table without titles what stands in it. */
export async function showRecords(
  { output, words, format }: Context,
  answer: Extract<BrowseAnswer, { type: "records" }>,
): Promise<void> {
  const { records, next, ...about } = answer;
  output.record(about);
  let shown = 0;
  for await (const one of records) {
    shown++;
    output.record({ ...one, type: "item" });
    const values = one.fields.flatMap(({ value }) => (value === null || value === "" ? [] : [printable(value)]));
    const text = one.title === undefined ? values.join("  ") : printable(one.title);
    const flag = one.deleted ? ` (${words.look.deleted})` : "";
    output.line(`${padEnd(printable(one.handle), 24)}  ${truncate(text, widestValue)}${flag}`);
  }
  if (shown === 0) output.line(words.browse.empty);
  const after = next();
  if (after === undefined) return;
  output.record({ type: "more", after });
  output.line(format.fill(words.look.next, { after }));
}

/** One record, with what it names and what names it. */
export function recordText(
  { words, format, output }: Context,
  answer: Extract<BrowseAnswer, { type: "record" }>,
): string[] {
  const { look } = words;
  const named = ({
    handle,
    title,
    deleted,
  }: {
    readonly handle: string;
    readonly title?: string;
    readonly deleted?: true;
  }) =>
    `${printable(handle)}${title === undefined ? "" : `  ${printable(title)}`}${deleted ? ` (${look.deleted})` : ""}`;
  const widest = Math.min(40, Math.max(0, ...answer.fields.map((field) => displayWidth(fieldName(field)))));
  return [
    output.paint("bold", named(answer)),
    ...answer.fields.flatMap((field) =>
      field.value === null
        ? []
        : [`  ${padEnd(fieldName(field), widest)}  ${truncate(printable(field.value), widestValue)}`],
    ),
    ...(answer.names.length === 0 ? [] : ["", look.names]),
    ...answer.names.map(({ columns, ...one }) => `  ${printable(columns.join(", "))} → ${named(one)}`),
    ...answer.related.flatMap((list) => [
      "",
      format.fill(look.related, {
        name: entityName(words, list),
        count: list.count,
        columns: list.columns.join(", "),
      }),
      ...list.records.map((one) => `  ${named(one)}`),
      ...(list.count > list.records.length
        ? [`  ${format.fill(look.more, { count: list.count - list.records.length })}`]
        : []),
    ]),
    ...(answer.files.length === 0 ? [] : ["", look.files]),
    ...answer.files.map((path) => `  ${printable(path)}`),
  ];
}
