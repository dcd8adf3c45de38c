import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { badLine } from "../../test/support/bad-line.ts";
import { craftedNode, craftInMemory, type CraftedRepository } from "../../test/support/crafted-repository.ts";
import { faultStorage, type Fault } from "../../test/support/fault-storage.ts";
import { newConfig } from "../format/config-file.ts";
import type { MasterKey } from "../format/crypto.ts";
import type { IndexedPack } from "../format/index-file.ts";
import { newMasterKey } from "../format/key-file.ts";
import type { PackedBlob } from "../format/pack.ts";
import type { Id, Tree } from "../format/tree.ts";
import { openUnpacked } from "../format/unpacked.ts";
import { nameFromText } from "../lib/byte-name.ts";
import { isHoldfastError } from "../lib/errors.ts";
import { memoryStorage } from "../storage/memory.ts";
import type { Storage } from "../storage/storage.ts";
import { OpenedRepository } from "./opened-repository.ts";
import type { Repository, Upload } from "./repository.ts";

const { signal } = new AbortController();
const now = (): Date => new Date();
const host = { hostname: "test", username: "tester", uid: 0, gid: 0 };
const limits = { workers: 2, priority: "normal" } as const;

/** Without a key file, whose making takes a quarter of a second. */
function inMemory(masterKey = newMasterKey()): {
  readonly storage: Storage;
  open(fault?: Fault): Repository & { operations(): number };
} {
  const storage = memoryStorage();
  const parts = { masterKey, keyId: "", config: newConfig(), host };
  return {
    storage,
    open: (fault) => {
      const faulty = faultStorage(storage, fault);
      return Object.assign(new OpenedRepository({ ...parts, storage: faulty }), { operations: faulty.operations });
    },
  };
}

async function uploaded<T>(repository: Repository, use: (upload: Upload) => Promise<T>): Promise<T> {
  await using lock = await repository.lock("shared", { signal, now, waitMs: 0 });
  const indexed = await repository.index(signal);
  await using upload = await indexed.upload({ signal, lock, limits });
  return await use(upload);
}

interface Content {
  readonly content: readonly Id[];
  readonly size: number;
}

function tree(files: Readonly<Record<string, Content>>, folders: Readonly<Record<string, Id>> = {}): Tree {
  const time = "2026-11-22T08:00:00Z";
  const common = { mode: 420, mtime: time, atime: time, ctime: time, uid: 0, gid: 0 };
  const nodes = [
    ...Object.entries(files).map(([name, file]) => ({
      name: nameFromText(name),
      type: "file" as const,
      ...file,
      ...common,
    })),
    ...Object.entries(folders).map(([name, subtree]) => ({
      name: nameFromText(name),
      type: "dir" as const,
      subtree,
      ...common,
    })),
  ];
  return { nodes: nodes.toSorted((a, b) => (a.name < b.name ? -1 : 1)) };
}

/** Two snapshots: 60 small blobs and large ones in two folders, then one blob more. */
async function makeSource(source: Repository): Promise<readonly Id[]> {
  return await uploaded(source, async (upload) => {
    const small: Id[] = [];
    let size = 0;
    for (let number = 0; number < 60; number++) {
      const stored = await upload.blob("data", Buffer.from(`text ${number};`.repeat(number + 1)), "hot");
      small.push(stored.id);
      size += upload.size("data", stored.id) ?? 0;
    }
    const large: Id[] = [];
    for (let number = 0; number < 5; number++) {
      large.push((await upload.blob("data", randomBytes(5 << 20), "bulk")).id);
    }
    const inner = await upload.tree(
      tree({ small: { content: small, size }, large: { content: large, size: 25 << 20 } }),
    );
    const roots = [await upload.tree(tree({}, { a: inner, b: inner }))];
    await upload.finish({ time: now().toISOString(), tree: roots[0] ?? "", paths: ["/test"] });
    const more = (await upload.blob("data", randomBytes(1000), "hot")).id;
    roots.push(await upload.tree(tree({ more: { content: [more], size: 1000 } }, { a: inner })));
    await upload.finish({ time: now().toISOString(), tree: roots[1] ?? "", paths: ["/test"] });
    return roots;
  });
}

async function copyAll(source: Repository, target: Repository, roots: readonly Id[]): Promise<readonly Id[]> {
  const from = await source.index(signal);
  return await uploaded(target, async (upload) => {
    const copier = from.copier(upload, { signal, limits });
    const missing: Id[] = [];
    for (const root of roots) {
      missing.push(...(await copier.copy(root, () => (name) => (name === "large" ? "bulk" : "hot"))));
      await upload.finish({ time: now().toISOString(), tree: root, paths: ["/test"] });
    }
    return missing;
  });
}

async function storedBytes(storage: Storage): Promise<number> {
  let bytes = 0;
  for await (const { size } of storage.list("data", signal)) bytes += size;
  return bytes;
}

async function packNames(storage: Storage): Promise<readonly Id[]> {
  const names: Id[] = [];
  for await (const { name } of storage.list("data", signal)) names.push(name);
  return names.toSorted();
}

for (const keys of ["keys of their own", "the same key"] as const) {
  test(`a full disk at any operation of a copy, ${keys}: the next run is whole, and stores again only what was on its way`, () =>
    fullDiskAnywhere(keys));
}

async function fullDiskAnywhere(keys: "keys of their own" | "the same key"): Promise<void> {
  const masterKey = newMasterKey();
  const source = inMemory(masterKey);
  const roots = await makeSource(source.open());
  const emptyTarget = () => (keys === "the same key" ? inMemory(masterKey) : inMemory());
  const counted = emptyTarget();
  const counting = counted.open();
  assert.deepEqual(await copyAll(source.open(), counting, roots), []);
  const operations = counting.operations();
  const once = await storedBytes(counted.storage);
  assert.ok(operations > 8, `only ${operations} operations`);
  const carried = keys === "the same key";
  assert.equal(isDeepStrictEqual(await packNames(counted.storage), await packNames(source.storage)), carried);

  for (let at = 1; at <= operations; at++) {
    const target = emptyTarget();
    const failed = copyAll(
      source.open(),
      target.open({ at, when: at % 2 === 0 ? "after" : "before", kind: "full" }),
      roots,
    );
    // The last operation gives the lock back: what fails there ends nothing.
    if (at < operations) await assert.rejects(failed, (error) => isHoldfastError(error, "storage-full"), `at ${at}`);
    else await failed;
    // A lock whose removal failed is that of a living process, ours: another machine would wait for its owner.
    for await (const { name } of target.storage.list("lock", signal)) {
      await target.storage.remove({ kind: "lock", name }, signal);
    }
    assert.deepEqual(await copyAll(source.open(), target.open(), roots), []);
    const report = await target.open().verify({ signal, limits, depth: "data" });
    assert.deepEqual([report.defects, report.unindexedPacks], [[], 0], `after a full disk at ${at} of ${operations}`);
    const again = (await storedBytes(target.storage)) - once;
    assert.ok(again < 35 << 20, `${again} bytes stored twice after a full disk at ${at} of ${operations}`);
  }
}

test("a blob that is damaged in one pack is taken from another that has it", async () => {
  const source = craftInMemory();
  const lost = source.blob("data", "only once");
  const [first] = await source.flush();
  const twice = source.blob("data", "in two packs");
  const [second] = await source.flush();
  source.blob("data", "in two packs");
  const name = (content: Id, size: number) => craftedNode("file", "file", { content: [content], size });
  const whole = source.tree(name(twice, 12));
  const broken = source.tree(name(lost, 9));
  await source.flush();
  const repository = openedCraft(source);
  const copied = () => copyAll(repository, inMemory().open(), [whole, broken]);

  assert.deepEqual(await copied(), []);
  for (const pack of [first, second]) await source.storage.remove({ kind: "data", name: pack?.id ?? "" }, signal);
  assert.deepEqual(await copied(), [lost], "packs that are gone");
  for (const pack of [first, second]) {
    const file = { kind: "data", name: pack?.id ?? "" } as const;
    await source.storage.save(file, randomBytes(500), signal);
  }
  assert.deepEqual(await copied(), [lost], "other bytes");
});

test("what came damaged over the line is asked for once more before a copy does without it", async () => {
  const source = craftInMemory();
  const blobs = Array.from({ length: 10 }, () => source.blob("data", randomBytes(4000)));
  const root = source.tree(craftedNode("file", "file", { content: blobs, size: 40_000 }));
  await source.flush();
  const storage = badLine(source.storage);
  storage.begin();
  const target = inMemory().open();
  assert.deepEqual(await copyAll(openedCraft({ ...source, storage }), target, [root]), []);
  assert.ok(storage.counts.damaged > 0);
});

function openedCraft({ storage, key }: CraftedRepository): Repository {
  return new OpenedRepository({ storage, masterKey: key, keyId: "", config: newConfig(), host });
}

/** One pack of ten blobs of 4 kB, and a tree for the first `wanted` of them. */
async function onePack(): Promise<{
  readonly source: CraftedRepository;
  readonly blobs: readonly Id[];
  readonly pack: IndexedPack;
  treeOf(wanted: number): Id;
}> {
  const source = craftInMemory();
  const blobs = Array.from({ length: 10 }, () => source.blob("data", randomBytes(4000)));
  const [pack] = await source.flush();
  assert.ok(pack);
  const treeOf = (wanted: number): Id => {
    const content = blobs.slice(0, wanted);
    return source.tree(craftedNode("file", "file", { content, size: 4000 * wanted }));
  };
  return { source, blobs, pack, treeOf };
}

async function assertSound(repository: Repository, unusedBlobs: number): Promise<void> {
  const report = await repository.verify({ signal, limits, depth: "data" });
  assert.deepEqual([report.defects, report.unindexedPacks, report.unusedBlobs], [[], 0, unusedBlobs]);
}

async function sealedBytes(storage: Storage, pack: IndexedPack | undefined, id: Id | undefined): Promise<Buffer> {
  const blob = pack?.blobs.find((one) => one.id === id);
  assert.ok(pack && blob, `no ${id}`);
  return await storage.load({ kind: "data", name: pack.id }, blob, signal);
}

for (const wanted of [10, 8, 2]) {
  test(`with the same key, ${wanted} of a pack's 10 blobs are stored as they are sealed, and nothing else of it`, async () => {
    const { source, blobs, pack, treeOf } = await onePack();
    const root = treeOf(wanted);
    await source.flush();
    const target = inMemory(source.key);
    assert.deepEqual(await copyAll(openedCraft(source), target.open(), [root]), []);
    await assertSound(target.open(), 0);
    assert.equal((await packNames(target.storage)).includes(pack.id), wanted === 10);
    const stored = await indexedPacks(target.storage, source.key);
    const known = stored.flatMap((one) => one.blobs.filter(({ type }) => type === "data").map(({ id }) => id));
    assert.deepEqual(known.toSorted(), blobs.slice(0, wanted).toSorted());
    for (const id of known) {
      const copy = stored.find((one) => one.blobs.some((blob) => blob.id === id));
      const [before, after] = [
        await sealedBytes(source.storage, pack, id),
        await sealedBytes(target.storage, copy, id),
      ];
      assert.ok(before.equals(after), "sealed anew");
    }
  });
}

async function indexedPacks(storage: Storage, key: MasterKey): Promise<readonly IndexedPack[]> {
  const found: IndexedPack[] = [];
  for await (const { name } of storage.list("index", signal)) {
    const json = openUnpacked(key, await storage.load({ kind: "index", name }, undefined, signal));
    const { packs } = JSON.parse(json.toString()) as {
      readonly packs: readonly { readonly id: Id; readonly blobs: readonly PackedBlob[] }[];
    };
    found.push(...packs);
  }
  return found;
}

/** What may have happened to the source's pack; `lost`: which of its blobs must be named. */
const damages: Readonly<
  Record<string, (bytes: Buffer, pack: IndexedPack) => { readonly bytes: Buffer; readonly lost: readonly number[] }>
> = {
  "a bit of a blob": (bytes, { blobs }) => {
    const at = (blobs[3]?.offset ?? 0) + 50;
    bytes[at] = (bytes[at] ?? 0) ^ 4;
    return { bytes, lost: [3] };
  },
  // Each seal fits: only what is in them tells.
  "two blobs that changed places": (bytes, { blobs }) => {
    const [one, other] = [blobs[1], blobs[6]];
    assert.ok(one && other && one.length === other.length);
    const moved = Buffer.from(bytes.subarray(one.offset, one.offset + one.length));
    bytes.copy(bytes, one.offset, other.offset, other.offset + other.length);
    moved.copy(bytes, other.offset);
    return { bytes, lost: [1, 6] };
  },
  "a bit of its own list": (bytes) => {
    bytes[bytes.length - 30] = (bytes[bytes.length - 30] ?? 0) ^ 1;
    return { bytes, lost: [] };
  },
  "an end that was cut off": (bytes, { blobs }) => ({ bytes: bytes.subarray(0, blobs[9]?.offset), lost: [9] }),
  "other bytes": (bytes) => ({ bytes: randomBytes(bytes.length), lost: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9] }),
};

for (const [what, damage] of Object.entries(damages)) {
  test(`with the same key, ${what} in the source's pack is found, and what is sound is copied`, async () => {
    const { source, blobs, pack, treeOf } = await onePack();
    const roots = [10, 8, 2].map(treeOf);
    await source.flush();
    const file = { kind: "data", name: pack.id } as const;
    const damaged = damage(await source.storage.load(file, undefined, signal), pack);
    await source.storage.remove(file, signal);
    await source.storage.save(file, damaged.bytes, signal);
    const lost = damaged.lost.map((at) => blobs[at] ?? "");
    for (const [at, wanted] of [10, 8, 2].entries()) {
      const target = inMemory(source.key);
      const missing = await copyTree(openedCraft(source), target.open(), roots[at] ?? "");
      const expected = lost.filter((id) => blobs.indexOf(id) < wanted);
      assert.deepEqual(missing.toSorted(), expected.toSorted(), `of ${wanted}`);
      assert.ok(!(await packNames(target.storage)).includes(pack.id));
      await assertSound(target.open(), wanted - expected.length + 1);
    }
  });
}

/** Without a snapshot: what was copied is stored and named all the same. */
async function copyTree(source: Repository, target: Repository, root: Id): Promise<readonly Id[]> {
  const from = await source.index(signal);
  return await uploaded(target, async (upload) => {
    const missing = await from.copier(upload, { signal, limits }).copy(root, () => "bulk");
    const empty = await upload.tree({ nodes: [] });
    await upload.finish({ time: now().toISOString(), tree: empty, paths: ["/test"] });
    return missing;
  });
}

test("with the same key, a pack of one tiny blob is carried whole too", async () => {
  const source = craftInMemory();
  const tiny = source.blob("data", "x");
  const [pack] = await source.flush();
  const root = source.tree(craftedNode("file", "file", { content: [tiny], size: 1 }));
  await source.flush();
  const target = inMemory(source.key);
  assert.deepEqual(await copyAll(openedCraft(source), target.open(), [root]), []);
  assert.ok((await packNames(target.storage)).includes(pack?.id ?? ""));
});

test("a pack whose name stands for something else in the other repository is not taken for stored", async () => {
  const { source, pack, treeOf } = await onePack();
  const root = treeOf(10);
  await source.flush();
  const target = inMemory(source.key);
  const file = { kind: "data", name: pack.id } as const;
  const bytes = await source.storage.load(file, undefined, signal);
  bytes[100] = (bytes[100] ?? 0) ^ 1;
  await target.storage.save(file, bytes, signal);
  assert.deepEqual(await copyAll(openedCraft(source), target.open(), [root]), []);
  const report = await target.open().verify({ signal, limits, depth: "data" });
  assert.deepEqual([report.defects, report.unindexedPacks], [[], 1]);
});
