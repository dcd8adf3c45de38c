import assert from "node:assert/strict";
import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryFolder } from "../../test/support/temp-folder.ts";
import { until } from "../../test/support/until.ts";
import { nameFromText } from "../lib/byte-name.ts";
import { FolderWatch } from "./watch-folders.ts";

test("each kind of change in a folder that is watched is told, and in one that takes its place", async () => {
  using folder = temporaryFolder();
  let told = 0;
  using watch = new FolderWatch(() => told++);
  const one = { path: nameFromText(join(folder.path, "附件")), sign: 1 };
  const at = (name: string) => join(folder.path, "附件", name);
  mkdirSync(join(folder.path, "附件"));
  assert.deepEqual(watch.watch([one]), { kind: "watching" });
  for (const change of [
    () => writeFileSync(at("a"), "new"),
    () => writeFileSync(at("a"), "changed"),
    () => renameSync(at("a"), at("b")),
    () => rmSync(at("b")),
  ]) {
    const before = told;
    change();
    await until(() => told > before);
  }
  // Another folder in its place.
  renameSync(join(folder.path, "附件"), join(folder.path, "before"));
  mkdirSync(join(folder.path, "附件"));
  watch.watch([{ ...one, sign: 2 }]);
  const before = told;
  writeFileSync(at("c"), "new");
  await until(() => told > before);
  // One that went before it could be watched is no limit of the system.
  const gone = { path: nameFromText(join(folder.path, "gone")), sign: 3 };
  assert.deepEqual(watch.watch([gone]), { kind: "watching" });
});

test("more folders than can be watched are not watched at all, which is said", () => {
  using watch = new FolderWatch(() => undefined);
  const folders = Array.from({ length: 20_001 }, (_, sign) => ({ path: nameFromText("/tmp"), sign }));
  const limit = { kind: "unwatchable", reason: "20001 > 20000" };
  assert.deepEqual(watch.watch(folders), limit);
  assert.deepEqual(watch.watch(folders.slice(0, 1)), limit);
});
