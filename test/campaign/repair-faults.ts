import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { join } from "node:path";
import type { Engine } from "../../src/engine/engine.ts";
import { repair, type RepairInput } from "../../src/engine/repair.ts";
import { verify } from "../../src/engine/verify.ts";
import { localStorage } from "../../src/storage/local.ts";
import type { Storage } from "../../src/storage/storage.ts";
import type { Campaign, CampaignOptions } from "../support/campaign.ts";
import { buildScene, compare, type Counts, lostBlobs, newCounts, type Scene } from "../support/damage-scene.ts";
import { type Ending, endingStorage } from "../support/ending-storage.ts";
import { copyFolder, type Damage, damageFile, giveBackMemory, repositoryFiles } from "../support/repository-copy.ts";
import { resticOn } from "../support/restic.ts";
import { limits } from "../support/small-crm.ts";
import { temporaryFolder } from "../support/temp-folder.ts";

/**
 * Each step of a repair dies before and after each of its operations on the storage, or finds the disk full from there
 * on: counted in a first run, then each in a run of its own. What was not lost before is not lost by that, and the same
 * repair, run again, ends as if nothing had happened.
 */
export const campaign: Campaign = {
  name: "repair-faults",
  about:
    "repair index, packs and snapshots, killed before and after every storage operation and with a full disk at each: nothing more is lost, and the next run finishes; restic check --read-data is clean.",
  rounds: 10_000,
  run: async (options) => {
    using folder = temporaryFolder();
    const scene = await buildScene(folder.path);
    const counts = newCounts();
    const facts: Record<string, number> = {};
    for (const [what, { step, file, damage }] of Object.entries(casesOf(scene))) {
      const { operations, ends } = await proveCase(scene, { what, step, file, damage }, counts, options);
      facts[`${what}: operations`] = operations;
      facts[`${what}: ends`] = ends;
    }
    return facts;
  },
};

interface Case {
  readonly what: string;
  readonly step: RepairInput["what"];
  readonly file: string;
  readonly damage: Damage;
}

const steps = ["index", "packs", "snapshots"] as const;

function casesOf({ kept, before, places }: Scene): Readonly<Record<string, Omit<Case, "what">>> {
  const files = repositoryFiles(kept);
  const index = files.find((file) => file.startsWith("index/")) ?? "";
  const [one = "", other = ""] = files.filter((file) => file.startsWith("snapshots/"));
  // A blob of rows in the pack with the most of them, so that something is saved and something is lost.
  const packs = new Map<string, number>();
  for (const [blob, found] of places) {
    for (const { pack } of blob.startsWith("data") ? found : []) packs.set(pack, (packs.get(pack) ?? 0) + 1);
  }
  const [pack = ""] = [...packs].toSorted(([, a], [, b]) => b - a)[0] ?? [];
  const file = `data/${pack.slice(0, 2)}/${pack}`;
  const row = [...(before[0]?.rows.values() ?? [])].flatMap(({ needs }) => [...needs]);
  const place = row.flatMap((blob) => places.get(blob) ?? []).find((found) => found.pack === pack);
  const damage: Damage = { kind: "flip", at: (place?.offset ?? 0) + 40 };
  return {
    "a damaged index": { step: "index", file: index, damage: { kind: "flip", at: 50 } },
    "a damaged config": { step: "index", file: "config", damage: { kind: "flip", at: 50 } },
    "a damaged pack": { step: "packs", file, damage },
    "lost rows": { step: "snapshots", file, damage },
    "swapped snapshots": { step: "snapshots", file: one, damage: { kind: "swap", other } },
  };
}

async function proveCase(
  scene: Scene,
  { what, step, file, damage }: Case,
  counts: Counts,
  { rounds, report }: CampaignOptions,
): Promise<{ readonly operations: number; readonly ends: number }> {
  const { crm, location, kept } = scene;
  const prepared = join(kept, "..", "prepared");
  copyFolder(kept, location);
  damageFile(location, file, damage);
  for (const earlier of steps.slice(0, steps.indexOf(step))) await run(scene, crm.engine, earlier);
  copyFolder(location, prepared);

  const whole = endingStorage(localStorage(location));
  await run(scene, on(crm.engine, whole), step);
  const operations = whole.operations();
  assert.ok(operations > 3, `${what}: only ${operations} operations`);
  const endings = Array.from({ length: operations }, (_, at) =>
    (["dead before", "dead after", "full"] as const).map((kind): Ending => ({ at: at + 1, kind })),
  ).flat();
  const stride = Math.max(1, endings.length / rounds);
  let ends = 0;
  for (let at = 0; Math.floor(at) < endings.length; at += stride) {
    const ending = endings[Math.floor(at)] ?? assert.fail();
    const where = `${what}: ${ending.kind} ${ending.at} of ${operations}`;
    giveBackMemory();
    copyFolder(prepared, location);
    await run(scene, on(crm.engine, endingStorage(localStorage(location), ending)), step).catch(() => undefined);
    rmSync(join(location, "locks"), { recursive: true, force: true });
    for (const again of steps) await run(scene, crm.engine, again);
    const { defects } = await verify(crm.engine, { repository: crm.access, read: { kind: "all" }, limits }, crm.run);
    assert.deepEqual(defects, [], where);
    await compare(scene, crm.access, lostBlobs(scene, file, damage), where, counts, -1);
    if (ends % 5 === 0) await resticOn(location, crm.access.password).check();
    ends++;
    report(where);
  }
  return { operations, ends };
}

/** Plans and applies, as a person would. */
async function run({ crm }: Scene, engine: Engine, what: RepairInput["what"]): Promise<void> {
  const input: RepairInput = { repository: crm.access, what, lost: "leave", limits };
  const plan = await repair(engine, input, crm.run);
  if (plan.needed) await repair(engine, { ...input, plan: plan.id }, crm.run);
}

/** The same engine on one storage for all, which stays open. */
function on(engine: Engine, storage: Storage): Engine {
  return { ...engine, openStorage: () => ({ ...storage, [Symbol.asyncDispose]: async () => undefined }) };
}
