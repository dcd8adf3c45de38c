import type { FieldRules } from "../../crm/column-texts.ts";
import type { RowBatch, RowKey, TableSchema } from "../../database/database.ts";
import type { Relation, Relations, TableEntity } from "./relations.ts";

/**
 * One row of a table: its line without LF, as a latin1 string of bytes, and that cut at its TABs. Where a table has no key, the
 * whole line stands for it, and equal rows are one.
 */
export interface RecordRow {
  readonly table: TableSchema;
  readonly line: string;
  readonly fields: readonly string[];
  readonly key: RowKey;
}

export function recordRow(table: TableSchema, line: string): RecordRow {
  const fields = line.split("\t");
  return { table, line, fields, key: table.keyLength === 0 ? line : fields.slice(0, table.keyLength).join("\t") };
}

/** The rows of a batch. */
export function* recordRows(table: TableSchema, { lines, release }: RowBatch): Generator<RecordRow> {
  const text = lines.toString("latin1");
  release?.();
  for (let start = 0; start < text.length;) {
    const end = text.indexOf("\n", start);
    const stop = end < 0 ? text.length : end;
    yield recordRow(table, text.slice(start, stop));
    start = stop + 1;
  }
}

/** A field for a person; `null` for NULL. */
export function fieldText(row: RecordRow, column: number, rules: FieldRules): string | null {
  const schema = row.table.columns[column];
  const field = row.fields[column];
  return schema === undefined || field === undefined ? null : rules.readable(field, schema);
}

/**
 * What names a row in a relation, as one text: the same for the row that names (`from`) and the one that is named (`to`).
 * `undefined`: this row names none, or cannot be named.
 */
export function nameIn(relation: Relation, side: "from" | "to", row: RecordRow, rules: FieldRules): string | undefined {
  const { when, prefix } = relation;
  if (side === "from" && when && fieldText(row, when.column, rules) !== when.equals) return undefined;
  const texts: string[] = [];
  for (const [at, column] of (side === "from" ? relation.columns : relation.referenced).entries()) {
    let text = fieldText(row, column, rules);
    if (text !== null && side === "from" && at === 0 && prefix !== undefined) {
      text = text.startsWith(prefix) ? text.slice(prefix.length) : null;
    }
    if (text === null) return undefined;
    texts.push(text);
  }
  return texts.join("\0");
}

/**
 * A name as a database may compare it where it holds to a relation: in any case, without blanks at its end. Its collation alone
 * knows, but of rows that are not there it cannot be asked.
 */
export function foldedName(name: string): string {
  return name
    .split("\0")
    .map((text) => text.trimEnd().toLowerCase())
    .join("\0");
}

/** The entity that a row is a record of. */
export function entityOf(entities: readonly TableEntity[], row: RecordRow, rules: FieldRules): TableEntity | undefined {
  return entities.find(({ where }) => where === undefined || fieldText(row, where.column, rules) === where.equals);
}

/** The same for a row of any table: what holds more of a record, or joins two, may say so too. */
export function isGone(
  { entitiesOf, flagOf }: Pick<Relations, "entitiesOf" | "flagOf">,
  row: RecordRow,
  rules: FieldRules,
): "yes" | "no" {
  const deleted = entityOf(entitiesOf(row.table), row, rules)?.deleted ?? flagOf(row.table);
  return isDeleted(deleted && { deleted }, row, rules);
}

/** Whether the row says of itself that it is gone. */
export function isDeleted(
  entity: Pick<TableEntity, "deleted"> | undefined,
  row: RecordRow,
  rules: FieldRules,
): "yes" | "no" {
  if (!entity?.deleted) return "no";
  const text = fieldText(row, entity.deleted.column, rules);
  if (entity.deleted.when === "set") return text === null ? "no" : "yes";
  return text === "1" || text === "t" || text === "true" ? "yes" : "no";
}
