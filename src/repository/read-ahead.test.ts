import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { createCheapRepository } from "../../test/support/cheap-key.ts";
import { countedStorage, type CountedStorage } from "../../test/support/counted-storage.ts";
import type { Id } from "../format/tree.ts";
import { memoryStorage } from "../storage/memory.ts";
import type { Storage } from "../storage/storage.ts";
import { openRepository } from "./open.ts";
import type { Upload } from "./repository.ts";

const { signal } = new AbortController();
const options = {
  signal,
  now: () => new Date(),
  host: { hostname: "test", username: "tester", uid: 0, gid: 0 },
};
const limits = { workers: 2, priority: "normal" } as const;

/** Some 300 blobs of all lengths, each half of which is chance. */
const contents = Array.from({ length: 300 }, (_, number) => {
  const length = number === 7 ? 3 << 20 : 500 + ((number * 7919) % 60_000);
  return Buffer.concat([randomBytes(length), Buffer.alloc(length, `row ${number};`)]);
});

async function* each<T>(items: readonly T[]): AsyncGenerator<T, void> {
  yield* items;
}

async function withUpload<T>(storage: Storage, use: (upload: Upload) => Promise<T>): Promise<T> {
  const repository = await openRepository(storage, "pw", options);
  await using lock = await repository.lock("shared", { ...options, waitMs: 0 });
  const indexed = await repository.index(signal);
  await using upload = await indexed.upload({ signal, lock, limits });
  const answer = await use(upload);
  const tree = await upload.tree({ nodes: [] });
  await upload.finish({ time: options.now().toISOString(), tree, paths: ["/test"], hostname: "test" });
  return answer;
}

async function stored(): Promise<{ readonly storage: CountedStorage; readonly ids: readonly Id[] }> {
  const storage = countedStorage(memoryStorage());
  await createCheapRepository(storage, "pw", options);
  const ids = await withUpload(storage, async (upload) => {
    const saved: Id[] = [];
    for (const bytes of contents) {
      await upload.ready();
      saved.push((await upload.blob("data", Buffer.from(bytes), "bulk")).id);
    }
    return saved;
  });
  return { storage, ids };
}

const reads = (storage: CountedStorage): number => storage.loaded().get("data") ?? 0;

test("blobs that are read ahead are what they are, with few requests, whichever of them are asked for", async () => {
  const { storage, ids } = await stored();
  await withUpload(storage, async (upload) => {
    const listed = ids.filter((_, number) => number % 3 === 0);
    const before = reads(storage);
    await using ahead = upload.ahead(each(listed), signal);
    for (const [number, id] of ids.entries()) {
      if (number % 3 !== 0 || number % 4 === 0) continue;
      assert.deepEqual(await ahead.load("data", id, signal), contents[number]);
    }
    const [last = ""] = listed.slice(-1);
    assert.deepEqual(await ahead.load("data", last, signal), contents[ids.indexOf(last)]);
    const requests = reads(storage) - before;
    assert.ok(requests < listed.length / 2, `${requests} requests for ${listed.length} blobs`);
    // One that was not listed, and one that was passed over.
    for (const number of [1, 12]) {
      assert.deepEqual(await ahead.load("data", ids[number] ?? "", signal), contents[number]);
    }
    const newer = await upload.blob("data", Buffer.from("on its way"), "hot");
    assert.equal((await ahead.load("data", newer.id, signal)).toString(), "on its way");
  });
});

test("of blobs that are read ahead, a damaged one is told when it is asked for, and the others are given", async () => {
  const { storage, ids } = await stored();
  const damaging: Storage = {
    ...storage,
    load: async (file, range, during) => {
      const bytes = await storage.load(file, range, during);
      // A place in each pack.
      const at = 100_000 - (range?.offset ?? 0);
      if (file.kind === "data" && at >= 0 && at < bytes.length) bytes[at] = (bytes[at] ?? 0) ^ 1;
      return bytes;
    },
  };
  await withUpload(damaging, async (upload) => {
    await using ahead = upload.ahead(each(ids), signal);
    let damaged = 0;
    for (const [number, id] of ids.entries()) {
      const loaded = await ahead.load("data", id, signal).catch((error: unknown) => error);
      if (loaded instanceof Buffer) assert.deepEqual(loaded, contents[number]);
      else damaged++;
      if (loaded instanceof Error) assert.match(String(loaded), /repository-damaged/);
    }
    assert.ok(damaged > 0 && damaged < 20, `${damaged}`);
  });
});

test("whoever stops asking, or is told to, leaves nothing that waits", async () => {
  const { storage, ids } = await stored();
  await withUpload(storage, async (upload) => {
    const ended = new AbortController();
    const first = upload.ahead(each(ids), ended.signal);
    assert.deepEqual(await first.load("data", ids[0] ?? "", ended.signal), contents[0]);
    ended.abort(new Error("enough"));
    await assert.rejects(first.load("data", ids[299] ?? "", ended.signal), /enough/);
    await first[Symbol.asyncDispose]();
    const lost = async function* (): AsyncGenerator<Id, void> {
      yield ids[5] ?? "";
      throw new Error("no list");
    };
    await using second = upload.ahead(lost(), signal);
    for (const number of [5, 6]) {
      assert.deepEqual(await second.load("data", ids[number] ?? "", signal), contents[number]);
    }
  });
});
