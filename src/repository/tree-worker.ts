import { hash } from "node:crypto";
import { UnsealRun, type MasterKey } from "../format/crypto.ts";
import { scanTree } from "../format/tree-scan.ts";
import type { BlobType, Id } from "../format/tree.ts";
import { ZstdDecoder } from "../format/zstd-context.ts";
import { HoldfastError, isHoldfastError } from "../lib/errors.ts";
import { BlobIndex, type SharedBlobIndex } from "./blob-index.ts";
import { receivedKey } from "./message-bytes.ts";
import { Scratch } from "./scratch.ts";
import { SharedBits } from "./shared-bits.ts";
import type { RoleAnswer } from "./worker.ts";

export interface TreeWorkerSetup {
  readonly role: "trees";
  readonly key: MasterKey;
  readonly index: SharedBlobIndex;
  /** `SharedBits` of the entries that are needed. */
  readonly used: SharedArrayBuffer;
}

/** Trees that stand in one stretch of a pack. */
export interface TreesRequest {
  readonly bytes: Uint8Array;
  /** Where the stretch begins in the pack. */
  readonly start: number;
  /** Entries of the index. */
  readonly entries: Int32Array;
}

export interface TreesAnswer {
  /** Entries of trees that nobody met before. */
  readonly found: Int32Array<ArrayBuffer>;
  /** Blobs that a tree names and the index does not; at most one of each type a tree, and how many there are. */
  readonly missing: readonly MissingBlob[];
  readonly missingCount: number;
  /** Entries of trees that cannot be had from here. */
  readonly damaged: readonly { readonly entry: number; readonly reason: string }[];
}

export interface MissingBlob {
  readonly type: BlobType;
  readonly blob: Id;
  /** The tree that names it. */
  readonly tree: Id;
}

/** The part of `walkUsedBlobs` that runs in a worker thread: opens trees, marks what they name. */
export function treeWorker(setup: TreeWorkerSetup): (request: unknown) => RoleAnswer {
  const opener = new UnsealRun(receivedKey(setup.key));
  const decoder = new ZstdDecoder();
  const index = new BlobIndex(setup.index);
  const used = new SharedBits(setup.used);
  const opened = new Scratch();
  const contents = new Scratch();

  function contentsOf(entry: number, bytes: Uint8Array, start: number): Buffer {
    const location = index.location(entry);
    if (location === undefined) throw new HoldfastError("internal", { reason: "tree in flight" });
    const from = location.offset - start;
    const body = opener.unseal(bytes.subarray(from, from + location.length), opened.of(location.length));
    const plainLength = location.uncompressedLength;
    const plain = plainLength === 0 ? body : decoder.decompress(body, plainLength, contents.of(plainLength));
    if (hash("sha256", plain, "hex") !== index.id(entry)) {
      throw new HoldfastError("repository-damaged", { reason: "blob hash" });
    }
    return plain;
  }

  return (message) => {
    const { bytes, start, entries } = message as TreesRequest;
    const found: number[] = [];
    const missing: MissingBlob[] = [];
    const damaged: { entry: number; reason: string }[] = [];
    let missingCount = 0;

    function mark(type: BlobType, id: Uint8Array, tree: number): number {
      const entry = index.find(type, id);
      if (entry >= 0) return used.add(entry) ? entry : -1;
      missingCount++;
      if (missing.length < mostNamed) {
        missing.push({ type, blob: Buffer.from(id).toString("hex"), tree: index.id(tree) });
      }
      return -1;
    }

    for (const tree of entries) {
      try {
        scanTree(contentsOf(tree, bytes, start), {
          data: (id) => void mark("data", id, tree),
          subtree: (id) => {
            const entry = mark("tree", id, tree);
            if (entry >= 0) found.push(entry);
          },
        });
      } catch (error) {
        if (!isHoldfastError(error, "repository-damaged")) throw error;
        damaged.push({ entry: tree, reason: String(error.facts["reason"] ?? "") });
      }
    }
    const answer: TreesAnswer = { found: Int32Array.from(found), missing, missingCount, damaged };
    return { answer, transfer: [answer.found.buffer] };
  };
}

/** Of each request: enough to say what is wrong, and no more than that. */
const mostNamed = 8;
