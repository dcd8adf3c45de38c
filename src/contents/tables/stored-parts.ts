import type { Id, Tree, TreeNode } from "../../format/tree.ts";
import { nameFromText } from "../../lib/byte-name.ts";
import { isDamage } from "../../repository/damage.ts";
import type { BlobReader } from "../../repository/repository.ts";
import { damaged } from "../checked.ts";
import { layout } from "../layout.ts";
import { type ContentOf, parseKeys, type PartKeys, type StoredChunk } from "./keys-file.ts";
import type { RowOrder } from "./row-order.ts";
import type { SignatureCheck } from "./signature-check.ts";

/** Reading what stands in a table's folder; anything that makes no sense is `repository-damaged`. */
export interface TableFolder {
  readonly reader: BlobReader;
  readonly order: RowOrder;
  /** For messages: `main/contact`. */
  readonly subject: string;
  readonly signal: AbortSignal;
  /** Sees what stands in `search`, and each chunk that it is about. */
  readonly signatures?: SignatureCheck;
}

/** Of `keys`, `ranges` and `search`. */
export const maximumFileBytes = 256 << 20;

/** A part of a base, or a run: a folder with `rows`, `keys` and, in a run, `deleted`. */
export async function loadPart(folder: TableFolder, tree: Id): Promise<PartKeys> {
  const nodes = await folder.reader.loadTree(tree, folder.signal);
  const deleted = findNode(nodes, layout.deleted);
  const content: ContentOf = {
    rows: blobsOf(folder, fileNode(folder, nodes, layout.rows)),
    deleted: deleted ? blobsOf(folder, deleted) : [],
  };
  const keys = await loadFile(folder, fileNode(folder, nodes, layout.keys));
  const search = findNode(nodes, layout.search);
  const part = { ...parseKeys(keys, content, folder.order, folder.subject), ...(search && { search }) };
  if (folder.signatures) folder.signatures.ofPart(await loadSearch(folder, part), part.rows);
  return part;
}

/** `search` of a part; empty where there is none. One that is lost or damaged only makes a search slower. */
export async function loadSearch(folder: TableFolder, { search }: PartKeys): Promise<Buffer> {
  try {
    return search ? await loadFile(folder, search) : Buffer.alloc(0);
  } catch (error) {
    if (!isDamage(error)) throw error;
    return Buffer.alloc(0);
  }
}

export async function loadFile(folder: TableFolder, node: TreeNode): Promise<Buffer> {
  const blobs: Buffer[] = [];
  let size = 0;
  for (const { id, bytes } of blobsOf(folder, node)) {
    size += bytes;
    if (size > maximumFileBytes) throw damaged(folder.subject, `${node.name}: size`);
    blobs.push(await folder.reader.load("data", id, folder.signal));
  }
  return blobs.length === 1 && blobs[0] ? blobs[0] : Buffer.concat(blobs);
}

/** The lines of a chunk, whose count and end are checked; order is for who reads them to check. */
export async function loadChunk(folder: TableFolder, chunk: StoredChunk): Promise<Buffer> {
  const blobs: Buffer[] = [];
  for (const { id } of chunk.blobs) blobs.push(await folder.reader.load("data", id, folder.signal));
  const bytes = blobs.length === 1 && blobs[0] ? blobs[0] : Buffer.concat(blobs);
  if (bytes.length !== chunk.bytes || bytes.at(-1) !== 10) throw damaged(folder.subject, "chunk");
  folder.signatures?.ofChunk(chunk, bytes);
  return bytes;
}

/** The same folder for whoever loads chunks in this order, or most of them: they are read and opened ahead of him where that can be. */
export function readAhead(
  folder: TableFolder,
  chunks: AsyncIterable<StoredChunk, void>,
): AsyncDisposable & { readonly folder: TableFolder } {
  const ids = async function* (): AsyncGenerator<Id, void> {
    for await (const { blobs } of chunks) for (const { id } of blobs) yield id;
  };
  const reader = folder.reader.ahead?.(ids(), folder.signal);
  return {
    folder: reader ? { ...folder, reader } : folder,
    [Symbol.asyncDispose]: async () => await reader?.[Symbol.asyncDispose](),
  };
}

export function findNode(tree: Tree, name: string): TreeNode | undefined {
  const wanted = nameFromText(name);
  return tree.nodes.find((node) => node.name === wanted);
}

export function fileNode(folder: TableFolder, tree: Tree, name: string): TreeNode {
  const node = findNode(tree, name);
  if (node?.type !== "file") throw damaged(folder.subject, name);
  return node;
}

/** Tree id of a folder in a folder; `undefined` when it is not there. */
export function folderIn(tree: Tree, name: string): Id | undefined {
  return findNode(tree, name)?.subtree;
}

/** Tree ids of the folders in a folder, in the order of their names. */
export function foldersIn(folder: TableFolder, tree: Tree): readonly { readonly name: string; readonly tree: Id }[] {
  return tree.nodes.map((node) => {
    if (node.subtree === undefined) throw damaged(folder.subject, node.name);
    return { name: node.name, tree: node.subtree };
  });
}

function blobsOf(folder: TableFolder, node: TreeNode): readonly { readonly id: Id; readonly bytes: number }[] {
  return (node.content ?? []).map((id) => {
    const bytes = folder.reader.size("data", id);
    if (bytes === undefined) throw damaged(folder.subject, `data blob ${id}`);
    return { id, bytes };
  });
}
