import assert from "node:assert/strict";
import { createHook } from "node:async_hooks";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { newMasterKey, sealKeyFile } from "../format/key-file.ts";
import { isHoldfastError } from "../lib/errors.ts";
import { CacheFolder } from "../storage/cache-folder.ts";
import { memoryStorage } from "../storage/memory.ts";
import { createKeyRing } from "./key-ring.ts";

const { signal } = new AbortController();
const top = mkdtempSync(join(tmpdir(), "holdfast-ring-"));
after(() => rmSync(top, { recursive: true, force: true }));
const location = "memory:";
const host = { hostname: "h", username: "u" };

/** A repository elsewhere with a key for each password, and what is kept of it here. */
async function world(folder: string, ...passwords: readonly string[]) {
  const storage = memoryStorage();
  const masterKey = newMasterKey();
  const keyOf = new Map<string, string>();
  for (const password of passwords) {
    const { name, bytes } = await sealKeyFile(masterKey, password, { now: () => new Date(), host });
    await storage.save({ kind: "key", name }, bytes, signal);
    keyOf.set(password, name);
  }
  const cache = () => new CacheFolder({ folder, location, maxBytes: 1 << 20, now: () => new Date() });
  /** As a new process would, with the guess before. */
  const open = async (password: string, guess = password) => {
    using scrypts = countingScrypts();
    const openStorage = () => ({ ...storage, [Symbol.asyncDispose]: async () => undefined });
    const ring = createKeyRing({
      loadStorage: async () => openStorage,
      cacheOf: async (_location, choice) => (choice?.use === "never" ? undefined : cache()),
    });
    await ring.foresee({ location, password: guess });
    const foreseen = scrypts.begun;
    await ring.begin({ location, password }, signal);
    const found = await ring.find({ location, password });
    assert.deepEqual(found?.masterKey, masterKey);
    assert.equal(found?.keyId, keyOf.get(password));
    return { foreseen, all: scrypts.begun };
  };
  return { storage, open };
}

function countingScrypts() {
  const counted = { begun: 0, [Symbol.dispose]: () => void hook.disable() };
  const hook = createHook({ init: (_id, type) => void (type === "SCRYPTREQUEST" && counted.begun++) }).enable();
  return counted;
}

test("the key that opened a repository is begun before the repository is asked, and no other with it", async () => {
  const folder = join(top, "one");
  const { open } = await world(folder, "first", "second", "third");
  await open("second");
  for (const _ of [1, 2]) assert.deepEqual(await open("second"), { foreseen: 1, all: 1 });
  const [home = ""] = readdirSync(folder);
  assert.deepEqual(readdirSync(join(folder, home)), ["salt"]);
  const kept = readFileSync(join(folder, home, "salt"), "latin1");
  const fields = JSON.parse(kept.slice(0, kept.indexOf("}") + 1)) as object;
  assert.deepEqual(Object.keys(fields), ["kdf", "N", "r", "p", "salt"], "nothing to try passwords on");
});

test("what was foreseen wrongly is of no use, and is kept rightly the next time", async () => {
  const folder = join(top, "two");
  await (await world(folder, "other")).open("other");
  const { open } = await world(folder, "first");
  assert.deepEqual(await open("first"), { foreseen: 1, all: 2 }, "the salt of another key");
  assert.deepEqual(await open("first"), { foreseen: 1, all: 1 });
  assert.deepEqual(await open("first", "guessed wrongly"), { foreseen: 1, all: 2 });
  await new CacheFolder({ folder, location, maxBytes: 1, now: () => new Date() }).keepSalt(Buffer.from("no salt"));
  assert.deepEqual(await open("first"), { foreseen: 0, all: 1 });
  assert.deepEqual(await open("first"), { foreseen: 1, all: 1 });
});

test("a password that is wrong stays so, and nothing is kept where nothing is to be kept", async () => {
  const folder = join(top, "three");
  const { storage, open } = await world(folder, "first");
  await open("first");
  const ring = createKeyRing({
    loadStorage: async () => () => ({ ...storage, [Symbol.asyncDispose]: async () => undefined }),
    cacheOf: async () => new CacheFolder({ folder, location, maxBytes: 1, now: () => new Date() }),
  });
  await ring.foresee({ location, password: "wrong" });
  await ring.begin({ location, password: "wrong" }, signal);
  await assert.rejects(ring.find({ location, password: "wrong" }) ?? Promise.resolve(), (error) =>
    isHoldfastError(error, "password-wrong"),
  );
  rmSync(folder, { recursive: true });
  const without = createKeyRing({
    loadStorage: async () => () => ({ ...storage, [Symbol.asyncDispose]: async () => undefined }),
    cacheOf: async (_location, choice) =>
      choice?.use === "never" ? undefined : new CacheFolder({ folder, location, maxBytes: 1, now: () => new Date() }),
  });
  const access = { location, password: "first", cache: { use: "never", maxBytes: 1 } } as const;
  await without.begin(access, signal);
  await without.find(access);
  assert.throws(() => readdirSync(folder), /ENOENT/);
});
