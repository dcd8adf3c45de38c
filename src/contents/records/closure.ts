import type { RowKey, TableSchema } from "../../database/database.ts";
import type { PointRecords } from "./point-records.ts";
import type { HandleRules } from "./record-handle.ts";
import { nameIn, type RecordRow } from "./record-row.ts";
import type { Relation, Relations } from "./relations.ts";

/**
 * What comes back with the records that were chosen, by a work list over the recovery point's own rows: what belongs to
 * them, what belongs to that, the rows that link them with others, and whatever any of these names: parents, always.
 */
export interface ClosureRow {
  readonly row: RecordRow;
  readonly why: "chosen" | "belongs" | "links" | "parent";
}

export interface ClosureInput {
  readonly relations: Relations;
  readonly records: PointRecords;
  readonly rules: HandleRules;
  /** `none`: the chosen rows, and their parents. */
  readonly related: "all" | "none";
  /** What a link leads to: `if-there`: a link alone brings no record back; `too`: rows that nothing else is there for. */
  readonly linked: "if-there" | "too";
  /** `whole`: a parent that is not there comes with what is no record of its own: an invoice with its lines. */
  readonly parents: "whole" | "bare";
  /** Of these rows of one table, those that are there where the rows go, and so need not be looked at further. */
  readonly areThere: (table: TableSchema, rows: readonly RecordRow[]) => Promise<ReadonlySet<RecordRow>>;
  readonly signal: AbortSignal;
}

/** Which parts a row brings: `own`, of a parent and its parts, are those that are no records of their own. */
type Brings = "all" | "own";

type Add = (row: RecordRow, why: ClosureRow["why"], brings: Brings) => void;

export async function closureOf(chosen: readonly RecordRow[], input: ClosureInput): Promise<readonly ClosureRow[]> {
  const found = new RowMap<ClosureRow & { readonly brings: Brings }>();
  let down: Record<Brings, RecordRow[]> = { all: [], own: [] };
  let up: ClosureRow[] = [];
  const add: Add = (row, why, brings) => {
    const known = found.get(row.table, row.key);
    // A parent that is also a part of what was chosen brings all that it has.
    if (known && (known.brings === "all" || brings === "own")) return;
    const one = { row, why, brings };
    found.set(row.table, row.key, one);
    down[brings].push(row);
    if (!known) up.push(one);
  };
  for (const row of chosen) add(row, "chosen", "all");
  while (down.all.length + down.own.length + up.length > 0) {
    input.signal.throwIfAborted();
    const [below, above] = [down, up];
    [down, up] = [{ all: [], own: [] }, []];
    if (input.related === "all") {
      await addParts(below.all, input, add);
      if (input.parents === "whole") await addOwnParts(below.own, input, add);
    }
    await addParents(above, input, add);
  }
  return [...found.values()].map(({ row, why }) => ({ row, why }));
}

async function addParts(
  rows: readonly RecordRow[],
  { relations, records, areThere }: ClosureInput,
  add: Add,
): Promise<void> {
  const tables = new Set(rows.map(({ table }) => table));
  const parts = [...tables].flatMap((table) => relations.to(table)).filter(isPart);
  for (const [table, ofOneTable] of Map.groupBy(parts, ({ from }) => from)) {
    const found = await records.naming(ofOneTable, rows);
    for (const { row, relation } of found) {
      if (relation.kind !== "refers") add(row, relation.kind, "all");
    }
    // A record of its own that cannot be without the chosen one, such as its invoices: it went with it, if it is gone.
    const referring = found.filter(({ relation }) => relation.kind === "refers").map(({ row }) => row);
    const there = referring.length === 0 ? new Set<RecordRow>() : await areThere(table, referring);
    for (const row of referring) if (!there.has(row)) add(row, "belongs", "all");
  }
}

/** Where no model tells records from their parts, a company's invoices may be what an invoice's lines are: then no more than its further columns. */
async function addOwnParts(rows: readonly RecordRow[], { relations, records }: ClosureInput, add: Add): Promise<void> {
  const areTold = relations.entities.length > 0;
  const isOwn = ({ kind, from, extends: extending }: Relation): boolean =>
    kind !== "refers" && (extending === "record" || (areTold && relations.entitiesOf(from).length === 0));
  const tables = new Set(rows.map(({ table }) => table));
  const parts = [...tables].flatMap((table) => relations.to(table)).filter(isOwn);
  for (const ofOneTable of Map.groupBy(parts, ({ from }) => from).values()) {
    for (const { row, relation } of await records.naming(ofOneTable, rows)) {
      if (relation.kind !== "refers") add(row, relation.kind, "own");
    }
  }
}

function isPart({ kind, from, columns }: Relation): boolean {
  return kind !== "refers" || columns.every((at) => from.columns[at]?.nullable === false);
}

async function addParents(
  rows: readonly ClosureRow[],
  { relations, records, rules, areThere, linked }: ClosureInput,
  add: Add,
): Promise<void> {
  for (const [table, ofTable] of Map.groupBy(rows, ({ row }) => row.table)) {
    for (const relation of relations.from(table)) {
      const mayLead = ({ why }: ClosureRow) => linked === "too" || why !== "links" || relation.kind !== "links";
      const naming = ofTable.filter(mayLead).map(({ row }) => row);
      const named = naming.filter((row) => nameIn(relation, "from", row, rules) !== undefined);
      if (named.length === 0) continue;
      const parents = await records.named(relation, named);
      const there = await areThere(relation.to, parents);
      for (const parent of parents) if (!there.has(parent)) add(parent, "parent", "own");
    }
  }
}

/** Rows by table and key. */
export class RowMap<T> {
  readonly #tables = new Map<string, Map<RowKey, T>>();

  get(table: TableSchema, key: RowKey): T | undefined {
    return this.#tables.get(`${table.schema}\0${table.name}`)?.get(key);
  }

  set(table: TableSchema, key: RowKey, value: T): void {
    const name = `${table.schema}\0${table.name}`;
    const rows = this.#tables.get(name) ?? new Map<RowKey, T>();
    rows.set(key, value);
    this.#tables.set(name, rows);
  }

  *values(): Generator<T> {
    for (const rows of this.#tables.values()) yield* rows.values();
  }
}
