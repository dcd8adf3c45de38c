import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { chmodSync, cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { copySnapshots, type CopyInput, type CopyReport } from "../../src/engine/copy.ts";
import type { Engine } from "../../src/engine/engine.ts";
import { applyRestore } from "../../src/engine/restore-apply.ts";
import { createRepositoryAt } from "../../src/engine/init.ts";
import { listSnapshots } from "../../src/engine/snapshots.ts";
import { verify } from "../../src/engine/verify.ts";
import { isHoldfastError } from "../../src/lib/errors.ts";
import { assertSameTrees } from "../support/compare-trees.ts";
import { type ResticSnapshot, resticOn } from "../support/restic.ts";
import { runCommand } from "../support/run-command.ts";
import { limits, smallCrm, type SmallCrm } from "../support/small-crm.ts";
import { temporaryFolder } from "../support/temp-folder.ts";

function offsite(crm: SmallCrm): { readonly location: string; readonly password: string } {
  return { location: join(crm.folder, "../offsite"), password: "another horse" };
}

function copy(crm: SmallCrm, more: Partial<CopyInput> = {}): Promise<CopyReport> {
  const input: CopyInput = {
    from: crm.access,
    to: offsite(crm),
    name: "offsite",
    points: [],
    missing: "create",
    limits,
    waitMs: 0,
    ...more,
  };
  return copySnapshots(crm.engine, input, crm.run);
}

/** A week of a CRM, and what stock restic keeps beside it. */
async function severalBackups(root: string): Promise<SmallCrm> {
  const crm = await smallCrm(root);
  await crm.backup();
  crm.sql("UPDATE contact SET name = 'changed' WHERE id % 3 = 0; INSERT INTO attachment VALUES (3, 1, 'new.bin')");
  writeFileSync(join(crm.attachments, "new.bin"), Buffer.alloc(3_000_000, "new"));
  await crm.backup();
  await resticOn(crm.access.location, crm.access.password).output("backup", crm.attachments, "--tag", "by-restic");
  return crm;
}

async function resticCopy(crm: SmallCrm): Promise<string> {
  const { access } = crm;
  const to = offsite(crm);
  const env = {
    ...process.env,
    RESTIC_REPOSITORY: to.location,
    RESTIC_PASSWORD: to.password,
    RESTIC_FROM_REPOSITORY: access.location,
    RESTIC_FROM_PASSWORD_COMMAND: `echo ${access.password}`,
  };
  const { code, stdout, stderr } = await runCommand("restic", ["--no-cache", "copy"], { env });
  assert.equal(code, 0, stderr);
  return stdout;
}

test("a copy is whole, is a repository of its own, and keeps what each snapshot was", async () => {
  using folder = temporaryFolder();
  const crm = await severalBackups(folder.path);
  const to = offsite(crm);
  await assert.rejects(copy(crm, { missing: "fail" }), (error) => isHoldfastError(error, "repository-missing"));

  const report = await copy(crm);
  assert.deepEqual([report.created, report.copied.length, report.present, report.damaged], [true, 3, 0, []]);
  const before = await resticOn(crm.access.location, crm.access.password).snapshots();
  const restic = resticOn(to.location, to.password);
  await restic.check();
  const after = (await restic.snapshots()) as readonly (ResticSnapshot & { readonly original?: string })[];
  for (const [index, { id, parent: _, ...kept }] of before.entries()) {
    const { id: copied, original, ...others } = after[index] ?? { id: "", original: "" };
    assert.deepEqual(others, { ...kept, short_id: copied.slice(0, 8) });
    assert.equal(original, id);
    assert.deepEqual(report.copied[index]?.copy, copied);
  }
  const checked = await verify(crm.engine, { repository: to, read: { kind: "all" }, limits }, crm.run);
  assert.deepEqual([checked.defects, checked.snapshots, checked.unusedBlobs], [[], 3, 0]);

  rmSync(crm.access.location, { recursive: true });
  const target = join(folder.path, "restored");
  await restic.restore(after[2]?.id ?? "", target);
  assertSameTrees(join(target, crm.attachments), crm.attachments, ["times", "root"]);
  const plan = await crm.plan({ repository: to, target: join(folder.path, "ours"), purpose: "replacement" });
  await applyRestore(crm.engine, { plan: plan.id, password: to.password, limits }, crm.run);
  assertSameTrees(join(folder.path, "ours/attachments"), crm.attachments, ["root"]);
});

test("a copy with the same key has the very packs of the first, and is a repository of its own all the same", async () => {
  using folder = temporaryFolder();
  const crm = await severalBackups(folder.path);
  const to = offsite(crm);
  const report = await copy(crm, { missing: "create-same-key" });
  assert.deepEqual([report.created, report.key, report.copied.length], [true, "same", 3]);
  const packs = (location: string): readonly string[] =>
    readdirSync(join(location, "data"), { recursive: true })
      .map(String)
      .filter((name) => name.length > 60)
      .toSorted();
  assert.deepEqual(packs(to.location), packs(crm.access.location));

  // Neither password opens the other repository.
  for (const access of [
    { ...to, password: crm.access.password },
    { ...crm.access, password: to.password },
  ]) {
    const opened = listSnapshots(crm.engine, { repository: access }, crm.run);
    await assert.rejects(opened, (error) => isHoldfastError(error, "password-wrong"));
  }
  const configOf = (access: { readonly location: string; readonly password: string }) =>
    resticOn(access.location, access.password).output("cat", "config");
  const [first, second] = await Promise.all(
    [crm.access, to].map(async (access) => JSON.parse(await configOf(access)) as Readonly<Record<string, unknown>>),
  );
  assert.notEqual(first?.["id"], second?.["id"]);
  assert.equal(first?.["chunker_polynomial"], second?.["chunker_polynomial"]);

  // Both go on by themselves, and the copy needs nothing of the first.
  await crm.backup();
  const next = await copy(crm);
  assert.deepEqual([next.key, next.copied.length, next.present], ["same", 1, 3]);
  await crm.backup("incremental", { repository: to });
  rmSync(crm.access.location, { recursive: true });
  const restic = resticOn(to.location, to.password);
  await restic.check();
  const checked = await verify(crm.engine, { repository: to, read: { kind: "all" }, limits }, crm.run);
  assert.deepEqual([checked.defects, checked.snapshots, checked.unusedBlobs], [[], 5, 0]);
  const target = join(folder.path, "restored");
  const made = (await restic.snapshots()).find(({ tags }) => tags?.includes("by-restic"));
  await restic.restore(made?.id ?? "", target);
  assertSameTrees(join(target, crm.attachments), crm.attachments, ["times", "root"]);

  const own = { location: join(folder.path, "own"), password: "third horse" };
  assert.equal((await copy(crm, { from: to, to: own })).key, "own");
  const late = copy(crm, { from: to, to: own, missing: "create-same-key" });
  await assert.rejects(late, (error) => isHoldfastError(error, "copy-other-key"));
});

test("nothing is copied twice, by us or by restic, whoever copied it first", async () => {
  using folder = temporaryFolder();
  const crm = await severalBackups(folder.path);
  const to = offsite(crm);
  await copy(crm);
  const packs = readdirSync(join(to.location, "data"), { recursive: true }).length;
  const again = await copy(crm);
  assert.deepEqual([again.copied, again.present, again.storedBytes, again.blobs], [[], 3, 0, 0]);
  assert.equal((await resticCopy(crm)).match(/skipping source snapshot/g)?.length, 3);
  assert.equal((await copy(crm, { from: to, to: crm.access })).present, 3, "copied back");
  assert.equal(readdirSync(join(to.location, "data"), { recursive: true }).length, packs);

  // A mark on one of the two is no reason to have it twice, and a copy of a copy is still the same snapshot.
  const restic = resticOn(crm.access.location, crm.access.password);
  await restic.output("tag", "--add", "audited", "latest");
  assert.deepEqual((await copy(crm)).copied, []);
  const third = { location: join(folder.path, "third"), password: "third horse" };
  assert.equal((await copy(crm, { from: to, to: third })).copied.length, 3);
  assert.deepEqual((await copy(crm, { to: third })).copied, []);

  rmSync(to.location, { recursive: true });
  await createRepositoryAt(crm.engine, to, crm.run);
  await resticCopy(crm);
  const ours = await copy(crm);
  assert.deepEqual([ours.copied, ours.present], [[], 3]);
});

test("a copy into a repository that is there leaves no storage open", async () => {
  using folder = temporaryFolder();
  const crm = await smallCrm(folder.path);
  await crm.backup();
  const open = new Set<string>();
  const engine: Engine = {
    ...crm.engine,
    async openStorage(location, options) {
      const storage = await crm.engine.openStorage(location, options);
      const id = `${location} ${randomUUID()}`;
      open.add(id);
      const close = async (): Promise<void> => {
        open.delete(id);
        await storage[Symbol.asyncDispose]();
      };
      return { ...storage, [Symbol.asyncDispose]: close };
    },
  };
  for (const created of [true, false]) {
    assert.equal((await copy({ ...crm, engine })).created, created);
    assert.deepEqual([...open], []);
  }
});

test("chosen points, one CRM, and what came since", async () => {
  using folder = temporaryFolder();
  const crm = await severalBackups(folder.path);
  const { snapshots } = await listSnapshots(crm.engine, { repository: crm.access }, crm.run);
  const first = { kind: "id", prefix: snapshots[0]?.id.slice(0, 8) ?? "" } as const;
  const one = await copy(crm, { points: [first] });
  assert.deepEqual(
    one.copied.map(({ id }) => id),
    [snapshots[0]?.id],
  );
  const latest = await copy(crm, { points: [{ kind: "latest" }, first] });
  assert.deepEqual([latest.copied.map(({ id }) => id), latest.present], [[snapshots[1]?.id], 1]);
  const acme = await copy(crm, { crm: "acme" });
  assert.deepEqual([acme.copied, acme.present], [[], 2], "restic's own snapshot is no backup of this CRM");
  await assert.rejects(copy(crm, { crm: "acne" }), (error) => isHoldfastError(error, "crm-unknown"));
  await assert.rejects(copy(crm, { to: crm.access }), (error) => isHoldfastError(error, "copy-same-repository"));
  await crm.backup();
  assert.deepEqual((await copy(crm)).copied.length, 2);
  await resticOn(offsite(crm).location, offsite(crm).password).check();
});

test("what is damaged here is not copied and is named; the rest is, and the next run heals", async () => {
  using folder = temporaryFolder();
  const crm = await smallCrm(folder.path);
  const { snapshot: sound } = await crm.backup();
  const kept = join(folder.path, "kept");
  cpSync(crm.access.location, kept, { recursive: true });
  const known = new Set(readdirSync(join(kept, "data"), { recursive: true }).map(String));
  writeFileSync(
    join(crm.attachments, "new.bin"),
    Buffer.from(Array.from({ length: 90_000 }, (_, at) => (at * at) >> 3)),
  );
  const { snapshot: hit } = await crm.backup();
  const { snapshot: after } = await crm.backup();
  const data = join(crm.access.location, "data");
  const packs = readdirSync(data, { recursive: true })
    .map(String)
    .filter((name) => name.length > 60 && !known.has(name))
    .map((name) => join(data, name));
  const pack = packs.toSorted((a, b) => readFileSync(b).length - readFileSync(a).length)[0] ?? "";
  const whole = readFileSync(pack);
  const broken = Buffer.from(whole);
  broken[100] = (broken[100] ?? 0) ^ 1;
  chmodSync(pack, 0o600);
  writeFileSync(pack, broken);

  const report = await copy(crm);
  assert.deepEqual(
    report.copied.map(({ id }) => id),
    [sound],
  );
  assert.deepEqual(
    report.damaged.map(({ id, missing, blobs }) => [id, missing, blobs.length]),
    [
      [hit, 1, 1],
      [after, 1, 1],
    ],
  );
  rmSync(pack);
  assert.equal((await copy(crm)).damaged.length, 2, "a pack that is gone");
  writeFileSync(pack, whole);
  const healed = await copy(crm);
  assert.deepEqual([healed.copied.length, healed.present, healed.damaged], [2, 1, []]);
  const checked = await verify(crm.engine, { repository: offsite(crm), read: { kind: "all" }, limits }, crm.run);
  assert.deepEqual(checked.defects, []);
});

test("a snapshot whose file is damaged is told of, since there is no copy of it", async () => {
  using folder = temporaryFolder();
  const crm = await severalBackups(folder.path);
  const snapshots = join(crm.access.location, "snapshots");
  const [damaged = ""] = readdirSync(snapshots);
  chmodSync(join(snapshots, damaged), 0o600);
  writeFileSync(join(snapshots, damaged), readFileSync(join(snapshots, damaged)).fill(0, 20, 30));
  const report = await copy(crm);
  assert.equal(report.copied.length, 2);
  assert.deepEqual(report.warnings, [{ code: "snapshot-unreadable", subject: damaged.slice(0, 8) }]);
});
