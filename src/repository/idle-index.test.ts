import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { test } from "node:test";
import { countedStorage } from "../../test/support/counted-storage.ts";
import { temporaryFolder } from "../../test/support/temp-folder.ts";
import { testRepository, type TestRepository } from "../../test/support/test-repository.ts";
import type { Id } from "../format/tree.ts";
import { localStorage } from "../storage/local.ts";
import { IdleIndex } from "./idle-index.ts";
import { openRepository } from "./open.ts";
import type { IndexedRepository, Repository } from "./repository.ts";

const { signal } = new AbortController();
const now = (): Date => new Date();
const host = { hostname: "test", username: "tester", uid: 0, gid: 0 };

async function store(repository: TestRepository): Promise<Id> {
  const { id } = await repository.upload(async (upload) => {
    const saved = upload.blob("data", randomBytes(1000), "hot");
    return { tree: await upload.tree({ nodes: [] }), id: (await saved).id };
  });
  return id;
}

/** Opens the repository, uses its index and closes it again; gives how many index files were read for it. */
function opener(at: string): (use: (index: IndexedRepository, repository: Repository) => unknown) => Promise<number> {
  const idleIndex = new IdleIndex();
  return async (use) => {
    const storage = countedStorage(localStorage(at));
    await using repository = await openRepository(storage, "correct horse", { signal, now, host, idleIndex });
    await use(await repository.index(signal), repository);
    return storage.loaded().get("index") ?? 0;
  };
}

test("an index is read once while its files stay the same, and anew when they do not", async () => {
  using folder = temporaryFolder();
  const at = join(folder.path, "repo");
  await using repository = await testRepository(at);
  const first = await store(repository);
  const open = opener(at);
  const knows = (...ids: Id[]) =>
    open((index) =>
      assert.deepEqual(
        ids.map((id) => index.has("data", id)),
        ids.map(() => true),
      ),
    );
  assert.equal(await knows(first), 1);
  assert.equal(await knows(first), 0);
  const second = await store(repository);
  assert.equal(await knows(first, second), 2);
  assert.equal(await knows(first, second), 0);
});

test("an index is never in two hands, nor with anything in it that no index file says", async () => {
  using folder = temporaryFolder();
  const at = join(folder.path, "repo");
  await using repository = await testRepository(at);
  await store(repository);
  const open = opener(at);
  const justLook = () => open(() => undefined);
  assert.equal(await open((_, opened) => opened.index(signal)), 2, "the first one is in use");
  assert.equal(await justLook(), 0);
  // A run that was cut off: it stored a blob that no index names.
  const cutOff = async (index: IndexedRepository, opened: Repository): Promise<Id> => {
    await using lock = await opened.lock("shared", { signal, now, waitMs: 0 });
    await using upload = await index.upload({ signal, lock, limits: repository.limits });
    const saved = upload.blob("data", randomBytes(1000), "hot");
    await upload.store();
    return (await saved).id;
  };
  let loose: Id = "";
  const added = async (index: IndexedRepository, opened: Repository): Promise<void> => {
    loose = await cutOff(index, opened);
    assert.ok(index.has("data", loose));
  };
  assert.equal(await open(added), 0);
  assert.equal(await open((index) => assert.ok(!index.has("data", loose))), 1);
  const found = async (index: IndexedRepository): Promise<void> => {
    assert.equal((await index.loosePacks(10, signal)).length, 1);
    assert.ok(index.has("data", loose));
  };
  assert.equal(await open(found), 0);
  assert.equal(await open((index) => assert.ok(!index.has("data", loose))), 1);
  assert.equal(await justLook(), 0);
});
