import assert from "node:assert/strict";
import { hash, randomBytes } from "node:crypto";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { faultStorage } from "../../test/support/fault-storage.ts";
import { temporaryFolder } from "../../test/support/temp-folder.ts";
import { testRepository } from "../../test/support/test-repository.ts";
import type { TreeNode } from "../format/tree.ts";
import { byteName } from "../lib/byte-name.ts";
import { isHoldfastError } from "../lib/errors.ts";
import { storedPath } from "../storage/layout.ts";
import { localStorage } from "../storage/local.ts";
import { memoryStorage } from "../storage/memory.ts";
import { loadGroups, parityFile, type ParityHeader } from "./parity-file.ts";
import { rebuildPacks, regroup, updateParity } from "./parity.ts";

const { signal } = new AbortController();

test("a group that was cut off while it was written makes no pack safe", async () => {
  const storage = { ...memoryStorage(), traits: { connections: 1, parity: "kept" } } as const;
  const packs = [1, 2].map(() => randomBytes(1000)).map((bytes) => ({ id: hash("sha256", bytes), bytes, size: 1000 }));
  for (const { id, bytes } of packs) await storage.save({ kind: "data", name: id }, bytes, signal);
  await updateParity(storage, packs, new Set(), { data: 2, parity: 2 }, { signal });
  const [stays, goes] = packs.map(({ id }) => id);
  const failing = faultStorage(storage, { at: 2, when: "before", kind: "fail" });
  const going = new Set([goes ?? ""]);
  await assert.rejects(regroup(failing, going, { signal }), (error) => isHoldfastError(error, "storage-failed"));
  await regroup(storage, going, { signal });
  const group = (await loadGroups(storage, signal)).groups.find(({ data }) => data.every(({ id }) => id === stays));
  assert.equal(group?.files.size, 2);
});

test("what makes a lost pack anew stays when parity is made for new ones", async () => {
  using folder = temporaryFolder();
  const at = join(folder.path, "repo");
  await using made = await testRepository(at);
  const { repository, limits } = made;
  const shape = { data: 2, parity: 1 };
  const add = () =>
    made.upload(async (upload) => {
      const { id } = await upload.blob("data", randomBytes(2000), "hot");
      return { tree: await upload.tree({ nodes: [fileNode(id, 2000)] }) };
    });
  await add();
  await repository.updateParity(shape, { signal });
  const [lost] = await Array.fromAsync(localStorage(at).list("data", signal));
  const path = join(at, storedPath({ kind: "data", name: lost?.name ?? "" }));
  const before = readFileSync(path);
  rmSync(path);
  await add();
  await repository.updateParity(shape, { signal });
  await using lock = await repository.lock("exclusive", { signal, now: () => new Date(), waitMs: 0 });
  const plan = await repository.planRepair({ what: "packs", signal, limits });
  assert.deepEqual(plan.summary.rebuilt, [lost?.name]);
  await plan.apply(lock);
  assert.deepEqual(readFileSync(path), before);
  assert.deepEqual((await repository.verify({ signal, limits, depth: "data" })).defects, []);
});

test("a parity file that lies about its group keeps nobody from repairing, nor from pruning", async () => {
  const storage = { ...memoryStorage(), traits: { connections: 1, parity: "kept" } } as const;
  const packs = [1, 2, 3]
    .map(() => randomBytes(1000))
    .map((bytes) => ({ id: hash("sha256", bytes), bytes, size: 1000 }));
  const [a, b, c] = packs.map(({ id, size }) => ({ id, size }));
  assert.ok(a && b && c);
  const lie = async (header: Pick<ParityHeader, "data" | "parity">, piece: number): Promise<void> => {
    const { name, bytes } = parityFile({ format: 1, number: 0, ...header }, Buffer.alloc(piece));
    await storage.save({ kind: "parity", name }, bytes, signal);
  };
  const lies = async (): Promise<void> => {
    await lie(
      {
        data: [
          { ...a, size: 10 },
          { ...b, size: 10 },
        ],
        parity: 1,
      },
      10,
    );
    await lie({ data: [a, { ...c, size: 10 }], parity: 200 }, 1000);
    await lie({ data: [a, { id: "ab".repeat(32), size: 2 ** 31 - 1 }], parity: 200 }, 1000);
  };
  await lies();
  for (const { id, bytes } of packs) await storage.save({ kind: "data", name: id }, bytes, signal);
  assert.equal((await loadGroups(storage, signal)).damaged.length, 1, "shorter than its piece");
  const made: string[] = [];
  const rebuild = () => rebuildPacks(storage, new Set([a.id]), signal, async (id) => void made.push(id));
  await rebuild();
  assert.deepEqual(made, []);
  await regroup(storage, new Set([a.id]), { signal });
  const { groups } = await loadGroups(storage, signal);
  assert.deepEqual(
    groups.map(({ data, parity, files }) => [data.length, parity, files.size]),
    [[2, 1, 1]],
  );

  await lies();
  await updateParity(storage, packs, new Set(), { data: 3, parity: 2 }, { signal });
  await storage.remove({ kind: "data", name: a.id }, signal);
  await rebuild();
  assert.deepEqual(made, [a.id]);
});

function fileNode(content: string, size: number): TreeNode {
  const time = "2026-11-22T08:00:00Z";
  const times = { mtime: time, atime: time, ctime: time };
  return {
    name: byteName(Buffer.from("f")),
    type: "file",
    mode: 420,
    ...times,
    uid: 0,
    gid: 0,
    content: [content],
    size,
  };
}
