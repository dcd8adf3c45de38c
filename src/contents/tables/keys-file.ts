import type { RowKey, TableSchema } from "../../database/database.ts";
import type { Id, TreeNode } from "../../format/tree.ts";
import { type Check, count, damaged, list, object, oneOf, parseChecked, text } from "../checked.ts";
import { type RowOrder } from "./row-order.ts";

/**
 * `keys`: what each chunk of the `rows` (and `deleted`) beside it holds, so that one row is found by reading this and
 * one chunk. The first line is JSON: whose rows these are and their columns. Each other line is a blob, in order:
 *
 *     r TAB rows TAB bytes TAB first key        of `rows`
 *     d TAB keys TAB bytes TAB first key        of `deleted`
 *
 * What is larger than a blob goes on in lines that count 0 rows and have no key.
 */
export interface KeysHeader {
  readonly format: 1;
  readonly schema: string;
  readonly table: string;
  readonly columns: readonly { readonly name: string; readonly type: string }[];
  readonly keyLength: number;
  readonly fingerprint: string;
}

/** A stretch of lines that were cut as one: one blob, or several for a large row. */
export interface StoredChunk {
  readonly firstKey: RowKey;
  readonly rows: number;
  readonly bytes: number;
  readonly blobs: readonly { readonly id: Id; readonly bytes: number }[];
}

export interface KeysFile {
  readonly header: KeysHeader;
  readonly rows: readonly StoredChunk[];
  readonly deleted: readonly StoredChunk[];
}

/** The same with what stands beside it. */
export interface PartKeys extends KeysFile {
  /** Node of `search`; absent: there is none. */
  readonly search?: TreeNode;
}

const headerCheck: Check<KeysHeader> = object({
  format: oneOf([1]),
  schema: text,
  table: text,
  columns: list(object({ name: text, type: text })),
  keyLength: count,
  fingerprint: text,
});

export function keysHeader(table: TableSchema): string {
  const header: KeysHeader = {
    format: 1,
    schema: table.schema,
    table: table.name,
    columns: table.columns.map(({ name, type }) => ({ name, type })),
    keyLength: table.keyLength,
    fingerprint: table.fingerprint,
  };
  return `${Buffer.from(JSON.stringify(header), "utf8").toString("latin1")}\n`;
}

/** One line of `keys`, as latin1. */
export function keysLine(file: "r" | "d", rows: number, bytes: number, firstKey: RowKey | undefined): string {
  return firstKey === undefined ? `${file}\t${rows}\t${bytes}\n` : `${file}\t${rows}\t${bytes}\t${firstKey}\n`;
}

/** What a `keys` file must agree with: the blobs of the files beside it, with their sizes. */
export interface ContentOf {
  readonly rows: readonly { readonly id: Id; readonly bytes: number }[];
  readonly deleted: readonly { readonly id: Id; readonly bytes: number }[];
}

export function parseKeys(bytes: Buffer, content: ContentOf, order: RowOrder, subject: string): KeysFile {
  const end = bytes.indexOf(10);
  if (end < 0 || bytes.at(-1) !== 10) throw damaged(subject, "keys");
  const header = parseChecked(bytes.toString("utf8", 0, end), headerCheck, subject);
  const lines = { r: [] as MutableChunk[], d: [] as MutableChunk[] };
  const blobs = { r: content.rows.values(), d: content.deleted.values() };
  for (let at = end + 1; at < bytes.length;) {
    const stop = bytes.indexOf(10, at);
    const line = /^([rd])\t(\d{1,15})\t(\d{1,15})(?:\t(.*))?$/s.exec(bytes.toString("latin1", at, stop));
    const file = line?.[1] === "r" || line?.[1] === "d" ? line[1] : undefined;
    const blob = file && blobs[file].next().value;
    if (!line || !file || !blob || Number(line[3]) !== blob.bytes) throw damaged(subject, "keys");
    addLine(lines[file], Number(line[2]), blob, line[4], order, subject);
    at = stop + 1;
  }
  if (blobs.r.next().done !== true || blobs.d.next().done !== true) throw damaged(subject, "keys");
  // A row has at least its LF.
  if ([lines.r, lines.d].flat().some(({ rows, bytes: length }) => rows > length)) throw damaged(subject, "row count");
  return { header, rows: lines.r, deleted: lines.d };
}

/** A chunk is read whole, and the same blob may be named any number of times. No server gives rows of more than about 1 GiB. */
const mostChunkBytes = 2 ** 31;

interface MutableChunk {
  firstKey: RowKey;
  rows: number;
  bytes: number;
  blobs: { readonly id: Id; readonly bytes: number }[];
}

function addLine(
  chunks: MutableChunk[],
  rows: number,
  blob: { readonly id: Id; readonly bytes: number },
  key: string | undefined,
  order: RowOrder,
  subject: string,
): void {
  const last = chunks.at(-1);
  if (rows === 0) {
    if (!last || key !== undefined) throw damaged(subject, "keys");
    last.bytes += blob.bytes;
    if (last.bytes > mostChunkBytes) throw damaged(subject, "chunk");
    last.blobs.push(blob);
    return;
  }
  if (key === undefined) throw damaged(subject, "keys");
  const step = last ? order.compare(last.firstKey, key) : -1;
  if (step > 0 || (step === 0 && order.keyLength > 0)) throw damaged(subject, "order of keys");
  chunks.push({ firstKey: key, rows, bytes: blob.bytes, blobs: [blob] });
}
