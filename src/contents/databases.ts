import {
  auditEvery,
  type ChangeMethod,
  type DatabaseEngine,
  type DatabaseSnapshot,
  type RowBatch,
  type StoredTableLayout,
  type TableReader,
  type TableSchema,
} from "../database/database.ts";
import type { Id, TreeNode } from "../format/tree.ts";
import { columnSigns, type ColumnSigns } from "../lib/row-signature.ts";
import type { Event, Warning } from "../lib/events.ts";
import { isDamage } from "../repository/damage.ts";
import type { BlobReader, Upload } from "../repository/repository.ts";
import type { TouchedRows } from "./journal/touched-keys.ts";
import { escapeName, layout, tableFolder } from "./layout.ts";
import type { BackupKind, DatabaseManifest, TableManifest } from "./manifest.ts";
import type { Pace } from "./pace.ts";
import { serialiseSchema, statementsScript } from "./schema-file.ts";
import { captureTable, type TableCapture } from "./tables/capture-table.ts";
import { type BlobSink, storeFile } from "./tables/rows-writer.ts";
import { schemaFolders } from "./stored-database.ts";
import { findNode } from "./tables/stored-parts.ts";
import { type KnownTree, storeTree, virtualFile, virtualFolder } from "./tables/virtual-nodes.ts";

export { readDatabase, type StoredDatabase } from "./stored-database.ts";
export { compareLoaded, compareWithRanges, verifyTable } from "./tables/verify-table.ts";

export interface CaptureDatabaseOptions {
  readonly snapshot: DatabaseSnapshot;
  readonly engine: DatabaseEngine;
  /** Name of its folder, and in the manifest. */
  readonly name: string;
  /** As the operator wrote it, without secrets. */
  readonly location: string;
  /** The database in the snapshot compared with: its manifest, and the tree of its folder. */
  readonly parent?: { readonly manifest: DatabaseManifest; readonly tree: Id };
  readonly kind: BackupKind;
  /** What the journal says was touched since the parent; absent: it does not lead from there to here. */
  readonly touched?: TouchedRows | undefined;
  readonly store: Upload;
  /** Reads what the parent holds. */
  readonly reader: BlobReader;
  /** `repository.secret("rows")`. */
  readonly cutKey: Buffer;
  /** Names of tables whose rows are left out. */
  readonly emptyTables: readonly string[];
  /** How fast rows may be read; absent: no limit. */
  readonly pace?: Pace | undefined;
  /** RFC 3339: of this backup. */
  readonly time: string;
  /** Sees every row of the tables that it wants to see, once, in batches. */
  readonly onBatch?: RowWatcher;
  /** `plain`: what searches need is not written beside the rows. */
  readonly search?: SearchIndexing | undefined;
  readonly signal: AbortSignal;
  readonly report: (event: Event) => void;
}

/** `indexed`, the default: beside the rows of larger tables stands what lets a search pass over most of them. */
export type SearchIndexing = "indexed" | "plain";

export interface RowWatcher {
  readonly wants: (table: TableSchema) => boolean;
  readonly see: (table: TableSchema, batch: RowBatch) => void;
}

/** Sums over the tables; see `TableCapture` for each. */
export interface DatabaseCapture {
  /** Tree of `databases/<name>`. */
  readonly tree: Id;
  readonly manifest: DatabaseManifest;
  readonly rows: number;
  readonly bytes: number;
  readonly readRows: number;
  readonly readBytes: number;
  readonly changedRows: number;
  readonly changedBytes: number;
  readonly sincePreviousBytes: number;
  readonly sinceFullBytes: number;
  readonly storedBytes: number;
  /** How many tables what changed was found in which way; those with nothing to compare with are left out. */
  readonly methods: Readonly<Partial<Record<ChangeMethod, number>>>;
  /** Tables in which anything changed since the snapshot compared with. */
  readonly changes: readonly TableChange[];
  readonly warnings: readonly Warning[];
}

/** The one after that of the backup before: a clock would give a backup that comes at the same hour each day the same one. */
function auditOf({ parent }: CaptureDatabaseOptions): number {
  return ((parent?.manifest.audit ?? -1) + 1) % auditEvery;
}

/** What became of a table since the snapshot compared with. */
export interface TableChange {
  readonly table: string;
  /** Now, and then. */
  readonly rows: number;
  readonly rowsBefore: number;
  readonly created: number;
  readonly updated: number;
  readonly deleted: number;
  /** `new`, `gone`, `changed`: the table itself, its columns. */
  readonly schema?: "new" | "gone" | "changed";
}

/** Captures one database, at the moment of `snapshot`, into a folder of the backup. */
export async function captureDatabase(options: CaptureDatabaseOptions): Promise<DatabaseCapture> {
  const { snapshot, engine, store, time } = options;
  const { schema } = snapshot;
  const sink: BlobSink = { store, storedBytes: 0 };
  const before = await treesBefore(options);
  const captured: CapturedTable[] = [];
  const progress = { bytes: 0, rows: 0 };
  for (const table of schema.tables) {
    captured.push(await captureOne(options, before, table, progress));
  }
  const told = Map.groupBy(captured, ({ capture }) => capture.method);
  for (const [method, tables] of told) {
    if (method === undefined || method === "read") continue;
    options.report({ type: "note", code: "table-method", facts: { count: tables.length, method } });
  }
  const layouts = captured.map(({ table, capture }) => tableLayout(table, capture));
  const file = async (name: string, content: string): Promise<TreeNode> => {
    const bytes = Buffer.from(content, "utf8");
    return virtualFile(name, await storeFile(sink, bytes, "hot"), bytes.length, time);
  };
  const nodes = [
    await file(layout.schema, serialiseSchema(schema)),
    await file(layout.schemaBefore, statementsScript(schema.before)),
    await file(layout.schemaAfter, statementsScript(schema.after)),
    await file(layout.restoreScript, engine.restoreScript(schema, layouts)),
    virtualFolder(layout.tables, await storeTables(options, before, captured), time),
  ];
  const sum = (of: (capture: TableCapture) => number): number =>
    captured.reduce((total, { capture }) => total + of(capture), 0);
  return {
    tree: await storeTree(store, nodes, before.root),
    manifest: {
      name: options.name,
      engine: schema.engine,
      engineVersion: schema.engineVersion,
      location: options.location,
      position: snapshot.position,
      audit: auditOf(options),
      tables: captured.map(({ manifest }) => manifest),
    },
    rows: sum((one) => one.rows),
    bytes: sum((one) => one.bytes),
    readRows: sum((one) => one.readRows),
    readBytes: sum((one) => one.readBytes),
    changedRows: sum((one) => one.changedRows),
    changedBytes: sum((one) => one.changedBytes),
    sincePreviousBytes: sum((one) => one.sincePreviousBytes),
    sinceFullBytes: sum((one) => one.sinceFullBytes),
    storedBytes: sum((one) => one.storedBytes) + sink.storedBytes,
    methods: Object.fromEntries(
      [...told].flatMap(([method, tables]) => (method === undefined ? [] : [[method, tables.length]])),
    ),
    changes: changesOf(options, captured),
    warnings: schema.uncovered.map(({ subject, reason }) => ({ code: "not-covered", subject, detail: reason })),
  };
}

function changesOf({ parent }: CaptureDatabaseOptions, captured: readonly CapturedTable[]): readonly TableChange[] {
  if (!parent) return [];
  const nameOf = ({ schema, name }: TableManifest) => JSON.stringify([schema, name]);
  const before = new Map(parent.manifest.tables.map((table) => [nameOf(table), table]));
  const changes = captured.flatMap(({ capture: { rows, sincePrevious }, manifest }): readonly TableChange[] => {
    const was = before.get(nameOf(manifest));
    before.delete(nameOf(manifest));
    const table = manifest.name;
    const rowsBefore = was?.rows ?? 0;
    const none = { created: 0, updated: 0, deleted: 0 };
    if (was === undefined) return [{ table, rows, rowsBefore, ...none, created: rows, schema: "new" }];
    if (was.fingerprint !== manifest.fingerprint) return [{ table, rows, rowsBefore, ...none, schema: "changed" }];
    if (sincePrevious === undefined || sincePrevious.entries === 0) return [];
    const { entries, deleted } = sincePrevious;
    const created = Math.max(0, rows - rowsBefore + deleted);
    return [{ table, rows, rowsBefore, created, updated: Math.max(0, entries - deleted - created), deleted }];
  });
  const gone = [...before.values()].map(({ name, rows }): TableChange => ({
    table: name,
    rows: 0,
    rowsBefore: rows,
    created: 0,
    updated: 0,
    deleted: rows,
    schema: "gone",
  }));
  return [...changes, ...gone];
}

interface CapturedTable {
  readonly table: TableSchema;
  readonly capture: TableCapture;
  readonly manifest: TableManifest;
}

/** The parent's folders of this database; empty where there is none. */
interface TreesBefore {
  readonly root: KnownTree | undefined;
  readonly tables: KnownTree | undefined;
  /** By escaped name. */
  readonly schemas: ReadonlyMap<string, KnownTree>;
}

async function captureOne(
  options: CaptureDatabaseOptions,
  before: TreesBefore,
  table: TableSchema,
  progress: { bytes: number; rows: number },
): Promise<CapturedTable> {
  const { snapshot, parent, time, signal, report } = options;
  const subject = table.name;
  const was = parent?.manifest.tables.find(({ schema, name }) => schema === table.schema && name === table.name);
  const folderBefore = before.schemas.get(escapeName(table.schema));
  const tree = was && folderBefore && findNode(folderBefore.tree, escapeName(table.name))?.subtree;
  const read = snapshot.reader(table);
  const capture = await captureTable({
    reader: options.emptyTables.includes(table.name) ? withoutRows(read) : read,
    rules: options.engine,
    kind: options.kind,
    ...(tree !== undefined && { parent: tree }),
    store: options.store,
    blobs: options.reader,
    cutKey: options.cutKey,
    time,
    signs: options.search === "plain" ? undefined : signsOf(table, options.engine),
    mark: was?.mark,
    audit: auditOf(options),
    touched: options.touched?.keysOf(table),
    pace: options.pace,
    ...(options.onBatch?.wants(table) && { onBatch: options.onBatch.see }),
    onProgress: (rows, bytes) => {
      progress.rows += rows;
      progress.bytes += bytes;
      report({ type: "progress", phase: "database", doneBytes: progress.bytes, doneItems: progress.rows, subject });
    },
    signal,
  });
  if (capture.newBase === "folded") report({ type: "note", code: "table-folded", facts: { table: subject } });
  if (capture.newBase === "schema" && options.kind !== "full") {
    report({ type: "note", code: "full-instead-schema", facts: { table: subject } });
  }
  const lastFull = capture.newBase === undefined && was ? was.lastFull : { snapshotTime: time, tree: capture.base };
  const { schema, name, fingerprint } = table;
  const folder = tableFolder(schema, name);
  const mark = options.emptyTables.includes(name) ? undefined : await read.mark?.(signal);
  const manifest = {
    schema,
    name,
    folder,
    rows: capture.rows,
    lastFull,
    fingerprint,
    ...(mark !== undefined && { mark }),
  };
  return { table, capture, manifest };
}

async function treesBefore({ parent, reader, signal }: CaptureDatabaseOptions): Promise<TreesBefore> {
  if (!parent) return { root: undefined, tables: undefined, schemas: new Map() };
  try {
    const root = { id: parent.tree, tree: await reader.loadTree(parent.tree, signal) };
    const id = findNode(root.tree, layout.tables)?.subtree;
    const tables = id === undefined ? undefined : { id, tree: await reader.loadTree(id, signal) };
    return { root, tables, schemas: tables ? await schemaFolders(reader, tables.tree, signal) : new Map() };
  } catch (error) {
    // Damaged: as if there were none, so that all of it is stored anew.
    if (!isDamage(error)) throw error;
    return { root: undefined, tables: undefined, schemas: new Map() };
  }
}

/** Tree of `tables/`: a folder for each schema, in it one for each table. */
async function storeTables(
  { store, time }: CaptureDatabaseOptions,
  before: TreesBefore,
  captured: readonly CapturedTable[],
): Promise<Id> {
  const schemas = Map.groupBy(captured, ({ table }) => escapeName(table.schema));
  const folders: TreeNode[] = [];
  for (const [name, tables] of schemas) {
    const nodes = tables.map(({ table, capture }) => virtualFolder(escapeName(table.name), capture.tree, time));
    folders.push(virtualFolder(name, await storeTree(store, nodes, before.schemas.get(name)), time));
  }
  return storeTree(store, folders, before.tables);
}

function tableLayout(table: TableSchema, { partNames, runs }: TableCapture): StoredTableLayout {
  const folder = tableFolder(table.schema, table.name);
  return {
    table,
    base: partNames.map((name) => `${folder}/${layout.base}/${name}/${layout.rows}`),
    runs: runs.map(({ name }) => ({
      rows: `${folder}/${layout.runs}/${name}/${layout.rows}`,
      deleted: `${folder}/${layout.runs}/${name}/${layout.deleted}`,
    })),
  };
}

function withoutRows(reader: TableReader): TableReader {
  return { table: reader.table, estimatedRows: async () => 0, async *read() {} };
}

/** What of each column a search finds. A number that is the whole key is found by it, without a signature. */
export function signsOf({ columns, keyLength }: TableSchema, engine: Pick<DatabaseEngine, "searchable">): ColumnSigns {
  return Uint8Array.from(columns, (column, at) => {
    const searchable = engine.searchable(column);
    const isNumber = searchable === "number" || (searchable === "mixed" && /^integer$/i.test(column.type));
    const isKey = isNumber && keyLength === 1 && at === 0;
    return columnSigns[isKey || searchable === "coded" ? "nothing" : searchable];
  });
}
