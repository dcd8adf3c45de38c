import assert from "node:assert/strict";
import { repair, type RepairInput } from "../../src/engine/repair.ts";
import { verify } from "../../src/engine/verify.ts";
import type { Campaign, CampaignOptions } from "../support/campaign.ts";
import {
  buildScene,
  compare,
  type Counts,
  lostBlobs,
  newCounts,
  partnersOf,
  opens,
  passwords,
  passwordThatOpens,
  type Scene,
  touchedBy,
} from "../support/damage-scene.ts";
import {
  copyFolder,
  type Damage,
  damageFile,
  damagesOf,
  giveBackMemory,
  repositoryFiles,
} from "../support/repository-copy.ts";
import { resticOn } from "../support/restic.ts";
import { limits } from "../support/small-crm.ts";
import { temporaryFolder } from "../support/temp-folder.ts";

/**
 * Each file of a small repository is damaged, one at a time: bits flipped, cut off, deleted, swapped with another.
 * `verify --read-data` must find it and name the snapshots that it touches, by what the test itself works out from
 * where each blob stood; `repair` must save all that can be saved, by the same reckoning, and leave what restic and
 * our own verify find sound.
 */
export const campaign: Campaign = {
  name: "damage",
  about:
    "Every file of a small repository, one at a time: a flipped bit, a cut, a deletion, a swap. verify --read-data finds it and names the recovery points it touches; repair saves every file and row whose bytes are left, every other recovery point is unharmed, and restic check --read-data is clean afterwards.",
  rounds: 10_000,
  run: async (options) => {
    using folder = temporaryFolder();
    const scene = await buildScene(folder.path);
    const all = repositoryFiles(scene.kept).flatMap((file) =>
      damagesOf(scene.kept, file, partnersOf(scene.kept, file)).map((damage) => ({ file, damage })),
    );
    const counts = newCounts();
    const step = Math.max(1, all.length / options.rounds);
    let rounds = 0;
    // Another beginning for another seed, so that slices differ.
    for (let at = (options.seed - 1) % step; Math.floor(at) < all.length; at += step) {
      const round = all[Math.floor(at)];
      if (round === undefined) break;
      await prove(scene, round.file, round.damage, counts, rounds, options);
      rounds++;
    }
    return { "ways to damage a file": all.length, "ways tried": rounds, ...counts };
  },
};

async function prove(
  scene: Scene,
  file: string,
  damage: Damage,
  counts: Counts,
  round: number,
  { report }: CampaignOptions,
): Promise<void> {
  const { crm, location, kept } = scene;
  const what = `${file}: ${JSON.stringify(damage)}`;
  giveBackMemory();
  copyFolder(kept, location);
  damageFile(location, file, damage);
  const password = await passwordThatOpens(scene);
  const access = { location, password };

  const found = await verify(crm.engine, { repository: access, read: { kind: "all" }, limits }, crm.run);
  const isGone = file.startsWith("snapshots/") && damage.kind === "delete";
  // One password less looks as if somebody had removed it, and while another opens nothing else is wrong.
  const isRemovedKey = file.startsWith("keys/") && damage.kind === "delete";
  const isFound = isGone ? found.unnamedRoots > 0 : found.defects.length > 0;
  assert.ok(isFound || isRemovedKey, `not found: ${what}`);
  const named = new Set(found.defects.flatMap(({ snapshots }) => snapshots));
  const touched = touchedBy(scene, file, damage);
  for (const id of touched) assert.ok(named.has(id) || isGone, `${what} does not name ${id}`);
  for (const id of named)
    assert.ok(touched.has(id) || !scene.before.some((one) => one.id === id), `${what} names ${id}`);
  // What looks as somebody might have left it is no finding.
  counts[isFound ? "found" : "not to be told from a removal"]++;

  for (const step of ["index", "packs", "snapshots"] as const) {
    const input: RepairInput = { repository: access, what: step, lost: isGone ? "bring back" : "leave", limits };
    const plan = await repair(crm.engine, input, crm.run);
    if (plan.needed) await repair(crm.engine, { ...input, plan: plan.id }, crm.run);
    assert.equal(
      (await repair(crm.engine, { ...input, lost: "leave" }, crm.run)).needed,
      false,
      `${what}: ${step} again`,
    );
  }
  if (damage.kind === "swap") for (const one of passwords(scene)) await opens(scene, one, what);
  const after = await verify(crm.engine, { repository: access, read: { kind: "all" }, limits }, crm.run);
  assert.deepEqual(after.defects, [], what);
  await resticOn(location, password).check();
  await compare(scene, access, lostBlobs(scene, file, damage), what, counts, round);
  report(`${round + 1}: ${what}`);
}
