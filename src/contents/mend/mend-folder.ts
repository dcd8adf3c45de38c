import type { Id, Tree, TreeNode } from "../../format/tree.ts";
import { addAll } from "../../lib/add-all.ts";
import { type ByteName, byteName, nameBytes, nameText } from "../../lib/byte-name.ts";
import type { Warning } from "../../lib/events.ts";
import { isDamage } from "../../repository/damage.ts";
import type { BlobReader } from "../../repository/repository.ts";
import type { MendSink } from "./mend-sink.ts";

/** What is left of a folder. */
export interface MendedFolder {
  /** Absent: nothing. The folder's own id where nothing is lost. */
  readonly tree?: Id;
  /** Subjects are relative: empty, or with a leading slash. */
  readonly losses: readonly Warning[];
}

export interface MendOptions {
  /** Knows only blobs that can be had. */
  readonly reader: BlobReader;
  readonly sink: MendSink;
  readonly signal: AbortSignal;
}

/**
 * Takes out of a folder what can no longer be had. Files and folders that are lost are left out; of a file that is lost
 * in part, what is left goes by another name, so that nobody takes it for the whole. Many snapshots share their
 * folders: each is looked at once.
 */
export class FolderMender {
  readonly #options: MendOptions;
  readonly #done = new Map<Id, Promise<MendedFolder>>();
  readonly #whole = new Map<Id, Promise<boolean>>();
  /** Trees that were written here: they cannot be read back yet. */
  readonly #made = new Map<Id, Tree>();

  constructor(options: MendOptions) {
    this.#options = options;
  }

  mend(id: Id): Promise<MendedFolder> {
    let found = this.#done.get(id);
    if (found === undefined) this.#done.set(id, (found = this.#mend(id)));
    return found;
  }

  /** Whether everything below a tree can be had; writes nothing. */
  isWhole(id: Id): Promise<boolean> {
    let found = this.#whole.get(id);
    if (found === undefined) this.#whole.set(id, (found = this.#isWhole(id)));
    return found;
  }

  /** `undefined`: it cannot be had. */
  async load(id: Id): Promise<Tree | undefined> {
    return this.#made.get(id) ?? loadLeft(this.#options.reader, id, this.#options.signal);
  }

  /** Writes a tree. */
  async make(nodes: readonly TreeNode[]): Promise<Id> {
    const tree = { nodes: nodes.toSorted((a, b) => (a.name < b.name ? -1 : 1)) };
    const id = await this.#options.sink.tree(tree);
    this.#made.set(id, tree);
    return id;
  }

  async #isWhole(id: Id): Promise<boolean> {
    const tree = await this.load(id);
    if (tree === undefined) return false;
    for (const node of tree.nodes) {
      if (!hasAll(this.#options.reader, node)) return false;
      if (node.subtree !== undefined && !(await this.isWhole(node.subtree))) return false;
    }
    return true;
  }

  async #mend(id: Id): Promise<MendedFolder> {
    const { reader } = this.#options;
    const tree = await this.load(id);
    if (tree === undefined) return { losses: [{ code: "lost-folder", subject: "" }] };
    const taken = new Set(tree.nodes.map(({ name }) => name));
    const losses: Warning[] = [];
    const nodes: TreeNode[] = [];
    for (const node of tree.nodes) {
      const path = `/${nameText(node.name)}`;
      if (node.subtree !== undefined) {
        const inside = await this.mend(node.subtree);
        addAll(
          losses,
          inside.losses.map((loss) => ({ ...loss, subject: `${path}${loss.subject}` })),
        );
        if (inside.tree !== undefined) nodes.push({ ...node, subtree: inside.tree });
      } else if (hasAll(reader, node)) nodes.push(node);
      else {
        const rest = restOf(reader, node, taken);
        if (rest !== undefined) nodes.push(rest);
        if (rest === undefined) losses.push({ code: "lost-file", subject: path });
        else losses.push({ code: "lost-part", subject: path, detail: nameText(rest.name) });
      }
    }
    if (losses.length === 0) return { tree: id, losses };
    return { tree: await this.make(nodes), losses };
  }
}

/** A tree, unless it cannot be had or makes no sense. */
export async function loadLeft(reader: BlobReader, id: Id, signal: AbortSignal): Promise<Tree | undefined> {
  if (!reader.has("tree", id)) return undefined;
  try {
    return await reader.loadTree(id, signal);
  } catch (error) {
    signal.throwIfAborted();
    if (isDamage(error)) return undefined;
    throw error;
  }
}

export function hasAll(reader: BlobReader, { content }: TreeNode): boolean {
  return (content ?? []).every((id) => reader.has("data", id));
}

/** The parts of a file that are left, under a name of their own; `undefined`: none. */
function restOf(reader: BlobReader, node: TreeNode, taken: Set<ByteName>): TreeNode | undefined {
  const content = (node.content ?? []).filter((id) => reader.has("data", id));
  if (content.length === 0) return undefined;
  const size = content.reduce((sum, id) => sum + (reader.size("data", id) ?? 0), 0);
  for (let number = 1; ; number++) {
    const ending = Buffer.from(number === 1 ? ".damaged" : `.damaged-${number}`);
    const name = byteName(Buffer.concat([nameBytes(node.name), ending]));
    if (taken.has(name)) continue;
    taken.add(name);
    // No longer the same as its other names.
    const { inode: _inode, deviceId: _device, links: _links, ...rest } = node;
    return { ...rest, name, size, content };
  }
}
