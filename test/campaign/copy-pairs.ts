import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { copySnapshots } from "../../src/engine/copy.ts";
import { createRepositoryAt } from "../../src/engine/init.ts";
import { withLimits } from "../../src/storage/limit.ts";
import { withRetry } from "../../src/storage/retry.ts";
import type { Storage } from "../../src/storage/storage.ts";
import type { Campaign } from "../support/campaign.ts";
import { compareDatabases } from "../support/compare-databases.ts";
import { assertSameTrees } from "../support/compare-trees.ts";
import { type CountedStorage, countedStorage } from "../support/counted-storage.ts";
import { noise } from "../support/noise.ts";
import { giveBackMemory } from "../support/repository-copy.ts";
import { resticOn } from "../support/restic.ts";
import { exact, limits, smallCrm } from "../support/small-crm.ts";
import { startTarget, type Target, targetNames } from "../support/targets.ts";
import { temporaryFolder } from "../support/temp-folder.ts";

/**
 * Copies between every two kinds of targets: two recovery points, of which the second is copied by itself, and then
 * nothing. What goes over the line is counted.
 */
export const campaign: Campaign = {
  name: "copy-pairs",
  about:
    "copies from each kind of target (local, S3, Azure, Google, SFTP, REST) to each other one, every other one with the key of the first: what is read from the first is no more than what the copy lacks, what is there is sent only once, the CRM is never read, and the copy restores alone to the same bytes, with stock restic check --read-data as the judge.",
  rounds: 1,
  run: async ({ seed, report }) => {
    const facts = { pairs: 0, "with the key of the first": 0 };
    const counts: Record<string, number> = {};
    await using targets = new AsyncDisposableStack();
    const started: Target[] = [];
    for (const name of targetNames) started.push(targets.use(await startTarget[name]()));
    for (const from of started) {
      for (const to of started) {
        if (from === to) continue;
        const key = (facts.pairs + seed) % 2 === 0 ? "same key" : "own key";
        const { sent, read } = await copyPair(from, to, key);
        // Each index reserves addresses; with those of many pairs Linux starts no further `ssh`.
        giveBackMemory();
        facts.pairs++;
        if (key === "same key") facts["with the key of the first"]++;
        counts[`${from.name} to ${to.name}: packs sent`] = sent;
        report(`${from.name} to ${to.name}, ${key}: ${sent} packs sent, ${read} parts of packs read`);
      }
    }
    return { ...facts, ...counts };
  },
};

const otherPassword = "other horse";

/** More than one pack, and nothing of it like any other. */
const largeBytes = 20_000_000;

/** One copy and what follows it, from one target to another. */
export async function copyPair(
  from: Target,
  to: Target,
  key: "own key" | "same key",
): Promise<{ readonly sent: number; readonly read: number }> {
  using folder = temporaryFolder();
  const crm = await smallCrm(folder.path);
  writeFileSync(join(crm.attachments, "large.bin"), noise(`${from.name} ${to.name}`, largeBytes));
  const names: Readonly<Record<"from" | "to", string>> = {
    from: `${from.name}-${to.name}-1`,
    to: `${from.name}-${to.name}-2`,
  };
  const places = { [from.location(names.from)]: from, [to.location(names.to)]: to };
  const opened: CountedStorage[] = [];
  const openStorage = (location: string): Storage => {
    const counted = countedStorage(places[location]?.open(location) ?? assert.fail(location));
    opened.push(counted);
    const limited = withLimits(counted, { clock: () => performance.now() });
    return withRetry(limited);
  };
  const count = (location: string, what: "saved" | "loaded"): number => {
    const of = opened.filter((one) => one.location === location);
    const sum = of.reduce((all, one) => all + (one[what]().get("data") ?? 0), 0);
    return sum;
  };
  const engine = { ...crm.engine, openStorage };
  const source = { location: from.location(names.from), password: crm.access.password };
  const target = { location: to.location(names.to), password: otherPassword };
  await createRepositoryAt(engine, source, crm.run);
  Object.assign(crm.engine, { openStorage });
  await crm.backup("full", { repository: source });
  const missing = key === "same key" ? "create-same-key" : "create";
  const copy = () =>
    copySnapshots(
      engine,
      { from: source, to: target, name: "offsite", points: [], missing, limits, waitMs: 0 },
      crm.run,
    );
  const first = await copy();
  assert.deepEqual([first.created, first.copied.length, first.damaged], [true, 1, []]);
  const sent = count(target.location, "saved");

  crm.sql("UPDATE contact SET name = 'changed' WHERE id < 20; INSERT INTO attachment VALUES (3, 1, 'more.txt')");
  writeFileSync(join(crm.attachments, "more.txt"), "more\n");
  await crm.backup("incremental", { repository: source });
  opened.splice(0);
  const second = await copy();
  assert.deepEqual([second.created, second.copied.length, second.present], [false, 1, 1]);
  assert.ok(second.storedBytes < first.storedBytes / 2, `${second.storedBytes} of ${first.storedBytes}`);
  const read = count(source.location, "loaded");
  // Nothing is there that has to be brought: neither the first nor the second is read but for what names things.
  opened.splice(0);
  const third = await copy();
  assert.deepEqual([third.copied.length, third.present, third.storedBytes], [0, 2, 0]);
  assert.deepEqual([count(source.location, "loaded"), count(target.location, "saved")], [0, 0]);

  const restored = join(folder.path, "restored");
  const plan = await crm.plan({ repository: target, target: restored, purpose: "replacement", switches: exact });
  Object.assign(crm.access, { password: otherPassword });
  await crm.apply(plan);
  assertSameTrees(join(restored, "attachments"), crm.attachments, ["root"]);
  const restoredDatabase = join(restored, basename(crm.database));
  assert.deepEqual(compareDatabases(crm.database, restoredDatabase), []);
  await resticOn(to.resticLocation(names.to), otherPassword, to.resticAccess).check();
  return { sent, read };
}
