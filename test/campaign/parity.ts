import assert from "node:assert/strict";
import { join } from "node:path";
import { newConfig, sealConfig } from "../../src/format/config-file.ts";
import type { MasterKey } from "../../src/format/crypto.ts";
import { newMasterKey, sealKeyFile } from "../../src/format/key-file.ts";
import type { Id, TreeNode } from "../../src/format/tree.ts";
import { nameFromText } from "../../src/lib/byte-name.ts";
import { isHoldfastError } from "../../src/lib/errors.ts";
import type { ParityShape } from "../../src/lib/keeping.ts";
import { removeSnapshots } from "../../src/repository/change-snapshots.ts";
import { acquireLock } from "../../src/repository/lock.ts";
import { OpenedRepository } from "../../src/repository/opened-repository.ts";
import { loadGroups } from "../../src/repository/parity-file.ts";
import { planPrune } from "../../src/repository/prune.ts";
import type { Lock } from "../../src/repository/repository.ts";
import { verifyRepository } from "../../src/repository/verify.ts";
import { localStorage } from "../../src/storage/local.ts";
import { memoryStorage } from "../../src/storage/memory.ts";
import { fileKinds, type FileKind, type Storage, type StoredFile } from "../../src/storage/storage.ts";
import type { Campaign } from "../support/campaign.ts";
import { endingStorage, type Ending } from "../support/ending-storage.ts";
import { resticOn } from "../support/restic.ts";
import { type SeededRandom, seededRandom } from "../support/seeded-random.ts";
import { temporaryFolder } from "../support/temp-folder.ts";

/**
 * Random repositories with random parity, which grow and are pruned, each step dying at a random operation on the storage.
 * Whenever a step has gone through, as many files of each group as may be lost are lost or damaged, packs and parity files
 * alike, and repaired.
 */
export const campaign: Campaign = {
  name: "parity",
  about:
    "backups, parity and prunes that die at random operations: after each that goes through, every pack is in a true group; as many random files of each group as it has parity files are lost, cut or changed, and `repair` makes everything anew, byte by byte; what died never made parity give anything wrong (verify reads every byte; stock restic check of samples).",
  rounds: 40,
  run: async ({ rounds, seed, report }) => {
    const counts = {
      steps: 0,
      deaths: 0,
      "packs lost": 0,
      "parity lost": 0,
      "lost to two groups": 0,
      "groups seen": 0,
      "judged by restic": 0,
    };
    for (let round = 0; round < rounds; round++) {
      await oneRound(seededRandom(seed * 1000 + round), counts);
      report(`round ${round + 1} of ${rounds}: ${JSON.stringify(counts)}`);
    }
    return counts;
  },
};

const { signal } = new AbortController();
const now = (): Date => new Date();
const limits = { workers: 1, priority: "normal" } as const;
const password = "parity";
const host = { hostname: "test", username: "tester", uid: 0, gid: 0 };
const timing = { secondLookMs: 1 };
type Counts = Record<
  "steps" | "deaths" | "packs lost" | "parity lost" | "lost to two groups" | "groups seen" | "judged by restic",
  number
>;

interface Scene {
  readonly storage: Storage;
  readonly key: MasterKey;
  readonly keyId: Id;
  readonly config: ReturnType<typeof newConfig>;
  readonly shape: ParityShape;
}

async function oneRound(random: SeededRandom, counts: Counts): Promise<void> {
  const storage = memoryStorage();
  const key = newMasterKey();
  const config = newConfig();
  const keyFile = await sealKeyFile(key, password, { now, host });
  await storage.save({ kind: "key", name: keyFile.name }, keyFile.bytes, signal);
  await storage.save({ kind: "config", name: "" }, sealConfig(key, config), signal);
  const shape = { data: 1 + random.below(6), parity: 1 + random.below(3) };
  const scene: Scene = { storage, key, keyId: keyFile.name, config, shape };
  for (let step = 0; step < 5; step++) {
    const isPrune = step > 1 && random.oneIn(2);
    const seed = random.below(2 ** 31);
    for (let deaths = 0; deaths < 2; deaths++) {
      const kind = random.pick(["dead before", "dead after"] as const);
      await take(scene, isPrune, seededRandom(seed), { at: 1 + random.below(25), kind }).catch((error: unknown) => {
        if (!isHoldfastError(error, "storage-failed")) throw error;
        counts.deaths++;
      });
      await dropLocks(storage);
      await healthy(scene, "some may be in no group yet");
    }
    await take(scene, isPrune, seededRandom(seed));
    counts.steps++;
    await healthy(scene, "all are in groups");
    await damageAndRepair(scene, random, counts);
    if (random.oneIn(6)) await judge(storage, counts);
  }
}

/** One backup or one prune, with the parity after it. */
async function take(scene: Scene, isPrune: boolean, random: SeededRandom, ending?: Ending): Promise<void> {
  const { key, keyId, config, shape } = scene;
  const storage = endingStorage(scene.storage, ending);
  const repository = new OpenedRepository({ storage, masterKey: key, keyId, config, host });
  const mode = isPrune ? "exclusive" : "shared";
  await using lock = await acquireLock({ storage, key, host, timing }, mode, { signal, now, waitMs: 0 });
  if (isPrune) {
    const all = await repository.snapshots(signal);
    const gone = all.slice(0, -1).filter(() => random.oneIn(2));
    await removeSnapshots(
      { storage, key, lock, signal },
      gone.map(({ id }) => id),
    );
    const options = { signal, now, limits, keepMarkedMs: 0, maxUnused: { bytes: 0 }, maxRepackBytes: Infinity };
    await (await planPrune({ storage, key }, options)).apply(lock);
  } else await backUp(repository, lock, random);
  await repository.updateParity(shape, { signal });
}

async function backUp(repository: OpenedRepository, lock: Lock, random: SeededRandom): Promise<void> {
  const indexed = await repository.index(signal);
  await using upload = await indexed.upload({ signal, lock, limits });
  for (let packs = 1 + random.below(3); packs > 0; packs--) {
    const nodes: TreeNode[] = [];
    for (let file = 0; file < 2 + random.below(3); file++) {
      const bytes = Buffer.alloc(4 + random.below(20_000));
      for (let at = 0; at + 4 <= bytes.length; at += 4) bytes.writeUInt32LE(random.below(2 ** 32), at);
      const { id } = await upload.blob("data", Buffer.from(bytes), "bulk");
      const time = "2026-11-22T08:00:00Z";
      const times = { mtime: time, atime: time, ctime: time, uid: 0, gid: 0 };
      nodes.push({
        name: nameFromText(`f${file}`),
        type: "file",
        mode: 420,
        ...times,
        size: bytes.length,
        content: [id],
      });
    }
    const tree = await upload.tree({ nodes });
    await upload.finish({ time: now().toISOString(), tree, paths: ["/test"], hostname: "test" });
  }
}

async function healthy(
  { storage, key }: Scene,
  coverage: "all are in groups" | "some may be in no group yet",
): Promise<void> {
  const report = await verifyRepository({ storage, key }, { signal, limits, depth: "data" });
  assert.deepEqual(report.defects, []);
  if (coverage === "all are in groups") assert.equal(report.parity?.uncovered ?? 0, 0);
}

/** Loses as many files of each group as it can bear, and has them made anew. */
async function damageAndRepair(scene: Scene, random: SeededRandom, counts: Counts): Promise<void> {
  const { storage, key, keyId, config } = scene;
  const before = await contentsOf(storage);
  const { groups } = await loadGroups(storage, signal);
  const filesOf = groups.map(({ data, files }): readonly StoredFile[] => [
    ...data.map(({ id }) => ({ kind: "data" as const, name: id })),
    ...[...files.values()].map((name) => ({ kind: "parity" as const, name })),
  ]);
  // A pack may be in two groups, where a run died before it took the older one away: it is a loss of both.
  const losses = groups.map(() => 0);
  const lost = new Set<string>();
  for (const mine of filesOf) {
    counts["groups seen"]++;
    const all = [...mine];
    while (all.length > 0) {
      const [file] = all.splice(random.below(all.length), 1);
      if (file === undefined) break;
      const holders = [...groups.keys()].filter((at) => filesOf[at]?.some(({ name }) => name === file.name));
      if (holders.some((at) => (losses[at] ?? 0) >= (groups[at]?.parity ?? 0))) continue;
      if (lost.has(file.name)) continue;
      lost.add(file.name);
      if (holders.length > 1) counts["lost to two groups"]++;
      for (const at of holders) losses[at] = (losses[at] ?? 0) + 1;
      counts[file.kind === "data" ? "packs lost" : "parity lost"]++;
      const bytes = await storage.load(file, undefined, signal);
      await storage.remove(file, signal);
      const how = random.pick(["gone", "cut", "changed"] as const);
      if (how === "gone") continue;
      if (how === "cut") await storage.save(file, bytes.subarray(0, random.below(bytes.length)), signal);
      else {
        const at = random.below(bytes.length);
        bytes[at] = (bytes[at] ?? 0) ^ (1 + random.below(255));
        await storage.save(file, bytes, signal);
      }
    }
  }
  const repository = new OpenedRepository({ storage, masterKey: key, keyId, config, host });
  {
    await using lock = await acquireLock({ storage, key, host, timing }, "exclusive", { signal, now, waitMs: 0 });
    const plan = await repository.planRepair({ what: "packs", signal, limits });
    await plan.apply(lock);
    await repository.updateParity(scene.shape, { signal });
  }
  const after = await contentsOf(storage);
  for (const [path, bytes] of before) if (path.startsWith("data")) assert.ok(after.get(path)?.equals(bytes), path);
  await healthy(scene, "all are in groups");
}

async function contentsOf(storage: Storage): Promise<ReadonlyMap<string, Buffer>> {
  const found = new Map<string, Buffer>();
  for await (const { name } of storage.list("data", signal)) {
    found.set(`data ${name}`, await storage.load({ kind: "data", name }, undefined, signal));
  }
  return found;
}

async function dropLocks(storage: Storage): Promise<void> {
  for await (const { name } of storage.list("lock", signal)) await storage.remove({ kind: "lock", name }, signal);
}

/** restic leaves the folder of parity alone: it checks, and prunes. */
async function judge(storage: Storage, counts: Counts): Promise<void> {
  using place = temporaryFolder();
  const at = join(place.path, "repo");
  const local = localStorage(at);
  await local.create(signal);
  const kinds: readonly FileKind[] = [...fileKinds, "parity"];
  for (const kind of kinds) {
    for await (const { name } of storage.list(kind, signal)) {
      await local.save({ kind, name }, await storage.load({ kind, name }, undefined, signal), signal);
    }
  }
  await resticOn(at, password).check();
  counts["judged by restic"]++;
}
