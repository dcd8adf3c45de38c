import { textQuery } from "../contents/search/text-query.ts";
import { reshapedChanges } from "../contents/compare/reshaped-changes.ts";
import {
  keyFrom,
  parseHandle,
  placeName,
  type RecordHandle,
  tableOrEntity,
} from "../contents/records/record-handle.ts";
import { pointRecords } from "../contents/records/point-records.ts";
import { entityOf, fieldText, isDeleted, recordRow, type RecordRow } from "../contents/records/record-row.ts";
import { sameTable, type TableEntity } from "../contents/records/relations.ts";
import type { ColumnRename } from "../contents/records/map-table.ts";
import type { RowKey, TableSchema } from "../database/database.ts";
import { HoldfastError } from "../lib/errors.ts";
import { changesOf } from "./compare.ts";
import { keyedRecord, type Placed, recordNamed } from "./find-record.ts";
import type { DatabaseView } from "./point-model.ts";
import { foundThere } from "./search.ts";
import type { OpenedPoint, PointDatabase, PointSource } from "./open-point.ts";
import type { PointName } from "./snapshots.ts";

/** Which records are to come back; everything that is named adds to it. */
export interface RecordSelection {
  /** `party/12`, `llx_societe/12`, `party_tag/3/8`. */
  readonly handles: readonly string[];
  /** From lists: the entity or table, and for each record the texts of its key's columns. */
  readonly keys: readonly { readonly name: string; readonly keys: readonly (readonly string[])[] }[];
  /** Words: every record that has each of them in one of its texts, in the entities or tables of `in`. */
  readonly search?: string;
  /** Records that became this between the point and `until`. */
  readonly compared: readonly ("deleted" | "changed" | "created")[];
  /** Entities, tables or databases that are compared; empty: all. */
  readonly in: readonly string[];
  /** What the point is compared with, and the moment right after what is to be taken back; absent: live. */
  readonly until?: PointName;
  /** Names of columns that alone are put back; absent: whole records. */
  readonly fields?: readonly string[];
  /** Whether what belongs to the records comes back with them. */
  readonly related: "all" | "none";
  readonly renames: readonly ColumnRename[];
}

/** What a selection comes to: kept with the plan, so that `apply` restores just that. */
export interface RecordRoots {
  readonly schema: string;
  readonly table: string;
  readonly keys: readonly RowKey[];
  /** Keys of rows that came after the point. */
  readonly newer: readonly RowKey[];
}

/** Rows that are known already. */
export interface ChosenRoots {
  /** Name of their database in the recovery point. */
  readonly database: string;
  readonly roots: readonly RecordRoots[];
}

export interface SelectInput {
  readonly selection: RecordSelection;
  readonly source: PointSource;
  /** The recovery point, and what its databases mean. */
  readonly points: OpenedPoint;
  readonly views: readonly DatabaseView[];
  /** Opened only when something is compared. */
  readonly until: () => Promise<OpenedPoint>;
}

/** Fails with `record-unknown` when a handle or a key names nothing at this point, or a name no table. */
export async function selectRecords(input: SelectInput): Promise<readonly ChosenRoots[]> {
  const { selection, views, source } = input;
  const { signal } = source.run;
  const roots = new Map(views.map((view) => [view, new Map<TableSchema, FoundKeys>()]));
  const of = (view: DatabaseView, table: TableSchema): FoundKeys => {
    const known = roots.get(view)?.get(table) ?? { keys: new Set<RowKey>(), newer: new Set<RowKey>() };
    roots.get(view)?.set(table, known);
    return known;
  };
  for (const handle of selection.handles) {
    const found = await recordNamed(views, handle, signal);
    if (!found) throw new HoldfastError("record-unknown", { record: handle });
    of(found.view, found.table).keys.add(found.key);
  }
  for (const { name, keys } of selection.keys) {
    if (views.every(({ relations }) => !tableOrEntity(relations, name))) {
      throw new HoldfastError("record-unknown", { record: name });
    }
    for (const texts of keys) {
      const record = [name, ...texts].join("/");
      const found = await keyedRecord(views, record, (view) => keyIn(view, name, texts), signal);
      if (!found) throw new HoldfastError("record-unknown", { record });
      of(found.view, found.table).keys.add(found.key);
    }
  }
  for (const [view, found] of roots) await refuseUnknown(view, found, signal);
  for (const { view, table, key } of await searched(input)) of(view, table).keys.add(key);
  if (selection.compared.length > 0) {
    const until = await input.until();
    for (const { view, table, entities } of comparedTables(input)) {
      signal.throwIfAborted();
      await compare(input, view, until, table, entities, of(view, table));
    }
    if (selection.compared.includes("deleted")) await flaggedElsewhere(input, until, of);
  }
  return [...roots].flatMap(([{ database }, tables]) => {
    const found = [...tables].flatMap(([{ schema, name }, { keys, newer }]) =>
      keys.size + newer.size === 0 ? [] : [{ schema, table: name, keys: [...keys], newer: [...newer] }],
    );
    return found.length === 0 ? [] : [{ database: database.name, roots: found }];
  });
}

interface FoundKeys {
  readonly keys: Set<RowKey>;
  readonly newer: Set<RowKey>;
}

function keyIn({ relations, database }: DatabaseView, name: string, texts: readonly string[]) {
  const place = tableOrEntity(relations, name);
  const key = place && keyFrom(place.table, texts, database.engine);
  return place && key !== undefined ? { ...place, key } : undefined;
}

async function searched({ selection, source, points, views }: SelectInput) {
  if (selection.search === undefined) return [];
  const query = textQuery(selection.search);
  if (query.words.length === 0) throw new HoldfastError("usage", { problem: "search-empty" });
  const found: (RecordHandle & { readonly view: DatabaseView })[] = [];
  for await (const hit of foundThere(source, points, { only: selection.in }, query)) {
    if (hit.type !== "record") continue;
    const view = views.find(({ database }) => database.name === hit.database);
    const handle = view && parseHandle(view.relations, hit.handle, view.database.engine);
    if (handle) found.push({ ...handle, view });
  }
  if (found.length === 0) throw new HoldfastError("record-unknown", { record: selection.search });
  return found;
}

async function refuseUnknown(
  { database: from, relations }: DatabaseView,
  roots: ReadonlyMap<TableSchema, { readonly keys: ReadonlySet<RowKey> }>,
  signal: AbortSignal,
): Promise<void> {
  const records = pointRecords(from, from.engine, signal);
  for (const [table, { keys }] of roots) {
    const found = new Set((await records.getAll(table, [...keys])).map(({ key }) => key));
    const missing = [...keys].find((key) => !found.has(key));
    if (missing === undefined) continue;
    const texts = table.columns
      .slice(0, table.keyLength)
      .map((_, at) => fieldText(recordRow(table, missing), at, from.engine));
    const name = placeName(relations, table, relations.entitiesOf(table)[0]);
    throw new HoldfastError("record-unknown", { record: [name, ...texts].join("/") });
  }
}

/** With a key, and not a table whose rows come with those of others. */
function comparedTables({ selection, views }: SelectInput) {
  const known = new Set<string>();
  const wanted = views.flatMap((view) => {
    const { relations, database } = view;
    return selection.in.flatMap((name) => {
      const place = tableOrEntity(relations, name);
      const places = place ? [place] : name === database.name ? relations.tables.map((table) => ({ table })) : [];
      if (places.length > 0) known.add(name);
      return places.map((one): Placed => ({ view, ...one }));
    });
  });
  const unknown = selection.in.find((name) => !known.has(name));
  if (unknown !== undefined) throw new HoldfastError("record-unknown", { record: unknown });
  return views.flatMap((view) => {
    const inView = wanted.filter((one) => one.view === view);
    const tables = wanted.length > 0 ? [...new Set(inView.map(({ table }) => table))] : view.relations.tables;
    return tables
      .filter((table) => table.keyLength > 0 && !view.relations.isDerived(table))
      .map((table) => {
        const chosen = inView.filter((one) => one.table === table);
        // A table by its own name, or all of its entities.
        const all = wanted.length === 0 || chosen.some(({ entity }) => entity === undefined);
        return { view, table, entities: all ? undefined : chosen.flatMap(({ entity }) => entity ?? []) };
      });
  });
}

/** Records of the entities that are named, whose rows are as they were: that they are gone stands in another table. */
async function flaggedElsewhere(
  input: SelectInput,
  until: OpenedPoint,
  of: (view: DatabaseView, table: TableSchema) => FoundKeys,
): Promise<void> {
  const { selection, source } = input;
  for (const view of selection.in.length === 0 ? [] : input.views) {
    const { relations, database } = view;
    const records = pointRecords(database, database.engine, source.run.signal);
    const found = new Map<TableSchema, FoundKeys>();
    for (const { entity, table } of relations.entities.filter((one) => selection.in.includes(one.entity.name))) {
      const extension = relations
        .to(table)
        .find((one) => one.extends === "record" && one.from.name === entity.deleted?.extension);
      if (!extension || extension.from.keyLength !== 1 || extension.columns[0] !== 0) continue;
      const gone = found.get(extension.from) ?? { keys: new Set<RowKey>(), newer: new Set<RowKey>() };
      if (!found.has(extension.from)) {
        found.set(extension.from, gone);
        const deleted = { ...input, selection: { ...selection, compared: ["deleted"] as const } };
        await compare(deleted, view, until, extension.from, undefined, gone);
      }
      for (const row of await records.getAll(table, [...gone.keys])) {
        const own = entityOf(relations.entitiesOf(table), row, database.engine);
        if (own?.entity === entity) of(view, table).keys.add(row.key);
      }
    }
  }
}

async function compare(
  { selection: { compared, fields }, points, source }: SelectInput,
  { database: from, relations }: DatabaseView,
  until: OpenedPoint,
  table: TableSchema,
  entities: readonly TableEntity[] | undefined,
  into: FoundKeys,
): Promise<void> {
  const { engine } = from;
  const database = until.databases.find(({ name }) => name === from.name);
  const other = database?.schema.tables.find((one) => sameTable(one, table));
  if (!database || !other) return;
  const [before, after] = [await from.open(table), await database.open(other)];
  if (before.stored && before.stored.tree === after.stored?.tree) return;
  const own = relations.entitiesOf(table);
  const entityIn = (row: RecordRow): TableEntity | undefined => {
    const found = entityOf(own, row, engine);
    return found && (entities === undefined || entities.includes(found)) ? found : undefined;
  };
  const isSame = other.fingerprint === table.fingerprint;
  const rows = isSame
    ? changesOf({ source, from: points, to: until }, before, after)
    : reshapedChanges(before, after, source.run.signal);
  for await (const row of rows) {
    const then = row.before && recordRow(table, row.before.toString("latin1"));
    const now = row.now && recordRow(other, row.now.toString("latin1"));
    const shown = then ?? (isSame ? now : undefined);
    if (entities !== undefined && (!shown || entityIn(shown) === undefined)) continue;
    const isFlagged = (one: RecordRow): boolean => {
      const deleted = own.length > 0 ? entityIn(one)?.deleted : relations.flagOf(table);
      return isDeleted(deleted && { deleted }, one, engine) === "yes";
    };
    const was = then && !isFlagged(then) ? then : undefined;
    const is = now && !(isSame && isFlagged(now)) ? now : undefined;
    const what = was ? (is ? "changed" : "deleted") : is && !then ? "created" : undefined;
    if (what === undefined || !compared.includes(what)) continue;
    if (what === "changed" && fields && then && now && !differIn(fields, then, now, from)) continue;
    if (what === "created" && now) into.newer.add(now.key);
    else if (then) into.keys.add(then.key);
  }
}

function differIn(fields: readonly string[], then: RecordRow, now: RecordRow, { engine }: PointDatabase): boolean {
  return fields.some((name) => {
    const at = (row: RecordRow) =>
      fieldText(
        row,
        row.table.columns.findIndex((column) => column.name === name),
        engine,
      );
    return at(then) !== at(now);
  });
}

/** The same database at another moment. */
export function databaseNamed(point: OpenedPoint, name: string): PointDatabase {
  const found = point.databases.find((one) => one.name === name);
  if (!found) throw new HoldfastError("nothing-matched", { path: `/databases/${name}` });
  return found;
}
