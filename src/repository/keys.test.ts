import assert from "node:assert/strict";
import { truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { createCheapRepository } from "../../test/support/cheap-key.ts";
import { faultStorage, type Fault } from "../../test/support/fault-storage.ts";
import { resticOn } from "../../test/support/restic.ts";
import { temporaryFolder } from "../../test/support/temp-folder.ts";
import { isHoldfastError, type ErrorCode } from "../lib/errors.ts";
import { localStorage } from "../storage/local.ts";
import { memoryStorage } from "../storage/memory.ts";
import type { Storage } from "../storage/storage.ts";
import { createRepository } from "./create.ts";
import { openRepository } from "./open.ts";
import type { KeyOptions, LockMode, Repository } from "./repository.ts";

const { signal } = new AbortController();
const now = (): Date => new Date();
const options = { signal, now, host: { hostname: "here", username: "tester", uid: 0, gid: 0 } };
const is =
  (code: ErrorCode) =>
  (error: unknown): boolean =>
    isHoldfastError(error, code);

async function locked<T>(repository: Repository, mode: LockMode, use: (options: KeyOptions) => Promise<T>): Promise<T> {
  await using lock = await repository.lock(mode, { signal, now, waitMs: 0 });
  return await use({ signal, now, lock });
}

async function opens(storage: Storage, password: string): Promise<boolean> {
  return openRepository(storage, password, options).then(
    () => true,
    (error: unknown) => {
      assert.ok(isHoldfastError(error, "password-wrong"), String(error));
      return false;
    },
  );
}

test("passwords come and go, and restic opens with each of them", async () => {
  using folder = temporaryFolder();
  const storage = localStorage(join(folder.path, "repository"));
  const repository = await createRepository(storage, "first", options);
  const second = await locked(repository, "shared", (held) => repository.keys.add("second 密码", held));
  await resticOn(storage.location, "second 密码").check();
  const listed = await repository.keys.list(signal);
  assert.equal(listed.length, 2);
  assert.deepEqual(
    listed
      .filter(({ current }) => !current)
      .map(({ id, username, hostname, damaged }) => [id, username, hostname, damaged]),
    [[second, "tester", "here", false]],
  );
  const restics = join(folder.path, "third.txt");
  writeFileSync(restics, "third\n");
  await resticOn(storage.location, "first").output("key", "add", "--new-password-file", restics);
  assert.equal((await repository.keys.list(signal)).length, 3);

  const current = listed.find((one) => one.current)?.id ?? "";
  await assert.rejects(
    locked(repository, "exclusive", (held) => repository.keys.remove(current, held)),
    is("key-current"),
  );
  await locked(repository, "exclusive", (held) => repository.keys.remove(second, held));
  assert.deepEqual(await Promise.all(["first", "second 密码", "third"].map((one) => opens(storage, one))), [
    true,
    false,
    true,
  ]);

  const replaced = await locked(repository, "exclusive", (held) => repository.keys.replace("fourth", held));
  assert.deepEqual(await Promise.all(["first", "third", "fourth"].map((one) => opens(storage, one))), [
    false,
    true,
    true,
  ]);
  // The new one is the one in use now.
  await assert.rejects(
    locked(repository, "exclusive", (held) => repository.keys.remove(replaced, held)),
    is("key-current"),
  );
  await assert.rejects(
    locked(repository, "exclusive", (held) => repository.keys.replace("", held)),
    is("password-empty"),
  );
  await resticOn(storage.location, "fourth").check();
});

test("whatever goes wrong while a password is changed, one of the two opens", async () => {
  const scene = async (fault?: Fault) => {
    const inner = memoryStorage();
    const [made] = await (await createCheapRepository(inner, "old", options)).keys.list(signal);
    const storage = faultStorage(inner, fault);
    const repository = await openRepository(storage, "old", options);
    const outcome = await locked(repository, "exclusive", (held) => repository.keys.replace("new", held)).then(
      () => "done",
      () => "failed",
    );
    const old = (await inner.stat({ kind: "key", name: made?.id ?? "" }, signal)) !== undefined;
    return { inner, old, outcome, operations: storage.operations() };
  };
  const { operations } = await scene();
  assert.ok(operations >= 4, "lock, key, old key, lock");
  for (let at = 1; at <= operations; at++) {
    for (const when of ["before", "after"] as const) {
      const { inner, old, outcome } = await scene({ at, when, kind: "full" });
      if (!old || outcome === "done") assert.ok(await opens(inner, "new"), `locked out: ${when} ${at}`);
    }
  }
});

test("a key file that the storage damages is noticed before the old one goes, and goes itself", async () => {
  const inner = memoryStorage();
  await createRepository(inner, "old", options);
  const storage: Storage = {
    ...inner,
    save: (file, bytes, abort) =>
      inner.save(file, file.kind === "key" ? Buffer.from(bytes).fill(0, 5, 6) : bytes, abort),
  };
  const repository = await openRepository(storage, "old", options);
  await assert.rejects(
    locked(repository, "exclusive", (held) => repository.keys.replace("new", held)),
    is("repository-damaged"),
  );
  assert.ok(await opens(inner, "old"));
  assert.deepEqual(
    (await repository.keys.list(signal)).map(({ damaged }) => damaged),
    [false],
  );
});

test("a key file that the storage cannot give is listed as damaged, and can be removed", async () => {
  using folder = temporaryFolder();
  const location = join(folder.path, "repository");
  const repository = await createRepository(localStorage(location), "x", options);
  const name = "ab".repeat(32);
  // As a bad sector: it is too large to be read.
  writeFileSync(join(location, "keys", name), "");
  truncateSync(join(location, "keys", name), 3 * 2 ** 30);
  const damaged = (await repository.keys.list(signal)).filter((key) => key.damaged);
  assert.deepEqual(
    damaged.map(({ id }) => id),
    [name],
  );
  await locked(repository, "exclusive", (held) => repository.keys.remove(name, held));
  assert.equal((await repository.keys.list(signal)).length, 1);
});

test("another password is not removed when the one in use is damaged by then", async () => {
  const storage = memoryStorage();
  const repository = await createRepository(storage, "first", options);
  const second = await locked(repository, "shared", (held) => repository.keys.add("second", held));
  const current = (await repository.keys.list(signal)).find((one) => one.current)?.id ?? "";
  await storage.remove({ kind: "key", name: current }, signal);
  await storage.save({ kind: "key", name: current }, Buffer.from("{}"), signal);
  await assert.rejects(
    locked(repository, "exclusive", (held) => repository.keys.remove(second, held)),
    is("repository-damaged"),
  );
  assert.ok(await opens(storage, "second"));
});
