import type { DatabaseSchema, TableSchema } from "../database/database.ts";
import {
  type Check,
  count,
  list,
  object,
  oneOf,
  optional,
  parseChecked,
  record,
  scalar,
  text,
  truth,
} from "./checked.ts";
import { layout } from "./layout.ts";

/** A table as `schema.json` has it. */
export const tableCheck: Check<TableSchema> = object({
  schema: text,
  name: text,
  columns: list(
    object({
      name: text,
      type: text,
      nullable: truth,
    }),
  ),
  keyLength: count,
  unkeyedBecause: optional(oneOf(["no-key", "nullable-key", "real-key", "utf16-key"])),
  foreignKeys: list(
    object({
      columns: list(text),
      table: text,
      tableSchema: optional(text),
      referenced: list(text),
      partitioned: optional(text),
    }),
  ),
  fingerprint: text,
});

const schema: Check<DatabaseSchema> = object({
  engine: oneOf(["sqlite", "postgres", "mysql"]),
  engineVersion: text,
  tables: list(tableCheck),
  settings: record(scalar),
  sequences: list(object({ name: text, value: text, called: optional(truth) })),
  grants: optional(list(text)),
  before: list(text),
  after: list(text),
  uncovered: list(object({ subject: text, reason: text })),
});

/** `schema.json`: the same bytes for the same schema, since keys are sorted. */
export function serialiseSchema(value: DatabaseSchema): string {
  return `${JSON.stringify(value, sorted, 2)}\n`;
}

/** Fails with `repository-damaged` unless `json` is a whole schema. */
export function parseSchema(json: string): DatabaseSchema {
  return parseChecked(json, schema, layout.schema);
}

/** One half of the DDL, as a script for the engine's own client. */
export function statementsScript(statements: readonly string[]): string {
  return statements.map((statement) => `${statement};\n`).join("");
}

function sorted(_key: string, value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}
