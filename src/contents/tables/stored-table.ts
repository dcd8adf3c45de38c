import type { RowBatch, RowKey, RowRange, TableSchema } from "../../database/database.ts";
import type { Id, Tree } from "../../format/tree.ts";
import type { BlobReader } from "../../repository/repository.ts";
import { damaged } from "../checked.ts";
import { layout } from "../layout.ts";
import type { KeysFile, KeysHeader } from "./keys-file.ts";
import { findLine } from "./line-cursor.ts";
import { mergedRows } from "./merged-rows.ts";
import type { Probe } from "./probe.ts";
import { parseRanges, type RangeSums, totalBytes, totalRows } from "./ranges-file.ts";
import { rowOrder, type RowOrder, type RowRules } from "./row-order.ts";
import type { SignatureCheck } from "./signature-check.ts";
import { openBase, type StoredBase } from "./stored-base.ts";
import { fileNode, folderIn, foldersIn, loadFile, loadPart, type TableFolder } from "./stored-parts.ts";

/** A table at some moment, wherever it is read from. */
export interface ReadableTable {
  readonly table: TableSchema;
  readonly order: RowOrder;
  /**
   * Rows in key order; a live table gives them as its database does, whose order may be another. A table without a key
   * gives all its rows, a stored one ordered by their bytes.
   */
  rows(range: RowRange, signal: AbortSignal): AsyncIterable<RowBatch>;
  /** One row's line without LF. Only for tables with a key. */
  get(key: RowKey, signal: AbortSignal): Promise<Buffer | undefined>;
  /** Rows as `rows` gives them, without many that do not have what is looked for. Absent: all must be read. */
  rowsWith?(probe: Probe, signal: AbortSignal): AsyncIterable<RowBatch>;
}

/** One table as a snapshot holds it. Everything read is checked; `repository-damaged` when it makes no sense. */
export interface StoredTable extends ReadableTable {
  /** Of the table's folder. */
  readonly tree: Id;
  /** How many rows there are. */
  readonly rowCount: number;
  /** Bytes of their lines. */
  readonly bytes: number;
  /** What the ranges of the table sum up to, as of this snapshot. */
  readonly ranges: readonly Readonly<RangeSums>[];
  /** All rows; what stands in `search` is compared with them on the way. */
  rowsChecked(signatures: SignatureCheck, signal: AbortSignal): AsyncIterable<RowBatch>;
}

/** Opens the folder of a table. Its base and runs are looked at when rows are first asked for. */
export async function openTable(
  reader: BlobReader,
  tree: Id,
  table: TableSchema,
  rules: RowRules,
  signal: AbortSignal,
): Promise<StoredTable> {
  const order = rowOrder(table, rules);
  const folder = { reader, order, subject: `${table.schema}/${table.name}` };
  const nodes = await reader.loadTree(tree, signal);
  const ranges = await loadRanges({ ...folder, signal }, nodes);
  const parts = new OpenedParts(nodes, table);
  return {
    tree,
    table,
    order,
    ranges,
    rowCount: totalRows(ranges),
    bytes: totalBytes(ranges),
    async *rows(range, during) {
      const at = { ...folder, signal: during };
      const { base, runs } = await parts.all(at);
      yield* mergedRows(at, base, runs, range);
    },
    async *rowsWith(probe, during) {
      const at = { ...folder, signal: during };
      const { base, runs } = await parts.all(at);
      yield* mergedRows(at, base, runs, {}, probe);
    },
    async *rowsChecked(signatures, during) {
      // Opened anew, since what is known of its chunks already was not seen by the check.
      const at = { ...folder, signal: during, signatures };
      const { base, runs } = await new OpenedParts(nodes, table).all(at);
      yield* mergedRows(at, base, runs, {});
    },
    async get(key, during) {
      const at = { ...folder, signal: during };
      return getRow(at, parts, key);
    },
  };
}

/** Base and runs of a table, each opened when it is asked for first: one row is mostly in the newest of them. */
class OpenedParts {
  readonly #nodes: Tree;
  readonly #table: TableSchema;
  #listed: ListedRuns | undefined;
  #base: StoredBase | undefined;
  readonly #runs = new Map<Id, KeysFile>();

  /** @param nodes of the table's folder */
  constructor(nodes: Tree, table: TableSchema) {
    this.#nodes = nodes;
    this.#table = table;
  }

  async all(folder: TableFolder): Promise<{ readonly base: StoredBase; readonly runs: readonly KeysFile[] }> {
    const base = await this.base(folder);
    const newest = await Array.fromAsync(this.newestRuns(folder));
    return { base, runs: newest.toReversed() };
  }

  async base(folder: TableFolder): Promise<StoredBase> {
    if (this.#base) return this.#base;
    const base = await openBase(folder, (await listBase(folder, this.#nodes)).baseNodes);
    checkColumns(folder, base.header, this.#table);
    return (this.#base = base);
  }

  /** The newest first. */
  async *newestRuns(folder: TableFolder): AsyncGenerator<KeysFile, void> {
    this.#listed ??= await listRuns(folder, this.#nodes);
    for (const { tree } of this.#listed.toReversed()) {
      const run = this.#runs.get(tree) ?? (await loadPart(folder, tree));
      checkColumns(folder, run.header, this.#table);
      this.#runs.set(tree, run);
      yield run;
    }
  }
}

type ListedRuns = readonly { readonly name: string; readonly tree: Id }[];

interface ListedBase {
  readonly baseTree: Id;
  readonly baseNodes: Tree;
  readonly partNames: readonly string[];
}

export interface TableFolderParts extends ListedBase {
  readonly tree: Tree;
  readonly base: StoredBase;
  readonly runs: ListedRuns;
  readonly ranges: RangeSums[];
}

export async function openTableFolder(folder: TableFolder, tree: Id): Promise<TableFolderParts> {
  const nodes = await folder.reader.loadTree(tree, folder.signal);
  const listed = await listBase(folder, nodes);
  return {
    ...listed,
    tree: nodes,
    runs: await listRuns(folder, nodes),
    base: await openBase(folder, listed.baseNodes),
    ranges: await loadRanges(folder, nodes),
  };
}

async function listBase(folder: TableFolder, nodes: Tree): Promise<ListedBase> {
  const baseTree = folderIn(nodes, layout.base);
  if (baseTree === undefined) throw damaged(folder.subject, layout.base);
  const baseNodes = await folder.reader.loadTree(baseTree, folder.signal);
  const partNames = numbered(folder, foldersIn(folder, baseNodes)).map(({ name }) => name);
  return { baseTree, baseNodes, partNames };
}

async function listRuns(folder: TableFolder, nodes: Tree): Promise<ListedRuns> {
  const tree = folderIn(nodes, layout.runs);
  return tree === undefined
    ? []
    : numbered(folder, foldersIn(folder, await folder.reader.loadTree(tree, folder.signal)));
}

/** Their names become paths in restore.sql. */
function numbered(folder: TableFolder, folders: ListedRuns): ListedRuns {
  const strange = folders.find(({ name }) => !/^[0-9]{4,9}$/.test(name));
  if (strange) throw damaged(folder.subject, strange.name);
  return folders;
}

async function loadRanges(folder: TableFolder, nodes: Tree): Promise<RangeSums[]> {
  return parseRanges(await loadFile(folder, fileNode(folder, nodes, layout.ranges)), folder.order, folder.subject);
}

async function getRow(folder: TableFolder, parts: OpenedParts, key: RowKey): Promise<Buffer | undefined> {
  for await (const run of parts.newestRuns(folder)) {
    const line = await findLine(folder, run.rows, key);
    if (line) return line;
    if (await findLine(folder, run.deleted, key)) return undefined;
  }
  const base = await parts.base(folder);
  for await (const chunk of base.chunks(key)) return findLine(folder, [chunk], key);
  return undefined;
}

/** A run lies only on a base with the same columns. */
function checkColumns(folder: TableFolder, header: KeysHeader, table: TableSchema): void {
  const same =
    header.fingerprint === table.fingerprint &&
    header.keyLength === table.keyLength &&
    header.columns.length === table.columns.length &&
    header.columns.every((column, index) => column.name === table.columns[index]?.name);
  if (!same) throw damaged(folder.subject, "columns");
}
