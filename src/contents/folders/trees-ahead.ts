import type { Id, TreeNode } from "../../format/tree.ts";
import type { BlobReader } from "../../repository/repository.ts";

/** How many folders are loaded ahead of the one that is asked for. */
const ahead = 8;

/** Loads the folders inside a folder in the order in which they will be asked for, a few of them ahead. */
export class TreesAhead {
  readonly #reader: BlobReader;
  readonly #signal: AbortSignal;
  readonly #rest: Iterator<Id, void>;
  readonly #begun: { readonly id: Id; readonly nodes: Promise<Iterable<TreeNode, void>> }[] = [];

  constructor(reader: BlobReader, nodes: Iterable<TreeNode, void>, signal: AbortSignal) {
    this.#reader = reader;
    this.#signal = signal;
    this.#rest = subtrees(nodes);
  }

  /** Its nodes, as `OpenedTree` gives them. Those passed over are dropped. */
  async load(id: Id): Promise<Iterable<TreeNode, void>> {
    const at = this.#begun.findIndex((one) => one.id === id);
    const found = at < 0 ? undefined : this.#begun.splice(0, at + 1).at(-1);
    if (!found) this.#skipTo(id);
    const nodes = found?.nodes ?? this.#open(id);
    while (this.#begun.length < ahead) {
      const { done, value: next } = this.#rest.next();
      if (done) break;
      const loading = this.#open(next);
      loading.catch(() => {}); // told when it is asked for
      this.#begun.push({ id: next, nodes: loading });
    }
    return await nodes;
  }

  async #open(id: Id): Promise<Iterable<TreeNode, void>> {
    return (await this.#reader.openTree(id, this.#signal)).nodes();
  }

  /** Folders are asked for in order: one that was not begun lies behind those that were. */
  #skipTo(id: Id): void {
    this.#begun.length = 0;
    for (let next = this.#rest.next(); !next.done && next.value !== id;) next = this.#rest.next();
  }
}

function* subtrees(nodes: Iterable<TreeNode, void>): Generator<Id, void, undefined> {
  for (const { subtree } of nodes) if (subtree !== undefined) yield subtree;
}
