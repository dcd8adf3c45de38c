import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Engine } from "../../src/engine/engine.ts";
import type { Run } from "../../src/lib/run.ts";
import { cheapenKey } from "./cheap-key.ts";
import { engineHere, holdfastHere } from "./holdfast-here.ts";
import type { SnapshotReading } from "./model-reader.ts";
import { programModule } from "./program.ts";
import { resticOn, type Restic } from "./restic.ts";
import { type CommandResult, runCommand } from "./run-command.ts";
import type { SeededRandom } from "./seeded-random.ts";

const passwords = { main: "main horse", offsite: "offsite horse" } as const;
export type Side = keyof typeof passwords;
export const sides: readonly Side[] = ["main", "offsite"];

const killer = join(import.meta.dirname, "kill-at.ts");

/**
 * What the model's test does to its two repositories: our commands, here or in a process of their own, killed or not, and
 * restic's.
 */
export class ModelCommands {
  /** What was done to what, for whoever looks into a difference. */
  readonly told: string[] = [];
  readonly #folder: string;
  readonly #random: SeededRandom;
  readonly #engine: Engine;
  readonly #inProcess: Run = { signal: new AbortController().signal, now: () => new Date(), report: () => {} };

  constructor(folder: string, random: SeededRandom) {
    this.#folder = folder;
    this.#random = random;
    this.#engine = engineHere(join(folder, "state"));
  }

  configure(): void {
    for (const side of sides) writeFileSync(this.path(`${side}.txt`), passwords[side], { mode: 0o600 });
    writeFileSync(
      this.path("crm/holdfast.yaml"),
      "crm: { name: acme, platform: custom, database: 'sqlite:./crm.db', files: [./attachments] }\n" +
        "repository: { location: ../main, password: 'file:../main.txt' }\n" +
        "copies: [{ name: offsite, location: ../offsite, password: 'file:../offsite.txt' }]\n" +
        "limits: { workers: 1, priority: normal }\n",
    );
  }

  path(name: string): string {
    return join(this.#folder, name);
  }

  /** Keys of this password, by default the side's, take no time from here on. */
  async cheapen(side: Side, password: string = passwords[side]): Promise<void> {
    await cheapenKey(this.path(side), password);
  }

  on(side: Side): readonly string[] {
    return ["--repository", `../${side}`];
  }

  reading(side: Side): SnapshotReading {
    const repository = { location: this.path(side), password: passwords[side] };
    return { engine: this.#engine, repository, run: this.#inProcess };
  }

  restic(side: Side): Restic {
    return resticOn(this.path(side), passwords[side]);
  }

  /** restic takes the lock of a dead process for a live one's, so that one has to go before. */
  async unlocked(side: Side): Promise<Restic> {
    await this.succeed("unlock", ...this.on(side));
    return this.restic(side);
  }

  run(args: readonly string[]): Promise<CommandResult> {
    return holdfastHere(this.#engine, args, this.path("crm"));
  }

  async succeed(...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.run(args);
    assert.equal(code, 0, `holdfast ${args.join(" ")}: ${code} ${stdout} ${stderr}`);
    return stdout;
  }

  /** Ends the command at a random moment as `kill -9` does; one that was done before is just done. */
  async killed(...args: readonly string[]): Promise<void> {
    const { code, stderr } = await this.start(args, 1 + this.#random.below(60));
    assert.ok(code === null || code === 0, `holdfast ${args.join(" ")}: ${stderr}`);
  }

  /** In a process of its own. */
  start(args: readonly string[], killAt?: number): Promise<CommandResult> {
    const base = {
      PATH: process.env["PATH"],
      HOME: this.#folder,
      LANG: "C.UTF-8",
      HOLDFAST_STATE: this.path("state"),
    };
    const killing = { NODE_OPTIONS: `--import=${killer}`, HOLDFAST_TEST_KILL_AT: String(killAt) };
    const program = ["--disable-warning=ExperimentalWarning", programModule, ...args];
    const env = killAt === undefined ? base : { ...base, ...killing };
    return runCommand(process.execPath, program, { cwd: this.path("crm"), env });
  }

  async resticCopy(): Promise<void> {
    const env = {
      RESTIC_FROM_REPOSITORY: this.path("main"),
      RESTIC_FROM_PASSWORD_FILE: this.path("main.txt"),
      RESTIC_REPOSITORY: this.path("offsite"),
      RESTIC_PASSWORD_FILE: this.path("offsite.txt"),
    };
    for (const side of sides) await this.unlocked(side);
    const { code, stderr } = await runCommand("restic", ["--no-cache", "copy"], { env: { ...process.env, ...env } });
    assert.equal(code, 0, stderr);
  }
}

/** The line of that type. */
export function record(text: string, type: string): unknown {
  const lines = text.trim().split("\n");
  const found = lines.map((line) => JSON.parse(line) as { readonly type: string }).find((line) => line.type === type);
  assert.ok(found, text);
  return found;
}
