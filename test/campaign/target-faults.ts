import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { Campaign } from "../support/campaign.ts";
import { compareDatabases } from "../support/compare-databases.ts";
import { compareTrees } from "../support/compare-trees.ts";
import type { Fault } from "../support/fault-storage.ts";
import { noise } from "../support/noise.ts";
import { type Restic, resticOn } from "../support/restic.ts";
import { runCommand, type CommandResult } from "../support/run-command.ts";
import { type SeededRandom, seededRandom } from "../support/seeded-random.ts";
import { startTarget, type Target, targetNames } from "../support/targets.ts";
import { temporaryFolder } from "../support/temp-folder.ts";

/**
 * On every kind of target, a CRM that goes on living: each round changes it and runs `backup`, `forget --prune`, `prune` or
 * `copy`, which dies by SIGKILL right before or after a random operation on the storage, or finds from there on a login
 * that has run out, a clock that is wrong, or a full storage. Each target has a story of its own.
 */
export const campaign: Campaign = {
  name: "target-faults",
  about:
    "on S3 (Ceph), Azure (Azurite), Google (an emulator), SFTP (OpenSSH) and REST (rclone): backup, forget, prune and copy killed with SIGKILL before and after random operations on the storage, or meeting a login that runs out, a wrong clock or a full storage in the middle: stock restic check --read-data is clean each time, no snapshot is lost, the next command goes on, and at the end the newest is restored and compared.",
  rounds: 40,
  run: async ({ rounds, seed, report }) => {
    const facts: Facts = {};
    for (const [which, name] of targetNames.entries()) {
      if (name === "local") continue; // `kill-9` kills at each operation there
      await using target = await startTarget[name]();
      const options = { rounds, seed: seed * targetNames.length + which, report, commands: commandNames };
      await faultsOn(target, options, facts);
    }
    return facts;
  },
};

type Facts = Record<string, number>;

const root = join(import.meta.dirname, "../..");
const password = "correct horse";
const offsitePassword = "other horse";
/** Drawn like cards, so that all have come after as many rounds as there are cards. */
const kinds: readonly Fault["kind"][] = ["kill", "kill", "kill", "kill", "expired", "clock", "full"];
const commands = {
  backup: ["backup"],
  "full backup": ["backup", "full"],
  forget: ["forget", "--keep-last", "2", "--prune", "--now", "--max-unused", "0"],
  prune: ["prune", "--now", "--max-unused", "0"],
  copy: ["copy"],
} as const;
type CommandName = keyof typeof commands;
const commandNames: readonly CommandName[] = ["backup", "backup", "full backup", "forget", "prune", "copy"];
/** How each ends, in its one line. */
const sentences: Readonly<Partial<Record<Fault["kind"], RegExp>>> = {
  expired: /does not accept the login/,
  clock: /clock/i,
  full: /is full/,
};

export interface FaultRounds {
  /** Those that are run, in random order; with `copy` there is a copy of the repository. */
  readonly commands: readonly CommandName[];
  readonly rounds: number;
  readonly seed: number;
  readonly report: (line: string) => void;
}

/** As many rounds on one target. */
export async function faultsOn(
  target: Target,
  { rounds, seed, report, commands: names }: FaultRounds,
  facts: Facts,
): Promise<void> {
  using folder = temporaryFolder();
  const random = seededRandom(seed);
  const scene = new Scene(folder.path, target);
  const { operations: made } = await scene.succeed("init");
  assert.ok(made > 1, `${target.name}: nothing stands between the command and its storage`);
  await scene.succeed("backup");
  const hasCopy = names.includes("copy");
  if (hasCopy) await scene.succeed("copy", "--create");
  const operations = new Map<CommandName, number>();
  let left: Fault["kind"][] = [];
  for (let round = 1; round <= rounds; round++) {
    scene.change(random, round);
    const name = random.pick(names);
    const [restic, before] = await scene.judge(name);
    if (left.length === 0) left = [...kinds];
    const [kind = "kill"] = left.splice(random.below(left.length), 1);
    // What a command did when it last went through, it mostly does again; of a first one the middle is not known.
    const fault: Fault = {
      at: 1 + random.below(operations.get(name) ?? 4),
      when: random.pick(["before", "after"]),
      kind,
    };
    const faulty = await scene.run(commands[name], fault);
    const what = `${target.name}, round ${round}: ${name}, ${JSON.stringify(fault)}: ${faulty.code} ${faulty.stderr}`;
    const wasHit = faulty.code !== 0;
    if (wasHit && fault.kind === "kill") assert.equal(faulty.code, null, what);
    else if (wasHit) assert.match(faulty.stderr, sentences[fault.kind] ?? /./, what);
    add(facts, `${target.name}: ${wasHit ? fault.kind : `got through, ${fault.kind}`}`);
    await restic.output("check", "--read-data", "--no-lock");
    const after = await snapshotsOf(restic);
    if (name === "forget") assert.equal(after.at(-1), before.at(-1), what);
    else for (const id of before) assert.ok(after.includes(id), `${what}: ${id} is gone`);
    const ended = await scene.succeed(...commands[name]);
    operations.set(name, ended.operations);
    report(`${target.name}: round ${round} of ${rounds}: ${name}, ${fault.kind} ${fault.when} ${fault.at}`);
  }
  await scene.prove("acme", password);
  if (hasCopy) await scene.prove("offsite", offsitePassword);
  add(facts, `${target.name}: rounds`, rounds);
}

function add(facts: Facts, what: string, more = 1): void {
  facts[what] = (facts[what] ?? 0) + more;
}

async function snapshotsOf(restic: Restic): Promise<readonly string[]> {
  const listed = JSON.parse(await restic.output("snapshots", "--json", "--no-lock")) as readonly { id: string }[];
  return listed.map(({ id }) => id);
}

/** A CRM whose repository and copy are on one target. */
class Scene {
  readonly #folder: string;
  readonly #target: Target;

  constructor(folder: string, target: Target) {
    this.#folder = folder;
    this.#target = target;
    mkdirSync(this.#path("crm/attachments"), { recursive: true });
    writeFileSync(this.#path("password.txt"), password, { mode: 0o600 });
    writeFileSync(this.#path("offsite.txt"), offsitePassword, { mode: 0o600 });
    writeFileSync(
      this.#path("crm/holdfast.yaml"),
      `crm:
  name: acme
  platform: custom
  database: sqlite:./crm.db
  files: [./attachments]
repository:
  location: ${target.location("acme")}
  password: file:../password.txt
copies:
  - { name: offsite, location: "${target.location("offsite")}", password: "file:../offsite.txt" }
`,
    );
    this.#sql("CREATE TABLE contact (id INTEGER PRIMARY KEY, name TEXT); INSERT INTO contact (name) VALUES ('Ada')");
  }

  /** A working day. */
  change(random: SeededRandom, round: number): void {
    this.#sql(`INSERT INTO contact (name) VALUES ('${round}'); UPDATE contact SET name = '${round}' WHERE id = 1`);
    // Without a pattern, so that no byte may stand in for another, and now and then of several chunks.
    const bytes = noise(`${this.#target.name} ${round}`, random.below(random.oneIn(3) ? 6_000_000 : 200_000));
    writeFileSync(this.#path(`crm/attachments/${random.below(8)}.bin`), bytes);
    if (random.oneIn(4)) rmSync(this.#path(`crm/attachments/${random.below(8)}.bin`), { force: true });
  }

  async run(args: readonly string[], fault?: Fault): Promise<CommandResult> {
    const env = {
      PATH: "/usr/bin:/bin",
      LANG: "C.UTF-8",
      HOME: this.#folder,
      HOLDFAST_STATE: this.#path("state"),
      ...this.#target.environment,
      NODE_OPTIONS: `--import=${join(root, "test/support/fault-at.ts")}`,
      HOLDFAST_TEST_COUNT_FILE: this.#path("count"),
      ...(fault && { HOLDFAST_TEST_FAULT: JSON.stringify(fault) }),
    };
    const program = [join(root, "src/main.ts"), "--lang", "en", ...args];
    // A server on a busy machine may be silent for longer than a request waits, and is asked again.
    return await runCommand(process.execPath, program, { cwd: this.#path("crm"), env, timeoutMs: 600_000 });
  }

  async succeed(...args: readonly string[]): Promise<{ readonly stdout: string; readonly operations: number }> {
    const { code, stdout, stderr } = await this.run(args);
    assert.ok(code === 0 || code === 3, `${this.#target.name}: holdfast ${args.join(" ")}: ${code} ${stdout}${stderr}`);
    return { stdout, operations: Number(readFileSync(this.#path("count"), "utf8")) };
  }

  /** restic on the repository that a command changes, and what is in it. */
  async judge(name: CommandName): Promise<readonly [Restic, readonly string[]]> {
    const restic = name === "copy" ? this.#restic("offsite", offsitePassword) : this.#restic("acme", password);
    return [restic, await snapshotsOf(restic)];
  }

  /** The repository is whole, and the CRM as it is now comes back from it. */
  async prove(repository: "acme" | "offsite", secret: string): Promise<void> {
    await this.succeed("backup");
    if (repository === "offsite") await this.succeed("copy");
    const elsewhere = repository === "acme" ? [] : ["--repository", repository];
    const target = this.#path(`restored-${repository}`);
    const options = ["--target", target, "--as", "replacement", "--json"];
    const { stdout } = await this.succeed("restore", "plan", ...options, ...elsewhere);
    const { id } = JSON.parse(stdout) as { readonly id: string };
    await this.succeed("restore", "apply", id, ...elsewhere);
    assert.ok(existsSync(join(target, "crm.db")));
    assert.deepEqual(compareDatabases(this.#path("crm/crm.db"), join(target, "crm.db")), []);
    const attachments = [this.#path("crm/attachments"), join(target, "attachments")] as const;
    assert.deepEqual(compareTrees(...attachments, ["root", "folder-times"]), []);
    await this.#restic(repository, secret).check();
  }

  #restic(repository: string, secret: string): Restic {
    return resticOn(this.#target.resticLocation(repository), secret, this.#target.resticAccess);
  }

  #path(inside: string): string {
    return join(this.#folder, inside);
  }

  #sql(statements: string): void {
    using connection = new DatabaseSync(this.#path("crm/crm.db"));
    connection.exec(statements);
  }
}
