import assert from "node:assert/strict";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryFolder } from "../../../test/support/temp-folder.ts";
import { nameFromText } from "../../lib/byte-name.ts";
import { type KnownFolder, learnLook, lookOver, rootPath } from "./known-folder.ts";

const { signal } = new AbortController();
const folderNamed = nameFromText("disk");

async function learn(path: string, known: KnownFolder, excludes: readonly string[] = []): ReturnType<typeof lookOver> {
  const look = await lookOver({ path: nameFromText(path), excludes }, known, signal);
  learnLook(known, look.changed, look.gone);
  return look;
}

const fresh = (): KnownFolder => ({ signs: new Map(), devices: new Map() });

test("what changed, what is gone, and nothing twice", async () => {
  using folder = temporaryFolder();
  const known = fresh();
  mkdirSync(join(folder.path, "a", "b"), { recursive: true });
  writeFileSync(join(folder.path, "a", "b", "one"), "1");
  writeFileSync(join(folder.path, "cache.tmp"), "left out");
  const first = await learn(folder.path, known, ["*.tmp"]);
  assert.deepEqual([...first.changed.keys()], ["", "a", "a/b", "a/b/one"]);
  assert.equal((await learn(folder.path, known, ["*.tmp"])).changed.size, 0);
  writeFileSync(join(folder.path, "a", "two"), "2");
  const second = await learn(folder.path, known, ["*.tmp"]);
  assert.deepEqual([[...second.changed.keys()], second.gone], [["a/two"], []]);
  rmSync(join(folder.path, "a", "b"), { recursive: true });
  const third = await learn(folder.path, known, ["*.tmp"]);
  assert.deepEqual([third.changed.size, third.gone], [0, ["a/b"]]);
  assert.deepEqual([...known.signs.keys()], ["", "a", "a/two"]);
});

test("an empty folder in place of a disk that is not mounted is not taken for files that were deleted", async () => {
  using folder = temporaryFolder();
  const known = fresh();
  const disk = join(folder.path, "disk");
  mkdirSync(disk);
  writeFileSync(join(disk, "contract.pdf"), "signed");
  await learn(folder.path, known);
  const before = new Map(known.signs);
  // As if it had been another device until now, which is what unmounting comes to.
  known.devices.set(folderNamed, -1);
  rmSync(join(disk, "contract.pdf"));
  const look = await learn(folder.path, known);
  assert.deepEqual([[...look.unread], look.gone, look.changed.size], [[["disk", "not mounted"]], [], 0]);
  assert.deepEqual(known.signs, before);
  // On the device that it was on, it is what it looks like.
  known.devices.set(folderNamed, known.devices.get(rootPath) ?? 0);
  assert.deepEqual((await learn(folder.path, known)).gone, ["disk/contract.pdf"]);
});
