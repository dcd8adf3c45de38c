import { hash } from "node:crypto";
import { treeBytes } from "../../format/tree-encoder.ts";
import { parseTree } from "../../format/tree-json.ts";
import type { BlobType, Id, Tree } from "../../format/tree.ts";
import { OpenedTree } from "../../repository/opened-tree.ts";
import type { BlobReader } from "../../repository/repository.ts";
import type { BlobSink } from "../tables/rows-writer.ts";

/** A repository with further blobs on top, which are in memory and are stored nowhere. */
export class OverlayBlobs implements BlobReader {
  readonly #below: BlobReader;
  readonly #blobs = new Map<string, Buffer>();

  constructor(below: BlobReader) {
    this.#below = below;
  }

  /** Where to put further blobs. */
  get sink(): BlobSink["store"] {
    return {
      has: (type, id) => this.has(type, id),
      ready: () => undefined,
      blob: async (type, bytes) => ({ id: this.#put(type, bytes), added: true, storedBytes: 0 }),
      tree: async (tree) => this.#put("tree", treeBytes(tree)),
    };
  }

  has(type: BlobType, id: Id): boolean {
    return this.#blobs.has(type + id) || this.#below.has(type, id);
  }

  size(type: BlobType, id: Id): number | undefined {
    return this.#blobs.get(type + id)?.length ?? this.#below.size(type, id);
  }

  async load(type: BlobType, id: Id, signal: AbortSignal): Promise<Buffer> {
    return this.#blobs.get(type + id) ?? (await this.#below.load(type, id, signal));
  }

  async loadTree(id: Id, signal: AbortSignal): Promise<Tree> {
    const bytes = this.#blobs.get(`tree${id}`);
    return bytes ? parseTree(bytes) : await this.#below.loadTree(id, signal);
  }

  async openTree(id: Id, signal: AbortSignal): Promise<OpenedTree> {
    const bytes = this.#blobs.get(`tree${id}`);
    return bytes ? new OpenedTree(bytes.length, () => [bytes]) : await this.#below.openTree(id, signal);
  }

  #put(type: BlobType, bytes: Uint8Array): Id {
    const id = hash("sha256", bytes, "hex");
    if (!this.has(type, id)) this.#blobs.set(type + id, Buffer.from(bytes));
    return id;
  }
}
