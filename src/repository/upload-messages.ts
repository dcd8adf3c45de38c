import type { MasterKey } from "../format/crypto.ts";
import type { BlobType, Id } from "../format/tree.ts";
import type { ColumnSigns } from "../lib/row-signature.ts";
import type { ByteName } from "../lib/byte-name.ts";
import type { NativeAttribute } from "../lib/posix.ts";
import type { SharedBlobIndex } from "./blob-index.ts";
import type { PackStream } from "./repository.ts";

/**
 * What an upload and its worker threads say to each other. Messages are cloned, at a cost that counts objects more
 * than bytes: so files go in batches, and numbers and ids in typed arrays.
 */
export interface UploadWorkerSetup {
  readonly role: "upload";
  readonly key: MasterKey;
  readonly gearTable: Int32Array;
  readonly index: SharedBlobIndex;
  readonly packSlots: SharedArrayBuffer;
  readonly throttle: SharedArrayBuffer;
  readonly readBytesPerSecond: number | undefined;
}

export type UploadRequest =
  | {
      readonly type: "files";
      readonly paths: readonly ByteName[];
      /** Inode, device and size of each file. */
      readonly numbers: Float64Array;
    }
  | {
      readonly type: "blobs";
      readonly kinds: readonly BlobKind[];
      readonly lengths: readonly number[];
      /** The blobs, one after the other. */
      readonly bytes: Uint8Array;
    }
  | { readonly type: "sealed"; readonly blobs: SealedBlobs }
  /** A claimed tree that its sender has hashed and compressed. */
  | { readonly type: "frame"; readonly id: Id; readonly frame: Uint8Array; readonly plainLength: number }
  | { readonly type: "bytes"; readonly stream: PackStream; readonly bytes: Uint8Array }
  | { readonly type: "open"; readonly sealed: SealedParts }
  | { readonly type: "flush" };

export interface BlobKind {
  readonly type: BlobType;
  readonly stream: PackStream;
  /** Whether the sender has claimed the blob already. */
  readonly claim: "claimed" | "unclaimed";
  /** Of rows that are to be signed. */
  readonly signs?: ColumnSigns;
}

/** Blobs as a pack holds them, of this repository or another: neighbours, read with one request. */
export interface SealedBlobs {
  readonly type: BlobType;
  readonly stream: PackStream;
  /**
   * `reseal`: sealed with another key. `move`: with the same, so they are stored as they are when they have been opened
   * and compared. `move-proven`: the same without being opened, since the SHA-256 of the whole pack was seen to be its name.
   */
  readonly handling: "reseal" | "move" | "move-proven";
  /** What they are sealed with. */
  readonly key: MasterKey;
  /** A part of the pack, in memory that can be handed over. */
  readonly bytes: Uint8Array;
  /** For each blob: offset in `bytes`, length there, plaintext length (0: stored plain). */
  readonly places: Float64Array;
  /** 32 bytes each. */
  readonly ids: Uint8Array;
}

export const placeNumbers = 3;

/** Blobs of this repository that are to be opened, and the memory that they were read into. */
export type SealedParts = Pick<SealedBlobs, "bytes" | "places" | "ids">;

export interface OpenedAnswer {
  /** In memory of their own; `undefined`: it is damaged. */
  readonly blobs: readonly (Uint8Array<ArrayBuffer> | undefined)[];
  /** The memory of what was sealed. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** `damaged` has the position of each blob that is not what its id says: nothing of it was stored. */
export interface SealedAnswer {
  readonly damaged: Uint32Array;
  readonly addedBlobs: number;
  readonly addedBytes: number;
  readonly storedBytes: number;
}

/** `numbers` has `fileNumbers` for each file, `ids` 32 bytes for each blob, `reasons` one text an unreadable file. */
export interface FilesAnswer {
  readonly numbers: Float64Array;
  readonly ids: Uint8Array;
  readonly reasons: readonly string[];
  /** Of the files that have any. */
  readonly attributes: readonly {
    /** Its number in the request. */
    readonly file: number;
    readonly list: readonly (Omit<NativeAttribute, "value"> & { readonly value: Uint8Array })[];
  }[];
}

/** state, changed (0 or 1), blobs, bytes read, blobs added, bytes added, bytes stored. */
export const fileNumbers = 7;
export const fileStates = ["read", "vanished", "unreadable"] as const;

/** For `blobs` and `bytes`: added (0 or 1), plaintext length and bytes stored of each blob. */
export interface BlobsAnswer {
  readonly numbers: Float64Array;
  readonly ids: Uint8Array;
  /** Of those that were to be signed, one after the other. */
  readonly signatures: Uint8Array;
}

export const blobNumbers = 3;

/** A finished pack, told between answers; its buffer goes back through the worker's second port. */
export interface PackNotice {
  readonly type: "pack";
  readonly name: string;
  readonly stream: PackStream;
  readonly buffer: SharedArrayBuffer;
  readonly length: number;
  readonly header: Uint8Array;
}
