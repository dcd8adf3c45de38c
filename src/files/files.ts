/**
 * A folder tree as something to capture and to write back. This layer knows the file system; it knows nothing of
 * repositories.
 *
 * - `scan.ts` reads a tree: entries of a folder in the order in which a tree is built (by name, byte order), folders
 *   inside only when asked for. Nothing is followed: a link is an entry like any other.
 * - `patterns.ts` says which entries are taken, `people.ts` what users and groups are called.
 * - `open-folder.ts` and `write-entry.ts` write: every step goes through a folder that is held open, so that nothing
 *   planted in the way leads elsewhere.
 */
import type { ByteName } from "../lib/byte-name.ts";
import type { Warning } from "../lib/events.ts";
import type { NativeAttribute } from "../lib/posix.ts";

export type EntryType = "file" | "dir" | "symlink" | "dev" | "chardev" | "fifo" | "socket";

/** One thing in a folder, as `lstat` saw it. */
export interface Entry {
  readonly name: ByteName;
  readonly type: EntryType;
  /** `st_mode & 0o7777`. */
  readonly permissions: number;
  readonly uid: number;
  readonly gid: number;
  readonly user: string | undefined;
  readonly group: string | undefined;
  readonly size: number;
  readonly links: number;
  /** `bigint` only above `Number.MAX_SAFE_INTEGER`. */
  readonly inode: bigint | number;
  readonly deviceId: number;
  /** `st_rdev`, for devices; else 0. */
  readonly device: number;
  /** Nanoseconds since 1970. */
  readonly mtimeNs: bigint;
  readonly atimeNs: bigint;
  readonly ctimeNs: bigint;
}

/** What costs calls of its own, and is asked for only when it may have changed. */
export interface EntryDetails {
  readonly linkTarget: ByteName | undefined;
  readonly extendedAttributes: readonly NativeAttribute[];
}

export interface ScanOptions {
  /** gitignore-like patterns, relative to the root: `cache/`, `*.tmp`, `/logs/**`; see `patterns.ts`. */
  readonly excludes: readonly string[];
  /** When not empty, only what matches one of these (and the folders on the way) is taken. */
  readonly includes: readonly string[];
  /** `yes`: folders on other file systems are taken as empty. */
  readonly oneFileSystem?: "yes" | "no";
  /** One for each item that is left out against the operator's wish. */
  readonly onWarning: (warning: Warning) => void;
  /**
   * Given instead of a warning, when not root: items that this user has no right to read, each once. Absent: each is
   * a warning.
   */
  readonly onForbidden?: (path: ByteName) => void;
}

/**
 * One folder of a scan. Holds at most one descriptor, and none while a folder inside is being read; a path too long
 * for the system is cut short by holding one folder on the way open until it is disposed.
 */
export interface FolderScan extends Disposable {
  /** Absolute path, for messages: too long for the system in a very deep tree. */
  readonly path: ByteName;
  /** Whether an include matches this folder or one above; false: it is only on the way to something. */
  readonly included: boolean;
  /**
   * Sorted by name in byte order, excluded ones left out, each looked at when its turn comes. What cannot be read ends
   * here, as one warning an item; a folder that cannot be read gives nothing, and `readable` is false then.
   */
  entries(): Generator<Entry, void, undefined>;
  readonly readable: boolean;
  /** Link target and attributes, or `undefined` when it is not there any more or cannot be read (warned). */
  details(entry: Entry): EntryDetails | undefined;
  /** Looks again; `undefined` when it is not there any more, or cannot be looked at. */
  lookAgain(name: ByteName): Entry | undefined;
  /** A path that can be opened as long as this folder is not disposed. */
  openablePath(name: ByteName): ByteName;
  /** A folder inside. Its parent must not be disposed before it. */
  child(entry: Entry): FolderScan;
}
