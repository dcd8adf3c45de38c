import type { ByteName } from "../lib/byte-name.ts";
import type { Warning } from "../lib/events.ts";

/**
 * A folder tree as something to capture and to write back. This layer knows the file system; it knows nothing of
 * repositories: it gives entries in the order in which a tree is built, and takes entries back.
 */
export type EntryType = "file" | "dir" | "symlink" | "dev" | "chardev" | "fifo" | "socket";

/** One thing in a folder, as `lstat` saw it. */
export interface Entry {
  readonly name: ByteName;
  readonly type: EntryType;
  /** `st_mode & 0o7777`. */
  readonly permissions: number;
  readonly uid: number;
  readonly gid: number;
  readonly user?: string;
  readonly group?: string;
  readonly size: number;
  readonly links: number;
  readonly inode: bigint | number;
  readonly deviceId: bigint | number;
  /** `st_rdev`, for devices. */
  readonly device: bigint | number;
  /** Nanoseconds since 1970. */
  readonly mtimeNs: bigint;
  readonly atimeNs: bigint;
  readonly ctimeNs: bigint;
  readonly linkTarget?: ByteName;
  readonly extendedAttributes: readonly { readonly name: string; readonly value: Buffer }[];
}

export interface ScanOptions {
  readonly signal: AbortSignal;
  /** gitignore-like patterns, relative to the root: `cache/`, `*.tmp`, `/logs/**`. */
  readonly excludes: readonly string[];
  /** When given, only what matches one of these (and the folders on the way) is taken. */
  readonly includes: readonly string[];
  readonly onWarning: (warning: Warning) => void;
}

/**
 * A folder's entries, sorted by name in byte order, excluded ones left out. Folders inside are read only when their
 * own `entries` is called, so memory is that of the folders on the way.
 */
export interface FolderScan {
  /** Absolute path. */
  readonly path: ByteName;
  entries(): readonly Entry[];
  child(entry: Entry): FolderScan;
}
