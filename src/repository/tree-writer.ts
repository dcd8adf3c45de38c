import { createHash, type Hash } from "node:crypto";
import { TreeEncoder } from "../format/tree-encoder.ts";
import { largeTree } from "../format/tree-json.ts";
import type { Id, TreeNode } from "../format/tree.ts";
import { ZstdStreamEncoder } from "../format/zstd-context.ts";
import type { TreeWriter } from "./repository.ts";

/** A tree as bytes, or one that is too large for that as a zstd frame that was made on the way. */
export type EncodedTree =
  | { readonly kind: "bytes"; readonly bytes: Buffer }
  | { readonly kind: "frame"; readonly id: Id; readonly frame: Buffer; readonly length: number };

/**
 * Gathers a tree node by node. From `largeTree` on its bytes are hashed and compressed as they come, and only what comes
 * of that is kept: a folder of a million files is 400 MB of JSON, and a tenth of that compressed.
 */
export class EncodingTreeWriter implements TreeWriter {
  readonly #store: (tree: EncodedTree) => Id;
  readonly #level: number;
  readonly #encoder = new TreeEncoder((piece) => this.#take(piece));
  #pieces: Buffer[] = [];
  #length = 0;
  #large: { readonly hash: Hash; readonly zstd: ZstdStreamEncoder } | undefined;

  constructor(level: number, store: (tree: EncodedTree) => Id) {
    this.#level = level;
    this.#store = store;
  }

  add(node: TreeNode): void {
    this.#encoder.add(node);
  }

  finish(): Id {
    this.#encoder.finish();
    const large = this.#large;
    if (large === undefined) return this.#store({ kind: "bytes", bytes: joined(this.#pieces) });
    const id = large.hash.digest("hex");
    return this.#store({ kind: "frame", id, frame: large.zstd.finish(), length: this.#length });
  }

  #take(piece: Buffer): void {
    this.#length += piece.length;
    if (this.#large === undefined) {
      this.#pieces.push(piece);
      if (this.#length <= largeTree) return;
      this.#large = { hash: createHash("sha256"), zstd: new ZstdStreamEncoder(this.#level) };
      for (const one of this.#pieces) this.#compress(this.#large, one);
      this.#pieces = [];
    } else this.#compress(this.#large, piece);
  }

  #compress({ hash, zstd }: { readonly hash: Hash; readonly zstd: ZstdStreamEncoder }, piece: Buffer): void {
    hash.update(piece);
    zstd.write(piece);
  }
}

function joined(pieces: readonly Buffer[]): Buffer {
  const [first] = pieces;
  return pieces.length === 1 && first !== undefined ? first : Buffer.concat(pieces);
}
