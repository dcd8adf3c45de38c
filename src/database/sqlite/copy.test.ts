import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, test } from "node:test";
import { copyRollbackDatabase } from "./copy.ts";

const folder = mkdtempSync(join(tmpdir(), "holdfast-copies-"));
after(() => rmSync(folder, { recursive: true }));

test("what a run left that was killed while it copied goes with the next copy, and nothing else", async () => {
  const ended = spawnSync("true").pid;
  const path = join(folder, "crm.db");
  using database = new DatabaseSync(path);
  database.exec("CREATE TABLE contact (id INTEGER PRIMARY KEY); INSERT INTO contact VALUES (1)");
  const temporary = join(folder, "tmp");
  const hourAgo = new Date(Date.now() - 3_600_000);
  const make = (name: string, written: Date): void => {
    const made = join(temporary, name);
    mkdirSync(made, { recursive: true });
    writeFileSync(join(made, "copy.db"), "customers");
    for (const one of [join(made, "copy.db"), made]) utimesSync(one, written, written);
  };
  make(`holdfast-copy-${ended}-aaaaaa`, hourAgo);
  make(`holdfast-copy-${ended}-bbbbbb`, new Date());
  make(`holdfast-copy-${process.pid}-cccccc`, hourAgo);
  make("other", hourAgo);
  symlinkSync(join(temporary, "other"), join(temporary, `holdfast-copy-${ended}-dddddd`));
  const kept = readdirSync(temporary).filter((name) => !name.endsWith("aaaaaa"));
  {
    await using copy = await copyRollbackDatabase(path, database, temporary, new AbortController().signal);
    assert.deepEqual(readFileSync(copy.path), readFileSync(path));
  }
  assert.deepEqual(readdirSync(temporary).toSorted(), kept.toSorted());
  assert.equal(readFileSync(join(temporary, "other", "copy.db"), "utf8"), "customers");
});
