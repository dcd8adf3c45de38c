import { pointRecords } from "../contents/records/point-records.ts";
import { parseHandle, placeName, tableOrEntity } from "../contents/records/record-handle.ts";
import {
  entityFacts,
  fieldsOf,
  type FieldValue,
  namedRecord,
  type NamedRecord,
  recordDetails,
  type RecordDetails,
  type RecordScene,
} from "../contents/records/record-details.ts";
import { entityOf, recordRows, type RecordRow } from "../contents/records/record-row.ts";
import type { TableEntity } from "../contents/records/relations.ts";
import type { TableSchema } from "../database/database.ts";
import { HoldfastError } from "../lib/errors.ts";
import type { OpenedPoint, PointDatabase, PointTable } from "./open-point.ts";
import { onlyOne, recordNamed } from "./find-record.ts";
import { type DatabaseView, viewsOf } from "./point-model.ts";
import { ownedFiles } from "./record-files.ts";

export interface EntityEntry {
  readonly name: string;
  /** Key of `words` under `entities`. */
  readonly label?: string;
  readonly database: string;
  readonly table: string;
  /** Of the table: those of other entities that share it are counted too. */
  readonly rows: number;
}

export interface RecordList {
  readonly table: string;
  readonly entity?: string;
  readonly label?: string;
  readonly records: AsyncIterable<NamedRecord & { readonly fields: readonly FieldValue[] }>;
  /** Known when `records` has ended: the handle to go on after. */
  readonly next: () => string | undefined;
}

export interface Paging {
  /** How many records at most. */
  readonly limit: number;
  /** Handle of the record to go on after. */
  readonly after?: string;
}

export type RecordAnswer =
  | ({ readonly type: "records" } & RecordList)
  | ({ readonly type: "record"; readonly files: readonly string[] } & Omit<RecordDetails, "rows">);

/** How many records of each related list are named. */
const relatedShown = 10;

/** What the platform's model calls the CRM's records; where it has none, every table. */
export async function listEntities(point: OpenedPoint, signal: AbortSignal): Promise<readonly EntityEntry[]> {
  const entries: EntityEntry[] = [];
  for (const { database, relations } of await viewsOf(point, signal)) {
    const places: readonly { readonly table: TableSchema; readonly entity?: TableEntity }[] =
      relations.entities.length > 0
        ? relations.entities.map((entity) => ({ table: entity.table, entity }))
        : database.schema.tables.map((table) => ({ table }));
    for (const { table, entity } of places) {
      const rows = await (await database.open(table)).countRows();
      const { entity: _, ...facts } = entityFacts(entity);
      const name = placeName(relations, table, entity);
      entries.push({ name, ...facts, database: database.name, table: table.name, rows });
    }
  }
  return entries;
}

/** `party`: its records, a page of them; `party/12`: this one, with all that hangs on it. */
export async function browseRecords(
  point: OpenedPoint,
  name: string,
  paging: Paging,
  signal: AbortSignal,
): Promise<RecordAnswer> {
  const views = await viewsOf(point, signal);
  const sceneOf = ({ database, relations, labels }: DatabaseView): RecordScene => ({
    ...{ source: database, relations, rules: database.engine, signal, labels },
  });
  const lists = views.flatMap((view) => {
    const place = tableOrEntity(view.relations, name);
    return place ? [{ view, ...place }] : [];
  });
  const place = onlyOne(name, lists);
  if (place) return await list(sceneOf(place.view), place.view.database, place, paging);
  const handle = await recordNamed(views, name, signal);
  const { database } = handle?.view ?? {};
  const row =
    handle && database && (await pointRecords(database, database.engine, signal).get(handle.table, handle.key));
  if (!row) throw new HoldfastError("nothing-matched", { path: name });
  const scene = sceneOf(handle.view);
  const { rows, ...details } = await recordDetails(scene, row, relatedShown);
  return { type: "record", ...details, files: await ownedFiles(point, database, scene, rows) };
}

async function list(
  scene: RecordScene,
  database: PointDatabase,
  { table, entity }: { readonly table: TableSchema; readonly entity?: TableEntity },
  { limit, after }: Paging,
): Promise<RecordAnswer> {
  const opened = await database.open(table);
  let from: string | undefined;
  if (after !== undefined) {
    const handle = parseHandle(scene.relations, after, scene.rules);
    if (handle?.table !== table) throw new HoldfastError("nothing-matched", { path: after });
    from = handle.key;
  }
  let next: string | undefined;
  async function* records(): AsyncGenerator<NamedRecord & { readonly fields: readonly FieldValue[] }, void> {
    let last: string | undefined;
    let left = limit;
    for await (const row of rowsOf(opened, from, scene.signal)) {
      if (entity && entityOf([entity], row, scene.rules) === undefined) continue;
      if (left-- === 0) {
        next = last;
        return;
      }
      const named = namedRecord(scene, row);
      last = named.handle;
      yield { ...named, fields: fieldsOf(row, scene.rules) };
    }
  }
  return { type: "records", table: table.name, ...entityFacts(entity), records: records(), next: () => next };
}

async function* rowsOf(table: PointTable, after: string | undefined, signal: AbortSignal): AsyncGenerator<RecordRow> {
  for await (const batch of table.rows(after === undefined ? {} : { after }, signal)) {
    yield* recordRows(table.table, batch);
  }
}
