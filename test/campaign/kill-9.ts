import assert from "node:assert/strict";
import { join } from "node:path";
import type { Campaign, CampaignOptions } from "../support/campaign.ts";
import { cheapenKey } from "../support/cheap-key.ts";
import { compareDatabases } from "../support/compare-databases.ts";
import { compareTrees } from "../support/compare-trees.ts";
import { bothEnds, KillScene, offsitePassword, password, type Proved, tally } from "../support/kill-scene.ts";
import { stateOf } from "../support/model-world.ts";
import { damageFile, repositoryFiles } from "../support/repository-copy.ts";
import { type Restic, resticOn } from "../support/restic.ts";
import { temporaryFolder } from "../support/temp-folder.ts";

/**
 * Kills commands with SIGKILL before every single operation that changes the file system: the operations are counted in a
 * first run, then each is the last one of a run of its own, on a fresh copy of the same CRM, repository and state. A
 * slice takes that many of them, evenly spread. Only what is killed has a process of its own; keys that cost nothing to
 * open save the rest of the time.
 */
export const campaign: Campaign = {
  name: "kill-9",
  about:
    "kill -9 before every file system operation of backup, restore apply, restore undo, copy (also with the same key), export, import, forget, prune and the three repairs, and for copy, forget, prune and repairs a disk that is full from there on: restic check is clean, no earlier snapshot is lost, the database and each file of the CRM are wholly old or wholly new, and the next command goes on.",
  rounds: 10_000,
  run: async (options) => {
    using folder = temporaryFolder();
    const facts: Record<string, number> = {};
    for (const [name, prove] of Object.entries(scenarios)) {
      const { operations, killed, full, refused, seen } = await prove(new KillScene(folder.path, name), options);
      facts[`${name}: operations`] = operations;
      facts[`${name}: killed at`] = killed;
      if (full > 0) facts[`${name}: disk full at`] = full;
      if (full > 0) facts[`${name}: of these refused`] = refused;
      for (const [what, count] of Object.entries(seen ?? {})) facts[`${name}: ${what}`] = count;
    }
    return facts;
  },
};

type Prove = (scene: KillScene, options: CampaignOptions) => Promise<Proved>;

const scenarios: Readonly<Record<string, Prove>> = {
  backup: async (scene, options) => {
    const restic = await scene.init();
    await scene.succeed("backup");
    scene.change();
    const [first = ""] = scene.files("backups", "snapshots");
    const proved = await tally(
      scene.kills(async () => ["backup"], options),
      async () => {
        await restic.output("check", "--read-data", "--no-lock"); // the lock of the dead one is still there
        const after = scene.files("backups", "snapshots");
        assert.ok(after.includes(first), "the earlier snapshot is gone");
        await scene.succeed("backup");
        await scene.succeed("verify", "--read-data");
        assert.ok(scene.files("backups", "snapshots").length > after.length);
        assert.deepEqual(scene.files("backups", "locks"), [], "a dead one's lock is still there");
      },
    );
    await restic.check();
    return proved;
  },

  copy: (scene, options) => copyOffsite(scene, options),
  "copy with the same key": (scene, options) => copyOffsite(scene, options, "--same-key"),
  export: async (scene, options) => {
    await scene.init();
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
    await scene.init();
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

  "forget and prune": forgetAndPrune,
  "repair index": (scene, options) => repair(scene, options, "index"),
  "repair packs": (scene, options) => repair(scene, options, "packs"),
  "repair snapshots": (scene, options) => repair(scene, options, "snapshots"),

  "restore apply": async (scene, options) => {
    const { old, backedUp } = await damaged(scene);
    const seen = {
      "found old": 0,
      "found new": 0,
      "found in between": 0,
      "taken back": 0,
      "nothing to take back": 0,
      "applied again": 0,
      "refused as done": 0,
    };
    let round = 0;
    let apply: readonly string[] = [];
    const prepare = async () => (apply = await planned(scene));
    const proved = await tally(scene.kills(prepare, options), async () => {
      whole(scene, [old, backedUp]);
      const isOld = scene.differences(old).length === 0;
      const isNew = scene.differences(backedUp).length === 0;
      seen[isOld ? "found old" : isNew ? "found new" : "found in between"]++;
      round++;
      if (round % 2 === 0) {
        const undo = await scene.holdfast(["restore", "undo"]);
        // Where there is nothing to take back, nothing may have been done.
        assert.ok(undo.code === 0 || /no restore to undo/i.test(undo.stderr), undo.stderr);
        assert.deepEqual(scene.differences(old), [], "taken back, but not as it was");
        seen[undo.code === 0 ? "taken back" : "nothing to take back"]++;
      } else {
        const again = await scene.holdfast(apply);
        // done already: the target is no longer what the plan saw
        assert.ok(again.code === 0 || again.code === 31, again.stderr);
        assert.deepEqual(scene.differences(backedUp), [], "finished, but not as backed up");
        seen[again.code === 0 ? "applied again" : "refused as done"]++;
      }
      await scene.succeed("backup");
    });
    return { ...proved, seen };
  },

  "restore undo": async (scene, options) => {
    const { old, backedUp } = await damaged(scene);
    const prepare = async () => {
      await scene.succeed(...(await planned(scene)));
      return ["restore", "undo"];
    };
    return await tally(scene.kills(prepare, options), async () => {
      whole(scene, [old, backedUp]);
      const again = await scene.holdfast(["restore", "undo"]);
      assert.ok(again.code === 0 || /no restore to undo/i.test(again.stderr), again.stderr);
      assert.deepEqual(scene.differences(old), []);
      await scene.succeed("backup");
    });
  },
};

async function copyOffsite(scene: KillScene, options: CampaignOptions, ...how: readonly string[]): Promise<Proved> {
  const restic = await scene.init();
  await scene.succeed("backup");
  await scene.succeed("copy", "--create", ...how);
  await cheapenKey(scene.path("offsite"), offsitePassword);
  scene.change();
  await scene.succeed("backup");
  await scene.succeed("backup", "full");
  const offsite = resticOn(scene.path("offsite"), offsitePassword);
  const [first = ""] = scene.files("offsite", "snapshots");
  const proved = await tally(
    scene.kills(async () => ["copy"], options, bothEnds),
    async () => {
      await offsite.output("check", "--read-data", "--no-lock");
      const after = scene.files("offsite", "snapshots");
      assert.ok(after.length <= 3 && after.includes(first), "the earlier copy is gone");
      await scene.succeed("copy");
      assert.equal(scene.files("offsite", "snapshots").length, 3, "each once");
      await scene.succeed("verify", "--read-data", "--repository", "offsite");
      for (const repository of ["backups", "offsite"])
        assert.deepEqual(scene.files(repository, "locks"), [], "a dead one's lock is still there");
    },
  );
  await offsite.check();
  await restic.check();
  return proved;
}

/** Of five backups, the newest stays whatever happens; at the end it is restored and compared. */
async function forgetAndPrune(scene: KillScene, options: CampaignOptions): Promise<Proved> {
  const command = ["forget", "--keep-last", "1", "--prune", "--now", "--max-unused", "0"];
  const restic = await fiveBackups(scene);
  const newest = (await restic.snapshots()).at(-1) ?? assert.fail();
  const proved = await tally(
    scene.kills(async () => command, options, bothEnds),
    async () => {
      await restic.output("check", "--read-data", "--no-lock"); // the lock of the dead one may still be there
      assert.ok(scene.files("backups", "snapshots").includes(newest.id), "the newest is gone");
      await scene.succeed(...command);
      const said = await scene.succeed("verify", "--read-data", "--json");
      const { snapshots, unusedBlobs, unindexedPacks } = record(said, "verify") as Readonly<Record<string, number>>;
      assert.deepEqual([snapshots, unusedBlobs, unindexedPacks], [1, 0, 0]);
    },
  );
  await restic.check();
  await restoredAsIs(scene, restic, newest.id);
  return proved;
}

/** The newest of five backups is untouched by the damage, and stays so whatever happens to the repair. */
async function repair(
  scene: KillScene,
  options: CampaignOptions,
  what: "index" | "packs" | "snapshots",
): Promise<Proved> {
  const restic = await fiveBackups(scene);
  const newest = (await restic.snapshots()).at(-1) ?? assert.fail();
  await damage(scene, what === "index" ? "index" : "pack", newest.id);
  const plan = async (step: string) =>
    record(await scene.succeed("repair", step, "--json"), "repair") as {
      readonly id: string;
      readonly needed: boolean;
    };
  const apply = async (step: string): Promise<void> => {
    const { id, needed } = await plan(step);
    if (needed) await scene.succeed("repair", step, "--apply", id);
  };
  const steps = ["index", "packs", "snapshots"] as const;
  for (const step of steps.slice(0, steps.indexOf(what))) await apply(step);
  const { id, needed } = await plan(what);
  assert.ok(needed, `repair ${what} has nothing to do`);
  const proved = await tally(
    scene.kills(async () => ["repair", what, "--apply", id], options, bothEnds),
    async () => {
      for (const step of steps) await apply(step);
      await scene.succeed("verify", "--read-data");
      assert.ok(scene.files("backups", "snapshots").includes(newest.id), "the newest is gone");
      assert.equal(scene.files("backups", "snapshots").length, 5, "one is gone, or there twice");
    },
  );
  await restic.check();
  await restoredAsIs(scene, restic, newest.id);
  return proved;
}

async function fiveBackups(scene: KillScene): Promise<Restic> {
  const restic = await scene.init();
  await scene.succeed("backup");
  scene.change();
  for (const kind of ["incremental", "full", "incremental", "incremental"]) {
    scene.sql(`INSERT INTO contact (name) VALUES ('${kind}')`);
    await scene.succeed("backup", kind);
  }
  return restic;
}

/** Damages an index file, or a pack that the newest backup can do without and another cannot. */
async function damage(scene: KillScene, what: "index" | "pack", newest: string): Promise<void> {
  const folder = what === "index" ? "index/" : "data/";
  for (const file of repositoryFiles(scene.path("backups")).filter((one) => one.startsWith(folder))) {
    const flip = (): void => damageFile(scene.path("backups"), file, { kind: "flip", at: 50 });
    flip();
    const { stdout } = await scene.holdfast(["verify", "--read-data", "--json"]);
    const { defects } = record(stdout, "verify") as {
      readonly defects: readonly { readonly snapshots: readonly string[] }[];
    };
    const touched = defects.flatMap(({ snapshots }) => snapshots);
    if (what === "index" || (touched.length > 0 && !touched.includes(newest))) return;
    flip();
  }
  assert.fail("no such file");
}

/** The line of that type. */
function record(text: string, type: string): unknown {
  const lines = text.trim().split("\n");
  return lines.map((line) => JSON.parse(line) as { readonly type: string }).find((line) => line.type === type);
}

async function restoredAsIs(scene: KillScene, restic: Restic, id: string): Promise<void> {
  const restored = scene.path("restored");
  await restic.restore(id, restored);
  const files = join(restored, "acme/files/attachments");
  assert.deepEqual(compareTrees(files, scene.path("crm/attachments"), ["root", "folder-times"]), []);
}

/** Backed up, then changed; copies of the CRM as it was backed up and as it is now. */
async function damaged(scene: KillScene): Promise<{ readonly old: string; readonly backedUp: string }> {
  await scene.init();
  await scene.succeed("backup");
  const backedUp = scene.copyCrm("backed-up");
  scene.change();
  return { old: scene.copyCrm("old"), backedUp };
}

/** Plans to have all of it back exactly; the command that applies the plan. */
async function planned(scene: KillScene): Promise<readonly string[]> {
  const plan = JSON.parse(await scene.succeed("restore", "plan", "--exact", "--json")) as { readonly id: string };
  return ["restore", "apply", plan.id, "--confirm", "acme"];
}

/** The database and each file are wholly old or wholly new at any instant, also before the next command. */
function whole(scene: KillScene, states: readonly string[]): void {
  const database = states.map((state) => compareDatabases(join(state, "crm.db"), scene.path("crm/crm.db")));
  assert.ok(
    database.some((differences) => differences.length === 0),
    `half a database: ${JSON.stringify(database)}`,
  );
  const [now, ...then] = [scene.path("crm"), ...states].map((folder) => stateOf(folder).files);
  for (const path of new Set(then.flatMap((files) => [...files.keys()])))
    assert.ok(
      then.some((files) => files.get(path) === now?.get(path)),
      `half a file: ${path}`,
    );
  for (const path of now?.keys() ?? [])
    assert.ok(
      then.some((files) => files.has(path)),
      `a file from nowhere: ${path}`,
    );
}
