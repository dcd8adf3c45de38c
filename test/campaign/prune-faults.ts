import assert from "node:assert/strict";
import { join } from "node:path";
import { newMasterKey, sealKeyFile } from "../../src/format/key-file.ts";
import { newConfig, sealConfig } from "../../src/format/config-file.ts";
import type { MasterKey } from "../../src/format/crypto.ts";
import type { Id, TreeNode } from "../../src/format/tree.ts";
import { byteName } from "../../src/lib/byte-name.ts";
import { isHoldfastError } from "../../src/lib/errors.ts";
import { removeSnapshots } from "../../src/repository/change-snapshots.ts";
import { acquireLock } from "../../src/repository/lock.ts";
import { OpenedRepository } from "../../src/repository/opened-repository.ts";
import { planPrune } from "../../src/repository/prune.ts";
import type { PruneOptions } from "../../src/repository/prune-plan.ts";
import type { Lock, Upload, VerifyReport } from "../../src/repository/repository.ts";
import { verifyRepository } from "../../src/repository/verify.ts";
import { localStorage } from "../../src/storage/local.ts";
import { memoryStorage } from "../../src/storage/memory.ts";
import { fileKinds, type Storage } from "../../src/storage/storage.ts";
import type { Campaign } from "../support/campaign.ts";
import { endingStorage, type Ending } from "../support/ending-storage.ts";
import { resticOn } from "../support/restic.ts";
import { seededRandom } from "../support/seeded-random.ts";
import { temporaryFolder } from "../support/temp-folder.ts";

/**
 * Random repositories, of which random snapshots are forgotten and pruned, deleting at once or in two phases. The
 * operations on the storage are counted; then, for each of them, the run ends there: dead right before it, dead right
 * after it, or with a disk that is full from then on. A slice takes so many ends of each repository, evenly spread.
 */
export const campaign: Campaign = {
  name: "prune-faults",
  about:
    "forget and prune ended at every operation on the storage, by death before and after it and by a full disk: everything kept is whole (our verify reads every byte; stock restic check of samples), and the next run finishes the work and leaves no waste.",
  rounds: 8,
  run: async ({ rounds, seed, report }) => {
    const facts = { repositories: 0, operations: 0, ends: 0, "judged by restic": 0 };
    for (let number = 0; number < rounds; number++) {
      const scene = await buildScene(seed * 1000 + number);
      const counted = await endings(scene, Infinity, report);
      facts.repositories++;
      facts.operations += counted.operations;
      facts.ends += counted.ends;
      facts["judged by restic"] += counted.judged;
    }
    return facts;
  },
};

/** The first so many ends of one repository, evenly spread: for the tests. */
export async function slice(seed: number, ends: number): Promise<void> {
  await endings(await buildScene(seed), ends, () => {});
}

const { signal } = new AbortController();
const now = (): Date => new Date();
const limits = { workers: 1, priority: "normal" } as const;
const password = "faults";
const host = { hostname: "test", username: "tester", uid: 0, gid: 0 };
const timing = { secondLookMs: 1 };

interface Scene {
  readonly name: string;
  readonly key: MasterKey;
  /** As it is before anything is forgotten. */
  readonly storage: Storage;
  readonly forgotten: readonly Id[];
  readonly kept: readonly Id[];
  readonly atOnce: boolean;
  readonly wasteBytes: number;
}

async function buildScene(seed: number): Promise<Scene> {
  const random = seededRandom(seed);
  const storage = memoryStorage();
  const key = newMasterKey();
  const config = newConfig();
  const keyFile = await sealKeyFile(key, password, { now, host });
  await storage.save({ kind: "key", name: keyFile.name }, keyFile.bytes, signal);
  await storage.save({ kind: "config", name: "" }, sealConfig(key, config), signal);
  const repository = new OpenedRepository({ storage, masterKey: key, keyId: keyFile.name, config, host });
  const pool = Array.from({ length: 60 }, (_, number) => {
    const bytes = Buffer.alloc(1000 + random.below(30_000));
    for (let at = 0; at < bytes.length; at++) bytes[at] = random.below(256);
    bytes.writeUInt32LE(number);
    return bytes;
  });
  const ids: Id[] = [];
  const backups = 3 + random.below(12);
  for (let number = 0; number < backups; number++) {
    await using lock = await acquireLock({ storage, key, host, timing }, "shared", { signal, now, waitMs: 0 });
    const indexed = await repository.index(signal);
    await using upload = await indexed.upload({ signal, lock, limits });
    const chosen = pool.filter(() => random.oneIn(4));
    const tree = await upload.tree({
      nodes: [dir("x", await folder(upload, chosen)), dir("y", await folder(upload, chosen.slice(3)))],
    });
    const time = new Date(Date.parse("2026-01-01T00:00:00Z") + number * 3_600_000).toISOString();
    ids.push((await upload.finish({ time, tree, paths: ["/acme"], hostname: "test" })).id);
  }
  const forgotten = ids.filter((_, index) => index === 0 || (index < ids.length - 1 && !random.oneIn(3)));
  const atOnce = random.oneIn(2);
  return {
    name: `repository ${seed}, ${backups} backups, ${atOnce ? "at once" : "two phases"}`,
    key,
    storage,
    forgotten,
    kept: ids.filter((id) => !forgotten.includes(id)),
    atOnce,
    wasteBytes: random.oneIn(3) ? 50_000 : 0,
  };
}

async function folder(upload: Upload, contents: readonly Buffer[]): Promise<Id> {
  const nodes: TreeNode[] = [];
  for (const [number, bytes] of contents.entries()) {
    const { id } = await upload.blob("data", Buffer.from(bytes), "bulk");
    nodes.push(node(`f${String(number).padStart(3, "0")}`, { content: [id], size: bytes.length }));
  }
  return upload.tree({ nodes });
}

function node(name: string, fields: Partial<TreeNode>): TreeNode {
  const time = "2026-11-22T08:00:00Z";
  const times = { mtime: time, atime: time, ctime: time };
  return { name: byteName(Buffer.from(name)), type: "file", mode: 420, ...times, uid: 0, gid: 0, ...fields };
}

function dir(name: string, subtree: Id): TreeNode {
  return node(name, { type: "dir", mode: 2_147_484_141, subtree });
}

async function endings(scene: Scene, most: number, report: (line: string) => void) {
  const whole = endingStorage(await copyOf(scene.storage));
  await run(scene, whole);
  const operations = whole.operations();
  await isDone(scene, whole, scene.name);
  const all: readonly Ending[] = Array.from({ length: operations }, (_, index) =>
    (["dead before", "dead after", "full"] as const).map((kind) => ({ at: index + 1, kind })),
  ).flat();
  const step = Math.max(1, all.length / most);
  let ends = 0;
  let judged = 0;
  for (let at = 0; Math.floor(at) < all.length; at += step) {
    const ending = all[Math.floor(at)] ?? assert.fail();
    const what = `${scene.name}: ${ending.kind} ${ending.at} of ${operations}`;
    const storage = await copyOf(scene.storage);
    // Giving back a lock fails without a word, and a disk may be full only after the last thing was saved.
    await run(scene, endingStorage(storage, ending)).catch((error: unknown) => {
      if (!isHoldfastError(error, "storage-failed") && !isHoldfastError(error, "storage-full")) throw error;
    });
    for await (const { name } of storage.list("lock", signal)) await storage.remove({ kind: "lock", name }, signal);
    const report0 = await verify(scene, storage, what);
    assert.ok(report0.snapshots >= scene.kept.length, what);
    if (ends % 10 === 0) {
      await judge(storage, what);
      judged++;
    }
    await run(scene, storage);
    await isDone(scene, storage, what);
    ends++;
    if (ends % 10 === 0) report(`${what}, ${ends} ends`);
  }
  return { operations, ends, judged };
}

/** Forgets, prunes, and prunes again when the time of what was marked has come. */
async function run(scene: Scene, storage: Storage): Promise<void> {
  const { key, forgotten } = scene;
  await withLock(scene, storage, (lock) => removeSnapshots({ storage, key, lock, signal }, forgotten));
  await withLock(scene, storage, (lock) => prune(scene, storage, lock, now));
  const later = (): Date => new Date(Date.now() + 2 * 3_600_000);
  await withLock(scene, storage, (lock) => prune(scene, storage, lock, later));
}

async function prune(
  { key, atOnce, wasteBytes }: Scene,
  storage: Storage,
  lock: Lock,
  clock: () => Date,
): Promise<void> {
  const options: PruneOptions = {
    signal,
    now: clock,
    limits,
    keepMarkedMs: atOnce ? 0 : 3_600_000,
    maxUnused: { bytes: wasteBytes },
    maxRepackBytes: Infinity,
  };
  const plan = await planPrune({ storage, key }, options);
  await plan.apply(lock);
}

async function withLock({ key }: Scene, storage: Storage, use: (lock: Lock) => Promise<void>): Promise<void> {
  await using lock = await acquireLock({ storage, key, host, timing }, "exclusive", { signal, now, waitMs: 0 });
  await use(lock);
}

async function verify({ key, kept }: Scene, storage: Storage, what: string): Promise<VerifyReport> {
  const report = await verifyRepository({ storage, key }, { signal, limits, depth: "data" });
  assert.deepEqual(report.defects, [], what);
  const there = new Set<Id>();
  for await (const { name } of storage.list("snapshot", signal)) there.add(name);
  for (const id of kept) assert.ok(there.has(id), `${what}: snapshot ${id} is gone`);
  return report;
}

/** Nothing of the forgotten is left, but for the waste that may stay. */
async function isDone(scene: Scene, storage: Storage, what: string): Promise<void> {
  const report = await verify(scene, storage, what);
  assert.equal(report.snapshots, scene.kept.length, what);
  if (scene.wasteBytes === 0) assert.equal(report.unusedBlobs, 0, what);
  assert.equal(report.unindexedPacks, 0, what);
}

async function judge(storage: Storage, what: string): Promise<void> {
  using place = temporaryFolder();
  const at = join(place.path, "repo");
  const local = localStorage(at);
  await local.create(signal);
  await copyInto(storage, local);
  await resticOn(at, password)
    .check()
    .catch((error: unknown) => assert.fail(`${what}: ${String(error)}`));
}

async function copyOf(storage: Storage): Promise<Storage> {
  const copy = memoryStorage();
  await copyInto(storage, copy);
  return copy;
}

async function copyInto(from: Storage, to: Storage): Promise<void> {
  for (const kind of fileKinds) {
    for await (const { name } of from.list(kind, signal)) {
      await to.save({ kind, name }, await from.load({ kind, name }, undefined, signal), signal);
    }
  }
}
