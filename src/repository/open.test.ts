import assert from "node:assert/strict";
import { chmod, readdir, readFile, rm, writeFile, truncate } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { faultStorage } from "../../test/support/fault-storage.ts";
import { resticOn } from "../../test/support/restic.ts";
import { temporaryFolder } from "../../test/support/temp-folder.ts";
import { isHoldfastError, type ErrorCode } from "../lib/errors.ts";
import { sha256 } from "../format/unpacked.ts";
import { localStorage } from "../storage/local.ts";
import { memoryStorage } from "../storage/memory.ts";
import { createRepository } from "./create.ts";
import { openRepository, type OpenOptions } from "./open.ts";

const { signal } = new AbortController();
const host = { hostname: "here", username: "tester", uid: 0, gid: 0 };
const options: OpenOptions = { signal, now: () => new Date(), host };
const is =
  (code: ErrorCode) =>
  (error: unknown): boolean =>
    isHoldfastError(error, code);

test("a new repository is opened by restic, and by its password only", async () => {
  using folder = temporaryFolder();
  const location = join(folder.path, "new", "repository");
  await using made = await createRepository(localStorage(location), "密码 pässword", options);
  await resticOn(location, "密码 pässword").check();
  await using opened = await openRepository(localStorage(location), "密码 pässword", options);
  assert.equal(opened.id, made.id);
  assert.equal(opened.location, location);
  assert.deepEqual(await opened.snapshots(signal), []);
  assert.deepEqual(opened.secret("a"), made.secret("a"));
  assert.notDeepEqual(opened.secret("a"), opened.secret("b"));
  await assert.rejects(openRepository(localStorage(location), "wrong", options), is("password-wrong"));
  await assert.rejects(openRepository(localStorage(location), "", options), is("password-empty"));
  const elsewhere = localStorage(join(folder.path, "elsewhere"));
  await assert.rejects(openRepository(elsewhere, "x", options), is("repository-missing"));
});

test("nothing is made where anything of a repository is", async () => {
  await assert.rejects(createRepository(memoryStorage(), "", options), is("password-empty"));
  for (const kind of ["config", "snapshot", "index", "data"] as const) {
    const storage = memoryStorage();
    const name = kind === "config" ? "" : "ab".repeat(32);
    await storage.save({ kind, name }, Buffer.from("x"), signal);
    await assert.rejects(createRepository(storage, "x", options), is("repository-exists"), kind);
    for await (const _key of storage.list("key", signal)) assert.fail("a key was left");
  }
});

test("what goes wrong while it is made leaves no repository, and it can be made again", async () => {
  const inner = memoryStorage();
  for (const at of [1, 2, 3]) {
    const storage = faultStorage(inner, { at, when: "before", kind: "full" });
    await assert.rejects(createRepository(storage, "x", options), is("storage-full"));
    await assert.rejects(openRepository(inner, "x", options), is("repository-missing"));
  }
  await createRepository(inner, "x", options);
  await openRepository(inner, "x", options);
});

test("a run that was killed between key and config is gone on with, by the same password only", async () => {
  const storage = memoryStorage();
  const host2 = { ...options, now: () => new Date("2026-01-01T00:00:00Z") };
  await createRepository(storage, "x", host2);
  const [key] = await Array.fromAsync(storage.list("key", signal));
  await storage.remove({ kind: "config", name: "" }, signal);
  await assert.rejects(openRepository(storage, "x", options), is("repository-incomplete"));
  await assert.rejects(createRepository(storage, "another", options), (error) => {
    assert.ok(isHoldfastError(error, "repository-incomplete"));
    return error.facts["key"] === `keys/${key?.name}`;
  });
  await createRepository(storage, "x", options);
  assert.deepEqual(await Array.fromAsync(storage.list("key", signal)), [key]);
  await openRepository(storage, "x", options);
});

test("a key file whose bytes changed outside of what it seals still opens, when no sound one does", async () => {
  const storage = memoryStorage();
  const made = await createRepository(storage, "x", options);
  const [key] = await Array.fromAsync(storage.list("key", signal));
  const file = { kind: "key", name: key?.name ?? "" } as const;
  const text = (await storage.load(file, undefined, signal)).toString("latin1");
  const replace = async (damaged: string): Promise<void> => {
    await storage.remove(file, signal);
    await storage.save(file, Buffer.from(damaged, "latin1"), signal);
  };
  await replace(text.replace('"tester"', '"tes\\u0000er"'));
  assert.equal((await openRepository(storage, "x", options)).id, made.id);
  await assert.rejects(openRepository(storage, "y", options), is("repository-damaged"));
  await replace(text.replace(/"data":"..../, '"data":"AAAA'));
  await assert.rejects(openRepository(storage, "x", options), is("repository-damaged"));
});

test("key files of other passwords, damaged ones and hostile ones hide none that is right", async () => {
  using folder = temporaryFolder();
  const location = join(folder.path, "repository");
  await createRepository(localStorage(location), "first", options);
  const passwordFile = join(folder.path, "password");
  await writeFile(passwordFile, "second\n");
  await resticOn(location, "first").output("key", "add", "--new-password-file", passwordFile);
  const keys = join(location, "keys");
  await writeFile(join(keys, "00".repeat(32)), "");
  await writeFile(join(keys, "ff".repeat(32)), "{}");
  const right = (await readdir(keys)).find((name) => !/^(00|ee|ff)+$/.test(name));
  const fields = JSON.parse(await readFile(join(keys, right ?? ""), "utf8")) as object;
  const hostile = Buffer.from(JSON.stringify({ ...fields, N: 2 ** 31 }));
  await writeFile(join(keys, sha256(hostile)), hostile);
  // One that no memory holds.
  await writeFile(join(keys, "ee".repeat(32)), "");
  await truncate(join(keys, "ee".repeat(32)), 3 * 2 ** 30);
  for (const password of ["first", "second"]) await openRepository(localStorage(location), password, options);
  await assert.rejects(openRepository(localStorage(location), "third", options), is("password-wrong"));
});

test("a damaged config, and key files that are all damaged, are called so", async () => {
  using folder = temporaryFolder();
  await createRepository(localStorage(folder.path), "x", options);
  const config = join(folder.path, "config");
  await chmod(config, 0o600);
  const right = await readFile(config);
  await writeFile(config, Buffer.from(right).fill(0, 20, 30));
  await assert.rejects(openRepository(localStorage(folder.path), "x", options), is("repository-damaged"));
  await writeFile(config, right);
  for (const name of await readdir(join(folder.path, "keys"))) await rm(join(folder.path, "keys", name));
  await assert.rejects(openRepository(localStorage(folder.path), "x", options), is("repository-damaged"));
  await writeFile(join(folder.path, "keys", "ab".repeat(32)), "{}");
  await assert.rejects(openRepository(localStorage(folder.path), "x", options), is("repository-damaged"));
});
