import { constants, readdirSync } from "node:fs";
import type { ByteName } from "../lib/byte-name.ts";
import { statAt, type NativeStatus } from "../lib/posix.ts";
import { hasSystemCode } from "../lib/system-code.ts";
import type { Entry, EntryType } from "./files.ts";
import type { People } from "./people.ts";

const typeOfMode: ReadonlyMap<number, EntryType> = new Map([
  [constants.S_IFREG, "file"],
  [constants.S_IFDIR, "dir"],
  [constants.S_IFLNK, "symlink"],
  [constants.S_IFBLK, "dev"],
  [constants.S_IFCHR, "chardev"],
  [constants.S_IFIFO, "fifo"],
  [constants.S_IFSOCK, "socket"],
]);

export function entryOf(name: ByteName, status: NativeStatus, people?: People): Entry {
  return {
    name,
    type: typeOfMode.get(status.mode & constants.S_IFMT) ?? "socket",
    permissions: status.mode & 0o7777,
    uid: status.uid,
    gid: status.gid,
    user: people?.user(status.uid),
    group: people?.group(status.gid),
    size: status.size,
    links: status.links,
    inode: status.inode,
    deviceId: status.deviceId,
    device: status.device,
    mtimeNs: status.mtimeNs,
    atimeNs: status.atimeNs,
    ctimeNs: status.ctimeNs,
  };
}

/** Everything in an open folder, by name; what vanishes meanwhile is left out. Names of users are not looked up. */
export function readFolder(folder: number): Map<ByteName, Entry> {
  const found = new Map<ByteName, Entry>();
  const names = readdirSync(`/proc/self/fd/${folder}`, { encoding: "latin1" as BufferEncoding }) as ByteName[];
  for (const name of names) {
    const entry = lookAt(folder, name);
    if (entry) found.set(name, entry);
  }
  return found;
}

/** One thing in an open folder; `undefined` when there is none. */
function lookAt(folder: number, name: ByteName): Entry | undefined {
  try {
    return entryOf(name, statAt(folder, name));
  } catch (error) {
    if (hasSystemCode(error, "ENOENT")) return undefined;
    throw error;
  }
}
