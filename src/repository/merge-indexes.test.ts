import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { chmodSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { endingStorage, type Ending } from "../../test/support/ending-storage.ts";
import { copyFolder } from "../../test/support/repository-copy.ts";
import { temporaryFolder } from "../../test/support/temp-folder.ts";
import { testRepository, type TestRepository } from "../../test/support/test-repository.ts";
import type { Id } from "../format/tree.ts";
import { isHoldfastError } from "../lib/errors.ts";
import { localStorage } from "../storage/local.ts";
import type { Storage } from "../storage/storage.ts";
import { openRepository } from "./open.ts";

const { signal } = new AbortController();
const now = (): Date => new Date();
const password = "correct horse";

/** Stores blobs as somebody does who follows: each with an index file of its own. */
async function storeOneByOne(repository: TestRepository, count: number): Promise<readonly Id[]> {
  const ids: Id[] = [];
  await repository.upload(async (upload) => {
    for (let number = 0; number < count; number++) {
      const stored = upload.blob("data", randomBytes(100), "hot");
      await upload.store();
      ids.push((await stored).id);
      await upload.index();
    }
    return { tree: await upload.tree({ nodes: [] }) };
  });
  return ids;
}

async function merge({ repository }: Pick<TestRepository, "repository">): Promise<void> {
  await using lock = await repository.lock("exclusive", { signal, now, waitMs: 0 });
  await repository.mergeIndexes({ signal, lock });
}

test("many index files that hold next to nothing become one, and all that they name is found", async () => {
  using folder = temporaryFolder();
  const at = join(folder.path, "repo");
  await using repository = await testRepository(at);
  const indexes = (): readonly string[] => readdirSync(join(at, "index"));
  const few = await storeOneByOne(repository, 50);
  const before = indexes();
  await merge(repository);
  assert.deepEqual(indexes(), before, "few are left as they are");
  const more = await storeOneByOne(repository, 70);
  // Whoever looks without a lock, as most do who only look, has listed them when they go.
  let merged: Promise<void> | undefined;
  const storage = localStorage(at);
  const late: Storage = {
    ...storage,
    load: async (file, range, loadSignal) => {
      if (file.kind === "index") await (merged ??= merge(repository));
      return await storage.load(file, range, loadSignal);
    },
  };
  const host = { hostname: "test", username: "tester", uid: 0, gid: 0 };
  await using reading = await openRepository(late, password, { signal, now, host });
  const index = await reading.index(signal);
  assert.ok(merged);
  assert.equal(indexes().length, 1);
  for (const id of [...few, ...more]) assert.equal((await index.load("data", id, signal)).length, 100);
  await repository.restic().check();
  const { defects, unindexedPacks } = await repository.repository.verify({
    signal,
    limits: repository.limits,
    depth: "data",
  });
  assert.deepEqual([defects, unindexedPacks], [[], 0]);
});

test("a merge that dies, or meets a full disk, at any operation loses nothing, and the next one finishes", async () => {
  using folder = temporaryFolder();
  const at = join(folder.path, "repo");
  await using repository = await testRepository(at);
  const ids = await storeOneByOne(repository, 110);
  const kept = join(folder.path, "kept");
  copyFolder(at, kept);
  const host = { hostname: "test", username: "tester", uid: 0, gid: 0 };
  const mergeWith = async (ending?: Ending): Promise<number> => {
    const storage = endingStorage(localStorage(at), ending);
    await using other = await openRepository(storage, password, { signal, now, host });
    await merge({ repository: other }).catch((error: unknown) => {
      const isEnding = isHoldfastError(error, "storage-failed") || isHoldfastError(error, "storage-full");
      if (ending === undefined || !isEnding) throw error;
    });
    for (const name of readdirSync(join(at, "locks"))) rmSync(join(at, "locks", name));
    return storage.operations();
  };
  const operations = await mergeWith();
  assert.ok(operations > 110, `only ${operations} operations`);
  // The first is the lock's, then comes the file that is to name all, then those go that are merged.
  for (const place of [2, 3, 60]) {
    for (const kind of ["dead before", "dead after", "full"] as const) {
      copyFolder(kept, at);
      const what = `${kind} ${place} of ${operations}`;
      await mergeWith({ at: place, kind });
      await using after = await openRepository(localStorage(at), password, { signal, now, host });
      const index = await after.index(signal);
      for (const id of ids) assert.ok(index.has("data", id), `${what}: ${id} is in no index`);
      const { defects, unindexedPacks } = await after.verify({ signal, limits: repository.limits, depth: "structure" });
      assert.deepEqual([defects, unindexedPacks], [[], 0], what);
      await mergeWith();
      const left = readdirSync(join(at, "index")).length;
      assert.ok(left === 1 || (left < 100 && place > 20), `${what}: ${left} index files are left`);
    }
  }
  await repository.restic().check();
});

test("where an index file is damaged, all stay", async () => {
  using folder = temporaryFolder();
  const at = join(folder.path, "repo");
  await using repository = await testRepository(at);
  await storeOneByOne(repository, 110);
  const before = readdirSync(join(at, "index"));
  const path = join(at, "index", before[7] ?? "");
  chmodSync(path, 0o600);
  writeFileSync(path, randomBytes(300));
  await merge(repository);
  assert.deepEqual(readdirSync(join(at, "index")), before);
});
