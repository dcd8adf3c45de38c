import { nameFromText, type ByteName } from "../lib/byte-name.ts";
import { lstatSync } from "node:fs";
import type { Id, TreeNode } from "../format/tree.ts";
import type { FolderPlanItem } from "../contents/folders/plan-folder.ts";
import type { Warning } from "../lib/events.ts";
import type { DatabaseWork } from "./restore-database.ts";
import type { PlannedAction, PlannedItem, RestorePlan } from "./restore-plan.ts";
import { TargetWitness } from "./restore-target.ts";

/** A folder that is not there, built whole. */
export interface FolderWork {
  readonly path: string;
  readonly node: TreeNode;
}

/** A folder that stays where it is and gets single things. */
export interface ItemWork {
  readonly root: string;
  /** Tree of the folder in the snapshot. */
  readonly tree: Id;
  /** To be created, updated or removed; nothing that lies in another of them. */
  readonly items: readonly FolderPlanItem[];
  /** What is written for that: not all that the snapshot has in a folder which is missing on the way to something. */
  readonly writes: readonly ByteName[];
}

export interface ConfigWork {
  readonly name: string;
  readonly path: string;
  readonly node: TreeNode;
}

const shownItems = 1000;

/** What a restore would do, as far as it is worked out: the work, what a person is shown of it, and what was seen. */
export class RestoreDraft {
  readonly databases: DatabaseWork[] = [];
  readonly folders: FolderWork[] = [];
  readonly items: ItemWork[] = [];
  readonly config: ConfigWork[] = [];
  readonly parts: RestorePlan["parts"][number][] = [];
  readonly shown: PlannedItem[] = [];
  readonly counts: Record<PlannedAction, number> = {
    create: 0,
    update: 0,
    remove: 0,
    skip: 0,
    replace: 0,
    conflict: 0,
  };
  readonly warnings: Warning[] = [];
  readonly witness = new TargetWitness();
  neededBytes = 0;
  neededFiles = 0;
  /** Whether something that is in use would be another one afterwards. */
  replacesLive: "yes" | "no" = "no";

  /** A part that is treated as one. */
  add(part: RestorePlan["parts"][number]): void {
    this.parts.push(part);
    this.counts[part.action] += part.kind === "folder" ? (part.files ?? 0) : 1;
    if (part.action === "skip" || part.action === "conflict") return;
    this.neededBytes += part.bytes;
    this.neededFiles += part.files ?? 0;
  }

  /** One thing of a part that gets single things. */
  show({ action, path, bytes, reason }: PlannedItem): void {
    this.counts[action]++;
    if (this.shown.length < shownItems)
      this.shown.push({ action, path, bytes, ...(reason !== undefined && { reason }) });
  }

  /** Witnesses this path; whether it is there. */
  see(path: string): "yes" | "no" {
    this.witness.see(nameFromText(path));
    return lstatSync(path, { throwIfNoEntry: false }) ? "yes" : "no";
  }
}
