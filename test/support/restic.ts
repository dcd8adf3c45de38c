import assert from "node:assert/strict";
import { commandOutput, runCommand, type CommandResult } from "./run-command.ts";

/** Stock restic on a repository: the judge of everything that we write. */
export interface Restic {
  /** Runs a command that must succeed; gives its standard output. */
  output(...args: readonly string[]): Promise<string>;
  /** Runs a command whatever its exit code. */
  run(...args: readonly string[]): Promise<CommandResult>;
  /** `restic check --read-data`: throws with its words unless all is clean. */
  check(...options: readonly string[]): Promise<void>;
  /** Restores with `--verify` into `target`. */
  restore(snapshot: string, target: string): Promise<void>;
  snapshots(): Promise<readonly ResticSnapshot[]>;
}

export interface ResticSnapshot {
  readonly id: string;
  readonly time: string;
  readonly tree: string;
  readonly paths: readonly string[];
  readonly hostname: string;
  readonly tags?: readonly string[];
  readonly parent?: string;
}

export interface ResticAccess {
  /** What its command line needs before its command. */
  readonly options?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
}

/** No cache is kept, so that what restic reads is what lies in the repository. */
export function resticOn(
  location: string,
  password: string,
  { options = [], environment = {} }: ResticAccess = {},
): Restic {
  const env = { ...process.env, ...environment, RESTIC_REPOSITORY: location, RESTIC_PASSWORD: password };
  const output = (...args: readonly string[]) => commandOutput("restic", ["--no-cache", ...options, ...args], { env });
  return {
    output,
    run: (...args) => runCommand("restic", ["--no-cache", ...options, ...args], { env }),
    check: async (...more) => {
      const said = await output("check", "--read-data", ...more);
      assert.match(said, /no errors were found/);
    },
    restore: async (snapshot, target) => {
      await output("restore", snapshot, "--target", target, "--verify");
    },
    snapshots: async () => JSON.parse(await output("snapshots", "--json")) as readonly ResticSnapshot[],
  };
}
