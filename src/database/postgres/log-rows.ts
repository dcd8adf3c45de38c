import { unchangedField, type Change } from "../change-feed.ts";
import type { TableSchema } from "../database.ts";
import type { LogMessage, LogRelation, OldTuple, Tuple } from "./pgoutput.ts";

/** A relation of the log beside the table that it is: which field of a tuple is which field of a line. */
export interface MappedTable {
  readonly table: TableSchema;
  /** For each column of the table its place in tuples. */
  readonly places: readonly number[];
}

/** `undefined`: the table as it is now has other columns than the log tells. */
export function mapTable(relation: LogRelation, table: TableSchema): MappedTable | undefined {
  const names = relation.columns.map(({ name }) => name);
  const places = table.columns.map(({ name }) => names.indexOf(name));
  // What the log has beyond the table's stored columns would be generated columns, which it leaves out.
  if (places.includes(-1) || names.length !== places.length) return undefined;
  return { table, places };
}

export function rowChange(
  { table, places }: MappedTable,
  message: Extract<LogMessage, { type: "insert" | "update" | "delete" }>,
): Change {
  const line = (fields: Tuple): string => places.map((place) => fields[place] ?? unchangedField).join("\t");
  const key = (fields: Tuple): string =>
    places
      .slice(0, table.keyLength)
      .map((place) => fields[place] ?? unchangedField)
      .join("\t");
  const before = (old: OldTuple): { readonly before?: string } =>
    old.kind === "row" ? { before: line(old.fields) } : {};
  switch (message.type) {
    case "insert":
      return { type: "write", table, after: line(message.now), row: "new" };
    case "delete":
      return { type: "delete", table, key: key(message.old.fields), ...before(message.old) };
    case "update": {
      const { old } = message;
      const now = old ? filledIn(message.now, old, places.slice(0, table.keyLength)) : message.now;
      const newKey = key(now);
      const oldKey = old && key(old.fields);
      return {
        type: "write",
        table,
        after: line(now),
        ...(old && before(old)),
        ...(oldKey !== undefined && oldKey !== newKey && { oldKey }),
      };
    }
  }
}

/**
 * With what an update left alone and the log does not repeat, as far as the old row tells it: of a key that is kept out of line that is
 * told beside it, and all else is NULL there, whatever it was.
 */
function filledIn(now: Tuple, { kind, fields }: OldTuple, key: readonly number[]): Tuple {
  if (!now.includes(undefined)) return now;
  return now.map((field, place) => field ?? (kind === "row" || key.includes(place) ? fields[place] : undefined));
}
