import * as fs from "node:fs";
import { nodePath, type ByteName } from "../lib/byte-name.ts";
import { makeNode, setExtendedAttribute, setLinkTimes, type NativeAttribute } from "../lib/posix.ts";
import { hasSystemCode } from "../lib/system-code.ts";
import { temporaryName } from "../lib/temporary-name.ts";
import { readFolder } from "./entry.ts";
import { openFolderIn, pathIn } from "./open-folder.ts";

/** What is set on a thing once it is there. */
export interface EntryMetadata {
  /** `st_mode & 0o7777`. */
  readonly mode: number;
  /** Both or neither: absent leaves the owner as it is. */
  readonly uid?: number;
  readonly gid?: number;
  readonly atimeNs: bigint;
  readonly mtimeNs: bigint;
  readonly extendedAttributes: readonly NativeAttribute[];
}

/** Something that is neither file nor folder. */
export type SmallEntry =
  | { readonly type: "symlink"; readonly linkTarget: ByteName }
  | { readonly type: "fifo" }
  | { readonly type: "dev" | "chardev"; readonly device: bigint | number };

/** Tells which part of the metadata could not be set: `owner`, `mode`, `times` or the name of an attribute. */
export type OnLost = (what: string) => void;

const { S_IFIFO, S_IFBLK, S_IFCHR } = fs.constants;
const typeBits = { fifo: S_IFIFO, dev: S_IFBLK, chardev: S_IFCHR } as const;

/** Makes a link, FIFO or device with its metadata beside its place and renames it there, over anything but a folder. */
export function placeSmallEntry(
  folder: number,
  name: ByteName,
  entry: SmallEntry,
  metadata: EntryMetadata,
  onLost: OnLost,
): void {
  place(folder, name, (path) => {
    if (entry.type === "symlink") fs.symlinkSync(Buffer.from(entry.linkTarget, "latin1"), nodePath(path));
    else makeNode(path, typeBits[entry.type] | 0o600, entry.type === "fifo" ? 0 : entry.device);
    setMetadata(path, entry.type, metadata, onLost);
  });
}

/** Makes `name` another link to a file that is there already, over anything but a folder. */
export function placeHardLink(folder: number, name: ByteName, fileFolder: number, file: ByteName): void {
  place(folder, name, (path) => fs.linkSync(nodePath(pathIn(fileFolder, file)), nodePath(path)));
}

/** Sets metadata by path, never through a link at its end: the folder above is held open and is ours to name. */
export function setMetadata(
  path: ByteName,
  type: "file" | "dir" | SmallEntry["type"],
  metadata: EntryMetadata,
  onLost: OnLost,
): void {
  const { uid, gid, mode } = metadata;
  // owner first: changing it drops setuid and file capabilities
  if (uid !== undefined && gid !== undefined) attempt("owner", onLost, () => fs.lchownSync(nodePath(path), uid, gid));
  for (const { name, value } of metadata.extendedAttributes) {
    attempt(name, onLost, () => setExtendedAttribute(path, name, value));
  }
  if (type !== "symlink") attempt("mode", onLost, () => setMode(path, type, mode));
  attempt("times", onLost, () => setLinkTimes(path, metadata.atimeNs, metadata.mtimeNs));
}

/** Removes a thing and all that it holds; what is not there (any more) is removed. Links are removed, not followed. */
export function removeIn(folder: number, name: ByteName): void {
  try {
    fs.unlinkSync(nodePath(pathIn(folder, name)));
    return;
  } catch (error) {
    if (hasSystemCode(error, "ENOENT")) return;
    if (!hasSystemCode(error, "EISDIR") && !hasSystemCode(error, "EPERM")) throw error;
  }
  const inside = openFolderIn(folder, name);
  try {
    for (const child of readFolder(inside).keys()) removeIn(inside, child);
  } finally {
    fs.closeSync(inside);
  }
  fs.rmdirSync(nodePath(pathIn(folder, name)));
}

function place(folder: number, name: ByteName, make: (path: ByteName) => void): void {
  const path = pathIn(folder, temporaryName());
  try {
    make(path);
    fs.renameSync(nodePath(path), nodePath(pathIn(folder, name)));
  } finally {
    // after a success it is still there when both names are links to one file
    fs.rmSync(nodePath(path), { force: true });
  }
}

/** `chmod` follows links, so the thing is opened first where that has no effect on it, and is known by its kind. */
function setMode(path: ByteName, type: Exclude<SmallEntry["type"], "symlink"> | "file" | "dir", mode: number): void {
  if (type !== "file" && type !== "dir") {
    fs.chmodSync(nodePath(path), mode); // made a moment ago under a name that nobody knows
    return;
  }
  const kind = type === "dir" ? fs.constants.O_DIRECTORY : fs.constants.O_NONBLOCK;
  const descriptor = fs.openSync(nodePath(path), fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW | kind);
  try {
    fs.fchmodSync(descriptor, mode);
  } finally {
    fs.closeSync(descriptor);
  }
}

function attempt(what: string, onLost: OnLost, work: () => void): void {
  try {
    work();
  } catch {
    onLost(what);
  }
}
