import type { Id, Tree, TreeNode } from "../format/tree.ts";
import { type ByteName, nameFromText, nameText } from "../lib/byte-name.ts";
import { HoldfastError } from "../lib/errors.ts";
import type { BlobReader, StoredSnapshot } from "../repository/repository.ts";
import { type Manifest, parseManifest } from "./manifest.ts";

/** A backup opened for reading: what it says of itself, and the folder of its CRM. */
export interface OpenedSnapshot {
  readonly stored: StoredSnapshot;
  readonly manifest: Manifest;
  /** Tree of `/<crm>`. */
  readonly tree: Id;
}

const maximumManifestBytes = 64 << 20;

/** Reads `/<crm>/holdfast.json`; fails with `repository-damaged` when it is missing or makes no sense. */
export async function openSnapshot(
  reader: BlobReader,
  stored: StoredSnapshot,
  signal: AbortSignal,
): Promise<OpenedSnapshot> {
  const crm = stored.snapshot.paths[0]?.slice(1) ?? "";
  const root = await reader.loadTree(stored.snapshot.tree, signal);
  const tree = nodeNamed(root, nameFromText(crm))?.subtree;
  const node = tree && nodeNamed(await reader.loadTree(tree, signal), nameFromText("holdfast.json"));
  if (tree === undefined || !node) {
    throw new HoldfastError("repository-damaged", { subject: `snapshots/${stored.id}`, detail: "holdfast.json" });
  }
  return { stored, manifest: await loadManifest(reader, node, signal), tree };
}

/** What `holdfast.json` says; fails with `repository-damaged` when it makes no sense. */
export async function loadManifest(reader: BlobReader, node: TreeNode, signal: AbortSignal): Promise<Manifest> {
  return parseManifest((await loadContent(reader, node, signal, maximumManifestBytes)).toString("utf8"));
}

/** No text of a program may be longer. */
const mostTextBytes = 512 << 20;

/** A whole small file into memory. */
export async function loadContent(
  reader: BlobReader,
  node: TreeNode,
  signal: AbortSignal,
  mostBytes = mostTextBytes,
): Promise<Buffer> {
  const blobs: Buffer[] = [];
  let size = 0;
  for (const id of node.content ?? []) {
    const blob = await reader.load("data", id, signal);
    size += blob.length;
    // The same blob may be named any number of times, whatever the node says of the file's size.
    if (size > mostBytes)
      throw new HoldfastError("repository-damaged", { subject: nameText(node.name), detail: "size" });
    blobs.push(blob);
  }
  return Buffer.concat(blobs);
}

export function nodeNamed(tree: Tree, name: ByteName): TreeNode | undefined {
  return tree.nodes.find((node) => node.name === name);
}

/** The tree of a node that must be a folder. */
export function treeOf(node: TreeNode): Id {
  if (node.subtree === undefined) throw new HoldfastError("repository-damaged", { subject: nameText(node.name) });
  return node.subtree;
}

/** The tree of a folder below another, by its names; `undefined` when it is not there. */
export async function subtreeAt(
  reader: BlobReader,
  tree: Id,
  names: readonly string[],
  signal: AbortSignal,
): Promise<Id | undefined> {
  let at: Id | undefined = tree;
  for (const name of names) {
    if (at === undefined || !reader.has("tree", at)) return undefined;
    at = nodeNamed(await reader.loadTree(at, signal), nameFromText(name))?.subtree;
  }
  return at;
}
