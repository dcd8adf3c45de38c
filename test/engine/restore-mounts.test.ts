import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { undoRestore } from "../../src/engine/undo.ts";
import { isHoldfastError } from "../../src/lib/errors.ts";
import { commandOutput } from "../support/run-command.ts";
import { diskLacks } from "../support/small-disk.ts";
import { exact, smallCrm, type SmallCrm } from "../support/small-crm.ts";
import { temporaryFolder } from "../support/temp-folder.ts";

/*
 * A folder of a CRM may have other file systems in it: no rename leads into them, and nothing takes the place of one.
 */

const skip = await diskLacks();

/** Mounts a file system in memory, or a file or folder at another place, for as long as the test lasts. */
async function mounted(at: string, from?: string): Promise<AsyncDisposable> {
  await commandOutput("mount", from === undefined ? ["-t", "tmpfs", "tmpfs", at] : ["--bind", from, at]);
  return {
    async [Symbol.asyncDispose]() {
      await commandOutput("umount", ["--lazy", at]);
    },
  };
}

async function refused(crm: SmallCrm, path: string): Promise<void> {
  await assert.rejects(crm.apply(await crm.plan()), (error) => {
    assert.ok(isHoldfastError(error, "target-mounted"), String(error));
    assert.equal(error.facts["path"], path);
    return true;
  });
  assert.equal(crm.rows("SELECT 1 FROM contact WHERE name = 'later'").length, 1, "nothing was swapped in");
  await crm.backup("incremental", { inconsistencies: "accept" });
}

test(
  "what lies on a file system of its own in a folder of the CRM comes back there, and is taken back",
  { skip },
  async () => {
    using folder = temporaryFolder();
    const crm = await smallCrm(folder.path);
    const year = join(crm.attachments, "2026");
    await using _disk = await mounted(year);
    const file = join(year, "合同.txt");
    const deep = join(year, "deep", "er", "file.txt");
    mkdirSync(join(year, "deep", "er"), { recursive: true });
    for (const path of [file, deep]) writeFileSync(path, "as backed up");
    await crm.backup("incremental", { inconsistencies: "accept" });
    crm.sql("UPDATE contact SET name = 'later' WHERE id = 1");
    writeFileSync(file, "later");
    writeFileSync(join(year, "newer.txt"), "later");
    writeFileSync(join(crm.attachments, "logo.bin"), "later");
    rmSync(join(year, "deep"), { recursive: true });
    const { failed } = await crm.apply(await crm.plan({ switches: exact }));
    assert.deepEqual(failed, []);
    assert.deepEqual(
      [file, deep].map((path) => readFileSync(path, "utf8")),
      ["as backed up", "as backed up"],
    );
    assert.equal(existsSync(join(year, "newer.txt")), false);
    await undoRestore(crm.engine, {}, crm.run);
    assert.deepEqual(
      [readFileSync(file, "utf8"), readFileSync(join(crm.attachments, "logo.bin"), "utf8")],
      ["later", "later"],
    );
    assert.deepEqual(
      readdirSync(year)
        .filter((name) => !name.startsWith(".holdfast-"))
        .toSorted(),
      ["newer.txt", "合同.txt"],
    );
  },
);

test("where a mount point would have to go, nothing is swapped in", { skip }, async () => {
  using folder = temporaryFolder();
  const crm = await smallCrm(folder.path);
  await crm.backup();
  crm.sql("UPDATE contact SET name = 'later' WHERE id = 1");
  const newer = join(crm.attachments, "newer folder");
  mkdirSync(newer);
  {
    await using _disk = await mounted(newer);
    await refused(crm, newer);
  }
  rmSync(newer, { recursive: true });
  // As a container has a configuration file from outside.
  const outside = join(folder.path, "outside.yaml");
  writeFileSync(outside, "crm:\n  name: other\n");
  await using _file = await mounted(crm.configFile, outside);
  await refused(crm, crm.configFile);
});
