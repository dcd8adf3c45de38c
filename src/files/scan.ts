import * as fs from "node:fs";
import { joinName, nameText, nodePath, type ByteName } from "../lib/byte-name.ts";
import type { WarningCode } from "../lib/events.ts";
import { readExtendedAttributes, statAt, type NativeStatus } from "../lib/posix.ts";
import { systemCode } from "../lib/system-code.ts";
import type { Entry, EntryDetails, FolderScan, ScanOptions } from "./files.ts";
import { entryOf } from "./entry.ts";
import { compilePatterns, type PatternSet } from "./patterns.ts";
import { readPeople, type People } from "./people.ts";

/**
 * Longest path that is handed to the system as it is: `PATH_MAX` is 4,096 bytes with the NUL, and a name of 255 bytes
 * must fit behind it.
 */
const longestPath = 3800;

/**
 * Begins to read a folder tree; `path` is absolute, and a link at its end is followed, since the operator named it.
 * Fails like `node:fs` when it is not there, is no folder or may not be read.
 */
export function scanFolder(path: ByteName, options: ScanOptions): FolderScan {
  const shared: Shared = {
    ...options,
    excluded: compilePatterns(options.excludes),
    included: compilePatterns(options.includes),
    people: readPeople(),
    root: process.geteuid?.() === 0,
  };
  const descriptor = fs.openSync(nodePath(path), folderFlags);
  try {
    const { deviceId, inode } = statAt(descriptor, itself);
    return new OpenScan(shared, {
      path,
      base: path,
      inside: "" as ByteName,
      included: shared.included.isEmpty,
      deviceId,
      inode,
      rootDeviceId: deviceId,
    });
  } finally {
    fs.closeSync(descriptor);
  }
}

/** What stands at a path itself, which may be a file or a folder; a link at its end is followed. Its name is `.`. */
export function rootEntry(path: ByteName): { readonly entry: Entry; readonly details: EntryDetails } {
  const descriptor = fs.openSync(nodePath(path), O_RDONLY | O_NONBLOCK);
  try {
    return {
      entry: { ...entryOf(itself, statAt(descriptor, itself), readPeople()), name: "." as ByteName },
      details: { linkTarget: undefined, extendedAttributes: readExtendedAttributes(descriptor) },
    };
  } finally {
    fs.closeSync(descriptor);
  }
}

interface Shared extends ScanOptions {
  readonly excluded: PatternSet;
  readonly included: PatternSet;
  readonly people: People;
  readonly root: boolean;
}

interface Place {
  readonly path: ByteName;
  /** Path by which the folder is reached: short enough for the system. */
  readonly base: ByteName;
  /** Path relative to the root of the scan, empty for the root. */
  readonly inside: ByteName;
  readonly included: boolean;
  readonly deviceId: number;
  readonly inode: bigint | number;
  readonly rootDeviceId: number;
}

const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK } = fs.constants;
const folderFlags = O_RDONLY | O_DIRECTORY;
/** The name by which a descriptor itself is looked at. */
const itself = "" as ByteName;

class OpenScan implements FolderScan {
  readonly path: ByteName;
  readonly included: boolean;
  readable = true;
  readonly #shared: Shared;
  readonly #place: Place;
  #descriptor: number | undefined;
  /** Held until the end because the path to this folder is too long: paths below start here. */
  #anchor: number | undefined;

  constructor(shared: Shared, place: Place) {
    this.#shared = shared;
    this.#place = place;
    this.path = place.path;
    this.included = place.included;
  }

  *entries(): Generator<Entry, void, undefined> {
    const names = this.#try(undefined, () =>
      fs.readdirSync(`/proc/self/fd/${this.#open()}`, { encoding: "latin1" as BufferEncoding }),
    ) as ByteName[] | undefined;
    if (!names) {
      this.readable = false;
      return;
    }
    names.sort();
    const filtered = !(this.#shared.excluded.isEmpty && this.#shared.included.isEmpty);
    for (const name of names) {
      const status = this.#try(name, () => statAt(this.#open(), name));
      if (!status || (filtered && !this.#wanted(name, status))) continue;
      const entry = entryOf(name, status, this.#shared.people);
      if (entry) yield entry;
    }
    this.#rest();
  }

  details(entry: Entry): EntryDetails | undefined {
    return this.#try(entry.name, () => {
      const path = this.openablePath(entry.name);
      const linkTarget =
        entry.type === "symlink"
          ? (fs.readlinkSync(nodePath(path), { encoding: "latin1" as BufferEncoding }) as ByteName)
          : undefined;
      return { linkTarget, extendedAttributes: readExtendedAttributes(path) };
    });
  }

  lookAgain(name: ByteName): Entry | undefined {
    try {
      return entryOf(name, statAt(this.#open(), name), this.#shared.people);
    } catch (error) {
      // Gone; or something else has taken the folder's place, or its share is away: no reason to end for the sake of a second look.
      if (systemCode(error) === undefined) throw error;
      return undefined;
    } finally {
      this.#rest();
    }
  }

  openablePath(name: ByteName): ByteName {
    return joinName(this.#base(), name);
  }

  child(entry: Entry): FolderScan {
    this.#rest();
    const shared = this.#shared;
    const inside = this.#inside(entry.name);
    return new OpenScan(shared, {
      path: joinName(this.path, entry.name),
      base: this.openablePath(entry.name),
      inside,
      included: this.included || shared.included.matches(inside, "folder"),
      deviceId: entry.deviceId,
      inode: entry.inode,
      rootDeviceId: this.#place.rootDeviceId,
    });
  }

  [Symbol.dispose](): void {
    this.#rest();
    if (this.#anchor !== undefined) fs.closeSync(this.#anchor);
    this.#anchor = undefined;
  }

  /** Opens the folder, or goes on with it; refuses when another one has taken its place. */
  #open(): number {
    if (this.#descriptor !== undefined) return this.#descriptor;
    const { inside, base, inode, deviceId, rootDeviceId } = this.#place;
    if (this.#shared.oneFileSystem === "yes" && deviceId !== rootDeviceId) {
      throw Object.assign(new Error("another file system"), { code: otherFileSystem });
    }
    const flags = inside === "" ? folderFlags : folderFlags | O_NOFOLLOW;
    const descriptor = this.#anchor ?? fs.openSync(nodePath(base), flags);
    try {
      const now = statAt(descriptor, itself);
      if (now.inode !== inode || now.deviceId !== deviceId) {
        throw Object.assign(new Error("another folder has taken its place"), { code: "ENOENT" });
      }
    } catch (error) {
      if (descriptor !== this.#anchor) fs.closeSync(descriptor);
      throw error;
    }
    if (base.length > longestPath) this.#anchor = descriptor;
    this.#descriptor = descriptor;
    return descriptor;
  }

  #rest(): void {
    if (this.#descriptor !== undefined && this.#descriptor !== this.#anchor) fs.closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }

  #base(): ByteName {
    return this.#anchor === undefined ? this.#place.base : (`/proc/self/fd/${this.#anchor}` as ByteName);
  }

  #inside(name: ByteName): ByteName {
    return this.#place.inside === "" ? name : joinName(this.#place.inside, name);
  }

  #wanted(name: ByteName, status: NativeStatus): boolean {
    const { excluded, included } = this.#shared;
    const inside = this.#inside(name);
    const kind = (status.mode & fs.constants.S_IFMT) === fs.constants.S_IFDIR ? "folder" : "other";
    if (excluded.matches(inside, kind)) return false;
    if (this.included || included.matches(inside, kind)) return true;
    return kind === "folder" && included.mayMatchBelow(inside);
  }

  /** Runs what reads `name` in this folder, or the folder itself; a failure is told once and gives `undefined`. */
  #try<T>(name: ByteName | undefined, work: () => T): T | undefined {
    try {
      return work();
    } catch (error) {
      const code = systemCode(error);
      if (code === undefined) throw error;
      if (code !== otherFileSystem) this.#tell(name, code);
      return undefined;
    }
  }

  #tell(name: ByteName | undefined, reason: string): void {
    const path = name === undefined ? this.path : joinName(this.path, name);
    const { onForbidden, onWarning, root } = this.#shared;
    if (!root && onForbidden && (reason === "EACCES" || reason === "EPERM")) return onForbidden(path);
    const code: WarningCode = reason === "ENOENT" || reason === "ESTALE" ? "file-vanished" : "file-unreadable";
    onWarning({ code, subject: nameText(path), detail: reason });
  }
}

/** No error of the system: the scan stays on its own file system. */
const otherFileSystem = "other-file-system";
