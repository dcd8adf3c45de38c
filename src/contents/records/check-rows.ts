import { RowMap } from "./closure.ts";
import type { LiveRows } from "./plan-rows.ts";
import { isChange, rowAfter, type PlannedRow, type RowReason } from "./planned-row.ts";
import { type HandleRules, handleOf } from "./record-handle.ts";
import { entityOf, nameIn, recordRow, type RecordRow } from "./record-row.ts";
import type { Relation, Relations } from "./relations.ts";

export interface CheckInput {
  readonly relations: Relations;
  readonly rules: HandleRules;
  readonly live: LiveRows;
}

/** The whole row as the plan leaves it; `undefined`: there is none. */
function left(row: PlannedRow): RecordRow | undefined {
  if (isChange(row)) return rowAfter(row);
  return row.before === undefined ? undefined : recordRow(row.table, row.before);
}

const asConflict = (row: PlannedRow, reason: RowReason, detail: string): PlannedRow => ({
  ...row,
  action: "conflict",
  after: undefined,
  changed: [],
  reason,
  detail,
});

/** It may hold more of a record of another table. */
function mayStandAlone({ extends: extending, origin }: Relation): boolean {
  return extending === "record" && origin !== "declared";
}

/** A row whose parent is neither there nor comes back stays away: as a conflict, or quietly where it only links. */
export async function checkParents(rows: readonly PlannedRow[], input: CheckInput): Promise<readonly PlannedRow[]> {
  const { relations, rules, live } = input;
  const wrong = new Map<PlannedRow, PlannedRow>();
  for (const [table, ofTable] of Map.groupBy(rows.filter(isChange), (row) => row.table)) {
    const changed = ofTable.flatMap((planned) => {
      const row = left(planned);
      return row ? [{ planned, row }] : [];
    });
    for (const relation of relations.from(table)) {
      if (mayStandAlone(relation) || changed.length === 0) continue;
      const parents = parentsLeft(relation, rows, rules);
      const missing = changed.filter(({ planned, row }) => {
        const name = nameIn(relation, "from", row, rules);
        if (name === undefined || parents.there.has(name)) return false;
        // What it names already now is as good as it was.
        return (
          planned.before === undefined || nameIn(relation, "from", recordRow(table, planned.before), rules) !== name
        );
      });
      const names = missing.flatMap(({ row }) => nameIn(relation, "from", row, rules) ?? []);
      const found = await liveNames(relation, names, live, rules);
      for (const { planned, row } of missing) {
        const name = nameIn(relation, "from", row, rules) ?? "";
        if (found.has(name) && !parents.gone.has(name)) continue;
        // What the database does not hold to may have been dangling then too; only what is in conflict is told.
        if (relation.origin !== "declared" && !parents.gone.has(name) && relation.kind !== "links") continue;
        const detail = `${relation.to.name}/${name.replaceAll("\0", "/")}`;
        wrong.set(
          planned,
          relation.kind === "links"
            ? { ...planned, action: "skip", after: undefined, reason: "other-side-gone", detail }
            : asConflict(planned, "parent-gone", detail),
        );
      }
    }
  }
  return replaced(rows, wrong);
}

/** By their names in a relation: what the plan leaves in place, and what it takes away or cannot bring back. */
function parentsLeft(relation: Relation, rows: readonly PlannedRow[], rules: HandleRules) {
  const there = new Set<string>();
  const gone = new Set<string>();
  for (const planned of rows) {
    if (planned.table !== relation.to) continue;
    const stays = left(planned);
    const name = stays && nameIn(relation, "to", stays, rules);
    if (name !== undefined) there.add(name);
    const before = planned.before === undefined ? undefined : recordRow(planned.table, planned.before);
    const old = before && nameIn(relation, "to", before, rules);
    if (old !== undefined && old !== name) gone.add(old);
    if (!stays && planned.action === "conflict" && relation.referenced.every((at) => at < relation.to.keyLength)) {
      const keyed = recordRow(planned.table, planned.key);
      const lost = nameIn(relation, "to", keyed, rules);
      if (lost !== undefined) gone.add(lost);
    }
  }
  for (const name of there) gone.delete(name);
  return { there, gone };
}

/** Which of these names a row has where the rows go. */
async function liveNames(relation: Relation, names: readonly string[], live: LiveRows, rules: HandleRules) {
  const columns = relation.referenced.flatMap((at) => relation.to.columns[at] ?? []);
  const values = names.map((name) => {
    const texts = name.split("\0");
    return columns.map((column, at) => rules.lineField(texts[at] ?? null, column)).join("\t");
  });
  if (values.length === 0) return new Set<string>();
  const found = await live.find(
    relation.to,
    columns.map(({ name }) => name),
    values,
  );
  return new Set(found.flatMap((row) => nameIn(relation, "to", row, rules) ?? []));
}

/** A value that no two rows may share, and that another row has that stays. */
export async function checkUnique(rows: readonly PlannedRow[], input: CheckInput): Promise<readonly PlannedRow[]> {
  const { live, relations, rules } = input;
  const byKey = new RowMap<PlannedRow>();
  for (const row of rows) byKey.set(row.table, row.key, row);
  const wrong = new Map<PlannedRow, PlannedRow>();
  for (const [table, ofTable] of Map.groupBy(rows.filter(isChange), (row) => row.table)) {
    for (const names of (await live.facts(table)).unique) {
      const places = names.map((name) => table.columns.findIndex((column) => column.name === name));
      if (places.includes(-1)) continue;
      const valueOf = (row: RecordRow | undefined): string | undefined => {
        const fields = places.map((at) => row?.fields[at] ?? "\\N");
        return fields.includes("\\N") ? undefined : fields.join("\t");
      };
      const takers = ofTable.flatMap((planned) => {
        const value = valueOf(left(planned));
        const had = planned.before === undefined ? undefined : valueOf(recordRow(table, planned.before));
        return value === undefined || value === had ? [] : [{ planned, value }];
      });
      if (takers.length === 0) continue;
      const values = takers.map(({ value }) => value);
      const holders = await live.find(table, names, values);
      const staying = holders.filter((holder) => {
        const planned = byKey.get(table, holder.key);
        return !planned || valueOf(left(planned)) === valueOf(holder);
      });
      for (const { planned, value } of takers) {
        const holder = staying.find((one) => one.key !== planned.key && same(valueOf(one), value, holders, places));
        if (!holder) continue;
        const entity = entityOf(relations.entitiesOf(table), holder, rules);
        const texts = places.map((at) => {
          const column = table.columns[at];
          return column ? rules.readable(left(planned)?.fields[at] ?? "\\N", column) : "";
        });
        const detail = `${names.join(", ")} ${texts.join(", ")}: ${handleOf(relations, holder, entity, rules)}`;
        wrong.set(planned, asConflict(planned, "unique-taken", detail));
      }
    }
  }
  return replaced(rows, wrong);
}

/** Equal in bytes; or the database said so of a value that nobody has in these very bytes. */
function same(a: string | undefined, b: string, holders: readonly RecordRow[], places: readonly number[]): boolean {
  if (a === b) return true;
  const exact = holders.some((row) => places.map((at) => row.fields[at] ?? "").join("\t") === b);
  return !exact && a !== undefined && a.toLowerCase().trimEnd() === b.toLowerCase().trimEnd();
}

/** A row that others name cannot go. */
export async function checkReferences(rows: readonly PlannedRow[], input: CheckInput): Promise<readonly PlannedRow[]> {
  const { live, relations, rules } = input;
  const byKey = new RowMap<PlannedRow>();
  for (const row of rows) byKey.set(row.table, row.key, row);
  const wrong = new Map<PlannedRow, PlannedRow>();
  const removed = rows.filter(({ action }) => action === "remove");
  for (const [table, ofTable] of Map.groupBy(removed, (row) => row.table)) {
    for (const relation of relations.to(table)) {
      if (mayStandAlone(relation) || (relation.origin === "model" && relation.kind === "refers")) continue;
      const gone = new Map(
        ofTable.flatMap((planned) => {
          const name = nameIn(relation, "to", recordRow(table, planned.before ?? ""), rules);
          return name === undefined ? [] : [[name, planned] as const];
        }),
      );
      for (const row of await namingLive(relation, [...gone.keys()], live, rules)) {
        const planned = byKey.get(row.table, row.key);
        const stays = planned ? left(planned) : row;
        const target = gone.get((stays && nameIn(relation, "from", stays, rules)) ?? "");
        if (!stays || !target) continue;
        const entity = entityOf(relations.entitiesOf(row.table), row, rules);
        wrong.set(target, asConflict(target, "still-referenced", handleOf(relations, row, entity, rules)));
      }
    }
  }
  return replaced(rows, wrong);
}

/** Rows that name one of these, where the rows go. */
export async function namingLive(
  relation: Relation,
  names: readonly string[],
  live: LiveRows,
  rules: HandleRules,
): Promise<readonly RecordRow[]> {
  const columns = relation.columns.flatMap((at) => relation.from.columns[at] ?? []);
  const values = names.map((name) => {
    const texts = name.split("\0");
    return columns
      .map((column, at) => rules.lineField(`${at === 0 ? (relation.prefix ?? "") : ""}${texts[at] ?? ""}`, column))
      .join("\t");
  });
  if (values.length === 0) return [];
  const found = await live.find(
    relation.from,
    columns.map(({ name }) => name),
    values,
  );
  const wanted = new Set(names);
  return found.filter((row) => wanted.has(nameIn(relation, "from", row, rules) ?? ""));
}

function replaced(rows: readonly PlannedRow[], wrong: ReadonlyMap<PlannedRow, PlannedRow>): readonly PlannedRow[] {
  return wrong.size === 0 ? rows : rows.map((row) => wrong.get(row) ?? row);
}
