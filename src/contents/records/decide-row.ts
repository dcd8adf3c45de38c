import type { TableSchema } from "../../database/database.ts";
import type { TableFacts } from "../../database/row-transaction.ts";
import type { MergeSwitches } from "../merge-rows.ts";
import type { MappedFields } from "./map-table.ts";
import type { PlannedRow, RowReason, WantedRow } from "./planned-row.ts";
import type { HandleRules } from "./record-handle.ts";
import { entityOf, fieldText, isDeleted, recordRow, type RecordRow } from "./record-row.ts";
import { columnOf, type Relations, type TableEntity } from "./relations.ts";

export interface DecideRules {
  readonly rules: HandleRules;
  readonly switches: MergeSwitches;
  readonly fields?: readonly string[];
  readonly noise: (table: TableSchema) => ReadonlySet<string>;
  readonly entitiesOf: Relations["entitiesOf"];
  readonly flagOf: Relations["flagOf"];
}

/** What becomes of one row by itself: then, now, and what lies in between. */
export function decideRow(
  wanted: WantedRow,
  now: RecordRow | undefined,
  facts: TableFacts,
  input: DecideRules,
): PlannedRow {
  const { table, key, why, fields: then, base, refused } = wanted;
  const { switches } = input;
  const about = { table, key, why, before: now?.line, after: undefined, columns: table.columns, changed: [] } as const;
  const skip = (reason: RowReason): PlannedRow => ({ ...about, action: "skip", reason });
  const conflict = (reason: RowReason, detail?: string): PlannedRow => ({
    ...about,
    action: "conflict",
    reason,
    ...(detail !== undefined && { detail }),
  });
  if (then === undefined) {
    if (!now) return skip("same");
    const again = base?.fields ? differences(table, base.fields, now, input) : [];
    if (again.length > 0) return conflict("changed-again", again.join(", "));
    if (!switches.removeNewer) return skip("newer");
    return facts.transactional === "no" ? conflict("no-transactions") : { ...about, action: "remove" };
  }
  if (!now) {
    if (!switches.createMissing || input.fields) return skip("missing");
    // It was still there after what is to be taken back. Parents must come all the same.
    if (base?.fields && why === "chosen") return conflict("removed-since");
    if (refused) return conflict(refused.reason, refused.detail);
    if (facts.transactional === "no") return conflict("no-transactions");
    const known = table.columns.flatMap((column, at) => (then[at] === undefined ? [] : [{ column, field: then[at] }]));
    const after = known.map(({ field }) => field).join("\t");
    return { ...about, action: "insert", after, columns: known.map(({ column }) => column) };
  }
  if (why === "parent" && isMadeAnew(table, then, now, input)) return conflict("key-reused");
  if (why === "parent" && !revives(table, then, now, input)) return skip("same");
  if (isAnother(wanted, now, input)) return conflict("key-reused");
  const differ = differences(table, then, now, input);
  const revived = revives(table, then, now, input);
  const wantsUpdate = (switches.updateChanged || input.fields !== undefined) && why !== "parent";
  if (!wantsUpdate && !revived) return skip(differ.length === 0 ? "same" : "differs");
  if (facts.transactional === "no") return conflict("no-transactions");
  if (wantsUpdate && differ.length > 0 && base?.fields) {
    const again = changedAgain(table, then, base.fields, now, input);
    if (again.length > 0) return conflict("changed-again", again.join(", "));
  }
  const after = changedLine(
    wanted,
    now,
    wantsUpdate && (differ.length > 0 || revived !== undefined) ? "all" : "flag",
    revived,
    input,
  );
  const changed = table.columns.flatMap(({ name }, at) => (after[at] === now.fields[at] ? [] : [name]));
  if (changed.length === 0) return skip("same");
  return { ...about, action: revived === undefined ? "update" : "undelete", after: after.join("\t"), changed };
}

/** Names of the columns in which a row is not as it should be, but for what the CRM writes by itself. */
function differences(table: TableSchema, then: MappedFields, now: RecordRow, input: DecideRules): readonly string[] {
  const noise = input.noise(table);
  return table.columns.flatMap(({ name }, at) => {
    const wanted = input.fields === undefined || input.fields.includes(name);
    const same = then[at] === undefined || then[at] === now.fields[at];
    return same || !wanted || noise.has(name) ? [] : [name];
  });
}

/** Columns that were changed by what is to be taken back, and by somebody else after that. */
function changedAgain(
  table: TableSchema,
  then: MappedFields,
  base: MappedFields,
  now: RecordRow,
  input: DecideRules,
): readonly string[] {
  const noise = input.noise(table);
  return table.columns.flatMap(({ name }, at) => {
    const [was, after, is] = [then[at], base[at], now.fields[at]];
    const known = was !== undefined && after !== undefined && (input.fields?.includes(name) ?? true);
    return known && !noise.has(name) && was !== after && is !== after && is !== was ? [name] : [];
  });
}

function changedLine(
  { table, fields: then, base }: WantedRow,
  now: RecordRow,
  what: "all" | "flag",
  flag: TableEntity["deleted"],
  { fields: chosen }: DecideRules,
): readonly string[] {
  const flags = flag ? [flag.column, ...(flag.along ?? [])] : [];
  return now.fields.map((is, at) => {
    const was = then?.[at];
    if (was === undefined || at < table.keyLength) return is;
    if (what === "flag") return flags.includes(at) ? was : is;
    if (chosen && !chosen.includes(table.columns[at]?.name ?? "")) return is;
    // What it was not that changed it stays.
    const byOthers = base?.fields?.[at] === was && !flags.includes(at);
    return byOthers ? is : was;
  });
}

/** By what a row says that it is gone, when it does so now and did not then. */
function revives(table: TableSchema, then: MappedFields, now: RecordRow, input: DecideRules): TableEntity["deleted"] {
  const entities = input.entitiesOf(table);
  const deleted = (entityOf(entities, now, input.rules) ?? entities[0])?.deleted ?? input.flagOf(table);
  if (!deleted || isDeleted({ deleted }, now, input.rules) === "no") return undefined;
  if (input.fields && !input.fields.includes(table.columns[deleted.column]?.name ?? "")) return undefined;
  const before = recordRow(table, then.map((field) => field ?? "\\N").join("\t"));
  return isDeleted({ deleted }, before, input.rules) === "yes" ? undefined : deleted;
}

/** Whether the row that has this key now is another record than the one that had it then. */
export function isAnother(
  { table, fields: then, base }: WantedRow,
  now: RecordRow,
  input: Pick<DecideRules, "rules" | "entitiesOf">,
): boolean {
  // It was gone in between: only the very same row is the same record, as after a restore that was cut off once it was done.
  if (base && base.fields === undefined)
    return then?.some((field, at) => field !== undefined && field !== now.fields[at]) ?? true;
  return then !== undefined && isMadeAnew(table, then, now, input);
}

/** Whether the row that has this key now was made at another time, where that is known. */
export function isMadeAnew(
  table: TableSchema,
  then: MappedFields,
  now: RecordRow,
  { rules, entitiesOf }: Pick<DecideRules, "rules" | "entitiesOf">,
): boolean {
  const created = entityOf(entitiesOf(table), now, rules)?.entity.created;
  const at = created && created.extension === undefined ? columnOf(table, created.column) : -1;
  const column = table.columns[at];
  const was = then[at];
  if (!column || was === undefined) return false;
  const [before, is] = [rules.readable(was, column), fieldText(now, at, rules)];
  return before !== null && is !== null && before !== is;
}
