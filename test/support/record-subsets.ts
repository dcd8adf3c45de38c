import { nameIn, type RecordRow, recordRows } from "../../src/contents/records/record-row.ts";
import { type Relation, type Relations, relationsOf } from "../../src/contents/records/relations.ts";
import type { CrmModel } from "../../src/crm/model.ts";
import type { DatabaseEngine, TableSchema } from "../../src/database/database.ts";
import type { SeededRandom } from "./seeded-random.ts";

/** All rows of a database at one moment, in memory, to choose from what is deleted. */
export interface AllRecords {
  readonly relations: Relations;
  readonly rows: ReadonlyMap<TableSchema, readonly RecordRow[]>;
  /** The row with all that hangs on it, as the database and the CRM's model say; `undefined`: more than `limit` rows. */
  withParts(row: RecordRow, limit: number): ReadonlySet<RecordRow> | undefined;
  /** Those that may be gone while all others stay: no other row names them by a foreign key. */
  unnamed(rows: ReadonlySet<RecordRow>): ReadonlySet<RecordRow>;
  /** Rows that name one that is not there: the database would not let them in again. */
  isOrphan(row: RecordRow): boolean;
}

export async function allRecords(
  engine: DatabaseEngine,
  url: string,
  model: (tables: readonly TableSchema[]) => Promise<CrmModel>,
): Promise<AllRecords> {
  const { signal } = new AbortController();
  await using source = await engine.connect({ url }, { signal });
  await using snapshot = await source.snapshot(signal);
  const { tables } = snapshot.schema;
  const rows = new Map<TableSchema, readonly RecordRow[]>();
  for (const table of tables) {
    const found: RecordRow[] = [];
    for await (const batch of snapshot.reader(table).read({}, signal)) found.push(...recordRows(table, batch));
    rows.set(table, found);
  }
  const relations = relationsOf(tables, await model(tables));
  const named = new Map<Relation, ReadonlyMap<string, readonly RecordRow[]>>();
  const naming = (relation: Relation, row: RecordRow): readonly RecordRow[] => {
    const known =
      named.get(relation) ??
      Map.groupBy(rows.get(relation.from) ?? [], (one) => nameIn(relation, "from", one, engine) ?? "");
    named.set(relation, known);
    const name = nameIn(relation, "to", row, engine);
    return name === undefined ? [] : (known.get(name) ?? []);
  };
  const keys = new Map<Relation, ReadonlySet<string | undefined>>();
  const hasParent = (relation: Relation, row: RecordRow): boolean => {
    const known =
      keys.get(relation) ?? new Set((rows.get(relation.to) ?? []).map((one) => nameIn(relation, "to", one, engine)));
    keys.set(relation, known);
    const name = nameIn(relation, "from", row, engine);
    return name === undefined || known.has(name);
  };
  const isKey = ({ origin, kind, from, columns, referenced, to }: Relation): boolean =>
    origin === "declared" || kind === "belongs" || kind === "links" || declares(from, columns, to, referenced);
  const isDeclared = ({ from, columns, to, referenced }: Relation) => declares(from, columns, to, referenced);
  return {
    relations,
    rows,
    withParts(row, limit) {
      const all = new Set([row]);
      for (const one of all) {
        for (const relation of relations.to(one.table).filter(isKey)) {
          for (const child of naming(relation, one)) all.add(child);
        }
        if (all.size > limit) return undefined;
      }
      return all;
    },
    unnamed(chosen) {
      const left = new Set(chosen);
      for (let before = -1; before !== left.size;) {
        before = left.size;
        for (const row of left) {
          const names = relations.to(row.table).filter(isDeclared);
          if (names.some((relation) => naming(relation, row).some((one) => !left.has(one)))) left.delete(row);
        }
      }
      return left;
    },
    isOrphan: (row) => relations.from(row.table).some((relation) => isDeclared(relation) && !hasParent(relation, row)),
  };
}

function declares(from: TableSchema, columns: readonly number[], to: TableSchema, referenced: readonly number[]) {
  const names = (table: TableSchema, places: readonly number[]) => places.map((at) => table.columns[at]?.name).join();
  return from.foreignKeys.some(
    (key) =>
      key.table === to.name &&
      key.columns.join() === names(from, columns) &&
      key.referenced.join() === names(to, referenced),
  );
}

/** Some rows of some tables, alone or with what hangs on them, with what was gone before. */
export function chosenRecords(
  all: AllRecords,
  random: SeededRandom,
  before: ReadonlySet<RecordRow>,
): { readonly roots: ReadonlySet<RecordRow>; readonly gone: ReadonlySet<RecordRow> } {
  const tables = [...all.rows].filter(([table, rows]) => table.keyLength > 0 && rows.length > 0);
  const roots = new Set<RecordRow>();
  const gone = new Set(before);
  while (roots.size === 0) {
    for (let left = 1 + random.below(4); left > 0; left--) {
      const [table, rows] = random.pick(tables);
      // Records of the CRM more often than rows of its dictionaries.
      if (all.relations.entitiesOf(table).length === 0 && random.oneIn(2)) continue;
      for (let count = 1 + random.below(random.oneIn(4) ? 40 : 5); count > 0; count--) {
        const row = random.pick(rows);
        const parts = random.oneIn(3) ? new Set([row]) : all.withParts(row, 3000);
        if (!parts || [...parts].some((one) => one.table.keyLength === 0 || all.isOrphan(one))) continue;
        roots.add(row);
        for (const one of parts) gone.add(one);
      }
    }
    const kept = all.unnamed(gone);
    for (const row of gone) if (!kept.has(row)) gone.delete(row);
    for (const row of roots) if (!kept.has(row)) roots.delete(row);
  }
  return { roots, gone };
}
