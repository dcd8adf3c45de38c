import { inspectNodes, largeTree, parseNodes } from "../format/tree-json.ts";
import type { TreeProblem } from "../format/tree-node-fields.ts";
import type { TreeNode } from "../format/tree.ts";

/**
 * A tree blob whose bytes are known to be what its id says. That of a huge folder is held compressed, a tenth of its
 * size, and its nodes are made as they are asked for, each time anew.
 */
export class OpenedTree {
  /** Bytes of the plaintext. */
  readonly length: number;
  readonly #pieces: () => Iterable<Uint8Array>;

  constructor(length: number, pieces: () => Iterable<Uint8Array>) {
    this.length = length;
    this.#pieces = pieces;
  }

  /**
   * Sorted by name. The first thing that is wrong is thrown as `repository-damaged`: at once, or by a huge folder when
   * its place is reached.
   */
  nodes(): Iterable<TreeNode, void> {
    const read = () => parseNodes(this.#pieces(), this.length);
    return this.length > largeTree ? { [Symbol.iterator]: read } : [...read()];
  }

  /** Nodes that make sense, and each thing that is wrong told. */
  inspect(onProblem: (problem: TreeProblem) => void): Iterable<TreeNode, void> {
    return inspectNodes(this.#pieces(), this.length, onProblem);
  }
}
