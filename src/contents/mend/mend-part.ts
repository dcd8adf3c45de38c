import type { RowKey, TableSchema } from "../../database/database.ts";
import type { Id, TreeNode } from "../../format/tree.ts";
import { isDamage } from "../../repository/damage.ts";
import type { BlobReader } from "../../repository/repository.ts";
import { layout } from "../layout.ts";
import { loadContent } from "../open-snapshot.ts";
import { keysHeader, keysLine, type StoredChunk } from "../tables/keys-file.ts";
import { keyAt, lineEnd, type RowOrder } from "../tables/row-order.ts";
import { storeFile } from "../tables/rows-writer.ts";
import { findNode, maximumFileBytes } from "../tables/stored-parts.ts";
import { storeTree, virtualFile } from "../tables/virtual-nodes.ts";
import { hasAll, loadLeft } from "./mend-folder.ts";
import type { MendSink } from "./mend-sink.ts";

export interface PartContext {
  readonly reader: BlobReader;
  readonly sink: MendSink;
  readonly table: TableSchema;
  readonly order: RowOrder;
  readonly signal: AbortSignal;
}

/** A stretch of keys: from the first (absent: the very beginning) up to, but without, the second (absent: the end). */
export interface KeyStretch {
  readonly from?: RowKey;
  readonly to?: RowKey;
}

/** What is left of a part of a base, or of a run. */
export interface MendedPart {
  readonly tree: Id;
  readonly rows: readonly StoredChunk[];
  readonly deleted: readonly StoredChunk[];
  readonly lostRows: readonly KeyStretch[];
  readonly lostDeleted: readonly KeyStretch[];
}

/** `undefined`: nothing of it can be had. */
export async function mendPart(context: PartContext, id: Id): Promise<MendedPart | undefined> {
  const { reader, signal } = context;
  const nodes = await loadLeft(reader, id, signal);
  if (nodes === undefined) return undefined;
  const rowsNode = findNode(nodes, layout.rows);
  const deletedNode = findNode(nodes, layout.deleted);
  const keysNode = findNode(nodes, layout.keys);
  const rows = rowsNode?.content ?? [];
  const deleted = deletedNode?.content ?? [];
  const listed = keysNode && (await listedChunks(context, keysNode, rows, deleted));
  const found = listed ?? {
    rows: await readChunks(context, rows, context.table.columns.length),
    deleted: await readChunks(context, deleted, context.order.keyLength),
  };
  const keptRows = found.rows.filter((chunk) => isThere(reader, chunk));
  const keptDeleted = found.deleted.filter((chunk) => isThere(reader, chunk));
  const isSame =
    listed !== undefined && keptRows.length === found.rows.length && keptDeleted.length === found.deleted.length;
  const mended = {
    rows: keptRows,
    deleted: keptDeleted,
    lostRows: gaps(reader, found.rows),
    lostDeleted: gaps(reader, found.deleted),
  };
  const search = findNode(nodes, layout.search);
  // One that is lost is left out: searches then read everything.
  if (isSame && (search === undefined || hasAll(reader, search))) return { tree: id, ...mended };
  const kept = { rows: keptRows, deleted: deletedNode === undefined ? undefined : keptDeleted };
  return { tree: await writePart(context, kept, (rowsNode ?? deletedNode)?.mtime ?? epoch), ...mended };
}

const epoch = "1970-01-01T00:00:00Z";

/** Writes the folder of a part with these chunks, which are stored already. */
export async function writePart(
  { sink, table }: PartContext,
  { rows, deleted }: { readonly rows: readonly StoredChunk[]; readonly deleted?: readonly StoredChunk[] | undefined },
  time: string,
): Promise<Id> {
  const lines = [...linesOf("r", rows), ...linesOf("d", deleted ?? [])];
  const keys = Buffer.from(keysHeader(table) + lines.join(""), "latin1");
  const counted = { store: sink, storedBytes: 0 };
  const nodes: TreeNode[] = [
    virtualFile(layout.rows, blobsOf(rows), bytesOf(rows), time),
    ...(deleted === undefined ? [] : [virtualFile(layout.deleted, blobsOf(deleted), bytesOf(deleted), time)]),
    virtualFile(layout.keys, await storeFile(counted, keys, "hot"), keys.length, time),
  ];
  return storeTree(sink, nodes, undefined);
}

function linesOf(file: "r" | "d", chunks: readonly StoredChunk[]): string[] {
  return chunks.flatMap(({ blobs, rows, firstKey }) =>
    blobs.map(({ bytes }, at) =>
      at === 0 ? keysLine(file, rows, bytes, firstKey) : keysLine(file, 0, bytes, undefined),
    ),
  );
}

function blobsOf(chunks: readonly StoredChunk[]): readonly Id[] {
  return chunks.flatMap(({ blobs }) => blobs.map(({ id }) => id));
}

function bytesOf(chunks: readonly StoredChunk[]): number {
  return chunks.reduce((sum, { bytes }) => sum + bytes, 0);
}

function isThere(reader: BlobReader, { blobs }: StoredChunk): boolean {
  return blobs.every(({ id }) => reader.has("data", id));
}

interface PartChunks {
  readonly rows: readonly StoredChunk[];
  readonly deleted: readonly StoredChunk[];
}

/** The chunks as `keys` lists them, lost ones too; `undefined` when it cannot be had or makes no sense. */
async function listedChunks(
  { reader, signal }: PartContext,
  node: TreeNode,
  rows: readonly Id[],
  deleted: readonly Id[],
): Promise<PartChunks | undefined> {
  if (!hasAll(reader, node)) return undefined;
  let bytes: Buffer;
  try {
    bytes = await loadContent(reader, node, signal, maximumFileBytes);
  } catch (error) {
    if (isDamage(error)) return undefined;
    throw error;
  }
  const [, ...lines] = bytes.toString("latin1").split("\n");
  if (lines.pop() !== "") return undefined;
  const found = { r: [] as MutableChunk[], d: [] as MutableChunk[] };
  const ids = { r: rows.values(), d: deleted.values() };
  for (const line of lines) {
    const match = /^([rd])\t(\d{1,15})\t(\d{1,15})(?:\t(.*))?$/s.exec(line);
    const file = match?.[1] === "r" || match?.[1] === "d" ? match[1] : undefined;
    const id = file && ids[file].next().value;
    if (!match || !file || id === undefined) return undefined;
    const size = Number(match[3]);
    const last = found[file].at(-1);
    if (match[4] !== undefined) {
      found[file].push({ firstKey: match[4], rows: Number(match[2]), bytes: size, blobs: [{ id, bytes: size }] });
    } else if (last === undefined) return undefined;
    else {
      last.bytes += size;
      last.blobs.push({ id, bytes: size });
    }
  }
  if (ids.r.next().done !== true || ids.d.next().done !== true) return undefined;
  return { rows: found.r, deleted: found.d };
}

interface MutableChunk {
  firstKey: RowKey;
  rows: number;
  bytes: number;
  blobs: { readonly id: Id; readonly bytes: number }[];
}

/** What `keys` said, from the rows themselves. A lost blob is a chunk of no rows without a key. */
async function readChunks(
  { reader, order, signal }: PartContext,
  ids: readonly Id[],
  fields: number,
): Promise<StoredChunk[]> {
  const chunks: MutableChunk[] = [];
  let open: MutableChunk | undefined;
  let lostBefore = false;
  for (const id of ids) {
    const bytes = await loadBlob(reader, id, signal);
    if (bytes === undefined) {
      // The row that went on in it is lost with it.
      if (open !== undefined) chunks.pop();
      open = undefined;
      chunks.push({ firstKey: "", rows: 0, bytes: 0, blobs: [{ id, bytes: 0 }] });
      lostBefore = true;
      continue;
    }
    const blob = { id, bytes: bytes.length };
    if (open !== undefined) {
      open.bytes += bytes.length;
      open.blobs.push(blob);
    } else {
      const end = lineEnd(bytes, 0, bytes.length);
      // The rest of a row whose beginning is lost has too few fields, mostly; no row has too many.
      if (lostBefore && fieldsOf(bytes, end < 0 ? bytes.length : end) !== fields) continue;
      const firstKey = keyAt(order, bytes, 0, end < 0 ? bytes.length : end);
      open = { firstKey, rows: 0, bytes: bytes.length, blobs: [blob] };
      chunks.push(open);
    }
    lostBefore = false;
    for (let at = bytes.indexOf(10); at >= 0; at = bytes.indexOf(10, at + 1)) open.rows++;
    if (bytes.at(-1) === 10) open = undefined;
  }
  if (open !== undefined) chunks.pop();
  return chunks;
}

async function loadBlob(reader: BlobReader, id: Id, signal: AbortSignal): Promise<Buffer | undefined> {
  if (!reader.has("data", id)) return undefined;
  try {
    return await reader.load("data", id, signal);
  } catch (error) {
    signal.throwIfAborted();
    if (isDamage(error)) return undefined;
    throw error;
  }
}

function fieldsOf(bytes: Buffer, end: number): number {
  let fields = 1;
  for (let at = bytes.indexOf(9); at >= 0 && at < end; at = bytes.indexOf(9, at + 1)) fields++;
  return fields;
}

/** Stretches of keys whose chunks are lost; neighbours as one. */
function gaps(reader: BlobReader, chunks: readonly StoredChunk[]): readonly KeyStretch[] {
  const found: { from?: RowKey; to?: RowKey }[] = [];
  let open: { from?: RowKey; to?: RowKey } | undefined;
  for (const [at, chunk] of chunks.entries()) {
    if (isThere(reader, chunk)) {
      if (open !== undefined) open.to = chunk.firstKey;
      open = undefined;
      continue;
    }
    if (open !== undefined) continue;
    const known = chunk.rows > 0 ? chunk.firstKey : undefined;
    const from = known ?? (at === 0 ? undefined : chunks[at - 1]?.firstKey);
    open = from === undefined ? {} : { from };
    found.push(open);
  }
  return found;
}
