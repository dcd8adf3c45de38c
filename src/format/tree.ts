import type { ByteName } from "../lib/byte-name.ts";

/** SHA-256 as 64 lower-case hexadecimal digits: of a blob's plaintext (blob id) or of a stored file (storage id). */
export type Id = string;

export type BlobType = "data" | "tree";

export type NodeType = "file" | "dir" | "symlink" | "dev" | "chardev" | "fifo" | "socket";

/** A number as JSON holds it: an exact integer up to 2^64-1; `bigint` only above `Number.MAX_SAFE_INTEGER`. */
export type Uint64 = number | bigint;

export interface ExtendedAttribute {
  readonly name: string;
  /** base64 */
  readonly value: string;
}

/** One entry of a folder, with restic's meaning of each field (repository-format sheet §7; `docs/format.md`). */
export interface TreeNode {
  readonly name: ByteName;
  readonly type: NodeType;
  /** Go's `FileMode` bits, not `st_mode`: see `format/mode.ts`. */
  readonly mode: number;
  /** RFC 3339 with up to 9 digits of fraction, trailing zeros trimmed, and a zone: `2026-11-22T08:00:00.5Z`. */
  readonly mtime: string;
  readonly atime: string;
  readonly ctime: string;
  readonly uid: number;
  readonly gid: number;
  readonly user?: string;
  readonly group?: string;
  readonly inode?: Uint64;
  readonly deviceId?: Uint64;
  /** Bytes of a file: always the sum of its blobs' plaintext lengths. */
  readonly size?: Uint64;
  readonly links?: Uint64;
  readonly linkTarget?: ByteName;
  readonly extendedAttributes?: readonly ExtendedAttribute[];
  /** `st_rdev` of a device. */
  readonly device?: Uint64;
  /** Blob ids in order; for files always present, `[]` when empty. */
  readonly content?: readonly Id[];
  /** Tree blob id; for folders always present. */
  readonly subtree?: Id;
  readonly error?: string;
}

/** Nodes sorted by name in byte order, names unique. */
export interface Tree {
  readonly nodes: readonly TreeNode[];
}
