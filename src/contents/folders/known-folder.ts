import { setImmediate as nextTurn } from "node:timers/promises";
import type { Entry, EntryType, FolderScan } from "../../files/files.ts";
import { rootEntry, scanFolder } from "../../files/scan.ts";
import { permissionsOf } from "../../format/mode.ts";
import { parseTime } from "../../format/time.ts";
import type { TreeNode } from "../../format/tree.ts";
import type { ByteName } from "../../lib/byte-name.ts";
import type { BlobReader } from "../../repository/repository.ts";
import { modifiedNs } from "./node-metadata.ts";

/**
 * A folder as the repository has it by now, as far as is needed to see what changed: a number for each path, which stands for
 * type, inode, size, modification and change time of a file, and for inode, owner and permissions of a folder.
 */
export interface KnownFolder {
  readonly signs: Map<ByteName, number>;
  /** On which device folders are. */
  readonly devices: Map<ByteName, number>;
}

export interface ChangedPath {
  readonly type: EntryType;
  readonly sign: number;
  readonly deviceId: number;
}

/** How a folder differs from what is known. */
export interface FolderLook {
  readonly changed: ReadonlyMap<ByteName, ChangedPath>;
  /** Of a folder that is gone, just itself. */
  readonly gone: readonly ByteName[];
  /** The last change time of what changed, nanoseconds since 1970. */
  readonly newestNs: bigint;
  /** Known folders that could not be read whole, and why: of what is gone there nothing is known. */
  readonly unread: ReadonlyMap<ByteName, string>;
}

/** Where a look at a folder is done: its path, and what of it is left out. */
export interface LookedFolder {
  /** Absolute. */
  readonly path: ByteName;
  readonly excludes: readonly string[];
}

const types: readonly EntryType[] = ["file", "dir", "symlink", "dev", "chardev", "fifo", "socket"];

/** What a folder is as its tree has it; `node` is the folder itself. */
export async function knownFolder(reader: BlobReader, node: TreeNode, signal: AbortSignal): Promise<KnownFolder> {
  const known: KnownFolder = { signs: new Map(), devices: new Map() };
  const add = async (path: ByteName, one: TreeNode): Promise<void> => {
    known.signs.set(path, signOfNode(one));
    if (one.subtree === undefined) return;
    known.devices.set(path, Number(one.deviceId ?? 0));
    for (const inside of (await reader.loadTree(one.subtree, signal)).nodes)
      await add(below(path, inside.name), inside);
  };
  await add(rootPath, node);
  return known;
}

export const rootPath = "" as ByteName;

/**
 * Looks at everything in a folder, opening nothing. Fails like `node:fs` where the folder itself cannot be opened. A folder that
 * is empty, was not, and is on another device than it was, is one whose disk is not mounted: nothing is taken for gone there.
 */
export async function lookOver(
  { path, excludes }: LookedFolder,
  known: KnownFolder,
  signal: AbortSignal,
): Promise<FolderLook> {
  const changed = new Map<ByteName, ChangedPath>();
  const there = new Set<ByteName>();
  const unread = new Map<ByteName, string>();
  let newestNs = 0n;
  let trouble: string | undefined;
  let seen = 0;
  const note = (at: ByteName, entry: Entry): void => {
    there.add(at);
    const sign = signOfEntry(entry);
    if (known.signs.get(at) === sign) return;
    changed.set(at, { type: entry.type, sign, deviceId: entry.deviceId });
    if (entry.ctimeNs > newestNs) newestNs = entry.ctimeNs;
  };
  const look = async (at: ByteName, scan: FolderScan, { deviceId }: Entry): Promise<void> => {
    let found = 0;
    trouble = undefined;
    for (const entry of scan.entries()) {
      const reason: string | undefined = trouble;
      found++;
      note(below(at, entry.name), entry);
      if (entry.type === "dir") {
        using child = scan.child(entry);
        await look(below(at, entry.name), child, entry);
      }
      trouble = reason;
      if (++seen % 256 === 0) {
        await nextTurn();
        signal.throwIfAborted();
      }
    }
    const was = known.devices.get(at);
    if (trouble === undefined && found === 0 && was !== undefined && was !== deviceId && holdsAny(known, at)) {
      trouble = "not mounted";
    }
    if (trouble === undefined) return;
    if (was !== undefined) unread.set(at, trouble);
    changed.delete(at);
  };
  using scan = scanFolder(path, {
    excludes,
    includes: [],
    onWarning: ({ code, detail = code }) => {
      if (detail !== "ENOENT") trouble = detail;
    },
    onForbidden: () => (trouble = "EACCES"),
  });
  const root = rootEntry(path).entry;
  note(rootPath, root);
  await look(rootPath, scan, root);
  return { changed, gone: goneFrom(known, there, unread), newestNs, unread };
}

/** Takes into account that this was stored. */
export function learnLook(known: KnownFolder, changed: FolderLook["changed"], gone: FolderLook["gone"]): void {
  for (const [path, { type, sign, deviceId }] of changed) {
    known.signs.set(path, sign);
    if (type === "dir") known.devices.set(path, deviceId);
    else known.devices.delete(path);
  }
  if (gone.length === 0) return;
  const names = new Set(gone);
  for (const path of known.signs.keys()) {
    if (!isIn(path, (at) => names.has(at))) continue;
    known.signs.delete(path);
    known.devices.delete(path);
  }
}

function goneFrom(
  known: KnownFolder,
  there: ReadonlySet<ByteName>,
  unread: ReadonlyMap<ByteName, string>,
): readonly ByteName[] {
  const gone: ByteName[] = [];
  for (const path of known.signs.keys()) {
    if (there.has(path) || isIn(path, (at) => unread.has(at))) continue;
    const parent = parentOf(path);
    if (parent === undefined || there.has(parent)) gone.push(path);
  }
  return gone;
}

function holdsAny({ signs }: KnownFolder, folder: ByteName): boolean {
  for (const path of signs.keys()) if (path !== rootPath && parentOf(path) === folder) return true;
  return false;
}

/** Whether it, or a folder that it is in, is meant. */
function isIn(path: ByteName, isMeant: (path: ByteName) => boolean): boolean {
  for (let at: ByteName | undefined = path; at !== undefined; at = parentOf(at)) if (isMeant(at)) return true;
  return false;
}

/** `undefined`: it is the folder itself that was looked at. */
export function parentOf(path: ByteName): ByteName | undefined {
  return path === rootPath ? undefined : (path.slice(0, Math.max(0, path.lastIndexOf("/"))) as ByteName);
}

function below(folder: ByteName, name: ByteName): ByteName {
  return folder === rootPath ? name : (`${folder}/${name}` as ByteName);
}

function signOfEntry({ type, inode, size, mtimeNs, ctimeNs, permissions, uid, gid }: Entry): number {
  return type === "dir" ? signOf(type, inode, permissions, uid, gid) : signOf(type, inode, size, mtimeNs, ctimeNs);
}

function signOfNode(node: TreeNode): number {
  const { type, inode = 0, size = 0, ctime, mode, uid, gid } = node;
  if (type === "dir") return signOf(type, inode, permissionsOf(mode), uid, gid);
  return signOf(type, inode, size, modifiedNs(node), parseTime(ctime) ?? 0n);
}

/** 53 bits, in which any one of these counts. */
function signOf(
  type: EntryType,
  inode: bigint | number,
  first: bigint | number,
  second: bigint | number,
  third: bigint | number,
): number {
  const sum =
    BigInt(inode) * 1_000_003n +
    BigInt(first) * 2_147_483_629n +
    BigInt(second) * 998_244_353n +
    BigInt(third) * 16_777_619n +
    BigInt(types.indexOf(type));
  return Number(BigInt.asUintN(53, sum));
}
