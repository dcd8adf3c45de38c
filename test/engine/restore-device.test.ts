import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { undoRestore } from "../../src/engine/undo.ts";
import { movingDisk, movingDiskLacks } from "../support/moving-disk.ts";
import { smallCrm } from "../support/small-crm.ts";

/*
 * A machine that is started anew may find its disk as another device. What a restore made and replaced is known all the same.
 */

const skip = await movingDiskLacks();

test(
  "a restore is taken back, and one that was cut off goes on, after the disk has become another device",
  { skip },
  async () => {
    await using disk = await movingDisk(32);
    const crm = await smallCrm(disk.path);
    const logo = join(crm.attachments, "logo.bin");
    await crm.backup();
    crm.sql("UPDATE contact SET name = 'later'");
    writeFileSync(logo, "later");
    const later = () => [
      crm.rows("SELECT 1 FROM contact WHERE name = 'later'").length > 0,
      readFileSync(logo, "utf8") === "later",
    ];
    const plan = await crm.plan();
    await crm.apply(plan);
    // As a power cut leaves it that comes before its end is noted.
    const record = join(crm.engine.stateFolder, "restores", `${plan.id}.json`);
    writeFileSync(record, readFileSync(record, "utf8").replace('"state": "done"', '"state": "swapping"'));
    await disk.move();
    const { undo } = await crm.apply(plan);
    assert.deepEqual(later(), [false, false]);
    await disk.move();
    assert.equal((await undoRestore(crm.engine, {}, crm.run)).id, undo);
    assert.deepEqual(later(), [true, true]);
  },
);
