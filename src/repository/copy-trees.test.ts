import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { craftedNode, craftInMemory } from "../../test/support/crafted-repository.ts";
import { faultStorage, type Fault } from "../../test/support/fault-storage.ts";
import { newConfig } from "../format/config-file.ts";
import { newMasterKey } from "../format/key-file.ts";
import type { Id, Tree } from "../format/tree.ts";
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
function inMemory(): { readonly storage: Storage; open(fault?: Fault): Repository & { operations(): number } } {
  const storage = memoryStorage();
  const parts = { masterKey: newMasterKey(), keyId: "", config: newConfig(), host };
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

test("a full disk at any operation of a copy: the next run is whole, and stores again only what was on its way", async () => {
  const source = inMemory();
  const roots = await makeSource(source.open());
  const counted = inMemory();
  const counting = counted.open();
  assert.deepEqual(await copyAll(source.open(), counting, roots), []);
  const operations = counting.operations();
  const once = await storedBytes(counted.storage);
  assert.ok(operations > 8, `only ${operations} operations`);

  for (let at = 1; at <= operations; at++) {
    const target = inMemory();
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
});

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
  const repository = new OpenedRepository({
    storage: source.storage,
    masterKey: source.key,
    keyId: "",
    config: newConfig(),
    host,
  });
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
