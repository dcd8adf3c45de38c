import type { Id, Tree, TreeNode } from "../../format/tree.ts";
import type { BlobReader } from "../../repository/repository.ts";

/** How many folders are loaded ahead of the one that is asked for. */
const ahead = 8;

/** Loads the folders inside a folder in the order in which they will be asked for, a few of them ahead. */
export class TreesAhead {
  readonly #reader: BlobReader;
  readonly #signal: AbortSignal;
  readonly #waiting: Id[];
  readonly #begun: { readonly id: Id; readonly tree: Promise<Tree> }[] = [];

  constructor(reader: BlobReader, nodes: readonly TreeNode[], signal: AbortSignal) {
    this.#reader = reader;
    this.#signal = signal;
    this.#waiting = nodes.flatMap(({ subtree }) => (subtree === undefined ? [] : [subtree])).toReversed();
  }

  /** Those passed over are dropped. */
  async load(id: Id): Promise<Tree> {
    const at = this.#begun.findIndex((one) => one.id === id);
    const found = at < 0 ? undefined : this.#begun.splice(0, at + 1).at(-1);
    const tree = found?.tree ?? this.#reader.loadTree(id, this.#signal);
    if (!found) this.#skipTo(id);
    while (this.#begun.length < ahead) {
      const next = this.#waiting.pop();
      if (next === undefined) break;
      const loading = this.#reader.loadTree(next, this.#signal);
      loading.catch(() => {}); // told when it is asked for
      this.#begun.push({ id: next, tree: loading });
    }
    return await tree;
  }

  #skipTo(id: Id): void {
    const at = this.#waiting.lastIndexOf(id);
    if (at < 0) return;
    this.#waiting.length = at;
    this.#begun.length = 0;
  }
}
