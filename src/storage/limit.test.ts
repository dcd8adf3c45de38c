import assert from "node:assert/strict";
import { test } from "node:test";
import { storageContract } from "./contract.ts";
import { withLimits } from "./limit.ts";
import { memoryStorage } from "./memory.ts";
import type { StoredFile } from "./storage.ts";

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
  const slow = async <T>(file: StoredFile, result: T): Promise<T> => {
    most = Math.max(most, ++running);
    try {
      await new Promise((done) => setTimeout(done, 5));
      if (file.name.endsWith("3")) throw new Error("refused by the test");
      return result;
    } finally {
      running--;
    }
  };
  const storage = withLimits(
    {
      ...memory,
      traits: { connections: 5 },
      stat: (file) => slow(file, undefined),
      retention: {
        lock: { mode: "compliance", days: 1 },
        until: (file) => slow(file, undefined),
        extend: (file) => slow(file, undefined),
        tryToDestroy: (file) => slow(file, "refused"),
        async *hidden() {
          for (let index = 0; index < 20; index++)
            yield await slow(fileAt(index + 4), { path: String(index), version: "1", size: 1 });
        },
        loadHidden: () => slow(fileAt(1), Buffer.alloc(1)),
        extendHidden: () => slow(fileAt(1), undefined),
        destroyHidden: () => slow(fileAt(1), undefined),
      },
      thaw: { state: (file) => slow(file, "cold"), request: (file) => slow(file, undefined) },
    },
    { requests: 2, clock: () => 0 },
  );
  assert.equal(storage.traits.connections, 2);
  const { retention, thaw } = storage;
  assert.ok(retention && thaw);
  const hidden = { path: "a", version: "1", size: 1 };
  const each = [
    (file: StoredFile) => storage.stat(file, signal),
    (file: StoredFile) => retention.until(file, signal),
    (file: StoredFile) => retention.extend(file, new Date(), signal),
    (file: StoredFile) => retention.tryToDestroy(file, signal),
    (file: StoredFile) => thaw.state(file, signal),
    (file: StoredFile) => thaw.request(file, 1, signal),
  ];
  const asked = await Promise.allSettled([
    ...each.flatMap((ask) => Array.from({ length: 20 }, (_, index) => ask(fileAt(index)))),
    Array.fromAsync(retention.hidden(signal)),
    retention.loadHidden(hidden, signal),
    retention.extendHidden(hidden, new Date(), signal),
    retention.destroyHidden(hidden, signal),
  ]);
  assert.equal(most, 2);
  assert.equal(asked.filter(({ status }) => status === "rejected").length, 2 * each.length + 1);
});
