import type { RowMap } from "./closure.ts";
import type { PlannedRow, WantedRow } from "./planned-row.ts";
import { nameIn, recordRow, type RecordRow } from "./record-row.ts";
import type { HandleRules } from "./record-handle.ts";
import type { Relation, Relations } from "./relations.ts";

interface NamedAgainInput {
  readonly relations: Relations;
  readonly rules: HandleRules;
}

/**
 * A part that stayed when what it was a part of was deleted: the database emptied the columns by which it named that (ON DELETE
 * SET NULL), so an employee would come back without his contract. Such a row names it again; whatever else differs stays.
 */
export function namedAgain(
  wanted: readonly WantedRow[],
  decided: RowMap<PlannedRow>,
  { relations, rules }: NamedAgainInput,
): void {
  for (const { table, key, fields, why } of wanted) {
    const planned = decided.get(table, key);
    if (why === "parent" || planned?.reason !== "differs" || planned.before === undefined || !fields) continue;
    const then = recordRow(table, fields.map((field) => field ?? "\\N").join("\t"));
    const now = recordRow(table, planned.before);
    const emptied = relations.from(table).filter((relation) => comesBack(relation, then, decided, rules));
    const columns = new Set(emptied.flatMap((one) => one.columns.filter((at) => now.fields[at] === "\\N")));
    if (columns.size === 0) continue;
    const after = now.fields.map((field, at) => (columns.has(at) ? (then.fields[at] ?? field) : field));
    const changed = table.columns.flatMap(({ name }, at) => (after[at] === now.fields[at] ? [] : [name]));
    const { reason: _, ...rest } = planned;
    decided.set(table, key, { ...rest, action: "update", after: after.join("\t"), changed });
  }
}

/** Whether the row that it named then, and that the database held it to, is one that is put back. */
function comesBack(relation: Relation, then: RecordRow, decided: RowMap<PlannedRow>, rules: HandleRules): boolean {
  const { origin, kind, to, columns, referenced } = relation;
  const isByKey = referenced.length === to.keyLength && referenced.every((at) => at < to.keyLength);
  if (origin !== "declared" || kind !== "belongs" || !isByKey) return false;
  if (nameIn(relation, "from", then, rules) === undefined) return false;
  const key = to.columns
    .slice(0, to.keyLength)
    .map((_, at) => then.fields[columns[referenced.indexOf(at)] ?? -1] ?? "");
  return decided.get(to, key.join("\t"))?.action === "insert";
}
