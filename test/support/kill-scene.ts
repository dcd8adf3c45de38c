import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { DatabaseEngine } from "../../src/database/database.ts";
import { sqliteEngine } from "../../src/database/sqlite/sqlite.ts";
import type { Engine } from "../../src/engine/engine.ts";
import type { CampaignOptions } from "./campaign.ts";
import { cheapenKey } from "./cheap-key.ts";
import { compareDatabases } from "./compare-databases.ts";
import { compareTrees } from "./compare-trees.ts";
import { engineHere, holdfastHere } from "./holdfast-here.ts";
import { noise } from "./noise.ts";
import { programModule } from "./program.ts";
import { giveBackMemory } from "./repository-copy.ts";
import { type Restic, resticOn } from "./restic.ts";
import { runCommand, type CommandResult } from "./run-command.ts";

const root = join(import.meta.dirname, "../..");
export const password = "correct horse";
export const offsitePassword = "other horse";

/** A database on a server, which is there and stays as it is whatever becomes of the scene. */
export interface ServerDatabase {
  readonly url: string;
  readonly engine: DatabaseEngine;
}

/**
 * One CRM with its repository and state, at a fixed path, set back to the beginning for each round: on SQLite, or with a
 * database elsewhere.
 */
export class KillScene {
  readonly at: string;
  readonly engine: Engine;
  readonly #kept: string;
  readonly #name: string;

  constructor(folder: string, name: string, server?: ServerDatabase) {
    this.#name = name;
    this.at = join(folder, "scene");
    this.engine = engineHere(this.path("state"), server ? [server.engine] : [sqliteEngine]);
    this.#kept = join(folder, "kept");
    rmSync(this.at, { recursive: true, force: true });
    mkdirSync(join(this.at, "crm/attachments/2026"), { recursive: true });
    writeFileSync(this.path("password.txt"), password, { mode: 0o600 });
    writeFileSync(this.path("offsite.txt"), offsitePassword, { mode: 0o600 });
    writeFileSync(
      this.path("crm/holdfast.yaml"),
      `crm:\n  name: acme\n  platform: custom\n  database: ${server?.url ?? "sqlite:./crm.db"}\n  files: [./attachments]\n` +
        "repository:\n  location: ../backups\n  password: file:../password.txt\n" +
        "copies:\n  - { name: offsite, location: ../offsite, password: file:../offsite.txt }\n" +
        "limits: { workers: 1, priority: normal }\n",
    );
    writeFileSync(this.path("crm/attachments/logo.bin"), noise("logo", 50_000));
    writeFileSync(this.path("crm/attachments/2026/合同.txt"), "contract\n");
    if (server) return;
    this.sql(
      "CREATE TABLE contact (id INTEGER PRIMARY KEY, name TEXT); INSERT INTO contact VALUES (1, 'Ada'), (2, '张伟')",
    );
  }

  path(inside: string): string {
    return join(this.at, inside);
  }

  sql(statements: string): void {
    using connection = new DatabaseSync(this.path("crm/crm.db"));
    connection.exec(statements);
  }

  /** A working day: what the second backup finds, or what a restore takes back. */
  change(): void {
    this.sql("UPDATE contact SET name = 'BAD' WHERE id = 1; INSERT INTO contact VALUES (3, 'newer')");
    writeFileSync(this.path("crm/attachments/new.bin"), Buffer.alloc(3000, this.#name));
    rmSync(this.path("crm/attachments/2026"), { recursive: true });
  }

  keep(): void {
    rmSync(this.#kept, { recursive: true, force: true });
    execFileSync("cp", ["-a", this.at, this.#kept]);
  }

  reset(): void {
    rmSync(this.at, { recursive: true, force: true });
    execFileSync("cp", ["-a", this.#kept, this.at]);
  }

  /** An empty repository, which opens at once. */
  async init(): Promise<Restic> {
    await this.succeed("init");
    await cheapenKey(this.path("backups"), password);
    return resticOn(this.path("backups"), password);
  }

  /** Names of the files of one kind in a repository: with its lock still there, restic lists nothing without being told. */
  files(repository: string, kind: string): readonly string[] {
    // What was half written stays until a prune.
    return readdirSync(this.path(`${repository}/${kind}`)).filter((name) => !name.includes("-tmp-"));
  }

  /** In this process. */
  holdfast(args: readonly string[]): Promise<CommandResult> {
    return holdfastHere(this.engine, args, this.path("crm"));
  }

  async succeed(...args: readonly string[]): Promise<string> {
    const result = await this.holdfast(args);
    assert.equal(result.code, 0, `holdfast ${args.join(" ")}: ${result.stdout} ${result.stderr}`);
    return result.stdout;
  }

  /** In a process of its own, which ends at that operation; 0: it only counts them. */
  async #ending(args: readonly string[], endAt: number, end: End): Promise<CommandResult> {
    const env = {
      ...process.env,
      HOLDFAST_STATE: this.path("state"),
      LANG: "C.UTF-8",
      NODE_OPTIONS: `--import=${join(root, "test/support/kill-at.ts")} --disable-warning=ExperimentalWarning`,
      HOLDFAST_TEST_KILL_AT: String(end === "killed" ? endAt : 0),
      HOLDFAST_TEST_FULL_AT: String(end === "full" ? endAt : 0),
      HOLDFAST_TEST_COUNT_FILE: this.path("count"),
    };
    return await runCommand(process.execPath, [programModule, ...args], { cwd: this.path("crm"), env });
  }

  /** Everything of the CRM that a restore is about, against a copy of it. */
  differences(other: string): readonly string[] {
    return [
      ...compareDatabases(join(other, "crm.db"), this.path("crm/crm.db")),
      ...compareTrees(this.path("crm/attachments"), join(other, "attachments"), ["root", "folder-times"]),
    ];
  }

  copyCrm(name: string): string {
    const copy = join(this.at, "..", name);
    rmSync(copy, { recursive: true, force: true });
    execFileSync("cp", ["-a", this.path("crm"), copy]);
    return copy;
  }

  /**
   * Runs a command once to count its operations, then once for each of them and each end. `prepare` gives its arguments
   * anew each time: a plan holds for one target, and a copy is another.
   */
  async *kills(
    prepare: () => Promise<readonly string[]>,
    { rounds, report }: CampaignOptions,
    ends: readonly End[] = ["killed"],
  ): AsyncGenerator<Ended> {
    this.keep();
    const counted = await this.#ending(await prepare(), 0, "killed");
    assert.equal(counted.code, 0, counted.stderr);
    const { stdout: told } = counted;
    const operations = Number(readFileSync(this.path("count"), "utf8"));
    assert.ok(operations > 5, `only ${operations} operations were counted`);
    const step = Math.max(1, operations / rounds);
    for (const [which, end] of ends.entries()) {
      // Few rounds are somewhere in the middle of what they stand for, and elsewhere for each end.
      const first = step > 1 ? 1 + step * (0.6 - 0.3 * which) : 1;
      for (let at = first; Math.floor(at) <= operations; at += step) {
        this.reset();
        giveBackMemory();
        const result = await this.#ending(await prepare(), Math.floor(at), end);
        const what = `${end} at ${Math.floor(at)} of ${operations}: ${result.stderr}`;
        if (end === "killed") assert.equal(result.code, null, what);
        // Not every operation needs room, and whoever removes enough gets through.
        else if (result.code !== 0) assert.match(result.stderr, saysFull, what);
        report(`${this.#name}: ${end} at ${Math.floor(at)} of ${operations}`);
        yield { operations, end, told, isRefused: end === "full" && result.code !== 0 };
      }
    }
  }
}

const saysFull = /The storage of the repository is full|The state folder cannot be written/;

/** `full`: the disk is full from that operation on. */
export type End = "killed" | "full";
export const bothEnds: readonly End[] = ["killed", "full"];

export interface Ended {
  readonly operations: number;
  readonly end: End;
  /** What the run said that was not ended. */
  readonly told: string;
  /** It met the full disk, and did not get through all the same. */
  readonly isRefused: boolean;
}

export interface Proved extends Readonly<Record<End, number>> {
  readonly operations: number;
  readonly refused: number;
  /** What else was counted. */
  readonly seen?: Readonly<Record<string, number>>;
}

/** Proves after each end that all is well, and counts them. */
export async function tally(ends: AsyncGenerator<Ended>, prove: (ended: Ended) => Promise<void>): Promise<Proved> {
  const counts = { operations: 0, killed: 0, full: 0, refused: 0 };
  for await (const ended of ends) {
    counts.operations = ended.operations;
    counts[ended.end]++;
    if (ended.isRefused) counts.refused++;
    await prove(ended);
  }
  return counts;
}
