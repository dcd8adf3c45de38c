import assert from "node:assert/strict";
import { hash, randomBytes } from "node:crypto";
import { test } from "node:test";
import { faultStorage } from "../../test/support/fault-storage.ts";
import { isHoldfastError } from "../lib/errors.ts";
import { memoryStorage } from "../storage/memory.ts";
import { loadGroups } from "./parity-file.ts";
import { regroup, updateParity } from "./parity.ts";

const { signal } = new AbortController();

test("a group that was cut off while it was written makes no pack safe", async () => {
  const storage = { ...memoryStorage(), traits: { connections: 1, parity: "kept" } } as const;
  const packs = [1, 2].map(() => randomBytes(1000)).map((bytes) => ({ id: hash("sha256", bytes), bytes, size: 1000 }));
  for (const { id, bytes } of packs) await storage.save({ kind: "data", name: id }, bytes, signal);
  await updateParity(storage, packs, { data: 2, parity: 2 }, { signal });
  const [stays, goes] = packs.map(({ id }) => id);
  const failing = faultStorage(storage, { at: 2, when: "before", kind: "fail" });
  const going = new Set([goes ?? ""]);
  await assert.rejects(regroup(failing, going, { signal }), (error) => isHoldfastError(error, "storage-failed"));
  await regroup(storage, going, { signal });
  const group = (await loadGroups(storage, signal)).groups.find(({ data }) => data.every(({ id }) => id === stays));
  assert.equal(group?.files.size, 2);
});
