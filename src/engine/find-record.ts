import { pointRecords } from "../contents/records/point-records.ts";
import { parseHandle, placeName } from "../contents/records/record-handle.ts";
import type { TableEntity } from "../contents/records/relations.ts";
import type { RowKey, TableSchema } from "../database/database.ts";
import { HoldfastError } from "../lib/errors.ts";
import type { DatabaseView } from "./point-model.ts";

/** Where something that a person named is. */
export interface Placed {
  readonly view: DatabaseView;
  readonly table: TableSchema;
  readonly entity?: TableEntity;
}

/**
 * The record of a handle, in the database that knows such a name; where several do, in the one that has it. `undefined`: none.
 * Fails with `record-ambiguous` when several have it.
 */
export function recordNamed(
  views: readonly DatabaseView[],
  handle: string,
  signal: AbortSignal,
): Promise<(Placed & { readonly key: RowKey }) | undefined> {
  return keyedRecord(
    views,
    handle,
    ({ relations, database }) => parseHandle(relations, handle, database.engine),
    signal,
  );
}

/** The same for a key: `find` gives it as one of the databases understands it. */
export async function keyedRecord(
  views: readonly DatabaseView[],
  name: string,
  find: (view: DatabaseView) => (Omit<Placed, "view"> & { readonly key: RowKey }) | undefined,
  signal: AbortSignal,
): Promise<(Placed & { readonly key: RowKey }) | undefined> {
  const known = views.flatMap((view) => {
    const found = find(view);
    return found ? [{ view, ...found }] : [];
  });
  if (known.length < 2) return known[0];
  const there: (typeof known)[number][] = [];
  for (const one of known) {
    const { database } = one.view;
    if (await pointRecords(database, database.engine, signal).get(one.table, one.key)) there.push(one);
  }
  return onlyOne(name, there);
}

/** Fails with `record-ambiguous` when several databases have what a name means. */
export function onlyOne<T extends Placed>(name: string, found: readonly T[]): T | undefined {
  const [only, ...others] = found;
  if (others.length === 0) return only;
  const [, ...rest] = name.split("/");
  const names = found.map(({ view, table, entity }) => [placeName(view.relations, table, entity), ...rest].join("/"));
  throw new HoldfastError("record-ambiguous", { record: name, names: names.join(", ") });
}
