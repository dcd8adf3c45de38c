import { hash } from "node:crypto";
import { UnsealRun, type MasterKey } from "../format/crypto.ts";
import type { Id } from "../format/tree.ts";
import { decompress } from "../format/compress.ts";
import { ZstdDecoder } from "../format/zstd-context.ts";
import { isHoldfastError } from "../lib/errors.ts";
import type { BlobIndex } from "./blob-index.ts";
import type { DefectCode } from "./defects.ts";
import { otherThanIndexed, ownList } from "./examine-pack.ts";

/** A pack's bytes, and where the index has its blobs. */
export interface PackToVerify {
  readonly id: string;
  readonly bytes: Uint8Array;
  readonly first: number;
  readonly blobs: number;
}

export interface PackProblem {
  readonly code: DefectCode;
  readonly detail: string;
  /** Entry of the blob that is of no use; -1: none by itself. */
  readonly entry: number;
}

/**
 * Reads every byte of a pack as a restore would: its hash is its name, its header lists what the index says, every blob
 * opens, has the length that the index says, and the hash that is its id.
 */
export class PackVerifier {
  readonly #index: BlobIndex;
  readonly #opener: UnsealRun;
  readonly #decoder = new ZstdDecoder();

  constructor(key: MasterKey, index: BlobIndex) {
    this.#index = index;
    this.#opener = new UnsealRun(key);
  }

  verify({ id, bytes, first, blobs }: PackToVerify): readonly PackProblem[] {
    const problems: PackProblem[] = [];
    if (hash("sha256", bytes, "hex") !== id) problems.push({ code: "pack-hash", detail: "", entry: -1 });
    const mismatch = this.#headerProblem(bytes, first, blobs);
    if (mismatch !== undefined) problems.push({ code: "pack-header", detail: mismatch, entry: -1 });
    for (let entry = first; entry < first + blobs; entry++) {
      const problem = this.#blobProblem(bytes, entry);
      if (problem !== undefined) problems.push(problem);
    }
    return problems;
  }

  /** How the pack's own list differs from the index. Blobs are found by the index, so by itself this loses none. */
  #headerProblem(bytes: Uint8Array, first: number, blobs: number): string | undefined {
    const listed = ownList(this.#opener, bytes);
    if (listed === undefined) return "unreadable";
    if (listed.length !== blobs) return `${listed.length} blobs, ${blobs} in the index`;
    const other = otherThanIndexed(
      listed,
      this.#index,
      Array.from({ length: blobs }, (_, at) => first + at),
    );
    return other && `blob ${other}`;
  }

  #blobProblem(bytes: Uint8Array, entry: number): PackProblem | undefined {
    const id = this.#index.id(entry);
    const { offset = 0, length = 0, uncompressedLength = 0 } = this.#index.location(entry) ?? {};
    if (offset + length > bytes.length) return { code: "blob-damaged", detail: `${id} beyond the end`, entry };
    const body = damagedToUndefined(() => this.#opener.unseal(bytes.subarray(offset, offset + length)));
    if (body === undefined) return { code: "blob-damaged", detail: `${id} seal`, entry };
    if (uncompressedLength === 0) return isOf(body, id) ? undefined : { code: "blob-damaged", detail: id, entry };
    const plain = damagedToUndefined(() => this.#decoder.decompress(body, uncompressedLength));
    if (plain !== undefined && isOf(plain, id)) return undefined;
    // The right contents under a wrong length: a restore would put what follows in the wrong place.
    const whole = damagedToUndefined(() => decompress(body, largestBlob));
    if (whole === undefined || !isOf(whole, id)) return { code: "blob-damaged", detail: id, entry };
    return { code: "blob-length", detail: `${id} ${whole.length}, not ${uncompressedLength}`, entry };
  }
}

/** Far above what any program writes (restic cuts at 8 MiB), far below what a hostile frame could unfold to. */
const largestBlob = 256 * 1024 * 1024;

function isOf(bytes: Uint8Array, id: Id): boolean {
  return hash("sha256", bytes, "hex") === id;
}

function damagedToUndefined<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (isHoldfastError(error, "repository-damaged")) return undefined;
    throw error;
  }
}
