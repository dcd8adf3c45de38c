import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import {
  chmodSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { badLine } from "../../test/support/bad-line.ts";
import { createCheapRepository } from "../../test/support/cheap-key.ts";
import { craftedNode, craftInMemory } from "../../test/support/crafted-repository.ts";
import { quotaStorage } from "../../test/support/quota-storage.ts";
import { temporaryFolder } from "../../test/support/temp-folder.ts";
import { testRepository, type TestRepository } from "../../test/support/test-repository.ts";
import { byteName } from "../lib/byte-name.ts";
import { HoldfastError, isHoldfastError } from "../lib/errors.ts";
import type { Id, TreeNode } from "../format/tree.ts";
import { localStorage } from "../storage/local.ts";
import { acquireLock } from "./lock.ts";
import { openRepository } from "./open.ts";
import { planPrune } from "./prune.ts";
import type { PruneOptions, PruneResult, PruneSummary } from "./prune-plan.ts";
import type { Storage } from "../storage/storage.ts";
import type { StoredSnapshot, Upload } from "./repository.ts";
import { verifyRepository } from "./verify.ts";

const { signal } = new AbortController();
const time = "2026-11-22T08:00:00Z";

function node(name: string, fields: Partial<TreeNode>): TreeNode {
  const times = { mtime: time, atime: time, ctime: time };
  return { name: byteName(Buffer.from(name)), type: "file", mode: 420, ...times, uid: 0, gid: 0, ...fields };
}

/** A folder of files with these contents. */
async function folderOf(upload: Upload, contents: readonly Buffer[]): Promise<Id> {
  const nodes: TreeNode[] = [];
  for (const [number, bytes] of contents.entries()) {
    await upload.ready();
    const { id } = await upload.blob("data", Buffer.from(bytes), "bulk");
    nodes.push(node(`f${String(number).padStart(6, "0")}`, { content: [id], size: bytes.length }));
  }
  return upload.tree({ nodes });
}

async function backUp(repository: TestRepository, contents: readonly Buffer[]): Promise<StoredSnapshot> {
  const { stored } = await repository.upload(async (upload) => ({
    tree: await upload.tree({
      nodes: [node("test", { type: "dir", mode: 2_147_484_141, subtree: await folderOf(upload, contents) })],
    }),
  }));
  return stored;
}

interface Pruned {
  readonly summary: PruneSummary;
  readonly result: PruneResult;
}

async function prune({ repository, limits }: TestRepository, changes: Partial<PruneOptions> = {}): Promise<Pruned> {
  const now = changes.now ?? (() => new Date());
  await using lock = await repository.lock("exclusive", { signal, now, waitMs: 0 });
  const plan = await repository.planPrune({
    signal,
    now,
    limits,
    keepMarkedMs: 0,
    maxUnused: { share: 0.05 },
    maxRepackBytes: Infinity,
    ...changes,
  });
  return { summary: plan.summary, result: await plan.apply(lock) };
}

async function forget({ repository }: TestRepository, ...ids: readonly Id[]): Promise<void> {
  await using lock = await repository.lock("exclusive", { signal, now: () => new Date(), waitMs: 0 });
  await repository.removeSnapshots(ids, { signal, lock });
}

async function retag({ repository }: TestRepository, stored: StoredSnapshot): Promise<StoredSnapshot> {
  await using lock = await repository.lock("exclusive", { signal, now: () => new Date(), waitMs: 0 });
  return await repository.retagSnapshot(stored, ["back"], { signal, lock });
}

async function filesIn(folder: string): Promise<ReadonlyMap<string, number>> {
  const found = new Map<string, number>();
  for await (const { name, size } of localStorage(folder).list("data", signal)) found.set(name, size);
  return found;
}

const blobs = (count: number, size: number): readonly Buffer[] =>
  Array.from({ length: count }, () => randomBytes(size));

describe("prune", () => {
  test("gives back what only a forgotten snapshot needed, and restic finds the rest whole", async () => {
    using folder = temporaryFolder();
    const at = join(folder.path, "repo");
    await using repository = await testRepository(at);
    const shared = blobs(300, 20_000);
    const first = await backUp(repository, [...shared, ...blobs(300, 20_000)]);
    await backUp(repository, shared);
    const before = await filesIn(at);
    const nothing = await prune(repository);
    assert.equal(nothing.summary.remove.packs + nothing.summary.repack.packs + nothing.summary.unnamed.packs, 0);
    assert.deepEqual(await filesIn(at), before);

    await forget(repository, first.id);
    const { summary, result } = await prune(repository);
    assert.ok(summary.repack.bytes > 6_000_000, JSON.stringify(summary));
    assert.ok(result.deletedBytes > 6_000_000);
    const after = [...(await filesIn(at)).values()].reduce((sum, size) => sum + size, 0);
    assert.ok(after < 6_300_000, `${after} bytes left`);
    await repository.restic().check();
    const report = await repository.repository.verify({ signal, limits: repository.limits, depth: "data" });
    assert.deepEqual(report.defects, []);
    assert.equal(report.unusedBlobs + report.unindexedPacks, 0);
    const again = await prune(repository);
    assert.equal(again.result.deletedPacks, 0);
    // a run of restic's finds nothing left to do
    assert.match(await repository.restic().output("prune", "--dry-run"), /to delete: +0 blobs/);
  });

  test("marks packs first, and deletes them when their time has come", async () => {
    using folder = temporaryFolder();
    const at = join(folder.path, "repo");
    await using repository = await testRepository(at);
    const kept = blobs(20, 1000);
    const gone = await backUp(repository, blobs(50, 20_000));
    await backUp(repository, kept);
    await forget(repository, gone.id);
    const before = await filesIn(at);
    const day = 24 * 3_600_000;
    const marked = await prune(repository, { keepMarkedMs: day });
    assert.ok(marked.result.markedBytes > 1_000_000);
    assert.equal(marked.result.deletedPacks, 0);
    for (const name of before.keys()) assert.ok((await filesIn(at)).has(name));
    // restic sees them as packs that no index names, which harm nobody
    await repository.restic().check();

    // a backup neither relies on them nor takes them for a cut-off run's
    const again = await backUp(repository, kept);
    const waits = await prune(repository, { keepMarkedMs: day });
    assert.equal(waits.summary.waiting.bytes, marked.result.markedBytes);
    assert.equal(waits.result.deletedPacks, 0);
    const later = await prune(repository, { keepMarkedMs: day, now: () => new Date(Date.now() + day + 1000) });
    assert.equal(later.summary.due.bytes, marked.result.markedBytes);
    assert.equal(later.result.deletedBytes, marked.result.markedBytes);
    assert.ok([...(await filesIn(at)).values()].reduce((sum, size) => sum + size, 0) < 100_000);
    await repository.restic().check();
    assert.ok((await repository.repository.snapshots(signal)).some(({ id }) => id === again.id));
  });

  test("takes back a marked pack that a snapshot needs after all", async () => {
    using folder = temporaryFolder();
    const at = join(folder.path, "repo");
    await using repository = await testRepository(at);
    const contents = blobs(30, 5000);
    const gone = await backUp(repository, contents);
    await backUp(repository, blobs(3, 100));
    await forget(repository, gone.id);
    await prune(repository, { keepMarkedMs: 1e9 });
    // as a writer without a lock does that had read the index before
    const back = await retag(repository, gone);
    const { summary } = await prune(repository, { keepMarkedMs: 1e9 });
    assert.equal(summary.waiting.packs, 0);
    await repository.restic().check();
    assert.equal(back.snapshot.original, gone.id);
    await repository.restic().restore(back.id, join(folder.path, "out"));
    assert.equal(readdirSync(join(folder.path, "out/test")).length, 30);
  });

  test("writes many small packs together", async () => {
    using folder = temporaryFolder();
    const at = join(folder.path, "repo");
    await using repository = await testRepository(at);
    for (let run = 0; run < 12; run++) await backUp(repository, blobs(3, 2000));
    const before = (await filesIn(at)).size;
    assert.ok(before >= 24);
    await prune(repository);
    const after = await filesIn(at);
    assert.ok(after.size <= 4, `${after.size} packs`);
    assert.ok(readdirSync(join(at, "index")).length <= 2);
    await repository.restic().check();
  });

  for (const harm of ["missing pack", "cut-off pack", "damaged index", "damaged snapshot"] as const) {
    test(`refuses at a ${harm}, and touches nothing`, async () => {
      using folder = temporaryFolder();
      const at = join(folder.path, "repo");
      await using repository = await testRepository(at);
      const gone = await backUp(repository, blobs(3, 1000));
      const before = await filesIn(at);
      const kept = await backUp(repository, blobs(3, 1000));
      await forget(repository, gone.id);
      const pack = [...(await filesIn(at)).keys()].find((name) => !before.has(name)) ?? "";
      const [index = ""] = readdirSync(join(at, "index"));
      const path = {
        "missing pack": `data/${pack.slice(0, 2)}/${pack}`,
        "cut-off pack": `data/${pack.slice(0, 2)}/${pack}`,
        "damaged index": `index/${index}`,
        "damaged snapshot": `snapshots/${kept.id}`,
      }[harm];
      if (harm === "missing pack") rmSync(join(at, path));
      else {
        chmodSync(join(at, path), 0o600);
        truncateSync(join(at, path), 50);
      }
      const left = await filesIn(at);
      await assert.rejects(
        () => prune(repository),
        (error) => isHoldfastError(error, "prune-unsafe"),
      );
      assert.deepEqual(await filesIn(at), left);
    });
  }

  for (const lie of ["leaves one out", "names one that is not there then"] as const) {
    test(`deletes nothing where the storage's list of snapshots ${lie}, and is right the next time`, async () => {
      using folder = temporaryFolder();
      const at = join(folder.path, "repo");
      await using repository = await testRepository(at);
      const gone = await backUp(repository, blobs(3, 1000));
      const kept = await backUp(repository, blobs(3, 1000));
      await forget(repository, gone.id);
      const before = await filesIn(at);
      let lies = 1;
      const local = localStorage(at);
      const storage: Storage = {
        ...local,
        async *list(kind, during) {
          for await (const file of local.list(kind, during)) {
            if (lie === "leaves one out" && file.name === kept.id && lies-- > 0) continue;
            yield file;
          }
        },
        async load(file, range, during) {
          if (lie !== "leaves one out" && file.name === kept.id && lies-- > 0)
            throw new HoldfastError("storage-not-found", { path: kept.id });
          return local.load(file, range, during);
        },
      };
      const options = { signal, now: () => new Date(), host: { hostname: "test", username: "tester", uid: 0, gid: 0 } };
      await using opened = await openRepository(storage, "correct horse", options);
      await assert.rejects(
        () => prune({ ...repository, repository: opened }),
        (error) => isHoldfastError(error, "storage-failed") || isHoldfastError(error, "prune-unsafe"),
      );
      assert.deepEqual(await filesIn(at), before);
      await prune({ ...repository, repository: opened });
      assert.ok((await filesIn(at)).size < before.size);
      await repository.restic().check("--read-data");
    });
  }

  test("moves nothing that is damaged, and deletes no pack then", async () => {
    using folder = temporaryFolder();
    const at = join(folder.path, "repo");
    await using repository = await testRepository(at);
    const shared = blobs(20, 20_000);
    const first = await backUp(repository, [...shared, ...blobs(20, 20_000)]);
    await backUp(repository, shared);
    await forget(repository, first.id);
    const before = await filesIn(at);
    const [largest = ""] = [...before].toSorted(([, a], [, b]) => b - a)[0] ?? [];
    const path = join(at, "data", largest.slice(0, 2), largest);
    const bytes = readFileSync(path);
    for (let offset = 0; offset < bytes.length; offset += 5000) bytes.writeUInt8(bytes.readUInt8(offset) ^ 1, offset);
    chmodSync(path, 0o600);
    writeFileSync(path, bytes);
    await assert.rejects(
      () => prune(repository),
      (error) => isHoldfastError(error, "repository-damaged"),
    );
    for (const name of before.keys()) assert.ok((await filesIn(at)).has(name));
  });

  test("asks once more for what came damaged over the line", async () => {
    const crafted = craftInMemory();
    const [kept] = [1, 2].map(() => crafted.blob("data", randomBytes(4000)));
    await crafted.flush();
    const root = crafted.tree(craftedNode("file", "file", { content: [kept], size: 4000 }));
    await crafted.flush();
    await crafted.snapshot(root);
    const storage = badLine(crafted.storage);
    const { key } = crafted;
    const host = { hostname: "test", username: "tester", uid: 0, gid: 0 };
    await using lock = await acquireLock({ storage, key, host, timing: { secondLookMs: 1 } }, "exclusive", {
      signal,
      now: () => new Date(),
      waitMs: 0,
    });
    storage.begin();
    const parts = { signal, now: () => new Date(), limits: { workers: 1, priority: "normal" } } as const;
    const choice = { keepMarkedMs: 0, maxUnused: { bytes: 0 }, maxRepackBytes: Infinity } as const;
    const plan = await planPrune({ storage, key }, { ...parts, ...choice });
    await plan.apply(lock);
    assert.equal(storage.counts.damaged, 2, "the blobs and the tree");
    const report = await verifyRepository(crafted, { ...parts, depth: "data" });
    assert.deepEqual([report.defects, report.unusedBlobs], [[], 0]);
  });

  test("makes room on a full disk also where there is none for parity of what stays", async () => {
    using folder = temporaryFolder();
    const at = join(folder.path, "repo");
    await using repository = await testRepository(at);
    const shape = { data: 4, parity: 2 };
    const made = [];
    for (let run = 0; run < 6; run++) made.push(await backUp(repository, blobs(1, 300_000)));
    await repository.repository.updateParity(shape, { signal });
    await forget(repository, ...made.slice(1).map(({ id }) => id));
    const host = { hostname: "test", username: "tester", uid: 0, gid: 0 };
    const full = await quotaStorage(localStorage(at), 20_000);
    const opened = await openRepository(full, "correct horse", { signal, now: () => new Date(), host });
    const { result } = await prune({ ...repository, repository: opened }, { keepMarkedMs: 1e9 });
    assert.ok(result.forLackOfRoom && result.deletedBytes > 1_500_000, JSON.stringify(result));
    await opened.updateParity(shape, { signal });
    const report = await opened.verify({ signal, limits: repository.limits, depth: "data" });
    assert.deepEqual(report.defects, []);
    assert.equal(report.parity?.uncovered, 0);
    await repository.restic().check();
  });

  test("deletes nothing more when the machine has slept so long that others take the lock for forgotten", async () => {
    using folder = temporaryFolder();
    const local = localStorage(join(folder.path, "repo"));
    let sleptMs = 0;
    const now = (): Date => new Date(Date.now() + sleptMs);
    const sleeping: Storage = {
      ...local,
      async remove(file, removeSignal) {
        await local.remove(file, removeSignal);
        if (file.kind !== "data" || sleptMs > 0) return;
        sleptMs = 40 * 60_000;
        for await (const { name } of local.list("lock", signal)) await local.remove({ kind: "lock", name }, signal);
      },
    };
    const host = { hostname: "test", username: "tester", uid: 0, gid: 0 };
    const repository = await createCheapRepository(sleeping, "asleep", { signal, now, host });
    const limits = { workers: 1, priority: "normal" } as const;
    {
      await using lock = await repository.lock("shared", { signal, now, waitMs: 0 });
      await using upload = await (await repository.index(signal)).upload({ signal, lock, limits });
      for (const bytes of blobs(12, 1000)) {
        await upload.blob("data", Buffer.from(bytes), "hot");
        await upload.store();
      }
    }
    await using lock = await repository.lock("exclusive", { signal, now, waitMs: 0 });
    const options = { keepMarkedMs: 0, maxUnused: { share: 0.05 }, maxRepackBytes: Infinity };
    const plan = await repository.planPrune({ signal, now, limits, ...options });
    assert.equal(plan.summary.unnamed.packs, 12);
    await assert.rejects(plan.apply(lock), (error) => isHoldfastError(error, "lock-lost"));
    // Besides the first those that were on their way with it.
    const left = (await filesIn(local.location)).size;
    assert.ok(left >= 12 - 2 * local.traits.connections, `${left} packs are left`);
  });

  test("removes what cut-off saves left behind", async () => {
    using folder = temporaryFolder();
    const at = join(folder.path, "repo");
    await using repository = await testRepository(at);
    await backUp(repository, blobs(3, 1000));
    const old = join(at, "data/ab", `${"ab".repeat(32)}-tmp-0123456789ab`);
    const fresh = join(at, "locks", `${"cd".repeat(32)}-tmp-0123456789ab`);
    for (const path of [old, fresh]) writeFileSync(path, "cut off");
    utimesSync(old, 1e9, 1e9);
    await prune(repository);
    assert.deepEqual([existsSync(old), existsSync(fresh)], [false, true]);
  });
});
