import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { sqliteEngine } from "../../src/database/sqlite/sqlite.ts";
import { applyRestore } from "../../src/engine/restore-apply.ts";
import type { RestoreSwitches } from "../../src/engine/restore-plan.ts";
import { listUndoable, undoRestore } from "../../src/engine/undo.ts";
import { isHoldfastError, type ErrorCode } from "../../src/lib/errors.ts";
import type { Event } from "../../src/lib/events.ts";
import { localStorage } from "../../src/storage/local.ts";
import { createCheapRepository } from "../support/cheap-key.ts";
import { compareDatabases } from "../support/compare-databases.ts";
import { assertSameTrees } from "../support/compare-trees.ts";
import { exact, limits, missingOnly, smallCrm, type SmallCrm } from "../support/small-crm.ts";
import { temporaryFolder } from "../support/temp-folder.ts";
import { postgres } from "../support/postgres-capture.ts";
import { until } from "../support/until.ts";

/** A CRM that was backed up, and a copy of it as it was then. */
async function backedUp(root: string): Promise<SmallCrm & { readonly was: string }> {
  const crm = await smallCrm(root);
  await crm.backup();
  const was = join(root, "was");
  copy(crm.folder, was);
  return { ...crm, was };
}

function assertAsBackedUp(crm: SmallCrm & { readonly was: string }, folder = crm.folder): void {
  assert.deepEqual(compareDatabases(join(crm.was, "crm.db"), join(folder, "crm.db")), []);
  assertSameTrees(join(folder, "attachments"), join(crm.was, "attachments"), ["root", "folder-times"]);
}

const copy = (from: string, to: string) => execFileSync("cp", ["-a", from, to]);
const fails = (code: ErrorCode) => (error: unknown) => isHoldfastError(error, code);

test("puts one deleted attachment back, and takes it back again", async () => {
  using folder = temporaryFolder();
  const crm = await backedUp(folder.path);
  rmSync(join(crm.attachments, "2026", "合同.txt"));
  writeFileSync(join(crm.attachments, "logo.bin"), "changed since, and none of our business");
  const plan = await crm.plan({
    scope: { kind: "files", paths: ["/files/attachments/2026/合同.txt"] },
    switches: missingOnly,
  });
  assert.deepEqual([plan.counts.create, plan.confirm], [1, undefined]);
  const report = await crm.apply(plan);
  assert.deepEqual([report.files, report.failed], [1, []]);
  assert.equal(readFileSync(join(crm.attachments, "2026", "合同.txt"), "utf8"), "contract\n");
  await undoRestore(crm.engine, {}, crm.run);
  assert.equal(existsSync(join(crm.attachments, "2026", "合同.txt")), false);
});

test("a restore into a new place that is cancelled or dropped leaves nothing of it, but what others put there", async () => {
  using folder = temporaryFolder();
  const crm = await backedUp(folder.path);
  const place = join(folder.path, "new");
  const target = join(place, "deep", "copy");
  const plan = await crm.plan({ target, purpose: "replacement" });
  /** Ended by `end` as soon as it has made the place. */
  const cutOff = async (end: (stop: AbortController) => void) => {
    const stop = new AbortController();
    const report = () => {
      if (existsSync(target) && !stop.signal.aborted) end(stop);
    };
    const input = { plan: plan.id, password: crm.access.password, limits };
    await assert.rejects(applyRestore(crm.engine, input, { ...crm.run, signal: stop.signal, report }));
  };
  await cutOff((stop) => stop.abort());
  assert.equal(existsSync(place), false);
  await cutOff((stop) => {
    writeFileSync(join(place, "deep", "note.txt"), "somebody else's");
    stop.abort();
  });
  const left = readdirSync(place, { recursive: true, encoding: "utf8" });
  assert.deepEqual(left.toSorted(), ["deep", "deep/note.txt"]);
  rmSync(place, { recursive: true });

  // As kill -9 leaves it: nothing is tidied up, and the record knows what there is.
  const killed = join(folder.path, "killed");
  await cutOff((stop) => {
    copy(join(crm.engine.stateFolder, "restores"), killed);
    copy(place, `${killed}.place`);
    stop.abort();
  });
  copy(`${killed}/.`, join(crm.engine.stateFolder, "restores"));
  copy(`${killed}.place`, place);
  await undoRestore(crm.engine, {}, crm.run);
  assert.equal(existsSync(place), false);
  assert.equal((await crm.apply(plan)).failed.length, 0);
  assertAsBackedUp(crm, target);
});

test("the whole CRM, exactly as it was; and undone, exactly as it was before", async () => {
  using folder = temporaryFolder();
  const crm = await backedUp(folder.path);
  crm.sql("UPDATE contact SET name = 'BAD'; DELETE FROM attachment; CREATE TABLE newer (x)");
  writeFileSync(join(crm.attachments, "newer.txt"), "newer");
  writeFileSync(join(crm.attachments, "logo.bin"), "bad");
  rmSync(join(crm.attachments, "2026"), { recursive: true });
  const before = join(folder.path, "before");
  copy(crm.folder, before);

  const plan = await crm.plan();
  assert.equal(plan.confirm, "acme");
  const report = await crm.apply(plan);
  assert.deepEqual(report.failed, []);
  assertAsBackedUp(crm);
  const [undoable] = await listUndoable(crm.engine);
  assert.deepEqual([undoable?.id, undoable?.state], [report.undo, "done"]);

  await undoRestore(crm.engine, {}, crm.run);
  assert.deepEqual(compareDatabases(join(before, "crm.db"), crm.database), []);
  assertSameTrees(crm.attachments, join(before, "attachments"), ["root", "folder-times"]);
  await assert.rejects(undoRestore(crm.engine, {}, crm.run), fails("undo-none"));
});

test("comes back where nothing is left of it", async () => {
  using folder = temporaryFolder();
  const crm = await backedUp(folder.path);
  rmSync(crm.folder, { recursive: true });
  const plan = await crm.plan({ switches: missingOnly });
  assert.equal(plan.confirm, undefined);
  await crm.apply(plan);
  assertAsBackedUp(crm);
  assert.equal(readFileSync(crm.configFile, "utf8"), readFileSync(join(crm.was, "holdfast.yaml"), "utf8"));
});

test("a database with its -wal and -shm is moved aside with them, and need not be readable", async () => {
  using folder = temporaryFolder();
  const crm = await backedUp(folder.path);
  writeFileSync(crm.database, Buffer.alloc(10_000, "garbage"));
  writeFileSync(`${crm.database}-wal`, "wal");
  writeFileSync(`${crm.database}-shm`, "shm");
  chmodSync(crm.database, 0o640);
  const report = await crm.apply(await crm.plan({ scope: { kind: "database" } }));
  assert.deepEqual(compareDatabases(join(crm.was, "crm.db"), crm.database), []);
  assert.equal(existsSync(`${crm.database}-wal`), false);
  assert.equal(statSync(crm.database).mode & 0o777, 0o640);
  const kept = report.kept.map((path) => readFileSync(path).length);
  assert.deepEqual(
    kept.toSorted((a, b) => a - b),
    [3, 3, 10_000],
  );
  await undoRestore(crm.engine, {}, crm.run);
  assert.equal(readFileSync(crm.database).length, 10_000);
  assert.equal(readFileSync(`${crm.database}-wal`, "utf8"), "wal");
});

const switchCases: readonly (readonly [string, RestoreSwitches, readonly unknown[]])[] = [
  ["create missing", missingOnly, [1, "now", "newer", 2]],
  ["update changed", { ...missingOnly, createMissing: false, updateChanged: true }, [0, "张伟 2", "newer", 1]],
  ["remove newer", { ...missingOnly, createMissing: false, removeNewer: true }, [0, "now", undefined, 1]],
  ["all three", exact, [1, "张伟 2", undefined, 2]],
];
for (const [name, switches, [created, second, newer, logs]] of switchCases) {
  test(`three switches for rows: ${name}`, async () => {
    using folder = temporaryFolder();
    const crm = await backedUp(folder.path);
    crm.sql(`
      DELETE FROM contact WHERE id = 5;
      UPDATE contact SET name = 'now' WHERE id = 2;
      INSERT INTO contact VALUES (9000, 'newer', 0);
      DELETE FROM log; INSERT INTO log VALUES ('a'), ('c')`);
    await crm.apply(await crm.plan({ scope: { kind: "database" }, switches }));
    const nameOf = (id: number) =>
      (crm.rows(`SELECT name FROM contact WHERE id = ${id}`)[0] as { name: string } | undefined)?.name;
    assert.equal(crm.rows("SELECT 1 FROM contact WHERE id = 5").length, created);
    assert.equal(nameOf(2), second);
    assert.equal(nameOf(9000), newer);
    assert.equal(crm.rows("SELECT line FROM log WHERE line = 'a'").length, logs);
  });
}

test("what is written while rows are being merged stays: the restore ends before it replaces anything", async () => {
  using folder = temporaryFolder();
  const crm = await backedUp(folder.path);
  crm.sql("DELETE FROM contact WHERE id = 5");
  const plan = await crm.plan({ scope: { kind: "database" }, switches: missingOnly });
  const load: typeof sqliteEngine.load = async (...input) => {
    await sqliteEngine.load(...input);
    crm.sql("INSERT INTO contact VALUES (9001, 'written meanwhile', 0)");
  };
  const input = { plan: plan.id, password: crm.access.password, limits, crms: [crm.description], confirm: "acme" };
  const restored = applyRestore({ ...crm.engine, databases: [{ ...sqliteEngine, load }] }, input, crm.run);
  await assert.rejects(restored, fails("plan-outdated"));
  assert.equal(crm.rows("SELECT 1 FROM contact WHERE id = 9001").length, 1);
  assert.deepEqual(readdirSync(crm.folder).toSorted(), ["attachments", "crm.db", "holdfast.yaml"]);
  await crm.apply(await crm.plan({ scope: { kind: "database" }, switches: missingOnly }));
  assert.equal(crm.rows("SELECT 1 FROM contact WHERE id IN (5, 9001)").length, 2);
});

test("a log that a killed process left of a restored database is not read into the one that an undo puts back", async () => {
  using folder = temporaryFolder();
  const crm = await smallCrm(folder.path);
  crm.sql("PRAGMA journal_mode = wal");
  await crm.backup();
  crm.sql("UPDATE contact SET name = 'before the restore'");
  await crm.apply(await crm.plan({ scope: { kind: "database" } }));
  const log = `${crm.database}-wal`;
  assert.equal(existsSync(log), false);
  const kept = join(folder.path, "kept");
  {
    using connection = new DatabaseSync(crm.database);
    connection.exec("UPDATE contact SET name = 'after the restore'");
    copy(crm.database, kept);
    copy(log, `${kept}-wal`);
  }
  copy(kept, crm.database);
  copy(`${kept}-wal`, log);
  const { restored } = await undoRestore(crm.engine, {}, crm.run);
  assert.deepEqual(restored, [crm.database]);
  assert.equal(existsSync(log), false);
  assert.deepEqual(
    crm.rows("SELECT DISTINCT name FROM contact").map((row) => ({ ...(row as object) })),
    [{ name: "before the restore" }],
  );
});

test("elsewhere it must be said what for; a clone is made harmless, a replacement is not", async () => {
  using folder = temporaryFolder();
  const crm = await backedUp(folder.path);
  const target = join(folder.path, "elsewhere");
  await assert.rejects(crm.plan({ target }), fails("purpose-needed"));
  mkdirSync(target);
  writeFileSync(join(target, "something"), "");
  await assert.rejects(crm.plan({ target, purpose: "clone" }), fails("target-not-empty"));
  rmSync(join(target, "something"));

  const clone = await crm.plan({ target, purpose: "clone" });
  assert.deepEqual(clone.neutralised, ["custom-statements"]);
  await crm.apply(clone);
  const names = (file: string): readonly unknown[] => {
    using connection = new DatabaseSync(file, { readOnly: true });
    return connection.prepare("SELECT DISTINCT name FROM contact").all();
  };
  assert.equal(names(join(target, "crm.db")).length, 1);
  assert.deepEqual(readdirSync(target).toSorted(), ["attachments", "crm.db"], "a clone does not back itself up");
  assert.equal(names(crm.database).length, 3000);

  const other = join(folder.path, "other");
  await crm.apply(await crm.plan({ target: other, purpose: "replacement" }));
  assertAsBackedUp(crm, other);
  assert.deepEqual(await listUndoable(crm.engine), []);
});

test("a clone that cannot be made harmless is refused", async () => {
  using folder = temporaryFolder();
  const crm = await smallCrm(folder.path);
  await crm.backup(undefined, { crm: { ...crm.description, neutralise: [] } });
  const target = join(folder.path, "elsewhere");
  await assert.rejects(crm.plan({ target, purpose: "clone" }), fails("clone-unsupported"));
});

test("a plan holds only while its target is as it was seen", async () => {
  using folder = temporaryFolder();
  const crm = await backedUp(folder.path);
  crm.sql("UPDATE contact SET name = 'BAD'");
  const plan = await crm.plan();
  writeFileSync(join(crm.attachments, "logo.bin"), "touched since");
  await assert.rejects(crm.apply(plan), fails("plan-outdated"));
  assert.deepEqual(readdirSync(crm.folder).toSorted(), ["attachments", "crm.db", "holdfast.yaml"]);
  const second = await crm.plan();
  crm.sql("UPDATE contact SET name = 'newer'");
  await assert.rejects(crm.apply(second), fails("plan-outdated"));
  await assert.rejects(crm.apply({ ...second, id: "ffffffff" }), fails("plan-unknown"));
  // What is written to a database in WAL mode stands beside its file at first, which stays as it was.
  using connection = new DatabaseSync(crm.database);
  connection.exec("PRAGMA journal_mode = wal; PRAGMA wal_autocheckpoint = 0; UPDATE contact SET name = 'in the log'");
  const third = await crm.plan();
  const before = statSync(crm.database).mtimeMs;
  connection.exec("UPDATE contact SET name = 'later in the log'");
  assert.equal(statSync(crm.database).mtimeMs, before);
  await assert.rejects(crm.apply(third), fails("plan-outdated"));
});

test("a plan is of one repository, not of what lies in its place by now", async () => {
  using folder = temporaryFolder();
  const crm = await backedUp(folder.path);
  crm.sql("UPDATE contact SET name = 'BAD'");
  const plan = await crm.plan();
  const { location, password } = crm.access;
  rmSync(location, { recursive: true });
  const opening = { signal: crm.run.signal, now: crm.run.now, host: crm.engine.host };
  await using _other = await createCheapRepository(localStorage(location), password, opening);
  await assert.rejects(crm.apply(plan), fails("plan-outdated"));
});

test("a live CRM is replaced only by its name", async () => {
  using folder = temporaryFolder();
  const crm = await backedUp(folder.path);
  crm.sql("UPDATE contact SET name = 'BAD'");
  const { confirm: _, ...unconfirmed } = await crm.plan();
  await assert.rejects(crm.apply(unconfirmed), fails("confirm-needed"));
});

test("a process that holds the database open is named, and nothing is done", async () => {
  using folder = temporaryFolder();
  const crm = await backedUp(folder.path);
  crm.sql("UPDATE contact SET name = 'BAD'");
  const plan = await crm.plan();
  const holder = spawn("tail", ["-f", crm.database], { stdio: "ignore" });
  try {
    await once(holder, "spawn");
    await new Promise((resolve) => setTimeout(resolve, 200));
    await assert.rejects(
      crm.apply(plan),
      (error) => isHoldfastError(error, "target-in-use") && error.facts["pid"] === holder.pid,
    );
    // Told before anything is built, not after it.
    assert.equal(
      crm.events.some((event) => event.type === "phase" && event.phase === "swap"),
      false,
    );
  } finally {
    holder.kill();
    await once(holder, "exit");
  }
  await crm.apply(plan);
  assertAsBackedUp(crm);
});

test("a process that opens the database while its new one is built is named too, and so it is on the way back", async () => {
  using folder = temporaryFolder();
  const crm = await backedUp(folder.path);
  crm.sql("UPDATE contact SET name = 'BAD'");
  let holder = 0;
  const hold = () => {
    const command = `tail -f '${crm.database}' > /dev/null 2>&1 & echo $!; while ! ls -l /proc/$!/fd | grep -q crm.db; do sleep 0.05; done`;
    holder = Number(execFileSync("sh", ["-c", command], { encoding: "utf8" }));
  };
  const isHeld = (error: unknown): boolean => isHoldfastError(error, "target-in-use") && error.facts["pid"] === holder;
  const { id } = await crm.plan({ scope: { kind: "database" } });
  const input = { plan: id, password: crm.access.password, limits, confirm: "acme" };
  const report = (event: Event) => {
    if (event.type === "phase" && event.phase === "swap") hold();
  };
  try {
    await assert.rejects(applyRestore(crm.engine, input, { ...crm.run, report }), isHeld);
    assert.deepEqual(readdirSync(crm.folder).toSorted(), ["attachments", "crm.db", "holdfast.yaml"]);
    process.kill(holder);
    await until(() => !existsSync(`/proc/${holder}`));
    const { undo = "" } = await crm.apply(await crm.plan({ scope: { kind: "database" } }));
    hold();
    await assert.rejects(undoRestore(crm.engine, { id: undo }, crm.run), isHeld);
    process.kill(holder);
    await until(() => !existsSync(`/proc/${holder}`));
    await undoRestore(crm.engine, { id: undo }, crm.run);
    assert.equal(crm.rows("SELECT 1 FROM contact WHERE name = 'BAD'").length, 3000);
  } finally {
    if (existsSync(`/proc/${holder}`)) process.kill(holder);
  }
});

test("what the last three restores replaced is kept, no more", async () => {
  using folder = temporaryFolder();
  const crm = await backedUp(folder.path);
  for (let round = 0; round < 5; round++) {
    crm.sql(`UPDATE contact SET name = 'round ${round}'`);
    await crm.apply(await crm.plan({ scope: { kind: "database" } }));
  }
  assert.equal((await listUndoable(crm.engine)).length, 3);
  assert.equal(readdirSync(crm.folder).filter((name) => name.startsWith(".holdfast-")).length, 3);
  await crm.backup();
  await crm.apply(await crm.plan({ target: join(folder.path, "copy"), purpose: "replacement" }));
  assert.deepEqual(readdirSync(join(folder.path, "copy")).toSorted(), ["attachments", "crm.db", "holdfast.yaml"]);
});

test("what was replaced last is kept, and taken back first, though the clock has gone back since", async () => {
  using folder = temporaryFolder();
  const crm = await backedUp(folder.path);
  const restored = async (round: number, now: () => Date) => {
    crm.sql(`UPDATE contact SET name = 'round ${round}'`);
    const plan = await crm.plan({ scope: { kind: "database" } });
    const input = { plan: plan.id, password: crm.access.password, limits, confirm: "acme" };
    return await applyRestore(crm.engine, input, { ...crm.run, now });
  };
  for (let round = 0; round < 3; round++) await restored(round, crm.run.now);
  const { undo } = await restored(3, () => new Date("2020-01-01"));
  assert.equal((await listUndoable(crm.engine))[0]?.id, undo);
  await undoRestore(crm.engine, {}, crm.run);
  assert.deepEqual(crm.rows("SELECT id FROM contact WHERE name <> 'round 3'"), []);
});

test("a restore is done though what an old one replaced cannot be removed: its server is there no more", async () => {
  using folder = temporaryFolder();
  const crm = await backedUp(folder.path);
  const url = (name: string) => `postgresql://nobody@127.0.0.1:1/${name}`;
  const databases = [{ target: url("crm"), slot: url("crm_new"), aside: url("crm_old"), made: "1", old: "2" }];
  const file = join(crm.engine.stateFolder, "restores", "0ld.json");
  const record = {
    version: 1,
    id: "0ld",
    plan: "0ld",
    crm: "acme",
    location: crm.access.location,
    time: "2025-01-01T00:00:00.000Z",
  };
  mkdirSync(join(crm.engine.stateFolder, "restores"), { recursive: true });
  writeFileSync(file, JSON.stringify({ ...record, state: "done", folders: [], made: [], steps: [], databases }));
  const engine = { ...crm.engine, databases: [...crm.engine.databases, postgres] };
  for (let round = 0; round < 4; round++) {
    crm.sql(`UPDATE contact SET name = 'round ${round}'`);
    const plan = await crm.plan({ scope: { kind: "database" } });
    const input = { plan: plan.id, password: crm.access.password, limits, confirm: "acme" };
    const { undo, warnings } = await applyRestore(engine, input, crm.run);
    assert.equal(undo, plan.id);
    assert.deepEqual(
      warnings.map(({ code, subject }) => [code, subject]),
      round < 2 ? [] : [["old-restore-kept", "0ld"]],
    );
  }
  assert.equal(existsSync(file), true, "tried again after the next one");
});

test("a moment is the newest backup at or before it; latest is the newest that is ok", async () => {
  using folder = temporaryFolder();
  const crm = await smallCrm(folder.path);
  const beginning = new Date();
  await new Promise((resolve) => setTimeout(resolve, 5));
  const first = await crm.backup();
  const between = new Date();
  await new Promise((resolve) => setTimeout(resolve, 5));
  crm.sql("INSERT INTO attachment VALUES (9, 1, 'gone.txt')");
  const second = await crm.backup();
  assert.equal(second.outcome, "warning");
  const latest = await crm.plan();
  assert.equal(latest.snapshot.id, first.snapshot);
  assert.deepEqual(
    latest.warnings.map(({ code, subject }) => [code, subject]),
    [["newer-with-warnings", second.snapshot.slice(0, 8)]],
  );
  const byId = await crm.plan({ point: { kind: "id", prefix: second.snapshot.slice(0, 10) } });
  assert.equal(byId.snapshot.outcome, "warning");
  assert.equal((await crm.plan({ point: { kind: "moment", time: between } })).snapshot.id, first.snapshot);
  await assert.rejects(
    crm.plan({ point: { kind: "moment", time: beginning } }),
    (error) => isHoldfastError(error, "moment-too-early") && error.facts["earliest"] === first.time,
  );
  await assert.rejects(crm.plan({ point: { kind: "id", prefix: "ffff" } }), fails("snapshot-unknown"));
});

test("an undo whose kept things somebody removed says so, and is not offered", async () => {
  using folder = temporaryFolder();
  const crm = await backedUp(folder.path);
  crm.sql("UPDATE contact SET name = 'BAD'");
  const { undo = "" } = await crm.apply(await crm.plan({ scope: { kind: "database" } }));
  rmSync(join(crm.folder, `.holdfast-${undo}`), { recursive: true });
  assert.deepEqual(await listUndoable(crm.engine), []);
  await assert.rejects(undoRestore(crm.engine, { id: undo }, crm.run), fails("undo-lost"));
  assertAsBackedUp(crm);
});

test("files replaced in another folder are kept too, and come back", async () => {
  using folder = temporaryFolder();
  const crm = await backedUp(folder.path);
  const target = join(folder.path, "elsewhere");
  mkdirSync(join(target, "attachments"), { recursive: true });
  writeFileSync(join(target, "attachments", "logo.bin"), "somebody's own");
  const report = await crm.apply(await crm.plan({ scope: { kind: "files", paths: ["/files/attachments"] }, target }));
  assertSameTrees(join(target, "attachments"), join(crm.was, "attachments"), ["root", "folder-times"]);
  assert.equal(report.kept.length, 1);
  await undoRestore(crm.engine, { id: report.undo ?? "" }, crm.run);
  assert.equal(readFileSync(join(target, "attachments", "logo.bin"), "utf8"), "somebody's own");
});

test("a link planted in the way while a restore is built is not followed", async () => {
  using folder = temporaryFolder();
  const crm = await backedUp(folder.path);
  const outside = join(folder.path, "outside");
  mkdirSync(outside);
  const [inside, moved] = [join(crm.attachments, "2026"), join(folder.path, "moved")];
  const lost = join(inside, "合同.txt");
  /** In its place, as soon as that phase begins. */
  const plantAt = (phase: string) => ({
    ...crm.run,
    report: (event: Event) => {
      if (event.type !== "phase" || event.phase !== phase) return;
      renameSync(inside, moved);
      symlinkSync(outside, inside);
    },
  });
  const takeAway = () => {
    rmSync(inside);
    renameSync(moved, inside);
  };
  const plan = () => crm.plan({ scope: { kind: "files", paths: ["/files/attachments"] } });
  const [created, removed] = [join(outside, "合同.txt"), join(outside, "newer.txt")];

  rmSync(lost);
  writeFileSync(join(inside, "newer.txt"), "newer");
  const input = { plan: (await plan()).id, password: crm.access.password, limits };
  await assert.rejects(applyRestore(crm.engine, input, plantAt("swap")), fails("target-unsafe"));
  assert.deepEqual([existsSync(created), readdirSync(crm.folder).length], [false, 3]);
  takeAway();
  const { undo = "" } = await crm.apply({ ...(await plan()) });
  assertSameTrees(crm.attachments, join(crm.was, "attachments"), ["root", "folder-times"]);

  // Nor is one on the way back.
  writeFileSync(removed, "precious");
  await assert.rejects(undoRestore(crm.engine, { id: undo }, plantAt("undo")), fails("target-unsafe"));
  assert.deepEqual(readdirSync(outside), ["newer.txt"]);
  takeAway();
  await undoRestore(crm.engine, { id: undo }, crm.run);
  assert.deepEqual(readdirSync(inside), ["newer.txt"]);
});

test("a recovery point whose paths lead upwards leads nowhere outside of another place", async () => {
  using folder = temporaryFolder();
  const crm = await smallCrm(folder.path);
  const files = [{ name: "up", path: `${crm.attachments}/2026/../../..` }];
  mkdirSync(join(folder.path, "deep"));
  await crm.backup("full", { crm: { ...crm.description, files, attachments: [] } });
  const target = join(folder.path, "deep", "elsewhere");
  for (const scope of ["system", "database"] as const) {
    const plan = await crm.plan({ target, purpose: "replacement", scope: { kind: scope } });
    for (const { path } of plan.parts) assert.ok(`${path}/`.startsWith(`${target}/`), path);
    await crm.apply(plan);
    assert.deepEqual(readdirSync(join(folder.path, "deep")), ["elsewhere"]);
    rmSync(target, { recursive: true });
  }
});

test("rows that refer to nothing come back as they were, and are told of", async () => {
  using folder = temporaryFolder();
  const crm = await smallCrm(folder.path);
  crm.sql("PRAGMA foreign_keys = OFF; INSERT INTO attachment VALUES (3, 99999, NULL)");
  await crm.backup();
  crm.sql("DELETE FROM attachment");
  const report = await crm.apply(await crm.plan({ switches: exact }));
  assert.deepEqual([report.failed, report.warnings], [[], []]);
  assert.equal(crm.rows("SELECT * FROM attachment").length, 3);
  const told = crm.events.filter((event) => event.type === "note" && event.code === "rows-without-parent");
  assert.deepEqual(
    told.map((event) => event.type === "note" && event.facts["relation"]),
    ["attachment -> contact: 1"],
  );
});

test("a full-text index over rowids that no column holds is built again by a restore, whatever it was like", async () => {
  using folder = temporaryFolder();
  const crm = await smallCrm(folder.path);
  crm.sql(`CREATE TABLE person (code TEXT PRIMARY KEY, name TEXT);
    CREATE VIRTUAL TABLE words USING fts5 (name, content='person');
    CREATE TRIGGER made AFTER INSERT ON person BEGIN INSERT INTO words (rowid, name) VALUES (new.rowid, new.name); END;`);
  // One row at a time: it then consists of many parts, and one that is built anew of one.
  for (let number = 0; number < 30; number++)
    crm.sql(`INSERT INTO person VALUES ('c${number}', 'Anna ${number} Schmidt')`);
  crm.sql("DELETE FROM person WHERE code = 'c3'");
  await crm.backup();
  const target = join(folder.path, "elsewhere");
  await crm.apply(await crm.plan({ target, purpose: "replacement" }));
  using restored = new DatabaseSync(join(target, "crm.db"));
  const names = restored.prepare(
    "SELECT name FROM person WHERE rowid IN (SELECT rowid FROM words WHERE words MATCH '17')",
  );
  assert.deepEqual(
    names.all().map(({ name }) => name),
    ["Anna 17 Schmidt"],
  );
});
