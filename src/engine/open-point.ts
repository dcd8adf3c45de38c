import { openDatabase, type SchemaReader, schemaReader } from "../contents/stored-database.ts";
import { layout } from "../contents/layout.ts";
import { type OpenedSnapshot, openSnapshot, subtreeAt } from "../contents/open-snapshot.ts";
import { type HeldRows, withoutHeld } from "../contents/records/held-rows.ts";
import { rowOrder } from "../contents/tables/row-order.ts";
import type { ReadableTable, StoredTable } from "../contents/tables/stored-table.ts";
import type { CrmDescription, CrmParts, Platform } from "../crm/platform.ts";
import type { DatabaseEngine, DatabaseSchema, TableReader, TableSchema } from "../database/database.ts";
import type { Id } from "../format/tree.ts";
import { findRow } from "../database/rows.ts";
import { HoldfastError } from "../lib/errors.ts";
import type { Run } from "../lib/run.ts";
import type { BlobReader, IndexedRepository, StoredSnapshot } from "../repository/repository.ts";
import { openMoment } from "./backup-parts.ts";
import { addressesOf } from "./database-address.ts";
import { databaseEngineFor, platformNamed, type Engine } from "./engine.ts";
import type { ErasureReader, PointErasures } from "./erasures.ts";
import { backupsOf, chooseCrm } from "./points.ts";
import { heldBack, type ReachedMoment, type ReachedPoint, reachPoint } from "./reach-moment.ts";
import type { PointName } from "./snapshots.ts";

/**
 * From the name of a moment to what there is at that moment: the one way for whoever looks at rows, be they stored or
 * live. Schemas are read at once, tables are opened when they are asked for.
 */
export interface OpenedPoint extends AsyncDisposable {
  readonly crm: string;
  /** As the configuration here describes the CRM, else as the backup does. */
  readonly description: CrmDescription;
  /** `undefined`: none that this program knows. */
  readonly platform: Platform | undefined;
  /** RFC 3339: what the point shows. */
  readonly time: string;
  /** The recovery point that it is, or lies on; absent: live. */
  readonly snapshot?: OpenedSnapshot;
  /** Reads what `snapshot` names: of a moment between two backups, some of that is stored nowhere. */
  readonly reader?: BlobReader;
  /** Where it lies between two backups. */
  readonly moment?: ReachedMoment;
  /** The parts of the live CRM; absent: stored. */
  readonly live?: CrmParts;
  /** Ended with warnings, newer than the one chosen, and passed over. */
  readonly passedOver: readonly StoredSnapshot[];
  /** What is held back of it; absent: live. */
  readonly erased?: PointErasures;
  readonly databases: readonly PointDatabase[];
}

export interface PointDatabase {
  readonly name: string;
  /** URL, without secrets. */
  readonly location: string;
  readonly engine: DatabaseEngine;
  readonly schema: DatabaseSchema;
  /** A table of `schema`; the same one each time. */
  open(table: TableSchema): Promise<PointTable>;
  /** Tree of a table's folder: the same one is the same rows. Absent: the rows are not those of one snapshot alone. */
  treeOf?(table: TableSchema): Id;
}

export interface PointTable extends ReadableTable {
  /** Of a live table, an estimate. */
  countRows(): Promise<number>;
  /** As the snapshot holds it; absent: the rows are not those of one snapshot alone. */
  readonly stored?: StoredTable;
  /** Absent: not live. */
  readonly reader?: TableReader;
  /** What `rows` and `get` hold back, and `stored` does not; absent: nothing. */
  readonly held?: HeldRows & { note(line: string): void };
}

/** What points are opened from. */
export interface PointSource {
  readonly engine: Engine;
  readonly reader: IndexedRepository;
  readonly snapshots: readonly StoredSnapshot[];
  /** What the configuration here knows: where the live CRM is, and its passwords. */
  readonly crms?: readonly CrmDescription[] | undefined;
  readonly run: Run;
  /** Given where many points are opened. */
  readonly schemas?: SchemaReader;
  readonly erasures?: ErasureReader;
}

/** `live` connects to the CRM's databases, at one moment each. */
export async function openPoint(source: PointSource, crm: string | undefined, point: PointName): Promise<OpenedPoint> {
  if (point.kind === "live") return openLive(source, crm);
  return openReached(source, await reachPoint(source, crm, point));
}

/** The point that a backup is. */
export async function openStored(source: PointSource, stored: StoredSnapshot): Promise<OpenedPoint> {
  const { reader, run } = source;
  const snapshot = await openSnapshot(reader, stored, run.signal);
  return openReached(source, await heldBack(source, { reader, snapshot, passedOver: [] }));
}

/** A backup, or a moment between two of them. */
async function openReached(source: PointSource, reached: ReachedPoint): Promise<OpenedPoint> {
  const { engine, run, schemas = schemaReader() } = source;
  const { reader, snapshot, passedOver, moment, erased } = reached;
  const { crm, databases, description } = snapshot.manifest;
  const opened: PointDatabase[] = [];
  for (const { name, location } of databases) {
    const tree = await subtreeAt(reader, snapshot.tree, [layout.databases, name], run.signal);
    if (tree === undefined) throw new HoldfastError("repository-damaged", { subject: `${layout.databases}/${name}` });
    const database = databaseEngineFor(engine, location);
    const { schema, open, treeOf } = await openDatabase(reader, tree, database, run.signal, schemas);
    const openTable = async (table: TableSchema): Promise<PointTable> => {
      const one = await open(table);
      const held = await erased.of(name, table, database, schema.tables, open, run.signal);
      const given = held ? withoutHeld(one, held) : one;
      const noted = held && { ...held, note: (line: string) => erased.note(name, table, line) };
      let withHeld: Promise<number> | undefined;
      const countRows = async (): Promise<number> =>
        held ? one.rowCount - (await (withHeld ??= held.count(one, run.signal))) : one.rowCount;
      return { ...given, ...(!moment && { stored: one }), ...(noted && { held: noted }), countRows };
    };
    const one = { name, location, engine: database, schema, open: oncePerTable(openTable) };
    opened.push({ ...one, ...(!moment && { treeOf }) });
  }
  return {
    crm: crm.name,
    description: source.crms?.find(({ name }) => name === crm.name) ?? description,
    platform: engine.platforms.find(({ name }) => name === crm.platform),
    time: snapshot.stored.snapshot.time,
    snapshot,
    reader,
    ...(moment && { moment }),
    passedOver,
    erased,
    databases: opened,
    [Symbol.asyncDispose]: async () => {},
  };
}

async function openLive(source: PointSource, named: string | undefined): Promise<OpenedPoint> {
  const { engine, run } = source;
  const description = await describeLive(source, named);
  const platform = platformNamed(engine, description.platform);
  const parts = await platform.parts(description);
  const addressOf = await addressesOf(engine, description, parts, run.signal);
  await using opening = new AsyncDisposableStack();
  const databases: PointDatabase[] = [];
  for (const { name, url } of parts.databases) {
    const database = databaseEngineFor(engine, url);
    const { snapshot } = opening.use(await openMoment(engine, addressOf(url), run, { what: "rows" }));
    const openTable = async (table: TableSchema): Promise<PointTable> => {
      const reader = snapshot.reader(table);
      return {
        table,
        order: rowOrder(table, database),
        reader,
        countRows: () => reader.estimatedRows(),
        rows: (range, signal) => reader.read(range, signal),
        get: (key, signal) => findRow(reader, key, signal),
      };
    };
    databases.push({ name, location: url, engine: database, schema: snapshot.schema, open: oncePerTable(openTable) });
  }
  const opened = opening.move();
  return {
    crm: description.name,
    description,
    platform,
    time: run.now().toISOString(),
    live: parts,
    passedOver: [],
    databases,
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

/** As the configuration here describes it, else as it described itself in its newest backup. */
async function describeLive({ reader, snapshots, crms, run }: PointSource, named?: string): Promise<CrmDescription> {
  const [only, ...others] = crms ?? [];
  const name = named ?? (only && others.length === 0 ? only.name : chooseCrm(snapshots, undefined));
  const described = crms?.find((one) => one.name === name);
  if (described) return described;
  const newest = backupsOf(snapshots, chooseCrm(snapshots, name)).at(-1);
  if (newest === undefined) throw new HoldfastError("snapshot-none", { crm: name });
  return (await openSnapshot(reader, newest, run.signal)).manifest.description;
}

function oncePerTable(open: (table: TableSchema) => Promise<PointTable>): PointDatabase["open"] {
  const opened = new Map<TableSchema, Promise<PointTable>>();
  return (table) => {
    const known = opened.get(table) ?? open(table);
    opened.set(table, known);
    return known;
  };
}
