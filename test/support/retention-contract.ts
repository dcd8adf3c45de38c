import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { isHoldfastError } from "../../src/lib/errors.ts";
import type { Storage } from "../../src/storage/storage.ts";

const dayMs = 24 * 3_600_000;

export interface RetentionUnderTest {
  /** A place of its own each time. */
  location(): string;
  /** As another process would open it, with a lock for ten days. */
  open(location: string): Storage;
  /** How far apart two moments must be for the storage to tell them apart. */
  readonly momentMs: number;
}

/** What `StorageRetention` and `asOf` promise, for every storage that has them. */
export function retentionContract(title: string, { location, open, momentMs }: RetentionUnderTest): void {
  const { signal } = new AbortController();

  test(`${title}: what is stored is locked, hidden by a removal, found as of before, and not destroyed`, async () => {
    await using storage = open(location());
    await storage.create(signal);
    const file = { kind: "data", name: randomBytes(32).toString("hex") } as const;
    const bytes = randomBytes(1000);
    await storage.save(file, bytes, signal);
    const retention = storage.retention ?? assert.fail();
    await using other = open(storage.location);
    const until = await other.retention?.until(file, signal);
    assert.ok(Math.abs((until?.getTime() ?? 0) - Date.now() - 13 * dayMs) < 60_000, String(until));
    const later = new Date(Date.now() + 30 * dayMs);
    await retention.extend(file, later, signal);
    const extended = await other.retention?.until(file, signal);
    assert.equal(extended?.toISOString().slice(0, 19), later.toISOString().slice(0, 19));
    assert.equal(await retention.tryToDestroy(file, signal), "refused");
    await wait(momentMs);
    const before = new Date();
    await wait(momentMs);
    await storage.remove(file, signal);
    assert.equal(await storage.stat(file, signal), undefined);
    const hidden = await Array.fromAsync(retention.hidden(signal));
    assert.equal(hidden.length, 1);
    assert.equal(hidden[0]?.path, `data/${file.name.slice(0, 2)}/${file.name}`);
    assert.ok(hidden[0]?.until);
    await assert.rejects(
      retention.destroyHidden(hidden[0], signal),
      (error) => isHoldfastError(error, "storage-denied") || isHoldfastError(error, "storage-append-only"),
    );
    const old = storage.asOf?.(before) ?? assert.fail();
    assert.deepEqual(await old.load(file, undefined, signal), bytes);
    assert.deepEqual(await old.load(file, { offset: 10, length: 5 }, signal), bytes.subarray(10, 15));
    assert.equal((await old.load(file, { offset: 1000, length: 0 }, signal)).length, 0);
    await assert.rejects(old.load(file, { offset: 999, length: 2 }, signal));
    assert.equal(await old.stat(file, signal), 1000);
    assert.deepEqual(await Array.fromAsync(old.list("data", signal)), [{ name: file.name, size: 1000 }]);
    await assert.rejects(old.remove(file, signal), (error) => isHoldfastError(error, "storage-read-only"));
    // What is there again is another version, and locked as well.
    await storage.save(file, bytes, signal);
    assert.equal(await retention.tryToDestroy(file, signal), "refused");
    assert.deepEqual(await storage.load(file, undefined, signal), bytes);
  });

  test(`${title}: what was there before is read and locked for longer, below what hides it`, async () => {
    await using storage = open(location());
    await storage.create(signal);
    const [file, other] = [0, 1].map(() => ({ kind: "data", name: randomBytes(32).toString("hex") }) as const);
    assert.ok(file && other);
    const bytes = randomBytes(1000);
    for (const one of [file, other]) {
      await storage.save(one, bytes, signal);
      await storage.remove(one, signal);
    }
    await storage.save(file, randomBytes(1000), signal);
    const { retention = assert.fail() } = storage;
    const only = new Set([`data/${file.name.slice(0, 2)}/${file.name}`]);
    const before = async () => {
      const [hidden, ...more] = await Array.fromAsync(retention.hidden(signal, only));
      assert.deepEqual(more, []);
      return hidden ?? assert.fail();
    };
    assert.deepEqual(await retention.loadHidden(await before(), signal), bytes);
    const later = new Date(Date.now() + 30 * dayMs);
    await retention.extendHidden(await before(), later, signal);
    assert.equal((await before()).until?.toISOString().slice(0, 19), later.toISOString().slice(0, 19));
  });

  test(`${title}: lock files leave nothing behind`, async () => {
    await using storage = open(location());
    await storage.create(signal);
    const file = { kind: "lock", name: randomBytes(32).toString("hex") } as const;
    await storage.save(file, randomBytes(100), signal);
    await storage.remove(file, signal);
    await storage.remove(file, signal);
    assert.deepEqual(await Array.fromAsync(storage.retention?.hidden(signal) ?? assert.fail()), []);
  });

  test(`${title}: freeing what was freed already succeeds, as after a lost answer`, async () => {
    await using storage = open(location());
    await storage.create(signal);
    const path = `data/ab/ab${randomBytes(31).toString("hex")}`;
    const file = { kind: "data", name: path.slice(-64) } as const;
    await storage.save(file, randomBytes(100), signal);
    await storage.remove(file, signal);
    const retention = storage.retention ?? assert.fail();
    const [hidden] = await Array.fromAsync(retention.hidden(signal));
    const other = `data/cd/cd${randomBytes(31).toString("hex")}`;
    await retention.destroyHidden({ path: other, version: hidden?.version ?? "", size: 100 }, signal);
  });

  test(`${title}: what somebody else keeps below the same place is not taken for something that was removed here`, async () => {
    await using storage = open(location());
    await storage.create(signal);
    await using inner = open(`${storage.location}/another`);
    const file = { kind: "data", name: randomBytes(32).toString("hex") } as const;
    await inner.save(file, randomBytes(100), signal);
    await inner.remove(file, signal);
    const hiddenIn = async ({ retention = assert.fail() }: Storage) => await Array.fromAsync(retention.hidden(signal));
    assert.equal((await hiddenIn(inner)).length, 1);
    assert.deepEqual(await hiddenIn(storage), []);
  });
}
