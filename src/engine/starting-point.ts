import type { BackupKind, DatabaseManifest } from "../contents/manifest.ts";
import { type OpenedSnapshot, openSnapshot, subtreeAt } from "../contents/open-snapshot.ts";
import type { Id } from "../format/tree.ts";
import { isHoldfastError } from "../lib/errors.ts";
import type { BlobReader, StoredSnapshot } from "../repository/repository.ts";
import { backupsOf, kindOf, outcomeOf } from "./points.ts";

/** What a backup starts from: its kind as it can be had, and what it compares with. */
export interface StartingPoint {
  readonly kind: BackupKind;
  /** The newest backup of this CRM, whatever its kind and outcome. */
  readonly parent?: OpenedSnapshot;
  /** Id of the last full that is still there. */
  readonly lastFull?: Id;
  /** The newest *ok* backup, or, while there is none, the newest: its warnings are known. */
  readonly knownFrom?: OpenedSnapshot;
}

export async function startingPoint(
  snapshots: readonly StoredSnapshot[],
  crm: string,
  wanted: BackupKind | undefined,
  reader: BlobReader,
  signal: AbortSignal,
): Promise<StartingPoint> {
  const backups = backupsOf(snapshots, crm);
  const newest = backups.at(-1);
  if (newest === undefined) return { kind: "full" };
  const parent = await openNewest(reader, backups, signal);
  if (parent === undefined) return { kind: "full" };
  const lastFull = backups.findLast((stored) => kindOf(stored) === "full")?.id;
  const ok = backups.filter((stored) => outcomeOf(stored) === "ok");
  const isOk = outcomeOf(parent.stored) === "ok";
  return {
    kind: wanted ?? "incremental",
    parent,
    ...(lastFull !== undefined && { lastFull }),
    knownFrom: isOk ? parent : ((await openNewest(reader, ok, signal)) ?? parent),
  };
}

/** The newest whose description of itself can be read: damage to an old backup must not keep anybody from a new one. */
async function openNewest(
  reader: BlobReader,
  backups: readonly StoredSnapshot[],
  signal: AbortSignal,
): Promise<OpenedSnapshot | undefined> {
  for (const stored of backups.toReversed()) {
    try {
      return await openSnapshot(reader, stored, signal);
    } catch (error) {
      if (!isHoldfastError(error, "repository-damaged")) throw error;
    }
  }
  return undefined;
}

/** Trees of one folder in earlier backups; each absent where there is none, or it is no longer in the repository. */
export interface FolderHistory {
  /** What this kind of backup compares with: in a differential the last full's, else the parent's. */
  readonly compare?: Id;
  /** The other of the two, to count by. */
  readonly also?: Id;
  /** For the manifest; absent in a full, whose own tree it is. */
  readonly lastFullTree?: Id;
}

export async function folderToCompare(
  start: StartingPoint,
  name: string,
  reader: BlobReader,
  signal: AbortSignal,
): Promise<FolderHistory> {
  const manifest = start.parent?.manifest.folders.find((folder) => folder.name === name);
  if (!start.parent || !manifest) return {};
  const inParent = await subtreeAt(reader, start.parent.tree, ["files", name], signal);
  const inFull = reader.has("tree", manifest.lastFullTree) ? manifest.lastFullTree : inParent;
  const [compare, also] = start.kind === "differential" ? [inFull, inParent] : [inParent, inFull];
  return {
    ...(compare !== undefined && { compare }),
    ...(also !== undefined && { also }),
    ...(start.kind !== "full" && { lastFullTree: manifest.lastFullTree }),
  };
}

/** A database as the parent holds it. */
export async function databaseInParent(
  start: StartingPoint,
  name: string,
  reader: BlobReader,
  signal: AbortSignal,
): Promise<{ readonly tree: Id; readonly manifest: DatabaseManifest } | undefined> {
  const manifest = start.parent?.manifest.databases.find((database) => database.name === name);
  if (!start.parent || !manifest) return undefined;
  const tree = await subtreeAt(reader, start.parent.tree, ["databases", name], signal);
  return tree === undefined ? undefined : { tree, manifest };
}
