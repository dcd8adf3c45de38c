import type { Id, TreeNode } from "../../format/tree.ts";
import type { ByteName } from "../../lib/byte-name.ts";
import { isHoldfastError } from "../../lib/errors.ts";
import type { BlobReader } from "../../repository/repository.ts";

/** How many folders are loaded ahead of the one that is compared. */
const ahead = 8;

/**
 * A folder of an earlier backup, walked beside the folder on disk: both are sorted by name. Those inside are loaded
 * ahead, in the order in which they will be asked for.
 */
export class OldFolder {
  readonly id: Id;
  readonly nodes: readonly TreeNode[];
  #at = 0;
  readonly #passed: TreeNode[] = [];
  readonly #inside: readonly Id[];
  #begun = 0;
  readonly #loading = new Map<Id, Promise<OldFolder | undefined>>();
  readonly #reader: BlobReader;
  readonly #signal: AbortSignal;

  private constructor(id: Id, nodes: readonly TreeNode[], reader: BlobReader, signal: AbortSignal) {
    this.id = id;
    this.nodes = nodes;
    this.#reader = reader;
    this.#signal = signal;
    this.#inside = nodes.map((node) => node.subtree).filter((subtree) => subtree !== undefined);
  }

  /** `undefined` when the tree is not there, damaged or not in order: then everything is read anew, which heals it. */
  static async load(reader: BlobReader, id: Id | undefined, signal: AbortSignal): Promise<OldFolder | undefined> {
    if (id === undefined || !reader.has("tree", id)) return undefined;
    try {
      const { nodes } = await reader.loadTree(id, signal);
      const sorted = nodes.every((node, index) => index === 0 || (nodes[index - 1]?.name ?? "") < node.name);
      return sorted ? new OldFolder(id, nodes, reader, signal) : undefined;
    } catch (error) {
      if (isHoldfastError(error, "repository-damaged")) return undefined;
      throw error;
    }
  }

  /** The node of this name. Names must be asked for in ascending order; those passed over are gone from the disk. */
  take(name: ByteName): TreeNode | undefined {
    for (let node = this.nodes[this.#at]; node && node.name <= name; node = this.nodes[this.#at]) {
      this.#at += 1;
      if (node.name === name) return node;
      this.#passed.push(node);
    }
    return undefined;
  }

  /** What has been passed over, the rest included. */
  gone(): readonly TreeNode[] {
    return [...this.#passed, ...this.nodes.slice(this.#at)];
  }

  async child(node: TreeNode): Promise<OldFolder | undefined> {
    const id = node.subtree;
    if (id === undefined) return undefined;
    for (; this.#begun < this.#inside.length && this.#loading.size < ahead; this.#begun += 1) {
      this.#begin(this.#inside[this.#begun]);
    }
    const loading = this.#loading.get(id) ?? OldFolder.load(this.#reader, id, this.#signal);
    this.#loading.delete(id);
    return await loading;
  }

  #begin(id: Id | undefined): void {
    if (id === undefined || this.#loading.has(id)) return;
    const loading = OldFolder.load(this.#reader, id, this.#signal);
    loading.catch(() => {}); // told when it is asked for
    this.#loading.set(id, loading);
  }
}

/** How many files a folder of an earlier backup holds, those of folders inside included; what is damaged counts none. */
export async function countFiles(reader: BlobReader, nodes: readonly TreeNode[], signal: AbortSignal): Promise<number> {
  let files = 0;
  const rest = [...nodes];
  for (let node = rest.pop(); node; node = rest.pop()) {
    if (node.type === "file") files += 1;
    if (node.subtree === undefined) continue;
    for (const inside of (await OldFolder.load(reader, node.subtree, signal))?.nodes ?? []) rest.push(inside);
  }
  return files;
}
