import type { TreeNode } from "../../format/tree.ts";
import type { BlobReader } from "../../repository/repository.ts";

/** What a capture found, against what an earlier backup held. */
export interface CaptureCounts {
  readonly files: number;
  /** Sum of the sizes of all files, read or not. */
  readonly bytes: number;
  /** Bytes read from the disk: files with several links once. */
  readonly readBytes: number;
  /** Bytes that files added to the repository, as stored. */
  readonly storedBytes: number;
  readonly newFiles: number;
  /** With other contents than before; a file whose times alone moved is unmodified. */
  readonly changedFiles: number;
  readonly unmodifiedFiles: number;
  readonly removedFiles: number;
  /** Of the changed ones, those whose new contents could not be compressed: pictures and archives, or encrypted. */
  readonly incompressibleFiles: number;
  /** Bytes of blobs that this path's file did not have in the compared tree: all of a new file, parts of others. */
  readonly changedBytes: number;
  /** The same against the other tree that was named for counting. */
  readonly changedBytesAlso: number;
  readonly dirs: number;
  readonly newDirs: number;
  readonly changedDirs: number;
  readonly unmodifiedDirs: number;
}

export type MutableCounts = { -readonly [K in keyof CaptureCounts]: CaptureCounts[K] };

export function noCounts(): MutableCounts {
  return {
    files: 0,
    bytes: 0,
    readBytes: 0,
    storedBytes: 0,
    newFiles: 0,
    changedFiles: 0,
    unmodifiedFiles: 0,
    removedFiles: 0,
    incompressibleFiles: 0,
    changedBytes: 0,
    changedBytesAlso: 0,
    dirs: 0,
    newDirs: 0,
    changedDirs: 0,
    unmodifiedDirs: 0,
  };
}

/** zstd saves a tenth or more of nearly everything that is not compressed or encrypted already. */
const incompressibleShare = 0.97;
const leastToJudge = 1024;

export interface FileToCount {
  readonly node: TreeNode;
  readonly known: TreeNode | undefined;
  readonly knownAlso: TreeNode | undefined;
  readonly readBytes: number;
  readonly storedBytes: number;
  /** Stands in for the sizes of blobs that no index names yet. */
  readonly addedBytes: number;
}

export function countFile(counts: MutableCounts, file: FileToCount, blobs: BlobReader): void {
  const { node, known, knownAlso, addedBytes } = file;
  const changed = changedBytes(node, known, addedBytes, blobs);
  counts.files += 1;
  counts.bytes += Number(node.size ?? 0);
  counts.readBytes += file.readBytes;
  counts.storedBytes += file.storedBytes;
  if (known?.type !== "file") counts.newFiles += 1;
  else if (changed === undefined) counts.unmodifiedFiles += 1;
  else {
    counts.changedFiles += 1;
    if (addedBytes >= leastToJudge && file.storedBytes >= incompressibleShare * addedBytes) {
      counts.incompressibleFiles += 1;
    }
  }
  counts.changedBytes += changed ?? 0;
  counts.changedBytesAlso += changedBytes(node, knownAlso, addedBytes, blobs) ?? 0;
}

/** `undefined`: the contents are the same. */
function changedBytes(
  node: TreeNode,
  known: TreeNode | undefined,
  addedBytes: number,
  blobs: BlobReader,
): number | undefined {
  if (known?.type !== "file") return Number(node.size ?? 0);
  const before = known.content ?? [];
  const after = node.content ?? [];
  if (after === before) return undefined;
  if (after.length === before.length && after.every((id, index) => id === before[index])) return undefined;
  const had = new Set(before);
  let bytes = 0;
  for (const id of after) {
    if (had.has(id)) continue;
    const size = blobs.size("data", id);
    if (size === undefined) return addedBytes;
    bytes += size;
  }
  return bytes;
}
