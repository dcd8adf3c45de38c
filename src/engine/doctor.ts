import { HoldfastError } from "../lib/errors.ts";
import type { CrmDescription } from "../crm/platform.ts";
import type { Run } from "../lib/run.ts";
import type { Engine, RepositoryAccess } from "./engine.ts";

export interface DoctorInput {
  readonly crms: readonly CrmDescription[];
  readonly configFile?: string;
  /** Absent when the password could not be read: `passwordProblem` says why. */
  readonly repository?: RepositoryAccess;
  /** Path of the password file, where it is one. */
  readonly passwordFile?: string;
}

export interface DoctorCheck {
  readonly state: "ok" | "warning" | "failed";
  /** Key of `words` under `doctor`. */
  readonly code: string;
  readonly facts: Readonly<Record<string, string | number>>;
  /** Crm that it is about, absent: all. */
  readonly crm?: string;
}

export interface DoctorReport {
  readonly type: "doctor";
  readonly checks: readonly DoctorCheck[];
}

/** Looks at everything a backup needs and everything that would be missed on the worst day. Changes nothing. */
export async function doctor(_engine: Engine, _input: DoctorInput, _run: Run): Promise<DoctorReport> {
  throw new HoldfastError("internal");
}
