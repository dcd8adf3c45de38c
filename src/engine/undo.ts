import { HoldfastError } from "../lib/errors.ts";
import type { Run } from "../lib/run.ts";
import type { Engine } from "./engine.ts";

export interface UndoInput {
  /** Absent: the newest that can be undone. */
  readonly id?: string;
}

export interface UndoReport {
  readonly type: "undo";
  readonly id: string;
  readonly crm: string;
  /** Paths put back. */
  readonly restored: readonly string[];
}

export interface UndoableRestore {
  readonly id: string;
  readonly crm: string;
  /** Location of the repository that it came from: with the CRM's name, what the lock between processes is named by. */
  readonly location: string;
  readonly time: string;
  readonly paths: readonly string[];
  /** `half-made`: an apply was cut off; `apply` of the same plan resumes it, `undo` drops it. */
  readonly state: "done" | "half-made";
}

/** Swaps what the restore replaced back into place; what the restore had made is moved aside in turn. */
export async function undoRestore(_engine: Engine, _input: UndoInput, _run: Run): Promise<UndoReport> {
  throw new HoldfastError("internal");
}

/** Newest first. */
export async function listUndoable(_engine: Engine): Promise<readonly UndoableRestore[]> {
  throw new HoldfastError("internal");
}
