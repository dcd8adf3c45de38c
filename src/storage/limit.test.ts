import assert from "node:assert/strict";
import { test } from "node:test";
import { storageContract } from "./contract.ts";
import { withLimits } from "./limit.ts";
import { memoryStorage } from "./memory.ts";
import type { Storage, StoredFile } from "./storage.ts";

const { signal } = new AbortController();
const fileAt = (index: number): StoredFile => ({ kind: "data", name: index.toString(16).padStart(64, "0") });

storageContract("with limits", async () =>
  withLimits(memoryStorage(), {
    uploadBytesPerSecond: 1e12,
    downloadBytesPerSecond: 1e12,
    requests: 2,
    clock: () => performance.now(),
  }),
);

test("so many bytes a second, each way by itself", async () => {
  let nowMs = 0;
  const storage = withLimits(memoryStorage(), {
    uploadBytesPerSecond: 1000,
    downloadBytesPerSecond: 500,
    clock: () => nowMs,
    pause: async (ms) => void (nowMs += ms),
  });
  for (let index = 0; index < 10; index++) await storage.save(fileAt(index), Buffer.alloc(1000), signal);
  assert.equal(nowMs, 9000, "each but the first waits for those before it");
  nowMs = 100_000;
  await storage.load(fileAt(0), undefined, signal);
  await storage.load(fileAt(1), { offset: 0, length: 250 }, signal);
  assert.equal(nowMs, 102_000, "a whole file is paid for by who comes next");
  await storage.load(fileAt(1), { offset: 0, length: 250 }, signal);
  assert.equal(nowMs, 102_500);
});

test("so many requests at once, whatever comes; one that fails gives its place back", async () => {
  const memory = memoryStorage();
  let running = 0;
  let most = 0;
  const slow: Storage = {
    ...memory,
    traits: { connections: 5 },
    async stat(file, stop) {
      most = Math.max(most, ++running);
      try {
        await new Promise((done) => setTimeout(done, 5));
        if (file.name.endsWith("3")) throw new Error("refused by the test");
        return await memory.stat(file, stop);
      } finally {
        running--;
      }
    },
  };
  const storage = withLimits(slow, { requests: 2, clock: () => 0 });
  assert.equal(storage.traits.connections, 2);
  const asked = await Promise.allSettled(Array.from({ length: 20 }, (_, index) => storage.stat(fileAt(index), signal)));
  assert.equal(most, 2);
  assert.equal(asked.filter(({ status }) => status === "rejected").length, 2);
});
