import { RowMap } from "./closure.ts";
import type { ColumnSchema, TableSchema } from "../../database/database.ts";
import type { FoundFor, LiveRows } from "./plan-rows.ts";
import { asConflict, isChange, rowLeft, type PlannedRow } from "./planned-row.ts";
import { type HandleRules, handleOf } from "./record-handle.ts";
import { entityOf, foldedName, nameIn, recordRow, type RecordRow } from "./record-row.ts";
import type { Relation, Relations } from "./relations.ts";

export interface CheckInput {
  readonly relations: Relations;
  readonly rules: HandleRules;
  readonly live: LiveRows;
  /** What was where the rows come from; absent: nothing is known of it. */
  readonly past?: PointNames;
}

/** How rows named others at a point, which a database that does not hold to it lets lead to nothing. */
export interface PointNames {
  /** Of names in relations to one table or its partitions, those that no row had either. */
  dangling(relations: readonly Relation[], names: readonly string[]): Promise<ReadonlySet<string>>;
  /** Of rows as they are, those that were there and named the same. */
  naming(relation: Relation, rows: readonly RecordRow[]): Promise<ReadonlySet<RecordRow>>;
}

/** It may hold more of a record of another table. */
function mayStandAlone({ extends: extending, origin }: Relation): boolean {
  return extending === "record" && origin !== "declared";
}

/** A row whose parent is neither there nor comes back stays away: as a conflict, or quietly where it only links. */
export async function checkParents(rows: readonly PlannedRow[], input: CheckInput): Promise<readonly PlannedRow[]> {
  const { relations, rules, live, past } = input;
  const wrong = new Map<PlannedRow, PlannedRow>();
  for (const [table, ofTable] of Map.groupBy(rows.filter(isChange), (row) => row.table)) {
    const changed = ofTable.flatMap((planned) => {
      const row = rowLeft(planned);
      return row ? [{ planned, row }] : [];
    });
    for (const ends of byEnds(relations.from(table))) {
      const [relation] = ends;
      if (!relation || changed.length === 0) continue;
      const parents = parentsLeft(ends, rows, rules);
      const missing = changed.filter(({ planned, row }) => {
        const name = nameIn(relation, "from", row, rules);
        if (name === undefined || parents.there.has(name)) return false;
        if (relation.origin === "declared" && parents.folded.has(foldedName(name))) return false;
        if (mayStandAlone(relation) && !parents.gone.has(name)) return false;
        // What it names already now is as good as it was.
        return (
          planned.before === undefined || nameIn(relation, "from", recordRow(table, planned.before), rules) !== name
        );
      });
      const names = missing.flatMap(({ row }) => nameIn(relation, "from", row, rules) ?? []);
      const found = await liveNames(ends, names, live, rules);
      const lost = missing.flatMap(({ planned, row }) => {
        const name = nameIn(relation, "from", row, rules) ?? "";
        return found.get(name)?.some((parent) => !parents.gone.has(parent)) === true ? [] : [{ planned, name }];
      });
      // What the database does not hold to may have been dangling then too: then it comes back as it was, also where what it would name goes.
      const unheld = relation.origin === "declared" ? [] : lost.map(({ name }) => name);
      const inDoubt = unheld.filter((name) => relation.kind === "links" || parents.gone.has(name));
      const were = inDoubt.length > 0 ? await past?.dangling(ends, inDoubt) : undefined;
      const may = new Set(unheld.filter((name) => !inDoubt.includes(name) || were?.has(name) === true));
      for (const { planned, name } of lost) {
        if (may.has(name)) continue;
        const detail = `${relation.partitioned ?? relation.to.name}/${name.replaceAll("\0", "/")}`;
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

/** Relations, those to the partitions of one table together. */
function byEnds(relations: readonly Relation[]): readonly (readonly Relation[])[] {
  const together = Map.groupBy(relations, (one) =>
    one.partitioned === undefined ? one : JSON.stringify([one.partitioned, one.columns]),
  );
  return [...together.values()];
}

/** By their names in relations: what the plan leaves in place, and what it takes away or cannot bring back. */
function parentsLeft(relations: readonly Relation[], rows: readonly PlannedRow[], rules: HandleRules) {
  const there = new Set<string>();
  const gone = new Set<string>();
  for (const planned of rows) {
    const relation = relations.find(({ to }) => to === planned.table);
    if (!relation) continue;
    const stays = rowLeft(planned);
    const name = stays && nameIn(relation, "to", stays, rules);
    // What has the key now is a stranger to those that named the row which had it then.
    if (name !== undefined) (planned.reason === "key-reused" ? gone : there).add(name);
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
  return { there, gone, folded: new Set([...there].map(foldedName)) };
}

/**
 * By names that were asked for, how the rows are called that are there: the database may take other bytes for equal, another case or
 * a blank at the end.
 */
async function liveNames(
  relations: readonly Relation[],
  names: readonly string[],
  live: LiveRows,
  rules: HandleRules,
): Promise<ReadonlyMap<string, readonly string[]>> {
  const found = new Map<string, readonly string[]>();
  for (const relation of relations) {
    const columns = relation.referenced.flatMap((at) => relation.to.columns[at] ?? []);
    const asked = valuesOf(names, columns, rules);
    for (const { value, row } of await foundFor(relation.to, columns, asked, live)) {
      const [name, own] = [asked.get(value), nameIn(relation, "to", row, rules)];
      if (name !== undefined && own !== undefined) found.set(name, [...(found.get(name) ?? []), own]);
    }
  }
  return found;
}

/** Names by the values that stand for them in lines. */
function valuesOf(
  names: readonly string[],
  columns: readonly ColumnSchema[],
  rules: HandleRules,
  prefix = "",
): ReadonlyMap<string, string> {
  return new Map(
    names.map((name) => {
      const texts = name.split("\0");
      const fields = columns.map((column, at) => {
        const text = texts[at] ?? null;
        return rules.lineField(at === 0 && text !== null ? prefix + text : text, column);
      });
      return [fields.join("\t"), name];
    }),
  );
}

async function foundFor(
  table: TableSchema,
  columns: readonly ColumnSchema[],
  asked: ReadonlyMap<string, string>,
  live: LiveRows,
): Promise<readonly FoundFor[]> {
  if (asked.size === 0) return [];
  return live.findFor(table, { columns: columns.map(({ name }) => name) }, [...asked.keys()]);
}

/** A row that others name cannot go, unless they named nothing then. */
export async function checkReferences(rows: readonly PlannedRow[], input: CheckInput): Promise<readonly PlannedRow[]> {
  const { live, relations, rules, past } = input;
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
      const naming = await namingLive(relation, [...gone.keys()], live, rules);
      // What is to go was not there then: who named it all the same, named nothing.
      const found = naming.map(({ row }) => row);
      const did = relation.origin === "model" && found.length > 0 ? await past?.naming(relation, found) : undefined;
      for (const { row, name } of naming) {
        if (did?.has(row) === true) continue;
        const planned = byKey.get(row.table, row.key);
        const stays = planned ? rowLeft(planned) : row;
        const names = stays && nameIn(relation, "from", stays, rules);
        const target = gone.get((names === nameIn(relation, "from", row, rules) ? name : names) ?? "");
        if (!stays || !target) continue;
        const entity = entityOf(relations.entitiesOf(row.table), row, rules);
        wrong.set(target, asConflict(target, "still-referenced", handleOf(relations, row, entity, rules)));
      }
    }
  }
  return replaced(rows, wrong);
}

/** Rows that name one of these, where the rows go, as far as the database takes it for that name. */
export async function namingLive(
  relation: Relation,
  names: readonly string[],
  live: LiveRows,
  rules: HandleRules,
): Promise<readonly { readonly row: RecordRow; readonly name: string }[]> {
  const columns = relation.columns.flatMap((at) => relation.from.columns[at] ?? []);
  const asked = valuesOf(names, columns, rules, relation.prefix);
  const found = await foundFor(relation.from, columns, asked, live);
  return found.flatMap(({ value, row }) => {
    const name = asked.get(value);
    return name === undefined || nameIn(relation, "from", row, rules) === undefined ? [] : [{ row, name }];
  });
}

/** The rows, with those that had to be decided in another way. */
export function replaced(
  rows: readonly PlannedRow[],
  wrong: ReadonlyMap<PlannedRow, PlannedRow>,
): readonly PlannedRow[] {
  return wrong.size === 0 ? rows : rows.map((row) => wrong.get(row) ?? row);
}
