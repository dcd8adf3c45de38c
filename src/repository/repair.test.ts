import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { chmodSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { describe, test } from "node:test";
import { cheapenKey } from "../../test/support/cheap-key.ts";
import { craftedNode, craftRepository, type CraftedRepository } from "../../test/support/crafted-repository.ts";
import { resticOn } from "../../test/support/restic.ts";
import { temporaryFolder } from "../../test/support/temp-folder.ts";
import type { Id } from "../format/tree.ts";
import { HoldfastError } from "../lib/errors.ts";
import { localStorage } from "../storage/local.ts";
import type { Storage } from "../storage/storage.ts";
import { openRepository } from "./open.ts";
import { needsRepair, type RepairOptions, type RepairSummary } from "./repair-plan.ts";
import type { VerifyReport } from "./repository.ts";

const { signal } = new AbortController();
const now = (): Date => new Date();
const limits = { workers: 2, priority: "normal" } as const;
const host = { hostname: "test", username: "tester", uid: 0, gid: 0 };

interface Scene {
  readonly folder: string;
  readonly crafted: CraftedRepository;
  readonly dataPacks: readonly Id[];
  readonly treePack: Id;
  readonly restic: ReturnType<typeof resticOn>;
}

/** Two snapshots with a data pack each, of three blobs. */
async function scene(folder: string): Promise<Scene> {
  const crafted = await craftRepository(localStorage(folder));
  await cheapenKey(folder, crafted.password);
  const dataPacks: Id[] = [];
  let treePack = "";
  for (const name of ["first", "second"]) {
    const contents = ["one", "two", "three"].map((text) => `${name} ${text} ${"x".repeat(500)}`);
    const nodes = contents.map((content, at) =>
      craftedNode(`${at}`, "file", { size: content.length, content: [crafted.blob("data", content)] }),
    );
    const root = crafted.tree(craftedNode(name, "dir", { subtree: crafted.tree(...nodes) }));
    for (const { id, blobs } of await crafted.flush()) {
      if (blobs[0]?.type === "data") dataPacks.push(id);
      else treePack = id;
    }
    await crafted.snapshot(root);
  }
  return { folder, crafted, dataPacks, treePack, restic: resticOn(folder, crafted.password) };
}

function change(path: string, edit: (bytes: Buffer) => Buffer): void {
  chmodSync(path, 0o600);
  writeFileSync(path, edit(readFileSync(path)));
}

const flip =
  (at: number) =>
  (bytes: Buffer): Buffer => {
    const changed = Buffer.from(bytes);
    const index = at < 0 ? bytes.length + at : at;
    changed[index] = (changed[index] ?? 0) ^ 1;
    return changed;
  };

function packFile({ folder }: Scene, id: Id): string {
  return join(folder, "data", id.slice(0, 2), id);
}

async function repaired(
  { folder, crafted }: Scene,
  what: RepairOptions["what"],
  storage: Storage = localStorage(folder),
): Promise<RepairSummary> {
  await using repository = await openRepository(storage, crafted.password, { signal, now, host, config: "stand-in" });
  await using lock = await repository.lock("exclusive", { signal, now, waitMs: 0 });
  const plan = await repository.planRepair({ what, signal, limits });
  await plan.apply(lock);
  return plan.summary;
}

async function verified({ folder, crafted }: Scene): Promise<VerifyReport> {
  await using repository = await openRepository(localStorage(folder), crafted.password, { signal, now, host });
  return await repository.verify({ signal, limits, depth: "data" });
}

async function isClean(at: Scene, judge: "restic too" | "ours" = "ours"): Promise<void> {
  assert.deepEqual((await verified(at)).defects, []);
  if (judge === "restic too") await at.restic.check();
}

/** The storage with bad sectors where `isHit` says. */
function withheld(
  folder: string,
  isHit: (name: Id, range: { readonly offset: number } | undefined) => boolean,
): Storage {
  const inner = localStorage(folder);
  return {
    ...inner,
    load: (file, range, abort) =>
      isHit(file.name, range)
        ? Promise.reject(new HoldfastError("storage-failed", { reason: "EIO" }))
        : inner.load(file, range, abort),
  };
}

describe("repair index", () => {
  const spoil: Readonly<Record<string, (at: Scene, file: string) => void>> = {
    "cut off": (_, file) => change(file, (bytes) => bytes.subarray(0, 40)),
    "with a flipped bit": (_, file) => change(file, flip(60)),
    empty: (_, file) => change(file, () => Buffer.alloc(0)),
    gone: (_, file) => rmSync(file),
  };
  for (const [how, damage] of Object.entries(spoil)) {
    test(`an index that is ${how} is made again from the packs`, async () => {
      using folder = temporaryFolder();
      const at = await scene(folder.path);
      const index = join(folder.path, "index");
      for (const name of readdirSync(index)) damage(at, join(index, name));
      const summary = await repaired(at, "index");
      assert.equal(summary.adopted.length, 4);
      assert.equal(summary.indexes.length, how === "gone" ? 0 : 2);
      await isClean(at, how === "empty" ? "restic too" : "ours");
      assert.ok(!needsRepair(await repaired(at, "index")));
    });
  }

  test("a pack that is gone leaves the index, and what needs it is told", async () => {
    using folder = temporaryFolder();
    const at = await scene(folder.path);
    rmSync(packFile(at, at.dataPacks[0] ?? ""));
    const summary = await repaired(at, "index");
    assert.deepEqual([summary.missing, summary.lostBlobs], [[at.dataPacks[0]], 3]);
    const { defects } = await verified(at);
    assert.deepEqual([...new Set(defects.map(({ code }) => code))], ["blob-missing"]);
  });

  test("a pack of more blobs than a function takes arguments is told like any other", async () => {
    using folder = temporaryFolder();
    const at = await scene(folder.path);
    const id = "ab".repeat(32);
    const blobs = Array.from({ length: 200_000 }, (_, number) => ({
      ...{ type: "data" as const, id: hash("sha256", `${number}`, "hex") },
      ...{ offset: number * 40, length: 40, uncompressedLength: 0 },
    }));
    at.crafted.blob("data", "another");
    await at.crafted.flush((packs) => [...packs, { id, blobs }]);
    const { missing, lostBlobs } = await repaired(at, "index");
    assert.deepEqual([missing, lostBlobs], [[id], 200_000]);
  });

  test("where two indexes differ, the pack itself is asked", async () => {
    using folder = temporaryFolder();
    const at = await scene(folder.path);
    const [pack = ""] = at.dataPacks;
    at.crafted.blob("data", "first one");
    await at.crafted.flush((packs) => packs.map(({ blobs }) => ({ id: pack, blobs })));
    assert.ok((await verified(at)).defects.some(({ code }) => code === "index-conflict"));
    const summary = await repaired(at, "index");
    assert.deepEqual(summary.corrected, [pack]);
    await isClean(at);
  });

  test("an index that is lost is made again though the storage does not give one of the packs", async () => {
    using folder = temporaryFolder();
    const at = await scene(folder.path);
    const [pack = "", other = ""] = at.dataPacks;
    const index = join(folder.path, "index");
    for (const name of readdirSync(index)) change(join(index, name), flip(60));
    const summary = await repaired(
      at,
      "index",
      withheld(folder.path, (name) => name === pack),
    );
    assert.deepEqual([summary.left, summary.adopted.length], [[pack], 3]);
    assert.ok(summary.adopted.includes(other));
    assert.deepEqual((await repaired(at, "index")).adopted, [pack]);
    await isClean(at);
  });

  test("a key file that the storage does not give stays, and keeps nobody from repairing", async () => {
    using folder = temporaryFolder();
    const at = await scene(folder.path);
    const key = "cd".repeat(32);
    writeFileSync(join(folder.path, "keys", key), "who knows what it is");
    const [index = ""] = readdirSync(join(folder.path, "index"));
    change(join(folder.path, "index", index), flip(60));
    const summary = await repaired(
      at,
      "index",
      withheld(folder.path, (name) => name === key),
    );
    assert.deepEqual([summary.indexes, summary.removedKeys, summary.rewritten], [[index], [], []]);
    assert.ok(readdirSync(join(folder.path, "keys")).includes(key));
  });

  test("config is made anew, and a key file whose name does not fit", async () => {
    using folder = temporaryFolder();
    const at = await scene(folder.path);
    change(join(folder.path, "config"), flip(40));
    const keys = join(folder.path, "keys");
    const [key = ""] = readdirSync(keys);
    change(join(keys, key), (bytes) => Buffer.from(bytes.toString().replace("test", "tesd")));
    writeFileSync(join(keys, "ab".repeat(32)), "{");
    const summary = await repaired(at, "index");
    assert.deepEqual(summary.rewritten, ["config", `keys/${key}`]);
    assert.deepEqual(summary.removedKeys, ["ab".repeat(32)]);
    await isClean(at, "restic too");
    assert.ok(!needsRepair(await repaired(at, "index")));
  });
});

describe("repair packs", () => {
  test("of a pack with one damaged blob the others are saved, and the backup after it heals the rest", async () => {
    using folder = temporaryFolder();
    const at = await scene(folder.path);
    const [pack = ""] = at.dataPacks;
    change(packFile(at, pack), flip(40));
    assert.equal((await repaired(at, "index")).salvaged.length, 0);
    const summary = await repaired(at, "packs");
    assert.deepEqual(summary.salvaged, [{ id: pack, good: 2, lost: 1 }]);
    assert.equal(summary.lostBlobs, 1);
    const { defects } = await verified(at);
    assert.deepEqual(
      defects.map(({ code, detail }) => `${code} ${detail}`),
      ["blob-missing 1/1"],
    );
    // What is stored again heals the snapshot: nothing refers to packs but the index.
    at.crafted.blob("data", `first one ${"x".repeat(500)}`);
    await at.crafted.flush();
    await isClean(at);
  });

  test("a damaged header loses nothing, a cut loses what is behind it", async () => {
    using folder = temporaryFolder();
    const at = await scene(folder.path);
    const [first = "", second = ""] = at.dataPacks;
    change(packFile(at, first), flip(-20));
    change(packFile(at, second), (bytes) => bytes.subarray(0, bytes.length - 200));
    const { salvaged, lostBlobs } = await repaired(at, "packs");
    const cut = salvaged.find(({ id }) => id === second);
    assert.deepEqual(
      salvaged.find(({ id }) => id === first),
      { id: first, good: 3, lost: 0 },
    );
    assert.equal(lostBlobs, cut?.lost);
    assert.ok((cut?.good ?? 0) >= 2);
  });

  test("two packs that were swapped lose nothing, nor does a pack among the indexes", async () => {
    using folder = temporaryFolder();
    const at = await scene(folder.path);
    const [first = "", second = ""] = at.dataPacks;
    const index = join(folder.path, "index");
    const [some = ""] = readdirSync(index);
    const swap = (one: string, other: string): void => {
      const bytes = readFileSync(one);
      change(one, () => readFileSync(other));
      change(other, () => bytes);
    };
    swap(packFile(at, first), packFile(at, second));
    swap(packFile(at, at.treePack), join(index, some));
    assert.equal((await repaired(at, "index")).left.length > 0, true);
    assert.equal((await repaired(at, "packs")).lostBlobs, 0);
    await isClean(at, "restic too");
    assert.ok(!needsRepair(await repaired(at, "packs")));
  });

  test("a snapshot and an index that were swapped: the snapshot is back, and nothing stands in the way of what comes next", async () => {
    using folder = temporaryFolder();
    const at = await scene(folder.path);
    const times = async () => (await at.restic.snapshots()).map(({ time }) => time).toSorted();
    const before = await times();
    const [index, snapshots] = ["index", "snapshots"].map((kind) => join(folder.path, kind));
    const [one = "", other = ""] = [index, snapshots].map((kind = "") => join(kind, readdirSync(kind)[0] ?? ""));
    const bytes = readFileSync(one);
    change(one, () => readFileSync(other));
    change(other, () => bytes);
    assert.deepEqual((await repaired(at, "index")).left, [basename(one)]);
    assert.ok(needsRepair(await repaired(at, "packs")));
    assert.deepEqual((await repaired(at, "packs")).left, []);
    // What has an index in its place is for the repair of snapshots to remove.
    rmSync(other);
    assert.deepEqual(await times(), before);
    await isClean(at, "restic too");
  });

  test("what only the storage withholds is not removed", async () => {
    using folder = temporaryFolder();
    const at = await scene(folder.path);
    const [pack = ""] = at.dataPacks;
    // A bad sector in the second blob.
    const storage = withheld(
      folder.path,
      (name, range) => name === pack && (range === undefined || (range.offset <= 600 && range.offset > 0)),
    );
    const summary = await repaired(at, "packs", storage);
    assert.equal(summary.withheld[0]?.id, pack);
    assert.ok((summary.withheld[0]?.lost ?? 0) > 0);
    assert.ok(readdirSync(join(folder.path, "data", pack.slice(0, 2))).includes(pack));
    // As long as it is so, the pack stays out of the index: nothing is to rely on it.
    assert.ok(!needsRepair(await repaired(at, "index", storage)));
    // The disk is well again: the pack is found again.
    assert.deepEqual((await repaired(at, "index")).adopted, [pack]);
    await isClean(at);
  });

  test("what parity was to make anew and did not counts for nothing, and nothing is removed", async () => {
    using folder = temporaryFolder();
    const at = await scene(folder.path);
    const [lost = ""] = at.dataPacks;
    {
      await using repository = await openRepository(localStorage(folder.path), at.crafted.password, {
        signal,
        now,
        host,
      });
      await repository.updateParity({ data: 4, parity: 1 }, { signal });
    }
    // A damaged pack outside of the group has the only other copy of a blob.
    at.crafted.blob("data", "something else");
    at.crafted.blob("data", `first one ${"x".repeat(500)}`);
    const [other] = await at.crafted.flush();
    change(packFile(at, other?.id ?? ""), flip(10));
    rmSync(packFile(at, lost));
    let isParityRead = true;
    const parity = new Set(readdirSync(join(folder.path, "parity")));
    const storage = withheld(folder.path, (name) => parity.has(name) && !isParityRead);
    await using repository = await openRepository(storage, at.crafted.password, { signal, now, host });
    await using lock = await repository.lock("exclusive", { signal, now, waitMs: 0 });
    const plan = await repository.planRepair({ what: "packs", signal, limits });
    assert.deepEqual([plan.summary.rebuilt, plan.summary.salvaged[0]?.id], [[lost], other?.id]);
    isParityRead = false;
    await assert.rejects(plan.apply(lock), { code: "plan-outdated" });
    assert.ok(existsSync(packFile(at, other?.id ?? "")));
    isParityRead = true;
    const again = await repository.planRepair({ what: "packs", signal, limits });
    await again.apply(lock);
    assert.ok(existsSync(packFile(at, lost)));
  });
});
