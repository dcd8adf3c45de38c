import type { Id, TreeNode } from "../../format/tree.ts";
import type { ByteName } from "../../lib/byte-name.ts";
import { isHoldfastError } from "../../lib/errors.ts";
import type { BlobReader } from "../../repository/repository.ts";
import { TreesAhead } from "./trees-ahead.ts";

/** What an earlier backup has and the disk has not. */
export interface GoneNodes {
  readonly files: number;
  readonly folders: readonly TreeNode[];
}

/** A folder of an earlier backup, walked beside the folder on disk: both are sorted by name. */
export class OldFolder {
  readonly id: Id;
  /** To be gone through from the start, as often as wanted. */
  readonly nodes: Iterable<TreeNode, void>;
  readonly #inside: TreesAhead;
  readonly #rest: Iterator<TreeNode, void>;
  #next: TreeNode | undefined;
  #taken = 0;
  #whole = true;
  #goneFiles = 0;
  readonly #goneFolders: TreeNode[] = [];

  private constructor(id: Id, nodes: Iterable<TreeNode, void>, inside: TreesAhead) {
    this.id = id;
    this.nodes = nodes;
    this.#inside = inside;
    this.#rest = nodes[Symbol.iterator]();
    this.#advance();
  }

  /** `undefined` when the tree is not there or damaged: then everything is read anew, which heals it. */
  static async load(
    reader: BlobReader,
    id: Id | undefined,
    signal: AbortSignal,
    above = new TreesAhead(reader, [], signal),
  ): Promise<OldFolder | undefined> {
    if (id === undefined || !reader.has("tree", id)) return undefined;
    try {
      const nodes = await above.load(id);
      return new OldFolder(id, nodes, new TreesAhead(reader, nodes, signal));
    } catch (error) {
      if (isHoldfastError(error, "repository-damaged")) return undefined;
      throw error;
    }
  }

  /** The node of this name. Names must be asked for in ascending order; those passed over are gone from the disk. */
  take(name: ByteName): TreeNode | undefined {
    for (let node = this.#next; node && node.name <= name; node = this.#next) {
      this.#advance();
      if (node.name === name) {
        this.#taken += 1;
        return node;
      }
      this.#pass(node);
    }
    return undefined;
  }

  /** Where the node that was taken last stands among all; `undefined` once one was passed over. */
  get placeOfTaken(): number | undefined {
    return this.#whole ? this.#taken - 1 : undefined;
  }

  /** Whether it holds these many nodes, all of them taken: to be asked when no more will be. */
  holdsJust(count: number): boolean {
    this.gone();
    return this.#whole && this.#taken === count;
  }

  /** What has been passed over, the rest included. */
  gone(): GoneNodes {
    for (let node = this.#next; node; node = this.#next) {
      this.#advance();
      this.#pass(node);
    }
    return { files: this.#goneFiles, folders: this.#goneFolders };
  }

  async child(node: TreeNode, reader: BlobReader, signal: AbortSignal): Promise<OldFolder | undefined> {
    return await OldFolder.load(reader, node.subtree, signal, this.#inside);
  }

  #pass(node: TreeNode): void {
    this.#whole = false;
    if (node.type === "file") this.#goneFiles += 1;
    if (node.subtree !== undefined) this.#goneFolders.push(node);
  }

  /** A huge tree tells only here that it is damaged: what stands behind that place is read anew. */
  #advance(): void {
    try {
      this.#next = this.#rest.next().value ?? undefined;
    } catch (error) {
      if (!isHoldfastError(error, "repository-damaged")) throw error;
      this.#next = undefined;
      this.#whole = false;
    }
  }
}

/** How many files these folders of an earlier backup hold, at any depth; what is damaged counts none. */
export async function countFiles(
  reader: BlobReader,
  folders: readonly TreeNode[],
  signal: AbortSignal,
): Promise<number> {
  let files = 0;
  const rest = [...folders];
  for (let folder = rest.pop(); folder; folder = rest.pop()) {
    const gone = (await OldFolder.load(reader, folder.subtree, signal))?.gone();
    files += gone?.files ?? 0;
    for (const inside of gone?.folders ?? []) rest.push(inside);
  }
  return files;
}
