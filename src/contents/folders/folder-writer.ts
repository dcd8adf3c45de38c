import type { Id, TreeNode } from "../../format/tree.ts";
import type { TreeWriter } from "../../repository/repository.ts";
import type { OldFolder } from "./old-folder.ts";

/**
 * Gathers the nodes of a folder, whose contents are stored in any order, in the order of their places, and writes them
 * on as they come: memory is that of the nodes that wait for one before them. As long as they are the earlier backup's
 * own, one after the other, nothing is written: most folders are the same as before.
 */
export class FolderWriter {
  readonly #old: OldFolder | undefined;
  readonly #begin: () => TreeWriter;
  readonly #waiting = new Map<number, PlacedNode>();
  #writer: TreeWriter | undefined;
  #places = 0;
  #next = 0;
  #count = 0;

  constructor(old: OldFolder | undefined, begin: () => TreeWriter) {
    this.#old = old;
    this.#begin = begin;
  }

  get isEmpty(): boolean {
    return this.#count === 0;
  }

  /** A place for a node: taken in the order of names, filled when the contents are stored. */
  reserve(): number {
    return this.#places++;
  }

  /** `undefined` leaves the place empty. `oldPlace`: the node is the earlier backup's own, and stands there so. */
  put(place: number, node: TreeNode | undefined, oldPlace?: number): void {
    if (place !== this.#next) {
      this.#waiting.set(place, { node, oldPlace });
      return;
    }
    this.#write(node, oldPlace);
    this.#next++;
    for (let next = this.#waiting.get(this.#next); next; next = this.#waiting.get(this.#next)) {
      this.#waiting.delete(this.#next++);
      this.#write(next.node, next.oldPlace);
    }
  }

  /** When every place is filled. */
  finish(): Id {
    if (this.#writer === undefined && this.#old?.holdsJust(this.#count) === true) return this.#old.id;
    return (this.#writer ??= this.#copied()).finish();
  }

  #write(node: TreeNode | undefined, oldPlace: number | undefined): void {
    if (node === undefined) return;
    if (this.#writer === undefined && oldPlace !== this.#count) this.#writer = this.#copied();
    this.#writer?.add(node);
    this.#count++;
  }

  /** A writer that has the nodes that came until now: the first ones of the earlier backup. */
  #copied(): TreeWriter {
    const writer = this.#begin();
    let left = this.#count;
    if (left === 0) return writer;
    for (const node of this.#old?.nodes ?? []) {
      writer.add(node);
      if (--left === 0) break;
    }
    return writer;
  }
}

interface PlacedNode {
  readonly node: TreeNode | undefined;
  readonly oldPlace: number | undefined;
}
