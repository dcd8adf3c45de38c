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
  const ranges = await loadRanges({ ...folder, signal }, await reader.loadTree(tree, signal));
  let opened: OpenedRows | undefined;
  const open = async (at: TableFolder): Promise<OpenedRows> => (opened ??= await openRows(at, tree, table));
  return {
    tree,
    table,
    order,
    ranges,
    rowCount: totalRows(ranges),
    bytes: totalBytes(ranges),
    async *rows(range, during) {
      const at = { ...folder, signal: during };
      const { base, runs } = await open(at);
      yield* mergedRows(at, base, runs, range);
    },
    async *rowsWith(probe, during) {
      const at = { ...folder, signal: during };
      const { base, runs } = await open(at);
      yield* mergedRows(at, base, runs, {}, probe);
    },
    async *rowsChecked(signatures, during) {
      // Opened anew, since what is known of its chunks already was not seen by the check.
      const at = { ...folder, signal: during, signatures };
      const { base, runs } = await openRows(at, tree, table);
      yield* mergedRows(at, base, runs, {});
    },
    async get(key, during) {
      const at = { ...folder, signal: during };
      return getRow(at, await open(at), key);
    },
  };
}

interface OpenedRows {
  readonly base: StoredBase;
  readonly runs: readonly KeysFile[];
}

async function openRows(folder: TableFolder, tree: Id, table: TableSchema): Promise<OpenedRows> {
  const parts = await openTableFolder(folder, tree);
  checkColumns(folder, parts.base.header, table);
  const runs: KeysFile[] = [];
  for (const run of parts.runs) {
    const keys = await loadPart(folder, run.tree);
    checkColumns(folder, keys.header, table);
    runs.push(keys);
  }
  return { base: parts.base, runs };
}

export interface TableFolderParts {
  readonly tree: Tree;
  readonly base: StoredBase;
  readonly baseTree: Id;
  readonly baseNodes: Tree;
  readonly partNames: readonly string[];
  readonly runs: readonly { readonly name: string; readonly tree: Id }[];
  readonly ranges: RangeSums[];
}

export async function openTableFolder(folder: TableFolder, tree: Id): Promise<TableFolderParts> {
  const nodes = await folder.reader.loadTree(tree, folder.signal);
  const baseTree = folderIn(nodes, layout.base);
  if (baseTree === undefined) throw damaged(folder.subject, layout.base);
  const runsTree = folderIn(nodes, layout.runs);
  const baseNodes = await folder.reader.loadTree(baseTree, folder.signal);
  const runs = runsTree === undefined ? [] : foldersIn(folder, await folder.reader.loadTree(runsTree, folder.signal));
  const partNames = foldersIn(folder, baseNodes).map(({ name }) => name);
  // They become paths in restore.sql.
  const strange = [...partNames, ...runs.map((run) => run.name)].find((name) => !/^[0-9]{4,9}$/.test(name));
  if (strange !== undefined) throw damaged(folder.subject, strange);
  return {
    tree: nodes,
    base: await openBase(folder, baseNodes),
    baseTree,
    baseNodes,
    partNames,
    runs,
    ranges: await loadRanges(folder, nodes),
  };
}

async function loadRanges(folder: TableFolder, nodes: Tree): Promise<RangeSums[]> {
  return parseRanges(await loadFile(folder, fileNode(folder, nodes, layout.ranges)), folder.order, folder.subject);
}

async function getRow(folder: TableFolder, { base, runs }: OpenedRows, key: RowKey): Promise<Buffer | undefined> {
  for (const run of runs.toReversed()) {
    const line = await findLine(folder, run.rows, key);
    if (line) return line;
    if (await findLine(folder, run.deleted, key)) return undefined;
  }
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
