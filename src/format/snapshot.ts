import type { Id } from "./tree.ts";

export interface SnapshotSummary {
  readonly backupStart: string;
  readonly backupEnd: string;
  readonly filesNew: number;
  readonly filesChanged: number;
  readonly filesUnmodified: number;
  readonly dirsNew: number;
  readonly dirsChanged: number;
  readonly dirsUnmodified: number;
  readonly dataBlobs: number;
  readonly treeBlobs: number;
  readonly dataAdded: number;
  readonly dataAddedPacked: number;
  readonly totalFilesProcessed: number;
  readonly totalBytesProcessed: number;
}

/** restic's snapshot file (sheet §8). What is ours about a snapshot stands in `holdfast.json` in its tree. */
export interface Snapshot {
  /** RFC 3339 with a zone. */
  readonly time: string;
  readonly parent?: Id;
  readonly tree: Id;
  readonly paths: readonly string[];
  readonly hostname?: string;
  readonly username?: string;
  readonly uid?: number;
  readonly gid?: number;
  readonly excludes?: readonly string[];
  readonly tags?: readonly string[];
  readonly original?: Id;
  readonly programVersion?: string;
  readonly summary?: SnapshotSummary;
}
