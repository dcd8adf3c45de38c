import type { MasterKey } from "../format/crypto.ts";
import type { ByteName } from "../lib/byte-name.ts";
import type { Placing } from "./repository.ts";

/** What `writeFiles` and its worker threads say to each other; numbers in typed arrays, as in `upload-messages.ts`. */
export interface WriteWorkerSetup {
  readonly role: "write";
  readonly key: MasterKey;
  readonly throttle: SharedArrayBuffer;
  readonly writeBytesPerSecond: number | undefined;
}

/** A run of bytes of one pack, the blobs wanted from it, and where they go. */
export interface WriteRequest {
  readonly sealed: Uint8Array;
  /** `blobNumbers` for each blob: offset in `sealed`, length there, plaintext length (0: stored plain). */
  readonly blobs: Float64Array;
  /** 32 bytes a blob. */
  readonly ids: Uint8Array;
  /** `pieceNumbers` for each piece: blob, file, position in the file. Ordered by blob. */
  readonly pieces: Float64Array;
  readonly names: readonly ByteName[];
  readonly placing: Placing;
  /** `fileNumbers` for each file: folder, size, pieces in this request, mode, owner and group (-1: left alone). */
  readonly files: Float64Array;
  /** Access and modification time of each file, nanoseconds. */
  readonly times: BigInt64Array;
  /** For the few files that have any. */
  readonly attributes: readonly FileAttributes[];
  /** Files that are not whole in this request: they were begun under this name, and somebody else finishes them. */
  readonly begun: readonly BegunFile[];
}

export const blobNumbers = 3;
export const pieceNumbers = 3;
export const fileNumbers = 6;

export interface FileAttributes {
  readonly file: number;
  readonly attributes: readonly { readonly name: string; readonly value: Uint8Array }[];
}

export interface BegunFile {
  readonly file: number;
  readonly temporary: ByteName;
  /** Of the file that was begun: another one under its name is not written to. */
  readonly inode: number;
}

export interface WriteAnswer {
  /** The request's own, given back. */
  readonly sealed: Uint8Array;
  readonly failed: readonly WriteFailure[];
  /** What of a file's metadata could not be set. */
  readonly lost: readonly { readonly file: number; readonly what: string }[];
}

export interface WriteFailure {
  readonly file: number;
  /** `blob`: a blob was not what it should be; else the system's code for what could not be written. */
  readonly code: string;
  readonly message: string;
}
