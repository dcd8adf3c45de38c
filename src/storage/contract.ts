import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { describe, test } from "node:test";
import { isHoldfastError, type ErrorCode } from "../lib/errors.ts";
import { fileKinds, type FileKind, type Storage, type StoredFile } from "./storage.ts";

/**
 * The contract of `storage.ts`, one test a sentence, for any storage. `make` gives an empty one each time; what it
 * needs beside is cleaned up by the caller's own hooks.
 */
export function storageContract(title: string, make: () => Promise<Storage>): void {
  const { signal } = new AbortController();
  const named: readonly FileKind[] = fileKinds.filter((kind) => kind !== "config");

  const use = async (body: (storage: Storage) => Promise<void>): Promise<void> => {
    await using storage = await make();
    await storage.create(signal);
    await body(storage);
  };

  describe(`storage contract: ${title}`, () => {
    test("create succeeds when the place is ready already, and changes nothing", () =>
      use(async (storage) => {
        const { file, bytes } = sample("data", 10);
        await storage.save(file, bytes, signal);
        await storage.create(signal);
        assert.deepEqual(await storage.load(file, undefined, signal), bytes);
      }));

    for (const kind of fileKinds) {
      test(`${kind}: what was saved is loaded, sized, listed and removed`, () =>
        use(async (storage) => {
          const { file, bytes } = sample(kind, 1000);
          assert.equal(await storage.stat(file, signal), undefined);
          await storage.save(file, bytes, signal);
          assert.deepEqual(await storage.load(file, undefined, signal), bytes);
          assert.equal(await storage.stat(file, signal), 1000);
          assert.deepEqual(await listed(storage, kind), [{ name: file.name, size: 1000 }]);
          await storage.remove(file, signal);
          assert.equal(await storage.stat(file, signal), undefined);
          assert.deepEqual(await listed(storage, kind), []);
        }));
    }

    test("parity, where it is kept, is saved, listed and removed apart from all else", () =>
      use(async (storage) => {
        if (storage.traits.parity !== "kept") return;
        const { file, bytes } = sample("parity", 1000);
        assert.deepEqual(await listed(storage, "parity"), []);
        await storage.save(file, bytes, signal);
        assert.deepEqual(await storage.load(file, { offset: 10, length: 20 }, signal), bytes.subarray(10, 30));
        assert.deepEqual(await listed(storage, "parity"), [{ name: file.name, size: 1000 }]);
        for (const kind of fileKinds) assert.deepEqual(await listed(storage, kind), []);
        await storage.remove(file, signal);
        assert.deepEqual(await listed(storage, "parity"), []);
      }));

    test("shared memory is saved like any other", () =>
      use(async (storage) => {
        for (const size of [100, 3_000_001]) {
          const { file, bytes } = sample("data", size);
          const shared = new Uint8Array(new SharedArrayBuffer(size));
          shared.set(bytes);
          await storage.save(file, shared, signal);
          assert.deepEqual(await storage.load(file, undefined, signal), bytes);
        }
      }));

    test("kinds are apart: one name may stand in several", () =>
      use(async (storage) => {
        const { file } = sample("data", 1);
        for (const [index, kind] of named.entries()) {
          await storage.save({ kind, name: file.name }, Buffer.alloc(index + 1, index), signal);
        }
        for (const [index, kind] of named.entries()) {
          assert.deepEqual(
            await storage.load({ kind, name: file.name }, undefined, signal),
            Buffer.alloc(index + 1, index),
          );
        }
      }));

    test("every size is given back, from empty to several megabytes", () =>
      use(async (storage) => {
        for (const size of [0, 1, 4095, 4096, 65_537, 5_000_000]) {
          const { file, bytes } = sample("data", size);
          await storage.save(file, bytes, signal);
          assert.ok(bytes.equals(await storage.load(file, undefined, signal)), `size ${size}`);
        }
      }));

    test("what is saved is a copy: changing the bytes afterwards changes nothing", () =>
      use(async (storage) => {
        const { file, bytes } = sample("data", 100);
        const kept = Buffer.from(bytes);
        await storage.save(file, bytes, signal);
        bytes.fill(0);
        const loaded = await storage.load(file, undefined, signal);
        assert.deepEqual(loaded, kept);
        loaded.fill(0);
        assert.deepEqual(await storage.load(file, undefined, signal), kept);
      }));

    test("a view into a larger buffer is saved as that view", () =>
      use(async (storage) => {
        const { file, bytes } = sample("data", 300);
        await storage.save(file, new Uint8Array(bytes.buffer, bytes.byteOffset + 100, 50), signal);
        assert.deepEqual(await storage.load(file, undefined, signal), bytes.subarray(100, 150));
      }));

    test("saving the same name and size again is success and keeps what is there", () =>
      use(async (storage) => {
        for (const kind of named) {
          const { file, bytes } = sample(kind, 50);
          await storage.save(file, bytes, signal);
          await storage.save(file, bytes, signal);
          assert.deepEqual(await storage.load(file, undefined, signal), bytes);
        }
      }));

    test("saving the same name with another size fails and keeps what is there", () =>
      use(async (storage) => {
        const { file, bytes } = sample("index", 50);
        await storage.save(file, bytes, signal);
        await rejects(storage.save(file, bytes.subarray(1), signal), "storage-exists");
        assert.deepEqual(await storage.load(file, undefined, signal), bytes);
      }));

    test("config is never replaced, even by the same size", () =>
      use(async (storage) => {
        const { file, bytes } = sample("config", 50);
        await storage.save(file, bytes, signal);
        await rejects(storage.save(file, Buffer.alloc(50), signal), "storage-exists");
        assert.deepEqual(await storage.load(file, undefined, signal), bytes);
      }));

    test("the same file saved twice at once is stored once", () =>
      use(async (storage) => {
        const { file, bytes } = sample("data", 100_000);
        await Promise.all([storage.save(file, bytes, signal), storage.save(file, bytes, signal)]);
        assert.deepEqual(await listed(storage, "data"), [{ name: file.name, size: bytes.length }]);
      }));

    test("ranges give exactly the bytes asked for", () =>
      use(async (storage) => {
        const { file, bytes } = sample("data", 1000);
        await storage.save(file, bytes, signal);
        for (const [offset, length] of [
          [0, 1],
          [0, 1000],
          [1, 998],
          [999, 1],
          [500, 0],
          [1000, 0],
        ] as const) {
          const part = await storage.load(file, { offset, length }, signal);
          assert.deepEqual(part, bytes.subarray(offset, offset + length));
        }
      }));

    test("reading past the end fails: never a short read", () =>
      use(async (storage) => {
        const { file, bytes } = sample("data", 1000);
        await storage.save(file, bytes, signal);
        for (const [offset, length] of [
          [0, 1001],
          [999, 2],
          [1000, 1],
          [2000, 10],
        ] as const) {
          await rejects(storage.load(file, { offset, length }, signal), "storage-failed");
        }
      }));

    test("loading what is not there is storage-not-found", () =>
      use(async (storage) => {
        for (const kind of fileKinds) {
          const { file } = sample(kind, 1);
          await rejects(storage.load(file, undefined, signal), "storage-not-found");
          await rejects(storage.load(file, { offset: 0, length: 1 }, signal), "storage-not-found");
        }
      }));

    test("a kind with no files lists as empty", () =>
      use(async (storage) => {
        for (const kind of fileKinds) assert.deepEqual(await listed(storage, kind), []);
      }));

    test("list gives each of many names once, with its size", () =>
      use(async (storage) => {
        const expected: { name: string; size: number }[] = [];
        for (let index = 0; index < 150; index++) {
          const { file, bytes } = sample("data", index);
          await storage.save(file, bytes, signal);
          expected.push({ name: file.name, size: index });
        }
        assert.deepEqual(await listed(storage, "data"), expected.toSorted(byNameOrder));
      }));

    test("a listing may be left early, and files may go while it runs", () =>
      use(async (storage) => {
        const files: StoredFile[] = [];
        for (let index = 0; index < 10; index++) {
          const { file, bytes } = sample("lock", 10);
          files.push(file);
          await storage.save(file, bytes, signal);
        }
        for await (const _first of storage.list("lock", signal)) break;
        let count = 0;
        for await (const { name } of storage.list("lock", signal)) {
          count += 1;
          await storage.remove({ kind: "lock", name }, signal);
        }
        assert.equal(count, files.length);
        assert.deepEqual(await listed(storage, "lock"), []);
      }));

    test("removing what is not there succeeds", () =>
      use(async (storage) => {
        for (const kind of fileKinds) await storage.remove(sample(kind, 1).file, signal);
      }));

    test("an aborted signal ends every operation with its reason and leaves nothing behind", () =>
      use(async (storage) => {
        const { file, bytes } = sample("data", 100);
        const reason = new Error("stopped by the test");
        const stopped = AbortSignal.abort(reason);
        await assert.rejects(storage.save(file, bytes, stopped), reason);
        await assert.rejects(storage.load(file, undefined, stopped), reason);
        await assert.rejects(storage.stat(file, stopped), reason);
        await assert.rejects(storage.remove(file, stopped), reason);
        assert.deepEqual(await listed(storage, "data"), []);
      }));

    test("an abort while saving leaves the whole file or nothing", () =>
      use(async (storage) => {
        for (let round = 0; round < 10; round++) {
          const { file, bytes } = sample("data", 2_000_000);
          const controller = new AbortController();
          const saving = storage.save(file, bytes, controller.signal).then(
            () => "saved",
            () => "aborted",
          );
          setImmediate(() => controller.abort());
          const state = await saving;
          const size = await storage.stat(file, signal);
          if (state === "saved") assert.equal(size, bytes.length);
          else assert.ok(size === undefined || size === bytes.length, `half a file of ${size} bytes`);
        }
      }));

    test("free bytes, where they are known, are a number", () =>
      use(async (storage) => {
        const free = await storage.traits.freeBytes?.(signal);
        assert.ok(free === undefined || (Number.isSafeInteger(free) && free >= 0));
        assert.ok(storage.traits.connections >= 1);
      }));
  });

  async function listed(storage: Storage, kind: FileKind): Promise<{ name: string; size: number }[]> {
    const found: { name: string; size: number }[] = [];
    for await (const { name, size } of storage.list(kind, signal)) found.push({ name, size });
    return found.toSorted(byNameOrder);
  }
}

function byNameOrder(left: { name: string }, right: { name: string }): number {
  return left.name < right.name ? -1 : 1;
}

function sample(kind: FileKind, size: number): { file: StoredFile; bytes: Buffer } {
  const bytes = randomBytes(size);
  const name = createHash("sha256").update(randomBytes(16)).digest("hex");
  return { file: { kind, name: kind === "config" ? "" : name }, bytes };
}

async function rejects(promise: Promise<unknown>, code: ErrorCode): Promise<void> {
  await assert.rejects(promise, (error: unknown) => isHoldfastError(error, code));
}
