import { HoldfastError } from "../lib/errors.ts";
import type { Warning } from "../lib/events.ts";
import type { Limits } from "../lib/limits.ts";
import type { Run } from "../lib/run.ts";
import type { Engine } from "./engine.ts";

export interface RestoreApplyInput {
  /** Plan id (or a unique beginning of it). */
  readonly plan: string;
  readonly password: string;
  /** The CRM's name as typed, where the plan asks for it. */
  readonly confirm?: string;
  readonly limits: Limits;
}

export interface RestoreReport {
  readonly type: "restore";
  readonly plan: string;
  readonly crm: string;
  readonly files: number;
  readonly rows: number;
  readonly bytes: number;
  readonly failed: readonly { readonly path: string; readonly reason: string }[];
  /** Where what was replaced lies now. */
  readonly kept: readonly string[];
  /** Id to give to `restore undo`; absent when nothing can be undone (an empty target). */
  readonly undo?: string;
  readonly afterRestore: readonly string[];
  readonly warnings: readonly Warning[];
  readonly durationMs: number;
}

export async function applyRestore(_engine: Engine, _input: RestoreApplyInput, _run: Run): Promise<RestoreReport> {
  throw new HoldfastError("internal");
}
