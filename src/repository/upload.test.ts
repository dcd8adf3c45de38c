import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { createCheapRepository } from "../../test/support/cheap-key.ts";
import { assertSameTrees } from "../../test/support/compare-trees.ts";
import { faultStorage } from "../../test/support/fault-storage.ts";
import { fileToRead, uploadFlatFolder, writeFlatFolder } from "../../test/support/flat-folder.ts";
import { temporaryFolder } from "../../test/support/temp-folder.ts";
import { testRepository } from "../../test/support/test-repository.ts";
import { parseIndexFile } from "../format/index-file.ts";
import { largeTree } from "../format/tree-json.ts";
import { openUnpacked } from "../format/unpacked.ts";
import { nameFromText } from "../lib/byte-name.ts";
import { HoldfastError, isHoldfastError } from "../lib/errors.ts";
import { localStorage } from "../storage/local.ts";
import { memoryStorage } from "../storage/memory.ts";
import type { Storage } from "../storage/storage.ts";
import { openRepository } from "./open.ts";
import type { Repository } from "./repository.ts";

const MiB = 1 << 20;
const { signal } = new AbortController();
const now = (): Date => new Date();
const host = { hostname: "test", username: "tester", uid: 0, gid: 0 };
const limits = { workers: 2, priority: "normal" } as const;

/** Files of every length and kind that is treated differently somewhere. */
function makeFiles(folder: string): void {
  fs.mkdirSync(folder);
  const write = (name: string, bytes: Uint8Array): void => fs.writeFileSync(join(folder, name), bytes);
  write("empty", Buffer.alloc(0));
  write("one", Buffer.from("1"));
  for (let number = 0; number < 300; number++) write(`small-${number}`, randomBytes(number * 7 + 1));
  for (let number = 0; number < 100; number++) write(`text-${number}`, Buffer.alloc(5000, `row ${number};`));
  for (const length of [MiB / 2 - 1, MiB / 2, MiB / 2 + 1, 3 * MiB, 9 * MiB])
    write(`random-${length}`, randomBytes(length));
  fs.copyFileSync(join(folder, `random-${3 * MiB}`), join(folder, "twin"));
  write("long-text", Buffer.alloc(20 * MiB, "a long text, again and again, but not for ever; "));
  write("zeros", Buffer.alloc(17 * MiB));
  const sparse = fs.openSync(join(folder, "sparse"), "w");
  fs.ftruncateSync(sparse, 40 * MiB + 123);
  fs.writeSync(sparse, "begin", 0);
  fs.writeSync(sparse, randomBytes(2 * MiB), 0, 2 * MiB, 20 * MiB + 77);
  fs.closeSync(sparse);
}

test("restic and we give back what was uploaded, and a second upload stores nothing", async () => {
  using temporary = temporaryFolder();
  const source = join(temporary.path, "source");
  makeFiles(source);
  await using repository = await testRepository(join(temporary.path, "repository"));
  const first = await repository.upload(async (upload) => {
    const answer = await uploadFlatFolder(upload, source);
    return { ...answer, stats: upload.stats() };
  });
  for (const [name, result] of first.results) {
    assert.equal(result.state, "read", name);
    if (result.state === "read") {
      assert.equal(result.size, fs.statSync(join(source, name)).size, name);
      assert.equal(result.changed, false);
    }
  }
  assert.ok(first.stats.dataBlobs > 400);
  await repository.restic().check();
  await repository.restic().restore("latest", join(temporary.path, "by-restic"));
  assertSameTrees(join(temporary.path, "by-restic"), source, ["times", "root"]);

  const target = join(temporary.path, "by-us");
  assert.deepEqual(await writeFlatFolder(await repository.index(), first.tree, target, signal), new Map());
  assertSameTrees(target, source, ["times", "root"]);
  for (const name of ["sparse", "zeros"]) assert.ok(fs.statSync(join(target, name)).blocks * 512 < 4 * MiB, name);

  const second = await repository.upload(async (upload) => {
    const { tree } = await uploadFlatFolder(upload, source);
    return { tree, stats: upload.stats() };
  });
  assert.equal(second.tree, first.tree);
  assert.deepEqual(second.stats, { dataBlobs: 0, treeBlobs: 0, addedBytes: 0, storedBytes: 0 });
});

test("restic and we take turns in one repository", async () => {
  using temporary = temporaryFolder();
  const source = join(temporary.path, "source");
  fs.mkdirSync(source);
  for (let number = 0; number < 50; number++) fs.writeFileSync(join(source, `f${number}`), randomBytes(3000));
  await using repository = await testRepository(join(temporary.path, "repository"));
  const ours = await repository.upload((upload) => uploadFlatFolder(upload, source));
  fs.writeFileSync(join(source, "new"), randomBytes(5 * MiB));
  await repository.restic().output("backup", "--host", "h", source);
  const again = await repository.upload(async (upload) => {
    const { tree } = await uploadFlatFolder(upload, source);
    return { tree, stats: upload.stats() };
  });
  assert.notEqual(again.tree, ours.tree);
  // Files of one blob are the same to both; longer ones are cut in other places.
  assert.ok(again.stats.addedBytes < 6 * MiB);
  await repository.restic().check();
  const target = join(temporary.path, "target");
  await writeFlatFolder(await repository.index(), again.tree, target, signal);
  assertSameTrees(target, source, ["times", "root"]);
  assert.equal((await repository.restic().snapshots()).length, 3);
});

test("a long file is begun before the short ones that wait", async () => {
  using temporary = temporaryFolder();
  const at = (name: string): string => join(temporary.path, name);
  const short = Array.from({ length: 500 }, (_, number) => `short-${number}`);
  for (const name of short) fs.writeFileSync(at(name), name);
  fs.writeFileSync(at("long"), randomBytes(9 * MiB));
  await using repository = await testRepository();
  const indexed = await repository.index();
  await using lock = await repository.repository.lock("shared", { signal, now, waitMs: 0 });
  await using upload = await indexed.upload({ signal, lock, limits: { ...limits, workers: 1 } });
  const answered: string[] = [];
  const read = async (name: string): Promise<void> => {
    await upload.file(fileToRead(at(name)));
    answered.push(name);
  };
  await Promise.all([...short, "long"].map(read));
  const place = answered.indexOf("long");
  assert.ok(place < 300, `number ${place} of ${answered.length}`);
});

test("files that are gone, replaced or unreadable do not end the upload", async () => {
  using temporary = temporaryFolder();
  const at = (name: string): string => join(temporary.path, name);
  for (const name of ["good", "gone", "replaced", "linked", "folder"]) fs.writeFileSync(at(name), name);
  await using repository = await testRepository();
  await repository.upload(async (upload) => {
    const files = new Map(["good", "gone", "replaced", "linked", "folder"].map((name) => [name, fileToRead(at(name))]));
    fs.rmSync(at("gone"));
    fs.renameSync(at("replaced"), at("kept"));
    fs.writeFileSync(at("replaced"), "another");
    fs.rmSync(at("linked"));
    fs.symlinkSync("good", at("linked"));
    fs.rmSync(at("folder"));
    fs.mkdirSync(at("folder"));
    const states = await Promise.all([...files].map(async ([name, file]) => [name, (await upload.file(file)).state]));
    assert.deepEqual(Object.fromEntries(states), {
      good: "read",
      gone: "vanished",
      replaced: "vanished",
      linked: "vanished",
      folder: "vanished",
    });
    const lost = await upload.file({ path: nameFromText("/proc/self/mem"), inode: 1, deviceId: 1, size: 10 });
    assert.equal(lost.state, "vanished");
    return { tree: await upload.tree({ nodes: [] }) };
  });
});

test("blobs, long bytes and trees of an upload are readable at once", async () => {
  await using repository = await testRepository();
  await repository.upload(async (upload) => {
    const small = await upload.blob("data", Buffer.from("a line\n"), "hot");
    assert.equal(small.added, true);
    assert.equal((await upload.blob("data", Buffer.from("a line\n"), "bulk")).added, false);
    const long = randomBytes(10 * MiB);
    const ids = await upload.bytes(Buffer.from(long), "bulk");
    assert.ok(ids.length > 1);
    const subtree = await upload.tree({ nodes: [] });
    assert.ok(upload.has("tree", subtree));
    assert.equal(upload.size("data", small.id), 7);
    assert.equal((await upload.load("data", small.id, signal)).toString(), "a line\n");
    assert.deepEqual(Buffer.concat(await Promise.all(ids.map((id) => upload.load("data", id, signal)))), long);
    assert.deepEqual(await upload.loadTree(subtree, signal), { nodes: [] });
    await assert.rejects(upload.load("data", "ab".repeat(32), signal));
    return { tree: subtree };
  });
});

test("many blobs and huge trees come back, to restic too", async () => {
  using temporary = temporaryFolder();
  await using repository = await testRepository(join(temporary.path, "repository"));
  const contents = Array.from({ length: 25_000 }, (_, number) => `blob ${number}`);
  const { tree, ids } = await repository.upload(async (upload) => {
    const saved = await Promise.all(
      contents.map(async (text) => {
        await upload.ready();
        return upload.blob("data", Buffer.from(text), "hot");
      }),
    );
    const time = "2026-01-01T00:00:00Z";
    const nodes = Array.from({ length: 40_000 }, (_, number) => ({
      name: nameFromText(`file-${String(number).padStart(6, "0")}`),
      type: "file" as const,
      mode: 0o644,
      mtime: time,
      atime: time,
      ctime: time,
      uid: 0,
      gid: 0,
      size: 0,
      content: [],
    }));
    return { tree: await upload.tree({ nodes }), ids: saved.map((blob) => blob.id) };
  });
  const indexed = await repository.index();
  const { nodes } = await indexed.loadTree(tree, signal);
  assert.equal(nodes.length, 40_000);
  const opened = await indexed.openTree(tree, signal);
  assert.ok(opened.length > largeTree, `${opened.length} bytes`);
  assert.deepEqual([...opened.nodes()], nodes);
  assert.deepEqual([...opened.nodes()], nodes, "each time anew");
  await repository.restic().check();
  const listed = await repository.restic().output("ls", "latest");
  assert.equal(listed.match(/^\/file-/gm)?.length, 40_000);
  for (let number = 0; number < contents.length; number += 501) {
    assert.equal((await indexed.load("data", ids[number] ?? "", signal)).toString(), contents[number]);
  }
});

async function uploadOnce(repository: Repository, source: string): Promise<{ addedBytes: number }> {
  await using lock = await repository.lock("shared", { signal, now, waitMs: 0 });
  const indexed = await repository.index(signal);
  await using upload = await indexed.upload({ signal, lock, limits });
  const { tree } = await uploadFlatFolder(upload, source);
  const stats = upload.stats();
  await upload.finish({ time: now().toISOString(), tree, paths: ["/x"], hostname: "test" });
  return stats;
}

test("whatever store operation fails, there is no snapshot, and the next run stores nothing twice", async () => {
  using temporary = temporaryFolder();
  const source = join(temporary.path, "source");
  fs.mkdirSync(source);
  for (let number = 0; number < 18; number++) fs.writeFileSync(join(source, `f${number}`), randomBytes(MiB));
  const size = 18 * MiB;
  for (let at = 1; ; at++) {
    const storage = memoryStorage();
    const made = await createCheapRepository(storage, "pw", { signal, now, host });
    // One is the lock.
    const broken = faultStorage(storage, { at: at + 1, when: at % 2 === 0 ? "before" : "after", kind: "fail" });
    const repository = await openRepository(broken, "pw", { signal, now, host });
    const failed = await uploadOnce(repository, source).then(
      () => undefined,
      (error: unknown) => error,
    );
    if (failed === undefined) {
      assert.ok(at > 4, "packs, index, snapshot");
      break;
    }
    assert.ok(isHoldfastError(failed, "storage-failed"));
    const before = await storedBytes(storage);
    const { addedBytes } = await uploadOnce(made, source);
    assert.ok(addedBytes + before < size * 1.01, `${addedBytes} stored again after ${before}`);
    const stored = await storedBytes(storage);
    assert.ok(stored < size * 1.01, `${stored}`);
    const report = await made.verify({ signal, limits, depth: "data" });
    assert.deepEqual(report.defects, []);
    assert.equal(report.unindexedPacks, 0);
  }
});

async function storedBytes(storage: Storage): Promise<number> {
  let bytes = 0;
  for await (const { size } of storage.list("data", signal)) bytes += size;
  return bytes;
}

test("packs that nobody named are left alone while somebody else holds a lock", async () => {
  using temporary = temporaryFolder();
  const source = join(temporary.path, "source");
  fs.mkdirSync(source);
  fs.writeFileSync(join(source, "f"), randomBytes(MiB));
  const storage = localStorage(join(temporary.path, "repository"));
  const repository = await createCheapRepository(storage, "pw", { signal, now, host });
  await uploadOnce(repository, source);
  for await (const { name } of storage.list("index", signal)) await storage.remove({ kind: "index", name }, signal);
  {
    await using _other = await repository.lock("shared", { signal, now, waitMs: 0 });
    assert.ok((await uploadOnce(repository, source)).addedBytes >= MiB);
  }
  for await (const { name } of storage.list("index", signal)) await storage.remove({ kind: "index", name }, signal);
  assert.equal((await uploadOnce(repository, source)).addedBytes, 0);
});

test("packs that nobody named and the storage does not give keep no run from adding", async () => {
  const inner = memoryStorage();
  const repository = await createCheapRepository(inner, "pw", { signal, now, host });
  const packs = new Set(["ab".repeat(32), "cd".repeat(32)]);
  for (const name of packs) await inner.save({ kind: "data", name }, randomBytes(1000), signal);
  const storage: Storage = {
    ...inner,
    load: async (file, range, abort) => {
      if (packs.has(file.name)) throw new HoldfastError("storage-failed", { reason: "EIO" });
      return await inner.load(file, range, abort);
    },
  };
  await using opened = await openRepository(storage, "pw", { signal, now, host });
  await using lock = await opened.lock("shared", { signal, now, waitMs: 0 });
  const indexed = await opened.index(signal);
  await using upload = await indexed.upload({ signal, lock, limits });
  const tree = await upload.tree({ nodes: [] });
  await upload.finish({ time: now().toISOString(), tree, paths: ["/x"] });
  assert.equal((await repository.snapshots(signal)).length, 1);
});

test("a run that is cancelled, or whose lock is lost, stores no snapshot and leaves nobody waiting", async () => {
  await using repository = await testRepository();
  const indexed = await repository.index();
  const lost = new AbortController();
  const lock = { lost: lost.signal, check: () => Promise.resolve(), [Symbol.asyncDispose]: () => Promise.resolve() };
  await using upload = await indexed.upload({ signal, lock, limits });
  const blob = upload.blob("data", randomBytes(1000), "hot");
  lost.abort(new Error("lock gone"));
  await assert.rejects(blob, /lock gone/);
  await assert.rejects(async () => await upload.ready(), /lock gone/);
  const snapshot = { time: now().toISOString(), tree: "00".repeat(32), paths: ["/x"] };
  await assert.rejects(upload.finish(snapshot), /lock gone/);
  assert.equal((await repository.repository.snapshots(signal)).length, 0);
});

test("nothing of an upload is written once it is over, though the storage is slow", async () => {
  const inner = memoryStorage();
  const begun = Promise.withResolvers<void>();
  let written = 0;
  const storage: Storage = {
    ...inner,
    async save(file, bytes, abort) {
      if (file.kind === "index") {
        begun.resolve();
        await delay(300);
      }
      await inner.save(file, bytes, abort.aborted ? signal : abort);
      if (file.kind === "index") written++;
    },
  };
  const repository = await createCheapRepository(storage, "pw", { signal, now, host });
  const indexed = await repository.index(signal);
  await using lock = await repository.lock("shared", { signal, now, waitMs: 0 });
  {
    await using upload = await indexed.upload({ signal, lock, limits });
    await upload.blob("data", randomBytes(1000), "hot");
    upload.index().catch(() => undefined);
    await begun.promise;
  }
  const atItsEnd = written;
  await delay(500);
  assert.deepEqual([atItsEnd, written], [1, 1]);
});

test("an upload that cannot begin leaves no thread behind", async () => {
  const inner = memoryStorage();
  await createCheapRepository(inner, "pw", { signal, now, host });
  const storage: Storage = {
    ...inner,
    async *list(kind, abort) {
      if (kind === "data") throw new HoldfastError("storage-unreachable", { reason: "test" });
      yield* inner.list(kind, abort);
    },
  };
  const repository = await openRepository(storage, "pw", { signal, now, host });
  const indexed = await repository.index(signal);
  await using lock = await repository.lock("shared", { signal, now, waitMs: 0 });
  const threads = (): number => fs.readdirSync("/proc/self/task").length;
  const begin = () => assert.rejects(indexed.upload({ signal, lock, limits }), { code: "storage-unreachable" });
  await begin();
  const before = threads();
  for (let times = 0; times < 4; times++) await begin();
  assert.ok(threads() <= before, `${threads()} threads, ${before} before`);
});

test("limits are kept", async () => {
  using temporary = temporaryFolder();
  fs.writeFileSync(join(temporary.path, "f"), randomBytes(3 * MiB));
  await using repository = await testRepository();
  const indexed = await repository.index();
  await using lock = await repository.repository.lock("shared", { signal, now, waitMs: 0 });
  const started = performance.now();
  const slow = { ...limits, readBytesPerSecond: 3 * MiB };
  await using upload = await indexed.upload({ signal, lock, limits: slow });
  await upload.file(fileToRead(join(temporary.path, "f")));
  const seconds = (performance.now() - started) / 1000;
  assert.ok(seconds > 0.7, `${seconds} s`);
});

test("an index names no pack that is not stored yet, however long that takes", async () => {
  const inner = memoryStorage();
  let slow: Promise<void> | undefined;
  const named = Promise.withResolvers<void>();
  const notThere: string[] = [];
  let indexes = 0;
  const storage: Storage = {
    ...inner,
    async save(file, bytes, abort) {
      // The first pack is on its way until an index is written, of what the others hold.
      if (file.kind === "data") await (slow === undefined ? (slow = named.promise) : undefined);
      if (file.kind === "index") {
        indexes++;
        for (const { id } of parseIndexFile(openUnpacked(key, Buffer.from(bytes))).packs) {
          if ((await inner.stat({ kind: "data", name: id }, signal)) === undefined) notThere.push(id);
        }
        named.resolve();
      }
      await inner.save(file, bytes, abort);
    },
  };
  const repository = await createCheapRepository(storage, "pw", { signal, now, host });
  const key = repository.sharedKey.masterKey;
  const indexed = await repository.index(signal);
  await using lock = await repository.lock("shared", { signal, now, waitMs: 0 });
  await using upload = await indexed.upload({ signal, lock, limits: { ...limits, workers: 1 } });
  // As many as fill an index besides that pack's.
  for (let batch = 0; batch < 65; batch++) {
    await Promise.all(
      Array.from({ length: 1000 }, (_, at) => upload.blob("data", Buffer.from(`${batch} ${at}`), "hot")),
    );
  }
  await named.promise;
  await upload.index();
  assert.deepEqual(notThere, []);
  assert.ok(indexes > 1, `${indexes} index files`);
});

test("no snapshot is stored under a lock that somebody has removed", async () => {
  const storage = memoryStorage();
  const repository = await createCheapRepository(storage, "pw", { signal, now, host });
  const indexed = await repository.index(signal);
  await using lock = await repository.lock("shared", { signal, now, waitMs: 0 });
  await using upload = await indexed.upload({ signal, lock, limits });
  const tree = await upload.tree({ nodes: [] });
  // All but the snapshot is stored.
  await upload.index();
  for await (const { name } of storage.list("lock", signal)) await storage.remove({ kind: "lock", name }, signal);
  await assert.rejects(upload.finish({ time: now().toISOString(), tree, paths: ["/x"] }), (error) =>
    isHoldfastError(error, "lock-lost"),
  );
  assert.deepEqual(await repository.snapshots(signal), []);
});
