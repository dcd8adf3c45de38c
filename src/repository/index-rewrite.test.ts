import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { maxIndexBlobs, parseIndexFile } from "../format/index-file.ts";
import { newMasterKey } from "../format/key-file.ts";
import { openUnpacked } from "../format/unpacked.ts";
import { memoryStorage } from "../storage/memory.ts";
import { BlobIndex } from "./blob-index.ts";
import { rewriteIndex } from "./index-rewrite.ts";
import { acquireLock } from "./lock.ts";
import type { IndexedPackRecord } from "./verify-index.ts";

const { signal } = new AbortController();

test("marks of many blobs stand in as many files as an index of them would", async () => {
  const storage = memoryStorage();
  const key = newMasterKey();
  const host = { hostname: "here", username: "tester", uid: 0, gid: 0 };
  await using lock = await acquireLock({ storage, key, host }, "exclusive", {
    signal,
    now: () => new Date(),
    waitMs: 0,
  });
  const index = BlobIndex.forIndexBytes(0, 1 << 18);
  const packs: IndexedPackRecord[] = [];
  for (let pack = 0; pack < 15; pack++) {
    packs.push({ id: randomBytes(32).toString("hex"), first: index.count, blobs: 10_000, size: 1 });
    for (let blob = 0; blob < 10_000; blob++) index.add("data", randomBytes(32), pack, blob * 100, 100, 0);
  }
  const old = "ab".repeat(32);
  await storage.save({ kind: "index", name: old }, Buffer.from("of all of them"), signal);
  const files = [{ name: old, packs: [...packs.keys()], marked: [] }];
  const unnamed: string[] = [];
  await rewriteIndex({
    storage,
    key,
    lock,
    signal,
    state: { index, packs, files, unreadable: [], doubtful: new Set() },
    dropped: new Set(packs.keys()),
    markTime: "2026-11-22T08:00:00Z",
    isOldMark: () => false,
    blobsAFile: maxIndexBlobs,
    onUnnamed: async (gone) => void unnamed.push(...gone.map(({ id }) => id)),
  });
  const marked: string[] = [];
  for await (const { name } of storage.list("index", signal)) {
    const file = parseIndexFile(openUnpacked(key, await storage.load({ kind: "index", name }, undefined, signal)));
    assert.equal(file.packs.length, 0);
    assert.ok(file.marked.reduce((sum, { blobs }) => sum + blobs.length, 0) <= maxIndexBlobs);
    marked.push(...file.marked.map(({ id }) => id));
  }
  const all = packs.map(({ id }) => id).toSorted();
  assert.deepEqual([marked.toSorted(), unnamed.toSorted()], [all, all]);
});
