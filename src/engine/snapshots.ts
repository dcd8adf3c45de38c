import type { BackupKind, Outcome } from "../contents/manifest.ts";
import { HoldfastError } from "../lib/errors.ts";
import type { Id } from "../format/tree.ts";
import type { Run } from "../lib/run.ts";
import type { Engine, RepositoryAccess } from "./engine.ts";

export interface SnapshotRow {
  readonly id: Id;
  readonly time: string;
  readonly crm: string;
  /** Absent: not made by Holdfast. */
  readonly kind?: BackupKind;
  readonly outcome?: Outcome;
  readonly hostname: string;
  readonly paths: readonly string[];
  readonly tags: readonly string[];
  readonly totalBytes?: number;
  readonly addedBytes?: number;
  /** What `latest` means for this CRM. */
  readonly latest: boolean;
}

export interface SnapshotsReport {
  readonly type: "snapshots";
  readonly snapshots: readonly SnapshotRow[];
}

export interface SnapshotsInput {
  readonly repository: RepositoryAccess;
  readonly crm?: string;
}

export async function listSnapshots(_engine: Engine, _input: SnapshotsInput, _run: Run): Promise<SnapshotsReport> {
  throw new HoldfastError("internal");
}

/** How a person names a recovery point; see `experience.md` for the words. */
export type PointName =
  | { readonly kind: "latest" }
  | { readonly kind: "id"; readonly prefix: string }
  /** The newest at or before this moment. */
  | { readonly kind: "moment"; readonly time: Date };
