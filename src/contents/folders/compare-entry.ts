import * as fs from "node:fs";
import { hash } from "node:crypto";
import type { Entry } from "../../files/files.ts";
import { pathIn } from "../../files/open-folder.ts";
import type { TreeNode } from "../../format/tree.ts";
import { nodePath, type ByteName } from "../../lib/byte-name.ts";
import { readExtendedAttributes, type NativeTarget } from "../../lib/posix.ts";
import type { BlobReader } from "../../repository/repository.ts";
import { modifiedNs, wantedPermissions, type Owners } from "./node-metadata.ts";

/** How what stands at the target differs from what a snapshot holds of the same name and type. */
export type Difference = "none" | "metadata" | "content";

/**
 * Compares a file without opening it where size and modification time are equal; where the size alone is, by what it
 * holds.
 */
export async function compareFile(
  folder: number,
  entry: Entry,
  node: TreeNode,
  owners: Owners,
  reader: BlobReader,
  signal: AbortSignal,
): Promise<Difference> {
  if (BigInt(node.size ?? 0) !== BigInt(entry.size)) return "content";
  if (entry.mtimeNs !== modifiedNs(node)) {
    return (await holds(folder, entry.name, node, reader, signal)) ? "metadata" : "content";
  }
  return sameMetadata(pathIn(folder, entry.name), entry, node, owners) ? "none" : "metadata";
}

/** A link, device or FIFO: small enough to be made anew for any difference. */
export function compareSmall(folder: number, entry: Entry, node: TreeNode, owners: Owners): Difference {
  const path = pathIn(folder, entry.name);
  if (node.type === "symlink") {
    const target = fs.readlinkSync(nodePath(path), { encoding: "latin1" as BufferEncoding });
    if (target !== node.linkTarget) return "content";
  } else if (node.type !== "fifo" && BigInt(node.device ?? 0) !== BigInt(entry.device)) {
    return "content";
  }
  if (entry.mtimeNs !== modifiedNs(node)) return "metadata";
  return sameMetadata(path, entry, node, owners) ? "none" : "metadata";
}

/** Permissions, owner and attributes: of a folder too, whose times change with whatever is put into it. */
export function sameMetadata(target: NativeTarget, entry: Entry, node: TreeNode, owners: Owners): boolean {
  if (node.type !== "symlink" && entry.permissions !== wantedPermissions(node, owners)) return false;
  if (owners === "set" && (entry.uid !== node.uid || entry.gid !== node.gid)) return false;
  const wanted = new Map((node.extendedAttributes ?? []).map(({ name, value }) => [name, value]));
  if (wanted.size === 0) return true; // attributes that came to it since (a security label) are not ours to judge
  const present = new Map(readExtendedAttributes(target).map(({ name, value }) => [name, value.toString("base64")]));
  return [...wanted].every(([name, value]) => present.get(name) === value);
}

/** Whether a file holds exactly the blobs of a node, each hashed where it must lie. */
async function holds(
  folder: number,
  name: ByteName,
  node: TreeNode,
  reader: BlobReader,
  signal: AbortSignal,
): Promise<boolean> {
  const flags = fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW | fs.constants.O_NONBLOCK;
  const file = await fs.promises.open(nodePath(pathIn(folder, name)), flags).catch(() => undefined);
  if (!file) return false;
  try {
    let position = 0;
    for (const id of node.content ?? []) {
      signal.throwIfAborted();
      const length = reader.size("data", id);
      if (length === undefined) return false;
      const bytes = await readExactly(file, length, position);
      if (!bytes || hash("sha256", bytes) !== id) return false;
      position += length;
    }
    return true;
  } catch {
    signal.throwIfAborted();
    return false; // what cannot be read cannot be trusted to be right
  } finally {
    await file.close();
  }
}

async function readExactly(file: fs.promises.FileHandle, length: number, from: number): Promise<Buffer | undefined> {
  const bytes = Buffer.allocUnsafe(length);
  let done = 0;
  while (done < length) {
    const { bytesRead } = await file.read(bytes, done, length - done, from + done);
    if (bytesRead === 0) return undefined;
    done += bytesRead;
  }
  return bytes;
}
