import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { isHoldfastError } from "../lib/errors.ts";
import { withCache, type CacheOptions } from "./cache.ts";
import { CacheFolder } from "./cache-folder.ts";
import { storageContract } from "./contract.ts";
import { memoryStorage } from "./memory.ts";
import type { FileKind, Storage, StoredFile } from "./storage.ts";

const { signal } = new AbortController();
const top = await mkdtemp(join(tmpdir(), "holdfast-cache-"));
after(() => rm(top, { recursive: true, force: true }));
let made = 0;
const freshFolder = (): string => join(top, `cache-${made++}`);
const now = (): Date => new Date();
const cacheIn = (folder: string, maxBytes = 1 << 30) => new CacheFolder({ folder, location: "memory:", maxBytes, now });
const options = (folder: string, maxBytes?: number): CacheOptions => ({
  cache: cacheIn(folder, maxBytes),
  reading: "through",
});

storageContract("cache over memory", async () => withCache(memoryStorage(), options(freshFolder())));
storageContract("cache over memory, whatever is read is likely to be read again", async () =>
  alwaysAgain(withCache(memoryStorage(), options(freshFolder()))),
);
storageContract("cache over memory, in a folder that cannot be written", async () => {
  const folder = freshFolder();
  writeFileSync(folder, "a file");
  return alwaysAgain(withCache(memoryStorage(), options(folder)));
});

function alwaysAgain(storage: Storage): Storage {
  return {
    ...storage,
    load: (file, range, loadSignal) =>
      storage.load(file, range && { offset: range.offset, length: range.length, again: "likely" }, loadSignal),
    [Symbol.asyncDispose]: () => storage[Symbol.asyncDispose](),
  };
}

/** Memory that counts what is read of it. */
function counting(): Storage & { reads: number } {
  const storage = memoryStorage();
  const counted = {
    ...storage,
    reads: 0,
    load: (...args: Parameters<Storage["load"]>) => {
      counted.reads++;
      return storage.load(...args);
    },
    [Symbol.asyncDispose]: () => storage[Symbol.asyncDispose](),
  };
  return counted;
}

function named(kind: FileKind, bytes: Buffer): StoredFile {
  return { kind, name: createHash("sha256").update(bytes).digest("hex") };
}

function entries(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

const again = (offset: number, length: number) => ({ offset, length, again: "likely" }) as const;

test("indexes, snapshots and small parts are read once, by any process that shares the folder", async () => {
  const below = counting();
  const folder = freshFolder();
  const bytes = randomBytes(10_000);
  const index = named("index", randomBytes(500));
  const files = [named("snapshot", bytes), named("data", bytes), named("lock", bytes), named("key", bytes)];
  for (const file of files) await below.save(file, bytes, signal);
  await below.save(index, randomBytes(500), signal);
  const [snapshot, data, lock, key] = files as [StoredFile, StoredFile, StoredFile, StoredFile];
  const read = async (storage: Storage, file: StoredFile, range?: ReturnType<typeof again>): Promise<number> => {
    below.reads = 0;
    const { offset = 0, length = bytes.length } = range ?? {};
    const found = await storage.load(file, range, signal);
    assert.ok(found.equals(bytes.subarray(offset, offset + length)));
    return below.reads;
  };
  {
    await using first = withCache(below, options(folder));
    assert.deepEqual([await read(first, snapshot), await read(first, snapshot)], [1, 0]);
    assert.deepEqual([await read(first, data, again(100, 3000)), await read(first, data, again(200, 2900))], [1, 0]);
    assert.equal(await read(first, data, again(99, 2)), 1, "begins before what is kept");
    assert.equal(await read(first, data), 1, "a whole pack is not kept");
    assert.equal(await read(first, data), 1);
    assert.deepEqual([await read(first, lock), await read(first, lock), await read(first, key)], [1, 1, 1]);
    const saved = randomBytes(50);
    await first.save(named("index", saved), saved, signal);
    below.reads = 0;
    assert.ok((await first.load(named("index", saved), undefined, signal)).equals(saved));
    assert.equal(below.reads, 0, "what was just stored is known");
    await first.load(index, undefined, signal);
    await first.load(index, undefined, signal);
    assert.equal(below.reads, 2, "what is not what its name says is not kept");
  }
});

test("nothing in it is believed: changed, cut off, swapped or deleted entries are read from the storage", async () => {
  const below = memoryStorage();
  const folder = freshFolder();
  const one = randomBytes(4000);
  const two = randomBytes(4000);
  const files = [named("index", one), named("index", two)] as const;
  const packs = [named("data", one), named("data", two)] as const;
  for (const file of [files[0], packs[0]]) await below.save(file, one, signal);
  for (const file of [files[1], packs[1]]) await below.save(file, two, signal);
  const check = async (storage: Storage): Promise<void> => {
    for (const [at, bytes] of [one, two].entries()) {
      assert.ok((await storage.load(files[at] ?? files[0], undefined, signal)).equals(bytes));
      assert.ok((await storage.load(packs[at] ?? packs[0], again(0, 4000), signal)).equals(bytes));
    }
  };
  await using storage = withCache(below, options(folder));
  await check(storage);
  const paths = entries(folder);
  assert.equal(paths.length, 4);
  for (const path of paths) {
    assert.equal(statSync(path).mode & 0o777, 0o600);
    for (const change of ["flip", "cut", "empty", "gone", "other"] as const) {
      const whole = readFileSync(path);
      if (change === "flip") whole[7] = (whole[7] ?? 0) ^ 1;
      if (change === "gone") rmSync(path);
      else if (change === "other") writeFileSync(path, readFileSync(paths.find((other) => other !== path) ?? ""));
      else writeFileSync(path, change === "flip" ? whole : whole.subarray(0, change === "cut" ? 3999 : 0));
      await check(withCache(below, options(folder)));
      await check(storage);
    }
  }
  assert.equal(statSync(folder).mode & 0o777, 0o700);
  rmSync(folder, { recursive: true });
  await check(storage);
  await check(storage);
  assert.equal(entries(folder).length, 4, "made again");
});

test("what is removed leaves the cache first, and existence is the storage's to say", async () => {
  const below = memoryStorage();
  const folder = freshFolder();
  const bytes = randomBytes(1000);
  await using storage = withCache(below, options(folder));
  for (const kind of ["index", "data"] as const) {
    const file = named(kind, bytes);
    const range = kind === "data" ? again(0, 1000) : undefined;
    await storage.save(file, bytes, signal);
    await storage.load(file, range, signal);
    await storage.remove(file, signal);
    assert.deepEqual(entries(folder), []);
    await assert.rejects(storage.load(file, range, signal), (error) => isHoldfastError(error, "storage-not-found"));

    await below.save(file, bytes, signal);
    await using other = withCache(below, options(folder));
    await other.load(file, range, signal);
    await below.remove(file, signal);
    assert.equal(await other.stat(file, signal), undefined);
    assert.deepEqual(await Array.fromAsync(other.list(kind, signal)), []);
    await storage.remove(file, signal);
    assert.deepEqual(entries(folder), [], "also what another process kept");
  }
});

test("of a salt nothing is believed either", async () => {
  const folder = freshFolder();
  const salt = randomBytes(200);
  assert.equal(await cacheIn(folder).salt(), undefined);
  await cacheIn(folder).keepSalt(salt);
  assert.deepEqual(await cacheIn(folder).salt(), salt);
  const [path = "", ...others] = entries(folder);
  assert.deepEqual([others.length, statSync(path).mode & 0o777], [0, 0o600]);
  const whole = readFileSync(path);
  for (const wrong of [
    whole.subarray(0, 100),
    whole.subarray(0, 5),
    Buffer.alloc(0),
    whole.with(3, ~(whole[3] ?? 0) & 255),
  ]) {
    writeFileSync(path, wrong);
    assert.equal(await cacheIn(folder).salt(), undefined);
  }
  await cacheIn(folder).keepSalt(salt);
  assert.deepEqual(await cacheIn(folder).salt(), salt);
  chmodSync(folder, 0o777);
  assert.equal(await cacheIn(folder).salt(), undefined);
});

test("who looks whether the storage is sound reads past it", async () => {
  const below = counting();
  const folder = freshFolder();
  const bytes = randomBytes(1000);
  await below.save(named("index", bytes), bytes, signal);
  await using _filled = withCache(below, options(folder));
  await _filled.load(named("index", bytes), undefined, signal);
  await using past = withCache(below, { ...options(folder), reading: "past" });
  below.reads = 0;
  await past.load(named("index", bytes), undefined, signal);
  assert.equal(below.reads, 1);
  await past.remove(named("index", bytes), signal);
  assert.deepEqual(entries(folder), []);
});

test("it stays within its bound, and what was used last stays", async () => {
  const below = memoryStorage();
  const folder = freshFolder();
  const maxBytes = 40 << 20;
  const bytes = randomBytes(1 << 20);
  await using storage = withCache(below, options(folder, maxBytes));
  const first = named("data", bytes);
  await below.save(first, bytes, signal);
  await storage.load(first, again(0, 1 << 20), signal);
  const [oldest = ""] = entries(folder);
  utimesSync(oldest, new Date(0), new Date(0));
  for (let number = 0; number < 60; number++) {
    const name = number.toString(16).padStart(64, "0");
    await below.save({ kind: "data", name }, bytes, signal);
    await storage.load({ kind: "data", name }, again(0, 1 << 20), signal);
  }
  await storage[Symbol.asyncDispose]();
  const sizes = entries(folder).map((path) => statSync(path).size);
  const total = sizes.reduce((sum, size) => sum + size, 0);
  assert.ok(total <= maxBytes && total > maxBytes / 2, `${total} bytes`);
  assert.ok(!entries(folder).includes(oldest));
});

test("what others keep in the same folder does not count, and is never deleted", async () => {
  const folder = freshFolder();
  const others = ["letter.txt", "photos/2019.jpg", `${"0".repeat(32)}/notes`, `${"0".repeat(32)}/index/draft`];
  const old = new Date("2019-01-01T00:00:00Z");
  for (const name of others) {
    const path = join(folder, name);
    mkdirSync(join(path, ".."), { recursive: true, mode: 0o700 });
    writeFileSync(path, randomBytes(2_000_000));
    utimesSync(path, old, old);
  }
  const storage = memoryStorage();
  const kept = Array.from({ length: 20 }, () => randomBytes(100_000));
  for (const bytes of kept) await storage.save(named("index", bytes), bytes, signal);
  {
    await using cached = withCache(storage, options(folder, 1_000_000));
    for (const bytes of kept) await cached.load(named("index", bytes), undefined, signal);
  }
  for (const name of others) assert.equal(statSync(join(folder, name)).size, 2_000_000, name);
  const ours = entries(folder).filter((path) => !others.some((name) => path.endsWith(name)));
  assert.equal(ours.length, 8, "ours stay within the bound by themselves");
});

test("a folder that others may write to is not used", async () => {
  const below = counting();
  const folder = freshFolder();
  mkdirSync(folder);
  chmodSync(folder, 0o777);
  const bytes = randomBytes(1000);
  await using storage = withCache(below, options(folder));
  await storage.save(named("index", bytes), bytes, signal);
  await storage.load(named("index", bytes), undefined, signal);
  assert.equal(below.reads, 1);
  assert.deepEqual(entries(folder), []);
});

test("of what was removed no more is remembered than could still be on its way", async () => {
  const cache = cacheIn(freshFolder());
  const bytes = randomBytes(100);
  const file = { kind: "snapshot", name: createHash("sha256").update(bytes).digest("hex") } as const;
  await cache.forget(file);
  await cache.keepFile(file, bytes);
  assert.equal(await cache.file(file), undefined, "it was on its way");
  for (let at = 0; at < 10_000; at++) await cache.forget({ kind: "snapshot", name: String(at).padStart(64, "0") });
  await cache.keepFile(file, bytes);
  assert.deepEqual(await cache.file(file), bytes);
});
