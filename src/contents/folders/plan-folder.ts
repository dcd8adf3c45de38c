import { closeSync } from "node:fs";
import { createHash } from "node:crypto";
import type { Entry } from "../../files/files.ts";
import { openFolderIn, openTarget } from "../../files/open-folder.ts";
import type { Id, NodeType } from "../../format/tree.ts";
import { joinName, nameText, type ByteName } from "../../lib/byte-name.ts";
import type { BlobReader } from "../../repository/repository.ts";
import { walkTarget, type FolderEntered, type Step } from "./walk-target.ts";

/** The three switches. What none of them asks for is left as it is. */
export interface FolderSwitches {
  /** Make what the target lacks. */
  readonly createMissing: boolean;
  /** Replace what differs. */
  readonly updateChanged: boolean;
  /** Remove what the snapshot does not hold. Never touches what `keep` matches. */
  readonly removeNewer: boolean;
}

export interface WriteFolderInput {
  readonly reader: BlobReader;
  /** Tree of the folder in the snapshot. */
  readonly tree: Id;
  /** Absolute; made when it is missing. A link at its end is refused with `target-unsafe`. */
  readonly target: ByteName;
  readonly switches: FolderSwitches;
  /** Relative to the folder: only these, with all that they hold. Absent: everything. */
  readonly paths?: readonly ByteName[];
  /**
   * Patterns (see `files/patterns.ts`) of what `removeNewer` must not remove: what the backup left out by its excludes
   * or could not read is not newer.
   */
  readonly keep?: readonly string[];
  readonly signal: AbortSignal;
}

export type FolderAction = "create" | "update" | "remove" | "skip" | "conflict";

/** Key of `words` under `planReasons`. */
export type FolderReason =
  | "same"
  | "exists"
  | "newer"
  | "missing"
  | "type"
  | "link"
  | "unsupported"
  | "needs-root"
  | "damaged";

export interface FolderPlanItem {
  readonly action: FolderAction;
  /** Relative to the target. */
  readonly inside: ByteName;
  /** Absolute, as a person reads it. */
  readonly path: string;
  readonly type: NodeType;
  /** Bytes to be written; 0 where only metadata differs or another link to a written file is made. */
  readonly bytes: number;
  /** Of `skip` and `conflict`. */
  readonly reason?: FolderReason;
  /** What stands where a folder is to be, and is none; absent: a folder, or nothing. */
  readonly instead?: NodeType;
}

export interface FolderPlan {
  readonly counts: Readonly<Record<FolderAction, number>>;
  /** Bytes to be written. */
  readonly bytes: number;
  /** Files to be created or updated. */
  readonly files: number;
  /** The first ones; `counts` are of all. */
  readonly items: readonly FolderPlanItem[];
  /** SHA-256 over all that the plan saw at the target: the same again means that nothing there has moved. */
  readonly seen: string;
  /** Those of `paths` that the snapshot does not hold. */
  readonly unmatched: readonly ByteName[];
}

/**
 * What `writeFolder` would do, without writing anything: a comparison of type, size and modification time, and of the
 * contents where the size is equal and the time is not.
 *
 * @param maximumItems how many items to give; `skip` because of `same` is only counted
 */
export async function planFolder(input: WriteFolderInput, maximumItems = 1000): Promise<FolderPlan> {
  const counts = { create: 0, update: 0, remove: 0, skip: 0, conflict: 0 };
  const items: FolderPlanItem[] = [];
  const seen = createHash("sha256");
  let bytes = 0;
  let files = 0;
  const root = openTarget(input.target, "leave");
  const open: number[] = [];
  const walk = walkTarget(input, root, (inside, entry) => seen.update(witness(inside, entry)));
  try {
    for await (const step of walk) {
      if (step.kind === "folder") {
        const entered = openExisting(step);
        if ("descriptor" in entered) open.push(entered.descriptor);
        step.enter(entered);
      } else if (step.kind === "leave") {
        const descriptor = open.pop();
        if (descriptor !== undefined) closeSync(descriptor);
      }
      const item = planItem(step, input.target);
      if (!item) continue;
      counts[item.action] += 1;
      bytes += item.bytes;
      if (item.type === "file" && (item.action === "create" || item.action === "update")) files += 1;
      if (items.length < maximumItems && item.reason !== "same") items.push(item);
    }
  } finally {
    for (const descriptor of root === undefined ? open : [root, ...open]) closeSync(descriptor);
  }
  return { counts, bytes, files, items, seen: seen.digest("hex"), unmatched: walk.unmatched() };
}

/** What a person is told of a step: nothing of folders that are there and stay. */
export function planItem(step: Step, target: ByteName): FolderPlanItem | undefined {
  if (step.kind === "leave" || step.kind === "leftover") return undefined;
  if (step.kind === "folder" && step.action === "skip") return undefined;
  const { action, inside, type, bytes, reason } = step;
  const path = nameText(joinName(target, inside));
  const existing = step.kind === "folder" ? step.existing?.type : undefined;
  const instead = existing === "dir" ? undefined : existing;
  return { action, inside, path, type, bytes, ...(reason !== undefined && { reason }), ...(instead && { instead }) };
}

/** A plan looks into folders that are there, and goes on as in nothing where they are not, or are to be replaced. */
function openExisting(step: Extract<Step, { kind: "folder" }>): FolderEntered {
  if (step.parent === undefined || step.existing?.type !== "dir") return { state: "absent" };
  return { state: "open", descriptor: openFolderIn(step.parent, step.name) };
}

function witness(inside: ByteName, entry: Entry): string {
  const { type, size, inode, permissions, uid, gid, mtimeNs, ctimeNs } = entry;
  const length = type === "dir" ? 0 : size;
  return `${inside.length}:${inside}:${[type, length, inode, permissions, uid, gid, mtimeNs, ctimeNs].join(":")}\n`;
}
