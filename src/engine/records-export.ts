import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ClosureRow } from "../contents/records/closure.ts";
import { escapeName } from "../contents/layout.ts";
import { orderChanges, type RowStep } from "../contents/records/order-changes.ts";
import type { PlannedRow } from "../contents/records/planned-row.ts";
import { fieldText } from "../contents/records/record-row.ts";
import type { Relations } from "../contents/records/relations.ts";
import type { DatabaseEngine } from "../database/database.ts";
import { type CsvValue, csvLine, sheetLine, sheetStart } from "../lib/csv.ts";
import { HoldfastError } from "../lib/errors.ts";
import { hasSystemCode } from "../lib/system-code.ts";

/** `csv` has every value as it is, to be loaded again; `sheet` is CSV in which a spreadsheet finds no formula, with commas or semicolons. */
export type RecordFormat = "sql" | "csv" | "sheet" | "sheet-semicolon" | "json";

export interface ExportedRecords {
  readonly engine: DatabaseEngine;
  readonly relations: Relations;
  readonly rows: readonly ClosureRow[];
}

/**
 * Writes records to a folder: a file a table as CSV (RFC 4180: NULL is an empty field, an empty text is `""`) or JSON (values
 * as a person reads them, NULL is null), named with its schema too where there are several of one name; or all of them in
 * `records.sql`, parents first. Gives the paths; where one cannot be written, none is left.
 */
export function writeRecords(folder: string, format: RecordFormat, exported: ExportedRecords): readonly string[] {
  const files = format === "sql" ? [["records.sql", asSql(exported)] as const] : tableFiles(format, exported);
  const made: string[] = [];
  try {
    mkdirSync(folder, { recursive: true });
    for (const [name, content] of files) {
      const path = join(folder, name);
      writeFileSync(path, "", { flag: "wx", mode: 0o600 });
      made.push(path);
      writeFileSync(path, content);
    }
    return made;
  } catch (error) {
    for (const path of made) rmSync(path, { force: true });
    if (hasSystemCode(error, "ENOSPC", "EDQUOT")) throw new HoldfastError("target-full", { path: folder }, error);
    throw error;
  }
}

function tableFiles(
  format: Exclude<RecordFormat, "sql">,
  { engine, rows }: ExportedRecords,
): readonly (readonly [string, string])[] {
  const ending = format === "json" ? "json" : "csv";
  const byTable = Map.groupBy(rows, ({ row }) => row.table);
  const ofName = Map.groupBy(byTable.keys(), ({ name }) => name);
  return [...byTable].map(([table, ofTable]) => {
    const isAlone = ofName.get(table.name)?.length === 1;
    const file = `${isAlone ? "" : `${escapeName(table.schema)}.`}${escapeName(table.name)}.${ending}`;
    const names = table.columns.map(({ name }) => name);
    const values = ofTable.map(({ row }) => names.map((_, at) => fieldText(row, at, engine)));
    const content =
      format !== "json"
        ? asCsv([names, ...values], format)
        : `${JSON.stringify(
            values.map((row) => Object.fromEntries(names.map((name, at) => [name, row[at]]))),
            undefined,
            2,
          )}\n`;
    return [file, content];
  });
}

function asCsv(lines: readonly (readonly CsvValue[])[], format: Exclude<RecordFormat, "sql" | "json">): string {
  if (format === "csv") return lines.map((line) => csvLine(line)).join("");
  const separator = format === "sheet" ? "," : ";";
  return sheetStart + lines.map((line) => sheetLine(line, separator)).join("");
}

function asSql({ engine, relations, rows }: ExportedRecords): string {
  const inserts = rows.map(({ row, why }): PlannedRow => ({
    ...{ action: "insert", table: row.table, key: row.key, why, before: undefined, after: row.line },
    ...{ columns: row.table.columns, changed: [] },
  }));
  const steps = orderChanges(inserts, { relations, rules: engine, waits: [] });
  const statements = steps.flatMap((step) => statementsOf(engine, step));
  return ["BEGIN", ...statements, "COMMIT"].map((statement) => `${statement};\n`).join("");
}

function statementsOf(engine: DatabaseEngine, step: RowStep): readonly string[] {
  if (step.kind === "insert") return step.lines.map((line) => engine.rowSql(step.table, undefined, line));
  if (step.kind === "update") return step.changes.map(({ before, after }) => engine.rowSql(step.table, before, after));
  return [];
}
