import type { Outcome } from "../contents/manifest.ts";
import { HoldfastError } from "../lib/errors.ts";
import type { Warning } from "../lib/events.ts";
import type { Id } from "../format/tree.ts";
import type { Run } from "../lib/run.ts";
import type { Engine, RepositoryAccess } from "./engine.ts";
import type { PointName } from "./snapshots.ts";

/** The three switches, for files and rows alike. */
export interface RestoreSwitches {
  /** Default on. */
  readonly createMissing: boolean;
  readonly updateChanged: boolean;
  readonly removeNewer: boolean;
}

export type RestoreScope =
  | { readonly kind: "system" }
  | { readonly kind: "database" }
  /** Paths as `browse` shows them: `/files/attachments/2026/contract.pdf`, a folder, or `/config/…`. */
  | { readonly kind: "files"; readonly paths: readonly string[] };

export interface RestorePlanInput {
  readonly repository: RepositoryAccess;
  readonly crm?: string;
  readonly point: PointName;
  readonly scope: RestoreScope;
  /** Absolute folder; absent: in place, where the snapshot was taken from. */
  readonly target?: string;
  /** Needed with `target` for `system` and `database`. */
  readonly purpose?: "clone" | "replacement";
  readonly switches: RestoreSwitches;
}

export type PlannedAction = "create" | "update" | "remove" | "skip" | "replace" | "conflict";

export interface PlannedItem {
  readonly action: PlannedAction;
  /** Absolute path at the target, as a person reads it. */
  readonly path: string;
  readonly bytes: number;
  /** For `skip` and `conflict`: key of `words` under `planReason`. */
  readonly reason?: string;
}

export interface RestorePlan {
  readonly type: "restore-plan";
  /** Short id to give to `restore apply`. */
  readonly id: string;
  readonly created: string;
  readonly repository: { readonly location: string; readonly id: Id };
  readonly snapshot: { readonly id: Id; readonly time: string; readonly outcome: Outcome; readonly crm: string };
  readonly scope: RestoreScope;
  readonly switches: RestoreSwitches;
  readonly target: { readonly kind: "in-place" } | { readonly kind: "elsewhere"; readonly folder: string };
  readonly purpose?: "clone" | "replacement";
  /** Name that must be typed (or given by `--confirm`) because a live instance is replaced. */
  readonly confirm?: string;
  /** Whole parts built beside and swapped in: databases, and for `system` the folders. */
  readonly parts: readonly {
    readonly kind: "database" | "folder" | "config";
    readonly name: string;
    readonly path: string;
    readonly action: PlannedAction;
    readonly rows?: number;
    readonly files?: number;
    readonly bytes: number;
  }[];
  readonly counts: Readonly<Record<PlannedAction, number>>;
  /** The first 1,000 single files, for the preview; counts are of all. */
  readonly items: readonly PlannedItem[];
  readonly neededBytes: number;
  readonly freeBytes: number;
  /** Keys of `words` under `neutralised` and `afterRestore`. */
  readonly neutralised: readonly string[];
  readonly afterRestore: readonly string[];
  readonly warnings: readonly Warning[];
  /** What the target looked like; `apply` refuses when it moved. */
  readonly seen: string;
}

/** Plans a restore, saves the plan in the state folder, changes nothing else. */
export async function planRestore(_engine: Engine, _input: RestorePlanInput, _run: Run): Promise<RestorePlan> {
  throw new HoldfastError("internal");
}

/** A saved plan by its id or a unique beginning of it; fails with `plan-unknown`. Asks nothing of the repository. */
export async function readPlan(_engine: Engine, _id: string): Promise<RestorePlan> {
  throw new HoldfastError("internal");
}
