/** One file of a restore, from a temporary name in its folder to its place. Used in worker threads, so synchronous. */
import { closeSync, constants, fchmodSync, fchownSync, fstatSync, renameSync, unlinkSync } from "node:fs";
import { nodePath, type ByteName } from "../lib/byte-name.ts";
import { HoldfastError } from "../lib/errors.ts";
import { openAt, setExtendedAttribute, setTimes, statAt } from "../lib/posix.ts";
import { temporaryName } from "../lib/temporary-name.ts";
import { writeCached, type DirectFile } from "./direct-file.ts";
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

/**
 * Begins a file under a temporary name, for this user alone; or, where nobody sees the folder yet, right under its own
 * name, with permissions of which some may be missing.
 */
export function beginFile(folder: number, name: ByteName, placing: Placing, mode = 0o600): Begun {
  const direct = placing === "direct";
  const temporary = direct ? name : temporaryName();
  const flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW;
  return { fd: openAt(folder, temporary, flags, direct ? mode : 0o600), temporary };
}

/** Opens a file that was begun, if it is still the same. */
export function reopenFile(folder: number, temporary: ByteName, inode: number): number {
  const fd = openAt(folder, temporary, O_WRONLY | O_NOFOLLOW | O_NONBLOCK);
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
  const parts = dataParts(bytes, position);
  for (const { from, to } of parts) writeCached(fd, bytes.subarray(from, to), position + from);
  return endsInHole(bytes, parts);
}

/** The same for a long file. */
export async function writeLongPiece(file: DirectFile, bytes: Buffer, position: number): Promise<boolean> {
  const parts = dataParts(bytes, position);
  for (const { from, to } of parts) await file.write(bytes.subarray(from, to), position + from);
  return endsInHole(bytes, parts);
}

interface Part {
  readonly from: number;
  readonly to: number;
}

/** All but the blocks that are nothing but zeros. */
function dataParts(bytes: Buffer, position: number): readonly Part[] {
  const block = zeroBlock.length;
  const parts: Part[] = [];
  let from = 0;
  let at = (block - (position % block)) % block;
  for (; at + block <= bytes.length; at += block) {
    if (bytes[at] !== 0 || bytes[at + block - 1] !== 0) continue;
    if (zeroBlock.compare(bytes, at, at + block) !== 0) continue;
    if (at > from) parts.push({ from, to: at });
    from = at + block;
  }
  if (bytes.length > from) parts.push({ from, to: bytes.length });
  return parts;
}

function endsInHole(bytes: Buffer, parts: readonly Part[]): boolean {
  return bytes.length > 0 && parts.at(-1)?.to !== bytes.length;
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
  // Looking costs a tenth of setting what is right already.
  const now = statAt(fd, "" as ByteName);
  const wantsOwner = uid !== undefined && gid !== undefined && (uid !== now.uid || gid !== now.gid);
  // The owner first: changing it drops setuid, setgid and file capabilities.
  if (wantsOwner) attempt("owner", () => fchownSync(fd, uid, gid));
  for (const { name, value } of metadata.extendedAttributes) {
    attempt(name, () => setExtendedAttribute(fd, name, value));
  }
  if (wantsOwner || (now.mode & 0o7777) !== mode) attempt("mode", () => fchmodSync(fd, mode));
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
