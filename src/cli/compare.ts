import type { Comparison, Difference, TableDifference } from "../engine/compare.ts";
import { HoldfastError } from "../lib/errors.ts";
import { printable } from "../words/format.ts";
import { type Command, hasFlag } from "./command.ts";
import type { Context } from "./context.ts";
import { type CsvValue, type Separator, sheetLine, sheetStart } from "../lib/csv.ts";
import { entityName } from "./entity-name.ts";
import { exitCodes } from "./exit-codes.ts";
import { fieldLines } from "./field-lines.ts";
import { namedPoint } from "./point-argument.ts";

export const compareCommand: Command = {
  name: "compare",
  answers: "question",
  arguments: [{ form: "<from>" }, { form: "<to>" }, { form: "[only...]" }],
  options: [{ flags: "--all" }, { flags: "--noise" }, { flags: "--csv" }, { flags: "--csv-semicolon" }],
  async run(context, invocation) {
    const [from = "", to = "", ...only] = invocation.arguments;
    const separator = hasFlag(invocation, "csvSemicolon") ? ";" : hasFlag(invocation, "csv") ? "," : undefined;
    if (separator !== undefined && context.output.json) {
      throw new HoldfastError("usage", { problem: "conflict", what: "--csv", other: "--json" });
    }
    const points = { from: namedPoint(context, from), to: namedPoint(context, to) };
    const crm = await context.crmName();
    const crms = (await context.config())?.crms ?? [];
    const repository = await context.access();
    const input = { repository, crms, ...points, only, ...(crm === undefined ? {} : { crm }) };
    await context.door.compare(input, context.run, (comparison) => {
      if (context.output.json) return showJson(context, comparison);
      if (separator !== undefined) return showCsv(context, comparison, separator);
      const noise = hasFlag(invocation, "noise") ? "shown" : "folded";
      return showText(context, comparison, hasFlag(invocation, "all") ? Number.POSITIVE_INFINITY : 10, noise);
    });
    return exitCodes.done;
  },
};

async function showJson({ output }: Context, { from, to, differences }: Comparison): Promise<void> {
  output.record({ type: "compare", from, to });
  for await (const difference of differences) output.record(difference);
}

async function showCsv({ output }: Context, { differences }: Comparison, separator: Separator): Promise<void> {
  const write = (values: readonly CsvValue[]) => output.raw(Buffer.from(sheetLine(values, separator), "utf8"));
  output.raw(Buffer.from(sheetStart, "utf8"));
  write(["type", "action", "entity", "record", "title", "column", "before", "after", "noise"]);
  for await (const one of differences) {
    if (one.type === "change") {
      const about = ["record", one.action, one.entity ?? one.table, one.handle, one.title];
      for (const { column, before, after } of one.fields) write([...about, column, before, after, ""]);
      for (const { column, before, after } of one.noise) write([...about, column, before, after, "noise"]);
    } else if (one.type === "file") {
      write(["file", one.action, undefined, one.path, undefined, one.what, one.before, one.after, ""]);
    } else if (one.type === "schema") {
      write(["schema", one.what, one.table, undefined, undefined, undefined, undefined, one.rows, ""]);
      const { added = [], removed = [], retyped = [] } = one.columns ?? {};
      for (const column of added) write(["schema", "column-added", one.table, "", "", column, "", "", ""]);
      for (const column of removed) write(["schema", "column-removed", one.table, "", "", column, "", "", ""]);
      for (const { name, from, to } of retyped) write(["schema", "column-type", one.table, "", "", name, from, to, ""]);
    }
  }
}

/** What of one table or of the files is shown before its sum is known. */
interface Shown {
  readonly lines: string[];
  records: number;
}

async function showText(
  context: Context,
  { from, to, databases, differences }: Comparison,
  most: number,
  noise: "shown" | "folded",
): Promise<void> {
  const { output, words, format } = context;
  const text = words.compare;
  output.line(format.fill(text.between, { from: pointText(context, from), to: pointText(context, to) }));
  /** With its database where there are several. */
  const placed = (database: string, name: string): string => (databases.length > 1 ? `${database}:${name}` : name);
  let found = 0;
  const shown = new Map<string, Shown>();
  const shownOf = (name: string): Shown => {
    const known = shown.get(name) ?? { lines: [], records: 0 };
    shown.set(name, known);
    return known;
  };
  const files = { created: 0, changed: 0, deleted: 0 };
  const schemas: string[] = [];
  for await (const one of differences) {
    found++;
    if (one.type === "change") {
      if (noise === "folded" && one.action === "changed" && one.fields.length === 0) continue;
      const name = placed(one.database, one.entity ?? one.table);
      const { lines, records } = shownOf(name);
      shownOf(name).records++;
      if (records < most) lines.push(...recordLines(context, one, noise));
    } else if (one.type === "table") {
      output.line();
      const name = placed(one.database, one.entity ?? one.table);
      output.line(output.paint("bold", tableLine(context, one, placed(one.database, entityName(words, one)))));
      showLines(context, shownOf(name), most);
      shown.delete(name);
    } else if (one.type === "schema") {
      schemas.push(...schemaLines(context, one, placed(one.database, one.table)));
    } else {
      files[one.action]++;
      const { lines, records } = shownOf("");
      shownOf("").records++;
      if (records < most)
        lines.push(
          `  ${mark(context, one.action)} ${printable(one.path)}${one.what === "metadata" ? ` (${text.metadata})` : ""}`,
        );
    }
  }
  if (files.created + files.changed + files.deleted > 0) {
    output.line();
    output.line(output.paint("bold", format.fill(text.files, files)));
    showLines(context, shownOf(""), most);
  }
  if (schemas.length > 0) {
    output.line();
    output.line(output.paint("bold", text.schema));
    output.lines(schemas);
  }
  if (found === 0) output.line(text.same);
}

function showLines({ output, words, format }: Context, { lines, records }: Shown, most: number): void {
  output.lines(lines);
  if (records > most) output.line(`  ${format.fill(words.compare.more, { count: records - most })}`);
}

function pointText({ words, format }: Context, { time, snapshot }: Comparison["from"]): string {
  return snapshot === undefined ? words.compare.live : `${format.time(time)} (${snapshot.slice(0, 8)})`;
}

function tableLine({ words, format }: Context, table: TableDifference, called: string): string {
  const { created, changed, deleted, noise } = table;
  return format.fill(words.compare.table, {
    name: printable(called),
    created,
    changed,
    deleted,
    ...(noise > 0 && { noise }),
  });
}

const marks = { created: ["+", "green"], changed: ["~", "yellow"], deleted: ["-", "red"] } as const;

function mark({ output }: Context, action: keyof typeof marks): string {
  const [sign, colour] = marks[action];
  return output.paint(colour, sign);
}

function recordLines(
  context: Context,
  one: Extract<Difference, { type: "change" }>,
  noise: "shown" | "folded",
): string[] {
  const { words, format } = context;
  const head = `  ${mark(context, one.action)} ${printable(one.handle)}${one.title === undefined ? "" : `  ${printable(one.title)}`}`;
  if (one.action !== "changed") return [head];
  const fields = noise === "shown" ? [...one.fields, ...one.noise] : one.fields;
  const folded = noise === "folded" && one.noise.length > 0;
  return [
    head,
    ...fieldLines(context, fields),
    ...(folded ? [`      ${format.fill(words.compare.folded, { count: one.noise.length })}`] : []),
  ];
}

function schemaLines(
  { words, format }: Context,
  one: Extract<Difference, { type: "schema" }>,
  table: string,
): string[] {
  const text = words.compare;
  if (one.what === "table-added") return [`  ${format.fill(text.tableAdded, { table, rows: one.rows ?? 0 })}`];
  if (one.what === "table-removed") return [`  ${format.fill(text.tableRemoved, { table, rows: one.rows ?? 0 })}`];
  const { added = [], removed = [], retyped = [], sameKey = true } = one.columns ?? {};
  return [
    ...added.map((column) => `  ${format.fill(text.columnAdded, { table, column })}`),
    ...removed.map((column) => `  ${format.fill(text.columnRemoved, { table, column })}`),
    ...retyped.map(({ name, from, to }) => `  ${format.fill(text.columnType, { table, column: name, from, to })}`),
    ...(sameKey ? [] : [`  ${format.fill(text.otherKey, { table })}`]),
  ];
}
