import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { test } from "node:test";
import { SpillFile } from "../../src/contents/tables/spill-file.ts";
import { smallCrm } from "../support/small-crm.ts";
import { diskLacks, smallDisk } from "../support/small-disk.ts";
import { temporaryFolder } from "../support/temp-folder.ts";

/** With `TMPDIR` on a disk of a megabyte. */
async function onFullDisk(work: (path: string) => Promise<void>): Promise<void> {
  await using disk = await smallDisk(1);
  const was = process.env["TMPDIR"];
  process.env["TMPDIR"] = disk.path;
  try {
    await work(disk.path);
    assert.deepEqual(readdirSync(disk.path), [], "nothing is left");
  } finally {
    if (was === undefined) delete process.env["TMPDIR"];
    else process.env["TMPDIR"] = was;
  }
}

const isFull = (path: string) => ({ code: "temporary-full", facts: { path } });

test("a folder for temporary files that is full is named: rows to be sorted", { skip: await diskLacks() }, () =>
  onFullDisk(async (path) => {
    using spill = new SpillFile();
    const lines = Buffer.alloc(1 << 20, "row\n");
    spill.write([{ lines: lines.subarray(0, 1 << 19), rows: 1 << 17 }]);
    assert.throws(() => spill.write([{ lines, rows: 1 << 18 }]), isFull(path));
  }),
);

test(
  "a folder for temporary files that is full is named: a database that is copied",
  { skip: await diskLacks() },
  async () => {
    using folder = temporaryFolder();
    const crm = await smallCrm(folder.path);
    crm.sql("PRAGMA journal_mode=delete; INSERT INTO contact VALUES (9000, hex(randomblob(2000000)), 1)");
    await onFullDisk(async (path) => {
      await assert.rejects(crm.backup(), isFull(path));
    });
    assert.equal((await crm.backup()).outcome, "ok");
  },
);
