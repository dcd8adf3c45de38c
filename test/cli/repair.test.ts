import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { chmodSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { resticOn } from "../support/restic.ts";
import { type CliCrm, cliCrm, password } from "./cli-crm.ts";

function filesIn(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

/** Plans, and does what the plan's own last line says. */
async function repaired(crm: CliCrm, ...args: readonly string[]): Promise<string> {
  const plan = await crm.run(["repair", ...args]);
  assert.equal(plan.code, 0, plan.stderr);
  const apply = /^ {2}holdfast (repair .*--apply \w+)$/m.exec(plan.stdout)?.[1];
  assert.ok(apply, plan.stdout);
  const done = await crm.run(apply.split(" "));
  assert.equal(done.code, 0, done.stderr);
  assert.match(done.stdout, /Repaired\./);
  return done.stdout;
}

test("a damaged repository: found, named, repaired step by step, and sound again", async () => {
  using crm = cliCrm();
  for (const args of [["init"], ["backup"]]) assert.equal((await crm.run(args)).code, 0);
  const backups = join(crm.folder, "backups");
  writeFileSync(join(crm.folder, "attachments/new.bin"), Buffer.alloc(40_000, "new"));
  assert.ok([0, 3].includes((await crm.run(["backup"])).code ?? 1));

  const [pack = ""] = filesIn(join(backups, "data")).toSorted((a, b) => statSync(b).size - statSync(a).size);
  chmodSync(pack, 0o600);
  const bytes = readFileSync(pack);
  bytes[60] = (bytes[60] ?? 0) ^ 1;
  writeFileSync(pack, bytes);
  for (const index of filesIn(join(backups, "index"))) rmSync(index);

  const found = await crm.run(["verify", "--read-data"]);
  assert.equal(found.code, 40);
  assert.match(found.stdout, /touches [0-9a-f]{8}.*repair index/s);
  const first = await crm.run(["repair", "snapshots"]);
  assert.equal(first.code, 2);
  assert.match(first.stderr, /repaired first: the index/);

  assert.match(await repaired(crm, "index"), /Named in the index: \d+ packs/);
  assert.match(await repaired(crm, "packs"), /was damaged: .* saved, 1 lost/);
  // The CRM still has all of it.
  const backup = await crm.run(["backup"]);
  assert.ok([0, 3].includes(backup.code ?? 1), backup.stderr);
  const snapshots = await crm.json(["repair", "snapshots"]);
  assert.equal(snapshots.code, 0, snapshots.stderr);
  if (snapshots.records.at(-1)?.["needed"] === true) await repaired(crm, "snapshots");
  const sound = await crm.run(["verify", "--read-data"]);
  assert.equal(sound.code, 0, sound.stdout);
  assert.match(sound.stdout, /All of it was read on this machine since/);
  await resticOn(backups, password).check();
  for (const what of ["index", "packs", "snapshots"]) {
    assert.match((await crm.run(["repair", what])).stdout, /nothing to repair/);
  }
});

test("damage inside of a pack that verify has read is not passed over by who repairs the snapshots only", async () => {
  using crm = cliCrm();
  for (const args of [["init"], ["backup"]]) assert.equal((await crm.run(args)).code, 0);
  writeFileSync(join(crm.folder, "attachments/new.bin"), randomBytes(400_000));
  assert.ok([0, 3].includes((await crm.run(["backup"])).code ?? 1));
  const [pack = ""] = filesIn(join(crm.folder, "backups/data")).toSorted((a, b) => statSync(b).size - statSync(a).size);
  chmodSync(pack, 0o600);
  const sound = readFileSync(pack);
  const bytes = Buffer.from(sound);
  bytes[60] = (bytes[60] ?? 0) ^ 1;
  writeFileSync(pack, bytes);
  // Nobody has seen it yet: no more is said than was looked for.
  assert.match((await crm.run(["repair", "snapshots"])).stdout, /nothing to repair.*all of them.*repair packs/s);

  // A repair of packs that was only planned has; and when they were sound again, the next one forgets it.
  assert.match((await crm.run(["repair", "packs"])).stdout, /is damaged/);
  assert.match((await crm.run(["repair", "snapshots"])).stderr, /repaired first: the packs/);
  writeFileSync(pack, sound);
  assert.match((await crm.run(["repair", "packs"])).stdout, /nothing to repair/);
  // All of them were read, and one more is read now.
  assert.match(
    (await crm.run(["verify", "--read-data-subset", "1%"])).stdout,
    /All of it was read on this machine since/,
  );
  writeFileSync(pack, bytes);
  assert.match((await crm.run(["repair", "snapshots"])).stdout, /nothing to repair/);

  assert.equal((await crm.run(["verify", "--read-data"])).code, 40);
  const first = await crm.run(["repair", "snapshots"]);
  assert.equal(first.code, 2, first.stdout);
  assert.match(first.stderr, /repaired first: the packs/);
  const index = await crm.run(["repair", "index"]);
  assert.match(index.stdout, /is damaged; `holdfast repair packs`/);
  assert.doesNotMatch(index.stdout, /nothing to repair/);
  // What was remembered is looked at again, not believed.
  writeFileSync(pack, sound);
  assert.match((await crm.run(["repair", "snapshots"])).stdout, /nothing to repair/);
  writeFileSync(pack, bytes);
  assert.match(await repaired(crm, "packs"), /was damaged: .* saved, 1 lost/);
  assert.match(await repaired(crm, "snapshots"), /It lacks:/);
  assert.equal((await crm.run(["verify", "--read-data"])).code, 0);
});

test("a plan that is not the repository's any more is not applied", async () => {
  using crm = cliCrm();
  for (const args of [["init"], ["backup"]]) assert.equal((await crm.run(args)).code, 0);
  const stale = await crm.run(["repair", "index", "--apply", "0123456789ab"]);
  assert.equal(stale.code, 31);
  assert.equal((await crm.run(["repair", "index", "--lost"])).code, 2);
  assert.equal((await crm.run(["repair", "everything"])).code, 2);
  assert.equal((await crm.run(["verify", "--read-data-subset", "7/3"])).code, 2);
});

test("a recovery point whose file was deleted is told of, and brought back", async () => {
  using crm = cliCrm();
  for (const args of [["init"], ["backup"]]) assert.equal((await crm.run(args)).code, 0);
  const folder = join(crm.folder, "backups/snapshots");
  for (const file of filesIn(folder)) rmSync(file);
  const told = await crm.run(["verify"]);
  assert.equal(told.code, 0);
  assert.match(told.stdout, /1 snapshot may have been lost.*repair snapshots --lost/s);
  assert.match((await crm.run(["repair", "snapshots"])).stdout, /nothing to repair/);
  assert.match(await repaired(crm, "snapshots", "--lost"), /brought back/);
  const target = join(crm.folder, "../restored");
  const plan = await crm.json(["restore", "plan", "latest", "--target", target, "--as", "replacement"]);
  assert.equal(plan.code, 0, plan.stderr);
  const id = String(plan.records.at(-1)?.["id"]);
  assert.equal((await crm.run(["restore", "apply", id])).code, 0);
});
