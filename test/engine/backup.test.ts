import assert from "node:assert/strict";
import { rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { openFor } from "../../src/engine/access.ts";
import { backup, predictBackup } from "../../src/engine/backup.ts";
import { listSnapshots } from "../../src/engine/snapshots.ts";
import { isHoldfastError } from "../../src/lib/errors.ts";
import { resticOn } from "../support/restic.ts";
import { limits, smallCrm } from "../support/small-crm.ts";
import { temporaryFolder } from "../support/temp-folder.ts";
import { until } from "../support/until.ts";

test("the three kinds store what changed since the right backup", async () => {
  using folder = temporaryFolder();
  const crm = await smallCrm(folder.path);
  const first = await crm.backup();
  assert.deepEqual([first.kind, first.outcome, first.rows.rows, first.files.files], ["full", "ok", 3005, 2]);

  crm.sql("UPDATE contact SET name = 'changed' WHERE id = 7; DELETE FROM contact WHERE id = 8");
  writeFileSync(join(crm.attachments, "new.txt"), "12345");
  crm.sql("INSERT INTO attachment VALUES (3, 1, 'new.txt')");
  const second = await crm.backup();
  assert.equal(second.kind, "incremental");
  assert.equal(second.parent, first.snapshot);
  assert.deepEqual([second.rows.changedRows, second.files.newFiles, second.files.changedFiles], [3, 1, 0]);
  assert.equal(second.files.changedBytes, 5);
  assert.ok(second.storedBytes < first.storedBytes);

  crm.sql("UPDATE contact SET amount = 1.5 WHERE id = 9");
  const third = await crm.backup("differential");
  assert.equal(third.lastFull, first.snapshot);
  assert.ok(third.sinceFullBytes > third.sincePreviousBytes);
  assert.equal(third.rows.changedRows, 4);

  const nothing = await crm.backup();
  assert.deepEqual([nothing.rows.changedRows, nothing.files.changedBytes, nothing.sincePreviousBytes], [0, 0, 0]);
  const full = await crm.backup("full");
  assert.equal(full.rows.readBytes > 0 && full.files.readBytes, 100_014);

  const { snapshots } = await listSnapshots(crm.engine, { repository: crm.access }, crm.run);
  assert.deepEqual(
    snapshots.map(({ kind, latest }) => [kind, latest]),
    [
      ["full", false],
      ["incremental", false],
      ["differential", false],
      ["incremental", false],
      ["full", true],
    ],
  );
  await resticOn(crm.access.location, crm.access.password).check();
});

test("a backup that waited for the repository is of the moment when it got it, and says so", async () => {
  using folder = temporaryFolder();
  const crm = await smallCrm(folder.path);
  await using repository = await openFor(crm.engine, crm.access, crm.run);
  const lock = await repository.lock("exclusive", { ...crm.run, waitMs: 0 });
  const waiting = crm.backup(undefined, { waitMs: 60_000 });
  await until(() => crm.events.some((event) => event.type === "note" && event.code === "waiting-for-lock"));
  crm.sql("INSERT INTO contact VALUES (9000, 'meanwhile', 0)");
  const written = Date.now();
  await lock[Symbol.asyncDispose]();
  const { rows, time } = await waiting;
  assert.equal(rows.rows, 3006);
  assert.ok(Date.parse(time) >= written, `${time} is before ${new Date(written).toISOString()}`);
});

test("a recovery point that was made by a clock that was ahead is told, as long as it counts as the newest", async () => {
  using folder = temporaryFolder();
  const crm = await smallCrm(folder.path);
  await crm.backup();
  const ahead = { ...crm.run, now: () => new Date(Date.now() + 86_400_000) };
  const { snapshot, time } = await backup(
    crm.engine,
    {
      ...{ crm: crm.description, configFile: crm.configFile, repository: crm.access, limits },
      waitMs: 0,
      inconsistencies: "warn",
    },
    ahead,
  );
  const told = { code: "point-ahead", subject: snapshot.slice(0, 8), detail: time };
  assert.equal(crm.events.filter(({ type }) => type === "warning").length, 0);
  assert.equal((await crm.backup()).outcome, "ok");
  assert.deepEqual(
    crm.events.filter(({ type }) => type === "warning"),
    [{ type: "warning", warning: told }],
  );
  const { warnings } = await crm.plan({ scope: { kind: "database" } });
  assert.deepEqual(warnings, [told]);
});

test("a row without its file is a warning once it is new, and known after", async () => {
  using folder = temporaryFolder();
  const crm = await smallCrm(folder.path);
  await crm.backup();
  crm.sql("INSERT INTO attachment VALUES (9, 1, 'gone.txt')");
  writeFileSync(join(crm.attachments, "stray.txt"), "nobody's");
  const old = new Date(Date.now() - 60_000);
  utimesSync(join(crm.attachments, "stray.txt"), old, old);
  await new Promise((resolve) => setTimeout(resolve, 20)); // a file as old as the database's moment is not judged
  const warned = await crm.backup();
  assert.equal(warned.outcome, "warning");
  assert.deepEqual(
    warned.warnings.map(({ code, subject, detail }) => [code, subject, detail]),
    [
      ["file-missing", "attachments/gone.txt", "attachment 9"],
      ["file-orphan", "attachments/stray.txt", undefined],
    ],
  );
  assert.equal((await crm.backup()).outcome, "warning", "still new, against the last backup that was ok");
  const accepted = await crm.backup(undefined, { inconsistencies: "accept" });
  assert.deepEqual([accepted.outcome, accepted.known.length], ["ok", 2]);
  const after = await crm.backup();
  assert.deepEqual([after.outcome, after.warnings.length, after.known.length], ["ok", 0, 2]);
});

test("a first backup with inconsistencies warns, and the next one knows them", async () => {
  using folder = temporaryFolder();
  const crm = await smallCrm(folder.path);
  crm.sql("INSERT INTO attachment VALUES (9, 1, 'gone.txt')");
  assert.equal((await crm.backup()).outcome, "warning");
  const second = await crm.backup();
  assert.deepEqual([second.outcome, second.known.length], ["ok", 1]);
});

test("what is not covered warns until somebody accepts it", async () => {
  using folder = temporaryFolder();
  const crm = await smallCrm(folder.path);
  const database = new DatabaseSync(crm.database, { defensive: false });
  database.function("pinyin", { deterministic: true }, (value) => value);
  database.exec("CREATE INDEX contact_sound ON contact(pinyin(name))");
  database.close();
  for (const time of ["first", "second"]) {
    const { outcome, warnings } = await crm.backup();
    assert.deepEqual(
      [outcome, warnings.map(({ code, subject }) => `${code} ${subject}`)],
      ["warning", ["not-covered contact_sound"]],
      time,
    );
  }
  assert.equal((await crm.backup(undefined, { inconsistencies: "accept" })).outcome, "ok");
  const after = await crm.backup();
  assert.deepEqual([after.outcome, after.known.map(({ subject }) => subject)], ["ok", ["contact_sound"]]);
});

test("without its database there is no snapshot", async () => {
  using folder = temporaryFolder();
  const crm = await smallCrm(folder.path);
  writeFileSync(crm.database, "this is not a database, but long enough to be taken for a file of one".repeat(20));
  await assert.rejects(crm.backup(), (error) => isHoldfastError(error));
  rmSync(crm.database);
  await assert.rejects(crm.backup(), (error) => isHoldfastError(error));
  const { snapshots } = await listSnapshots(crm.engine, { repository: crm.access }, crm.run);
  assert.deepEqual(snapshots, []);
});

test("a missing folder is a warning that names it", async () => {
  using folder = temporaryFolder();
  const crm = await smallCrm(folder.path);
  rmSync(crm.attachments, { recursive: true });
  const report = await crm.backup();
  assert.equal(report.outcome, "warning");
  assert.ok(report.warnings.some(({ code, subject }) => code === "part-missing" && subject === crm.attachments));
  // Nor does what is no folder, or leads nowhere, keep the database from being backed up.
  writeFileSync(crm.attachments, "no folder");
  const details = async (): Promise<unknown> => {
    const { warnings } = await crm.backup();
    return warnings.flatMap(({ code, detail }) => (code === "part-missing" ? [detail] : []));
  };
  assert.deepEqual(await details(), ["ENOTDIR"]);
  rmSync(crm.attachments);
  symlinkSync("nowhere", crm.attachments);
  assert.deepEqual(await details(), [undefined]);
});

test("a prediction stands beside the result, and a dry run writes nothing", async () => {
  using folder = temporaryFolder();
  const crm = await smallCrm(folder.path);
  const input = {
    crm: crm.description,
    configFile: crm.configFile,
    repository: crm.access,
    limits,
    waitMs: 0,
    inconsistencies: "warn",
  } as const;
  const predicted = await predictBackup(crm.engine, input, crm.run);
  const { snapshots } = await listSnapshots(crm.engine, { repository: crm.access }, crm.run);
  assert.equal(snapshots.length, 0);
  const report = await crm.backup();
  // Though folders are not walked for it: what the first backup found is what a look before it would have found.
  assert.deepEqual(report.prediction, predicted);
  assert.equal(predicted.kind, "full");
  assert.equal(predicted.files, report.files.files);
});

test("a backup that does what the one before it did is predicted to take and to store as much", async () => {
  using folder = temporaryFolder();
  const crm = await smallCrm(folder.path);
  await crm.backup();
  const before = await crm.backup();
  const { prediction, storedBytes } = await crm.backup();
  assert.ok(prediction, "a prediction");
  assert.ok(prediction.durationMs <= Math.max(500, 2 * before.durationMs), `${prediction.durationMs} ms`);
  assert.ok(prediction.storedBytes < 2 * storedBytes + 3000, `${prediction.storedBytes} bytes, not ${storedBytes}`);
});

test("a database and a repository inside a captured folder are no files of it, and no restore touches them", async () => {
  using folder = temporaryFolder();
  const crm = await smallCrm(folder.path);
  const description = { ...crm.description, files: [{ name: "all", path: folder.path }], attachments: [] };
  crm.sql("PRAGMA journal_mode = wal");
  const report = await crm.backup(undefined, { crm: description });
  assert.equal(report.files.files, 3, "two attachments and holdfast.yaml");
  writeFileSync(join(folder.path, "newer.txt"), "newer");
  const plan = await crm.plan({ scope: { kind: "files", paths: ["/files/all"] } });
  assert.deepEqual(
    plan.items.map(({ action, path }) => [action, path]),
    [["remove", join(folder.path, "newer.txt")]],
  );
});

test("a database whose pages are many times what its rows come to is predicted by the number of its rows", async () => {
  using folder = temporaryFolder();
  const crm = await smallCrm(folder.path);
  crm.sql("DELETE FROM attachment; DELETE FROM contact WHERE id > 3; VACUUM");
  rmSync(join(crm.attachments, "logo.bin"));
  let seconds = 0;
  // Each look at the clock is two seconds after the last: far more than any backup takes by itself.
  const slow = { ...crm.run, now: () => new Date(Date.UTC(2026, 10, 22) + 2000 * seconds++) };
  const input = { crm: crm.description, configFile: crm.configFile, repository: crm.access, limits };
  const one = () => backup(crm.engine, { ...input, waitMs: 0, inconsistencies: "accept" }, slow);
  await one();
  const before = await one();
  const { prediction, storedBytes, durationMs } = await one();
  assert.ok(prediction && before.durationMs > 2000, `${before.durationMs} ms`);
  assert.ok(prediction.durationMs <= 2 * durationMs, `${prediction.durationMs} ms, not ${durationMs}`);
  assert.ok(prediction.storedBytes <= 2 * storedBytes, `${prediction.storedBytes} bytes, not ${storedBytes}`);
});
