import type { Id, TreeNode } from "../../format/tree.ts";
import type { ByteName } from "../../lib/byte-name.ts";
import { isHoldfastError } from "../../lib/errors.ts";
import type { BlobReader } from "../../repository/repository.ts";
import { TreesAhead } from "./trees-ahead.ts";

/** A folder of an earlier backup, walked beside the folder on disk: both are sorted by name. */
export class OldFolder {
  readonly id: Id;
  readonly nodes: readonly TreeNode[];
  readonly #inside: TreesAhead;
  readonly #passed: TreeNode[] = [];
  #at = 0;

  private constructor(id: Id, nodes: readonly TreeNode[], inside: TreesAhead) {
    this.id = id;
    this.nodes = nodes;
    this.#inside = inside;
  }

  /** `undefined` when the tree is not there, damaged or not in order: then everything is read anew, which heals it. */
  static async load(
    reader: BlobReader,
    id: Id | undefined,
    signal: AbortSignal,
    above = new TreesAhead(reader, [], signal),
  ): Promise<OldFolder | undefined> {
    if (id === undefined || !reader.has("tree", id)) return undefined;
    try {
      const { nodes } = await above.load(id);
      const sorted = nodes.every((node, index) => index === 0 || (nodes[index - 1]?.name ?? "") < node.name);
      return sorted ? new OldFolder(id, nodes, new TreesAhead(reader, nodes, signal)) : undefined;
    } catch (error) {
      if (isHoldfastError(error, "repository-damaged")) return undefined;
      throw error;
    }
  }

  /** The same folder for somebody who walks it on his own. */
  twin(): OldFolder {
    return new OldFolder(this.id, this.nodes, this.#inside);
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

  async child(node: TreeNode, reader: BlobReader, signal: AbortSignal): Promise<OldFolder | undefined> {
    return await OldFolder.load(reader, node.subtree, signal, this.#inside);
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
