import assert from "node:assert/strict";
import {
  lchownSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { isHoldfastError } from "../../src/lib/errors.ts";
import { undoRestore } from "../../src/engine/undo.ts";
import { exact, missingOnly, smallCrm, type SmallCrm } from "../support/small-crm.ts";
import { temporaryFolder } from "../support/temp-folder.ts";

/** A CRM with folders in folders, backed up. */
async function backedUp(root: string): Promise<SmallCrm> {
  const crm = await smallCrm(root);
  mkdirSync(join(crm.attachments, "a", "b"), { recursive: true });
  for (const name of ["a/b/wanted.txt", "a/b/other.txt", "a/other.txt"])
    writeFileSync(join(crm.attachments, name), name);
  await crm.backup("incremental", { inconsistencies: "accept" });
  return crm;
}

const below = (folder: string): readonly string[] =>
  readdirSync(folder, { recursive: true, encoding: "utf8" }).toSorted();

test("a file whose folders are missing comes back with them, and with nothing else that was in them", async () => {
  using folder = temporaryFolder();
  const crm = await backedUp(folder.path);
  rmSync(join(crm.attachments, "a"), { recursive: true });
  const paths = ["/files/attachments/a/b/wanted.txt"];
  const plan = await crm.plan({ scope: { kind: "files", paths }, switches: missingOnly });
  assert.deepEqual([plan.counts.create, plan.neededFiles], [3, 1]);
  const report = await crm.apply(plan);
  assert.deepEqual([report.files, report.failed], [1, []]);
  assert.deepEqual(below(join(crm.attachments, "a")), ["b", "b/wanted.txt"]);

  const rest = await crm.plan({ scope: { kind: "files", paths: ["/files/attachments/a"] }, switches: missingOnly });
  assert.equal((await crm.apply(rest)).files, 2);
  assert.equal(readFileSync(join(crm.attachments, "a", "other.txt"), "utf8"), "a/other.txt");
});

for (const kind of ["file", "link"] as const) {
  test(`a folder takes the place of a ${kind} that stands there now, which an undo puts back`, async () => {
    using folder = temporaryFolder();
    const crm = await backedUp(folder.path);
    const place = join(crm.attachments, "a");
    const elsewhere = join(folder.path, "elsewhere");
    rmSync(place, { recursive: true });
    mkdirSync(elsewhere);
    if (kind === "file") writeFileSync(place, "newer");
    else symlinkSync(elsewhere, place);
    for (const switches of [missingOnly, { ...exact, createMissing: false }]) {
      const left = await crm.plan({ scope: { kind: "files", paths: ["/files/attachments/a"] }, switches });
      assert.deepEqual([left.counts.conflict, left.counts.update], [1, 0]);
    }
    const plan = await crm.plan();
    assert.deepEqual([plan.counts.update, plan.counts.create], [1, 4]);
    assert.deepEqual((await crm.apply(plan)).failed, []);
    assert.deepEqual(below(place), ["b", "b/other.txt", "b/wanted.txt", "other.txt"]);
    assert.deepEqual(below(elsewhere), []);
    await undoRestore(crm.engine, {}, crm.run);
    assert.equal(lstatSync(place).isDirectory(), false);
    assert.equal(
      kind === "file" ? readFileSync(place, "utf8") : readlinkSync(place),
      kind === "file" ? "newer" : elsewhere,
    );
  });
}

test("a folder of the CRM that is a link of its administrator comes back where it leads; anybody else's is not followed", async () => {
  using folder = temporaryFolder();
  const crm = await smallCrm(folder.path);
  const [disk, between] = [join(folder.path, "disk"), join(folder.path, "between")];
  mkdirSync(disk);
  renameSync(crm.attachments, join(disk, "documents"));
  symlinkSync("disk/documents", between);
  symlinkSync("../between", crm.attachments);
  await crm.backup();
  const logo = join(disk, "documents", "logo.bin");
  writeFileSync(logo, "later");
  rmSync(join(disk, "documents", "2026"), { recursive: true });
  const plan = await crm.plan();
  assert.deepEqual((await crm.apply(plan)).failed, []);
  assert.equal(lstatSync(crm.attachments).isSymbolicLink(), true);
  assert.deepEqual(
    [below(join(disk, "documents")), readFileSync(logo).length],
    [["2026", "2026/合同.txt", "logo.bin"], 100_000],
  );
  await undoRestore(crm.engine, {}, crm.run);
  assert.deepEqual([below(join(disk, "documents")), readFileSync(logo, "utf8")], [["logo.bin"], "later"]);
  // One that leads to what is not there is made there.
  rmSync(join(disk, "documents"), { recursive: true });
  await crm.apply(await crm.plan({ switches: missingOnly }));
  assert.deepEqual(below(join(disk, "documents")), ["2026", "2026/合同.txt", "logo.bin"]);
  if (process.geteuid?.() !== 0) return;
  lchownSync(between, 12_345, 12_345);
  await assert.rejects(crm.plan(), (error) => isHoldfastError(error, "target-unsafe"));
});
