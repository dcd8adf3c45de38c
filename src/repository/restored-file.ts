/** One file of a restore, from a temporary name in its folder to its place. Used in worker threads, so synchronous. */
import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  openSync,
  renameSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { nodePath, type ByteName } from "../lib/byte-name.ts";
import { HoldfastError } from "../lib/errors.ts";
import { setExtendedAttribute, setTimes } from "../lib/posix.ts";
import { temporaryName } from "../lib/temporary-name.ts";
import type { FileMetadata, Placing } from "./repository.ts";

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_WRONLY } = constants;

export interface Begun {
  readonly fd: number;
  readonly temporary: ByteName;
}

/** The name inside a folder that the caller holds open: nobody can put another folder in its way. */
function pathIn(folder: number, name: ByteName): string | Buffer {
  return nodePath(`/proc/self/fd/${folder}/${name}` as ByteName);
}

/** Begins a file under a temporary name, or right under its own where nobody sees the folder yet. */
export function beginFile(folder: number, name: ByteName, placing: Placing): Begun {
  const temporary = placing === "direct" ? name : temporaryName();
  return { fd: openSync(pathIn(folder, temporary), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600), temporary };
}

/** Opens a file that was begun, if it is still the same. */
export function reopenFile(folder: number, temporary: ByteName, inode: number): number {
  const fd = openSync(pathIn(folder, temporary), O_WRONLY | O_NOFOLLOW | O_NONBLOCK);
  if (fstatSync(fd).ino === inode) return fd;
  closeSync(fd);
  throw new HoldfastError("target-unsafe", { reason: "somebody replaced a file that was being written" });
}

const zeroBlock = Buffer.alloc(4096);

/**
 * Writes at a position, leaving out blocks of 4 KiB that are nothing but zeros: they become holes. True when the last
 * byte given was left out, so that the file's size is still to be set.
 */
export function writePiece(fd: number, bytes: Buffer, position: number): boolean {
  const block = zeroBlock.length;
  let from = 0;
  let at = (block - (position % block)) % block;
  for (; at + block <= bytes.length; at += block) {
    if (bytes[at] !== 0 || bytes[at + block - 1] !== 0) continue;
    if (zeroBlock.compare(bytes, at, at + block) !== 0) continue;
    writeAll(fd, bytes.subarray(from, at), position + from);
    from = at + block;
  }
  writeAll(fd, bytes.subarray(from), position + from);
  return from === bytes.length;
}

function writeAll(fd: number, bytes: Buffer, position: number): void {
  for (let done = 0; done < bytes.length;) done += writeSync(fd, bytes, done, bytes.length - done, position + done);
}

/** Sets what an open file is to be known by. `onLost` is told of each part that could not be set. */
export function setFileMetadata(fd: number, metadata: FileMetadata, onLost: (what: string) => void): void {
  const attempt = (what: string, work: () => void): void => {
    try {
      work();
    } catch {
      onLost(what);
    }
  };
  const { uid, gid, mode, atimeNs, mtimeNs } = metadata;
  // The owner first: changing it drops setuid, setgid and file capabilities.
  if (uid !== undefined && gid !== undefined) attempt("owner", () => fchownSync(fd, uid, gid));
  for (const { name, value } of metadata.extendedAttributes) {
    attempt(name, () => setExtendedAttribute(fd, name, value));
  }
  attempt("mode", () => fchmodSync(fd, mode));
  attempt("times", () => setTimes(fd, atimeNs, mtimeNs));
}

export function placeFile(folder: number, temporary: ByteName, name: ByteName): void {
  if (temporary !== name) renameSync(pathIn(folder, temporary), pathIn(folder, name));
}

/** For a file that came to nothing. */
export function dropFile(folder: number, temporary: ByteName): void {
  try {
    unlinkSync(pathIn(folder, temporary));
  } catch {
    // A leftover: the next restore to this place removes what has such a name.
  }
}
