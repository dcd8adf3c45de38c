import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { Campaign, CampaignOptions } from "../support/campaign.ts";
import { compareDatabases } from "../support/compare-databases.ts";
import { compareTrees } from "../support/compare-trees.ts";
import { resticOn } from "../support/restic.ts";
import { runCommand, type CommandResult } from "../support/run-command.ts";
import { temporaryFolder } from "../support/temp-folder.ts";

/**
 * Kills `backup`, `restore apply`, `restore undo`, `copy`, `export` and `import` with SIGKILL before every single operation that changes the file
 * system: the operations are counted in a first run, then each is the last one of a run of its own, on a fresh copy of
 * the same CRM, repository and state. A slice takes that many of them, evenly spread.
 */
export const campaign: Campaign = {
  name: "kill-9",
  about:
    "kill -9 before every file system operation of backup, restore apply, restore undo, copy, export, import, forget and prune, and for the last two a disk that is full from there on: restic check is clean, no earlier snapshot is lost, the CRM is wholly old or wholly new, and the next command goes on.",
  rounds: 10_000,
  run: async (options) => {
    using folder = temporaryFolder();
    const facts: Record<string, number> = {};
    for (const [name, prove] of Object.entries(scenarios)) {
      const { operations, killed } = await prove(new Scene(folder.path, name), options);
      facts[`${name}: operations`] = operations;
      facts[`${name}: killed at`] = killed;
    }
    return facts;
  },
};

const root = join(import.meta.dirname, "../..");
const password = "correct horse";
const offsitePassword = "other horse";

/** One CRM with its repository and state, at a fixed path, set back to the beginning for each round. */
class Scene {
  readonly at: string;
  readonly #kept: string;
  readonly #name: string;

  constructor(folder: string, name: string) {
    this.#name = name;
    this.at = join(folder, "scene");
    this.#kept = join(folder, "kept");
    rmSync(this.at, { recursive: true, force: true });
    mkdirSync(join(this.at, "crm/attachments/2026"), { recursive: true });
    writeFileSync(this.path("password.txt"), password, { mode: 0o600 });
    writeFileSync(this.path("offsite.txt"), offsitePassword, { mode: 0o600 });
    writeFileSync(
      this.path("crm/holdfast.yaml"),
      "crm:\n  name: acme\n  platform: custom\n  database: sqlite:./crm.db\n  files: [./attachments]\n" +
        "repository:\n  location: ../backups\n  password: file:../password.txt\n" +
        "copies:\n  - { name: offsite, location: ../offsite, password: file:../offsite.txt }\n",
    );
    writeFileSync(this.path("crm/attachments/logo.bin"), Buffer.alloc(50_000, "logo"));
    writeFileSync(this.path("crm/attachments/2026/合同.txt"), "contract\n");
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

  async holdfast(args: readonly string[], endAt?: number, end: End = "killed"): Promise<CommandResult> {
    const env = { ...process.env, HOLDFAST_STATE: this.path("state"), LANG: "C.UTF-8" };
    const killing = {
      NODE_OPTIONS: `--import=${join(root, "test/support/kill-at.ts")} --disable-warning=ExperimentalWarning`,
      HOLDFAST_TEST_KILL_AT: String(end === "killed" ? (endAt ?? 0) : 0),
      HOLDFAST_TEST_FULL_AT: String(end === "full" ? (endAt ?? 0) : 0),
      HOLDFAST_TEST_COUNT_FILE: this.path("count"),
    };
    return await runCommand(process.execPath, [join(root, "src/main.ts"), ...args], {
      cwd: this.path("crm"),
      env: endAt === undefined ? env : { ...env, ...killing },
    });
  }

  async succeed(...args: readonly string[]): Promise<string> {
    const result = await this.holdfast(args);
    assert.equal(result.code, 0, `holdfast ${args.join(" ")}: ${result.stderr}`);
    return result.stdout;
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
   * Runs a command once to count its operations, then once for each of them, killed before it. `prepare` gives its
   * arguments anew each time: a plan holds for one target, and a copy is another.
   */
  async *kills(
    prepare: () => Promise<readonly string[]>,
    { rounds, report }: CampaignOptions,
    end: End = "killed",
  ): AsyncGenerator<number> {
    this.keep();
    const counted = await this.holdfast(await prepare(), 0);
    assert.equal(counted.code, 0, counted.stderr);
    const operations = Number(readFileSync(this.path("count"), "utf8"));
    assert.ok(operations > 5, `only ${operations} operations were counted`);
    const step = Math.max(1, operations / rounds);
    for (let at = 1; Math.floor(at) <= operations; at += step) {
      this.reset();
      const result = await this.holdfast(await prepare(), Math.floor(at), end);
      const what = `${end} at ${Math.floor(at)} of ${operations}: ${result.stderr}`;
      if (end === "killed") assert.equal(result.code, null, what);
      // Not every operation needs room, and whoever removes enough gets through.
      else if (result.code !== 0) assert.match(result.stderr, /The storage of the repository is full/, what);
      report(`${this.#name}: ${Math.floor(at)} of ${operations}`);
      yield operations;
    }
  }
}

/** `full`: the disk is full from that operation on. */
type End = "killed" | "full";

interface Proved {
  readonly operations: number;
  readonly killed: number;
}

type Prove = (scene: Scene, options: CampaignOptions) => Promise<Proved>;

const scenarios: Readonly<Record<string, Prove>> = {
  backup: async (scene, options) => {
    await scene.succeed("init");
    await scene.succeed("backup");
    scene.change();
    const restic = resticOn(scene.path("backups"), password);
    const [first] = await restic.snapshots();
    assert.ok(first);
    return await tally(
      scene.kills(async () => ["backup"], options),
      async () => {
        await restic.output("check", "--read-data", "--no-lock"); // the lock of the dead one is still there
        const after = JSON.parse(await restic.output("snapshots", "--json", "--no-lock")) as readonly { id: string }[];
        assert.ok(
          after.some(({ id }) => id === first.id),
          "the earlier snapshot is gone",
        );
        await scene.succeed("backup");
        await scene.succeed("verify", "--read-data");
        await restic.check();
        const target = scene.path("restored");
        await scene.succeed("restore", "plan", "--target", target, "--as", "replacement");
        assert.ok((await restic.snapshots()).length > after.length);
      },
    );
  },

  copy: async (scene, options) => {
    await scene.succeed("init");
    await scene.succeed("backup");
    await scene.succeed("copy", "--create");
    scene.change();
    await scene.succeed("backup");
    await scene.succeed("backup", "full");
    const offsite = resticOn(scene.path("offsite"), offsitePassword);
    const [first] = await offsite.snapshots();
    assert.ok(first);
    return await tally(
      scene.kills(async () => ["copy"], options),
      async () => {
        await offsite.output("check", "--read-data", "--no-lock");
        const after = JSON.parse(await offsite.output("snapshots", "--json", "--no-lock")) as readonly { id: string }[];
        assert.ok(after.length <= 3 && after.some(({ id }) => id === first.id), "the earlier copy is gone");
        await scene.succeed("copy");
        assert.equal((await offsite.snapshots()).length, 3, "each once");
        await scene.succeed("verify", "--read-data", "--repository", "offsite");
        await offsite.check();
        await resticOn(scene.path("backups"), password).check(); // the locks of the dead one are gone here too
      },
    );
  },

  export: async (scene, options) => {
    await scene.succeed("init");
    await scene.succeed("backup");
    await scene.succeed("export", "full", "--to", "../volumes", "--name", "full");
    scene.change();
    await scene.succeed("backup");
    return await tally(
      scene.kills(async () => ["export", "--to", "../volumes", "--name", "next"], options),
      async () => {
        // What was begun goes on; what was not begun is begun, and what was done is done.
        const resumed = await scene.holdfast(["export", "--resume", "--to", "../volumes"]);
        const again = await scene.holdfast(["export", "--to", "../volumes", "--name", "last"]);
        assert.ok(again.code === 0 || again.code === 4, `${resumed.stderr}${again.stderr}`);
        await scene.succeed("import", "../volumes", "--into", "../imported");
        const imported = resticOn(scene.path("imported"), password);
        await imported.check();
        assert.equal((await imported.snapshots()).length, 2);
      },
    );
  },

  import: async (scene, options) => {
    await scene.succeed("init");
    await scene.succeed("backup");
    scene.change();
    await scene.succeed("backup");
    await scene.succeed("export", "full", "--to", "../volumes", "--name", "full");
    const command = ["import", "../volumes", "--into", "../imported"];
    return await tally(
      scene.kills(async () => command, options),
      async () => {
        await scene.succeed(...command);
        const imported = resticOn(scene.path("imported"), password);
        await imported.check();
        assert.equal((await imported.snapshots()).length, 2);
      },
    );
  },

  "forget and prune": (scene, options) => forgetAndPrune(scene, options, "killed"),
  "forget and prune on a full disk": (scene, options) => forgetAndPrune(scene, options, "full"),

  "restore apply": async (scene, options) => {
    const { old, backedUp } = await damaged(scene);
    let round = 0;
    let apply: readonly string[] = [];
    const prepare = async () => (apply = await planned(scene));
    return await tally(scene.kills(prepare, options), async () => {
      await whole(scene, [old, backedUp]);
      round++;
      if (round % 2 === 0) {
        const undo = await scene.holdfast(["restore", "undo"]);
        if (undo.code === 0) assert.deepEqual(scene.differences(old), [], "taken back, but not as it was");
      } else {
        const again = await scene.holdfast(apply);
        // done already: the target is no longer what the plan saw
        assert.ok(again.code === 0 || again.code === 31, again.stderr);
        assert.deepEqual(scene.differences(backedUp), [], "finished, but not as backed up");
      }
      await scene.succeed("backup");
    });
  },

  "restore undo": async (scene, options) => {
    const { old } = await damaged(scene);
    const prepare = async () => {
      await scene.succeed(...(await planned(scene)));
      return ["restore", "undo"];
    };
    return await tally(scene.kills(prepare, options), async () => {
      const again = await scene.holdfast(["restore", "undo"]);
      assert.ok(again.code === 0 || /no restore to undo/i.test(again.stderr), again.stderr);
      assert.deepEqual(scene.differences(old), []);
      await scene.succeed("backup");
    });
  },
};

/** Of five backups, the newest stays whatever happens; at the end it is restored and compared. */
async function forgetAndPrune(scene: Scene, options: CampaignOptions, end: End): Promise<Proved> {
  const command = ["forget", "--keep-last", "1", "--prune", "--now", "--max-unused", "0"];
  await scene.succeed("init");
  await scene.succeed("backup");
  scene.change();
  for (const kind of ["incremental", "full", "incremental", "incremental"]) {
    scene.sql(`INSERT INTO contact (name) VALUES ('${kind}')`);
    await scene.succeed("backup", kind);
  }
  const restic = resticOn(scene.path("backups"), password);
  const newest = (await restic.snapshots()).at(-1) ?? assert.fail();
  const proved = await tally(
    scene.kills(async () => command, options, end),
    async () => {
      await restic.output("check", "--read-data", "--no-lock"); // the lock of the dead one may still be there
      const after = JSON.parse(await restic.output("snapshots", "--json", "--no-lock")) as readonly { id: string }[];
      assert.equal(after.at(-1)?.id, newest.id, "the newest is gone");
      await scene.succeed(...command);
      const said = (await scene.succeed("verify", "--read-data", "--json")).trim().split("\n").at(-1) ?? "";
      const { snapshots, unusedBlobs, unindexedPacks } = JSON.parse(said) as Readonly<Record<string, number>>;
      assert.deepEqual([snapshots, unusedBlobs, unindexedPacks], [1, 0, 0]);
    },
  );
  await restic.check();
  const restored = scene.path("restored");
  await restic.restore(newest.id, restored);
  const files = join(restored, "acme/files/attachments");
  assert.deepEqual(compareTrees(files, scene.path("crm/attachments"), ["root", "folder-times"]), []);
  return proved;
}

/** Backed up, then changed; copies of the CRM as it was backed up and as it is now. */
async function damaged(scene: Scene): Promise<{ readonly old: string; readonly backedUp: string }> {
  await scene.succeed("init");
  await scene.succeed("backup");
  const backedUp = scene.copyCrm("backed-up");
  scene.change();
  return { old: scene.copyCrm("old"), backedUp };
}

/** Plans to have all of it back exactly; the command that applies the plan. */
async function planned(scene: Scene): Promise<readonly string[]> {
  const plan = JSON.parse(await scene.succeed("restore", "plan", "--exact", "--json")) as { readonly id: string };
  return ["restore", "apply", plan.id, "--confirm", "acme"];
}

/** Each part is wholly old or wholly new at any instant, also before the next command. */
async function whole(scene: Scene, states: readonly string[]): Promise<void> {
  const database = states.map((state) => compareDatabases(join(state, "crm.db"), scene.path("crm/crm.db")));
  assert.ok(
    database.some((differences) => differences.length === 0),
    `half a database: ${JSON.stringify(database)}`,
  );
}

async function tally(kills: AsyncGenerator<number>, prove: () => Promise<void>): Promise<Proved> {
  let operations = 0;
  let killed = 0;
  for await (const counted of kills) {
    operations = counted;
    killed++;
    await prove();
  }
  return { operations, killed };
}
