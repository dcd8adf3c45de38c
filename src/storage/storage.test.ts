import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { chmod, mkdir, mkdtemp, readdir, rename, rm, rmdir, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { HoldfastError, isHoldfastError } from "../lib/errors.ts";
import { storageContract } from "./contract.ts";
import { localError } from "./local-error.ts";
import { localStorage } from "./local.ts";
import { memoryStorage } from "./memory.ts";
import { withRetry } from "./retry.ts";
import type { Storage } from "./storage.ts";

const { signal } = new AbortController();
const top = await mkdtemp(join(tmpdir(), "holdfast-storage-"));
after(() => rm(top, { recursive: true, force: true }));
let made = 0;
const freshPath = (): string => join(top, `repository-${made++}`);

storageContract("local", async () => localStorage(freshPath()));
storageContract("memory", async () => memoryStorage());
storageContract("retry over memory", async () => withRetry(memoryStorage()));
storageContract("retry over a storage that fails every second time", async () =>
  withRetry(flaky(memoryStorage()), { pause: async () => undefined }),
);

test("local: folders are 0700, files 0400, and a missing folder is made", async () => {
  const path = freshPath();
  const storage = localStorage(path);
  await storage.create(signal);
  assert.equal((await readdir(join(path, "data"))).length, 256);
  assert.equal((await stat(path)).mode & 0o777, 0o700);
  await rm(join(path, "data", "ab"), { recursive: true });
  const name = `ab${"0".repeat(62)}`;
  await storage.save({ kind: "data", name }, Buffer.from("x"), signal);
  const saved = await stat(join(path, "data", "ab", name));
  assert.equal(saved.mode & 0o777, 0o400);
});

test("local: nothing is written into the mount point of a share that went away", async () => {
  const path = freshPath();
  const storage = localStorage(path);
  await storage.create(signal);
  await rename(path, `${path}-elsewhere`);
  const save = (): Promise<void> => storage.save({ kind: "data", name: "ab".repeat(32) }, Buffer.from("x"), signal);
  await assert.rejects(save, (error) => isHoldfastError(error, "storage-unreachable"));
  assert.equal(await stat(path).catch(() => undefined), undefined);
  await mkdir(path);
  await assert.rejects(save, (error) => isHoldfastError(error, "storage-unreachable"));
  assert.deepEqual(await readdir(path), []);
  await rmdir(path);
  await rename(`${path}-elsewhere`, path);
  await save();
});

test("local: long files come back whole, on a disk and on a file system without one", async () => {
  // On the second, writing past the page cache may be refused: then it is written through it.
  const memoryDisk = await mkdtemp("/dev/shm/holdfast-storage-").catch(() => undefined);
  try {
    for (const path of [freshPath(), ...(memoryDisk === undefined ? [] : [memoryDisk])]) {
      const storage = localStorage(path);
      await storage.create(signal);
      const files = [0, 1, 4096, 4097, 4 << 20, (4 << 20) + 1].map((more, number) => ({
        name: String(number).padStart(64, "0"),
        bytes: randomBytes((1 << 20) + more),
      }));
      await Promise.all(files.map(({ name, bytes }) => storage.save({ kind: "data", name }, bytes, signal)));
      for (const { name, bytes } of files) {
        assert.ok((await storage.load({ kind: "data", name }, undefined, signal)).equals(bytes), `${bytes.length}`);
        assert.equal((await stat(join(path, "data", "00", name))).mode & 0o777, 0o400);
      }
      assert.equal((await readdir(join(path, "data", "00"))).length, files.length);
    }
  } finally {
    if (memoryDisk !== undefined) await rm(memoryDisk, { recursive: true });
  }
});

test("local: leftovers, foreign names, folders and packs in the wrong place are not listed", async () => {
  const path = freshPath();
  const storage = localStorage(path);
  await storage.create(signal);
  const name = "ab".repeat(32);
  await writeFile(join(path, "data", "ab", `${name}-tmp-123`), "x");
  await writeFile(join(path, "data", "cd", name), "x");
  await writeFile(join(path, "data", "README"), "x");
  await writeFile(join(path, "index", name.toUpperCase()), "x");
  await mkdir(join(path, "index", name));
  for (const kind of ["data", "index"] as const) {
    for await (const found of storage.list(kind, signal)) assert.fail(`${kind} ${found.name}`);
  }
});

test("local: a place that is not there, or is a file, lists as empty and has no config", async () => {
  const file = freshPath();
  await writeFile(file, "x");
  for (const path of [freshPath(), file]) {
    const storage = localStorage(path);
    assert.equal(await storage.stat({ kind: "config", name: "" }, signal), undefined);
    for await (const found of storage.list("key", signal)) assert.fail(found.name);
    assert.ok(((await storage.traits.freeBytes?.(signal)) ?? 0) > 0);
  }
  await assert.rejects(localStorage(join(file, "below")).create(signal), (error) => isHoldfastError(error));
});

test("local: a failed save leaves no temporary file", async () => {
  const path = freshPath();
  const storage = localStorage(path);
  await storage.create(signal);
  const controller = new AbortController();
  const saving = storage.save({ kind: "key", name: "ab".repeat(32) }, Buffer.alloc(1000), controller.signal);
  controller.abort();
  await assert.rejects(saving);
  assert.deepEqual(await readdir(join(path, "keys")), []);
});

test("local: errors of the file system are classified", async () => {
  const path = freshPath();
  await localStorage(path).create(signal);
  // What a full disk, missing rights, and an unknown failure become.
  for (const [system, code] of [
    ["ENOSPC", "storage-full"],
    ["EACCES", "storage-denied"],
    ["ESTALE", "storage-unreachable"],
    ["EIO", "storage-failed"],
  ] as const) {
    const error = Object.assign(new Error(system), { code: system, syscall: "write" });
    assert.ok(isHoldfastError(localError(error, "p"), code));
  }
  if (process.getuid?.() !== 0) {
    await chmod(join(path, "keys"), 0o500);
    const saving = localStorage(path).save({ kind: "key", name: "ef".repeat(32) }, Buffer.alloc(1), signal);
    await assert.rejects(saving, (error) => isHoldfastError(error, "storage-denied"));
    await chmod(join(path, "keys"), 0o700);
  }
});

test("retry: pauses double, are spread, and end at the limit; other errors are not tried again", async () => {
  let clock = 0;
  const pauses: number[] = [];
  const failing: Storage = {
    ...memoryStorage(),
    stat: () => Promise.reject(new HoldfastError("storage-unreachable")),
    load: () => Promise.reject(new HoldfastError("storage-full")),
  };
  const storage = withRetry(failing, {
    clock: () => clock,
    random: () => 0.5,
    limitMs: 10_000,
    onRetry: (_error, pauseMs) => pauses.push(pauseMs),
    pause: async (ms) => {
      clock += ms;
    },
  });
  await assert.rejects(storage.stat({ kind: "config", name: "" }, signal), (error) =>
    isHoldfastError(error, "storage-unreachable"),
  );
  assert.deepEqual(pauses, [500, 1000, 2000, 4000]);
  await assert.rejects(storage.load({ kind: "config", name: "" }, undefined, signal), (error) =>
    isHoldfastError(error, "storage-full"),
  );
  assert.equal(pauses.length, 4);
});

test("retry: a machine that slept goes on trying where it was, whatever the clock says by then", async (t) => {
  t.mock.timers.enable({ apis: ["Date"] });
  let tries = 0;
  const waking: Storage = {
    ...memoryStorage(),
    stat: async () => {
      if (++tries < 3) throw new HoldfastError("storage-unreachable");
      return 7;
    },
  };
  const pause = async (): Promise<void> => t.mock.timers.setTime(tries * 8 * 3_600_000);
  assert.equal(await withRetry(waking, { pause }).stat({ kind: "config", name: "" }, signal), 7);
});

test("retry: a listing of which the second part never comes ends at the limit", async () => {
  let clock = 0;
  const inner = memoryStorage();
  const names = [1, 2, 3].map((digit) => `${digit}`.repeat(64));
  for (const name of names) await inner.save({ kind: "index", name }, Buffer.from("x"), signal);
  const broken: Storage = {
    ...inner,
    async *list(kind, abort) {
      for await (const found of inner.list(kind, abort)) {
        if (found.name === names[2]) throw new HoldfastError("storage-unreachable");
        yield found;
      }
    },
  };
  const pause = async (ms: number): Promise<void> => {
    clock += ms;
    if (clock > 100_000) assert.fail("it never ends");
  };
  const storage = withRetry(broken, { clock: () => clock, limitMs: 10_000, pause });
  const seen: string[] = [];
  const listing = async (): Promise<void> => {
    for await (const { name } of storage.list("index", signal)) seen.push(name);
  };
  await assert.rejects(listing(), (error) => isHoldfastError(error, "storage-unreachable"));
  assert.deepEqual(seen, names.slice(0, 2));
});

test("retry: a list that nobody reads to its end is closed where it stands", async () => {
  const inner = memoryStorage();
  for (let name = 0; name < 3; name++) {
    await inner.save({ kind: "index", name: String(name).repeat(64) }, Buffer.from("x"), signal);
  }
  let open = 0;
  const watched: Storage = {
    ...inner,
    async *list(kind, listSignal) {
      open++;
      try {
        yield* inner.list(kind, listSignal);
      } finally {
        open--;
      }
    },
  };
  for await (const _first of withRetry(watched).list("index", signal)) {
    assert.equal(open, 1);
    break;
  }
  assert.equal(open, 0);
});

test("retry: a config whose answer was lost is known as ours, another's is not", async () => {
  const inner = memoryStorage();
  let calls = 0;
  const losing: Storage = {
    ...inner,
    async save(file, bytes, abort) {
      calls += 1;
      await inner.save(file, bytes, abort);
      if (calls === 1) throw new HoldfastError("storage-unreachable");
    },
  };
  const storage = withRetry(losing, { pause: async () => undefined });
  const config = { kind: "config", name: "" } as const;
  await storage.save(config, Buffer.from("ours"), signal);
  assert.equal(calls, 2);
  await assert.rejects(storage.save(config, Buffer.from("ours"), signal), (error) =>
    isHoldfastError(error, "storage-exists"),
  );
});

test("retry: what is not what its name says is asked for once more, and given as it came the second time", async () => {
  const inner = memoryStorage();
  let loads = 0;
  const lying: Storage = {
    ...inner,
    async load(file, range, abort) {
      loads++;
      const bytes = await inner.load(file, range, abort);
      if (loads === 1) bytes[3] = 0;
      return bytes;
    },
  };
  const storage = withRetry(lying);
  const bytes = Buffer.from("an index");
  const [name, wrong] = [createHash("sha256").update(bytes).digest("hex"), "a".repeat(64)];
  await inner.save({ kind: "index", name }, bytes, signal);
  assert.deepEqual(await storage.load({ kind: "index", name }, undefined, signal), bytes);
  assert.equal(loads, 2);
  // It is damaged there: whoever wanted it says so.
  await inner.save({ kind: "index", name: wrong }, bytes, signal);
  assert.deepEqual(await storage.load({ kind: "index", name: wrong }, undefined, signal), bytes);
  assert.equal(loads, 4);
  // Parts and packs are looked through by who reads them.
  await inner.save({ kind: "data", name: wrong }, bytes, signal);
  await storage.load({ kind: "data", name: wrong }, undefined, signal);
  await storage.load({ kind: "index", name }, { offset: 0, length: 2 }, signal);
  assert.equal(loads, 6);
});

/**
 * Each operation fails in turn before it did something and after (the lost answer), by a count of its own: one count for
 * all would let whoever looks before sending again fail at every save for ever. Every second listing breaks off.
 */
function flaky(inner: Storage): Storage {
  const counts = new Map<string, number>();
  let listings = 0;
  const shaky = async <T>(name: string, operation: () => Promise<T>): Promise<T> => {
    const count = (counts.get(name) ?? 0) + 1;
    counts.set(name, count);
    const turn = count % 3;
    if (turn === 1) throw new HoldfastError("storage-unreachable");
    const result = await operation();
    if (turn === 2) throw new HoldfastError("storage-unreachable");
    return result;
  };
  return {
    ...inner,
    create: (abort) => shaky("create", () => inner.create(abort)),
    save: (file, bytes, abort) => shaky("save", () => inner.save(file, bytes, abort)),
    load: (file, range, abort) => shaky("load", () => inner.load(file, range, abort)),
    stat: (file, abort) => shaky("stat", () => inner.stat(file, abort)),
    remove: (file, abort) => shaky("remove", () => inner.remove(file, abort)),
    async *list(kind, abort) {
      listings += 1;
      let left = listings % 2 === 1 ? listings : Number.POSITIVE_INFINITY;
      for await (const found of inner.list(kind, abort)) {
        if (left-- === 0) throw new HoldfastError("storage-unreachable");
        yield found;
      }
    },
  };
}
