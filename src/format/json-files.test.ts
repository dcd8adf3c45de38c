import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { isHoldfastError } from "../lib/errors.ts";
import { indexJson, IndexWriter, parseIndexFile, type MarkedPack } from "./index-file.ts";
import { newMasterKey } from "./key-file.ts";
import { lockJson, parseLock, type LockFile } from "./lock-file.ts";
import { parseSnapshot, snapshotJson } from "./snapshot-json.ts";
import type { Snapshot } from "./snapshot.ts";
import { openUnpacked, sha256 } from "./unpacked.ts";

const damaged = (error: unknown): boolean => isHoldfastError(error, "repository-damaged");
const id = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes).toString("hex"));
const json = (value: object): Buffer => Buffer.from(JSON.stringify(value));

test("any index comes back, made at once or as its packs come", () => {
  const key = newMasterKey();
  const blob = fc.record({
    id,
    type: fc.constantFrom("data" as const, "tree" as const),
    offset: fc.nat(),
    length: fc.integer({ min: 32, max: 2 ** 24 }),
    uncompressedLength: fc.nat(2 ** 24),
  });
  const pack = { id, blobs: fc.array(blob) };
  const time = fc.constantFrom("2026-11-22T08:00:00Z", "2026-11-22T08:00:00.5+08:00");
  const marked: fc.Arbitrary<readonly MarkedPack[]> = fc.array(
    fc.record({ ...pack, time }, { requiredKeys: ["id", "blobs"] }),
  );
  fc.assert(
    fc.property(fc.array(fc.record(pack)), marked, (packs, toDelete) => {
      const file = parseIndexFile(Buffer.from(indexJson(packs, toDelete)));
      assert.deepEqual(file, structuredClone({ packs, marked: toDelete }));
      const growing = new IndexWriter(key);
      for (const one of packs) growing.add(one);
      assert.equal(
        growing.blobs,
        packs.reduce((sum, { blobs }) => sum + blobs.length, 0),
      );
      const { name, bytes } = growing.finish();
      assert.equal(name, sha256(bytes));
      assert.ok(openUnpacked(key, bytes).equals(indexJson(packs)));
    }),
  );
});

test("an index of 50,000 blobs stays under restic's 8 MiB, and hostile ones are refused", () => {
  const blobs = Array.from({ length: 50_000 }, (_, index) => ({
    id: "ab".repeat(32),
    type: "data" as const,
    offset: index * 300,
    length: 300,
    uncompressedLength: 1000,
  }));
  const text = indexJson([{ id: "cd".repeat(32), blobs }]);
  assert.ok(text.length < 8 * 1024 * 1024);
  assert.equal(parseIndexFile(Buffer.from(text)).packs[0]?.blobs.length, 50_000);
  assert.deepEqual(parseIndexFile(json({ supersedes: ["x"], packs: null })).packs, []);
  const right = { id: "ab".repeat(32), type: "data", offset: 0, length: 100 };
  for (const change of [
    { id: "AB".repeat(32) },
    { id: 5 },
    { type: "other" },
    { offset: -1 },
    { offset: 2 ** 32 },
    { length: 31 },
    { length: 1e300 },
    { offset: 2 ** 31, length: 2 ** 31 },
    { uncompressed_length: 0.5 },
  ]) {
    const packs = [{ id: "cd".repeat(32), blobs: [{ ...right, ...change }] }];
    assert.throws(() => parseIndexFile(json({ packs })), damaged, JSON.stringify(change));
  }
  for (const wrong of ["", "[]", "5", '{"packs":{}}', '{"packs":[5]}']) {
    assert.throws(() => parseIndexFile(Buffer.from(wrong)), damaged, wrong);
  }
});

test("a snapshot comes back with everything in it, in restic's order", () => {
  const zeros = {
    filesNew: 1,
    filesChanged: 0,
    filesUnmodified: 0,
    dirsNew: 0,
    dirsChanged: 0,
    dirsUnmodified: 0,
    dataBlobs: 0,
    treeBlobs: 0,
    dataAdded: 0,
    dataAddedPacked: 0,
    totalFilesProcessed: 0,
    totalBytesProcessed: 2 ** 40,
  };
  const snapshot: Snapshot = {
    time: "2026-11-22T08:00:00.5+01:00",
    parent: "ab".repeat(32),
    tree: "cd".repeat(32),
    paths: ["/crm/名 <a>"],
    hostname: "host",
    username: "user",
    uid: 5,
    gid: 6,
    excludes: ["*.tmp"],
    tags: ["crm=a", "b"],
    original: "ef".repeat(32),
    programVersion: "holdfast 0.1.0",
    summary: { backupStart: "2026-11-22T08:00:00Z", backupEnd: "2026-11-22T08:01:00Z", ...zeros },
  };
  const text = snapshotJson(snapshot);
  assert.deepEqual(parseSnapshot(Buffer.from(text)), snapshot);
  assert.equal(
    Object.keys(JSON.parse(text) as object).join(" "),
    "time parent tree paths hostname username uid gid excludes tags original program_version summary",
  );
  const least: Snapshot = { time: "2026-11-22T08:00:00Z", tree: "cd".repeat(32), paths: [], uid: 0, gid: 0 };
  assert.equal(snapshotJson(least), `{"time":"${least.time}","tree":"${least.tree}","paths":[]}`);
  assert.deepEqual(parseSnapshot(Buffer.from(snapshotJson(least))), least);
});

test("snapshots that restic could not read are refused", () => {
  const right = { time: "2026-11-22T08:00:00Z", tree: "cd".repeat(32), paths: null };
  assert.deepEqual(parseSnapshot(json(right)).paths, []);
  for (const change of [
    { time: "2026-11-22T08:00:00" },
    { time: 5 },
    { tree: "" },
    { tree: null },
    { parent: "" },
    { uid: -1 },
    { gid: 1.5 },
    { paths: [5] },
    { tags: "x" },
    { hostname: {} },
    { summary: { backup_start: "x", backup_end: "x" } },
    { summary: [] },
  ]) {
    assert.throws(() => parseSnapshot(json({ ...right, ...change })), damaged, JSON.stringify(change));
  }
});

test("a lock comes back; restic's own has no owner", () => {
  const lock: LockFile = {
    time: "2026-11-22T08:00:00Z",
    exclusive: true,
    hostname: 'a"b',
    username: "u",
    pid: 77,
    uid: 0,
    gid: 5,
    owner: { boot: "b", pidNamespace: "pid:[1]", pid: 77, started: "5" },
  };
  assert.deepEqual(parseLock(Buffer.from(lockJson(lock))), lock);
  const { owner: _, ...resticOwn } = lock;
  assert.deepEqual(parseLock(Buffer.from(lockJson(resticOwn))), resticOwn);
  assert.deepEqual(parseLock(json({ ...lock, holdfast: { boot: 5 } })), resticOwn);
  assert.throws(() => parseLock(json({ ...lock, time: "now" })), damaged);
  assert.throws(() => parseLock(json({ ...lock, pid: "x" })), damaged);
});
