import assert from "node:assert/strict";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempDisposableSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { nameFromText } from "../../src/lib/byte-name.ts";
import { getExtendedAttribute, setExtendedAttribute } from "../../src/lib/posix.ts";
import { openRepository } from "../../src/repository/open.ts";
import { localStorage } from "../../src/storage/local.ts";
import { type Ended, cliCrm, configText, listIn, password } from "./cli-crm.ts";

/** One clear line, one hint, nothing on standard output, no stack. */
function assertRefused(ended: Ended, code: number, message: RegExp, hint: RegExp): void {
  assert.equal(ended.code, code, ended.stderr);
  const [first = "", second = "", ...rest] = ended.stderr.trimEnd().split("\n").slice(-2);
  assert.match(first, message);
  assert.match(first, /^Error: /);
  assert.match(second, hint);
  assert.match(second, /^Hint: /);
  assert.deepEqual(rest, []);
  assert.doesNotMatch(ended.stderr, /\n\s+at |node:internal|correct horse/);
}

test("no repository", async () => {
  using crm = cliCrm();
  for (const args of [["backup"], ["snapshots"], ["browse"], ["restore", "plan"], ["verify"], ["kit"]]) {
    assertRefused(await crm.run(args), 10, /There is no repository at \/.*backups\./, /holdfast init/);
  }
  assert.equal(existsSync(join(crm.folder, "backups")), false);
  const json = await crm.json(["snapshots"]);
  assert.equal(json.records.length, 1);
  assert.deepEqual([json.records[0]?.["code"], json.records[0]?.["exitCode"]], ["repository-missing", 10]);
});

test("no repository in a folder that is empty, as that of a share is which is not mounted", async () => {
  using crm = cliCrm();
  const share = join(crm.folder, "../share");
  mkdirSync(share);
  for (const location of ["../share", "../share/holdfast/backups"]) {
    writeFileSync(crm.config, readFileSync(crm.config, "utf8").replace(/location: \S+/, `location: ${location}`));
    const ended = await crm.run(["snapshots"]);
    assertRefused(ended, 10, /There is no repository at/, /\/share is there and empty, as that of a share .* mount it/);
  }
  writeFileSync(join(share, "a file"), "");
  assert.doesNotMatch((await crm.run(["snapshots"])).stderr, /mount/);
});

test("with a repository and no backup in it yet", async () => {
  using crm = cliCrm();
  assert.equal((await crm.run(["init"])).code, 0);
  const list = await crm.run(["snapshots"]);
  assert.equal(list.code, 0);
  assert.match(list.stdout, /no recovery points yet/);
  assertRefused(await crm.run(["restore", "plan"]), 4, /no recovery point yet/, /holdfast backup/);
  assertRefused(
    await crm.run(["init", "--repository", "backups", "--config", "other.yaml"]),
    2,
    /no terminal/,
    /--help/,
  );
});

test("wrong, empty, missing and open passwords", async () => {
  using crm = cliCrm();
  assert.equal((await crm.run(["init"])).code, 0);
  const other = join(crm.folder, "other.txt");
  writeFileSync(other, "wrong\n", { mode: 0o600 });
  const wrong = ["--password-file", other];
  assertRefused(await crm.run([...wrong, "snapshots"]), 12, /password does not open/, /recovery kit/);
  assertRefused(await crm.run([...wrong, "backup"]), 12, /password does not open/, /recovery kit/);
  assertRefused(
    await crm.run(["snapshots"], { environment: { HOLDFAST_PASSWORD_FILE: other } }),
    12,
    /password does not open/,
    /recovery kit/,
  );
  writeFileSync(other, "\n");
  assertRefused(await crm.run([...wrong, "snapshots"]), 12, /password is empty/, /Put a password/);
  assertRefused(
    await crm.run(["--password-file", "absent.txt", "snapshots"]),
    2,
    /absent\.txt/,
    /--password-file FILE/,
  );
  const open = join(crm.folder, "password.txt");
  chmodSync(open, 0o644);
  const warned = await crm.run(["snapshots"]);
  assert.equal(warned.code, 0);
  assert.equal(warned.stderr, `Warning: Others can read the password file ${open}: \`chmod 600\` it.\n`);
});

test("points that are not there", async () => {
  using crm = cliCrm();
  await crm.run(["init"]);
  const before = new Date(Date.now() - 60_000).toISOString();
  assert.equal((await crm.run(["backup"])).code, 0);
  assertRefused(await crm.run(["browse", "00000000"]), 4, /There is no snapshot 00000000/, /holdfast snapshots/);
  const early = await crm.run(["restore", "plan", `@${before}`]);
  assertRefused(early, 4, /no recovery point of acme at or before/, /earliest moment that works is .* \+08:00/);
  // What the hint offers to type does work.
  const [, offered = ""] = /give (@\S+?)\.?$/m.exec(early.stderr.trimEnd()) ?? [];
  const planned = await crm.run(["restore", "plan", offered]);
  assert.equal(planned.code, 0, planned.stderr);
  assert.match(planned.stderr, /\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \+08:00 \(Asia\/Shanghai\): this very moment/);
  assertRefused(await crm.run(["browse", "@2099-01-01"]), 2, /not a moment: it has not come yet/, /latest/);
  assertRefused(await crm.run(["browse", "lastest"]), 2, /not a moment/, /latest/);
  assertRefused(await crm.run(["browse", "/files/nothing"]), 4, /Nothing in the snapshot matches/, /browse/);
  assertRefused(await crm.run(["restore", "apply", "abcdef"]), 4, /no saved plan abcdef/, /restore plan/);
  assertRefused(await crm.run(["restore", "undo"]), 4, /no restore to undo/, /--list/);
  assertRefused(await crm.run(["--crm", "other", "snapshots"]), 2, /no CRM or platform named other/, /--crm/);
});

test("a restore to another place: what for, and only where nothing lies", async () => {
  using crm = cliCrm();
  await crm.run(["init"]);
  assert.equal((await crm.run(["backup"])).code, 0);
  const taken = join(crm.folder, "taken");
  mkdirSync(taken);
  writeFileSync(join(taken, "mine.txt"), "mine");
  const plan = (...args: string[]) => crm.run(["restore", "plan", ...args]);
  assertRefused(await plan("--target", "new"), 2, /must say what it is for/, /--as clone.*--as replacement/);
  assertRefused(await plan("--target", "new", "--as", "clone"), 2, /clone.*cannot be made harmless/, /neutralise/);
  // What the hint says to write goes for the recovery points that are there already.
  writeFileSync(crm.config, configText.replace("crm:", "crm:\n  neutralise: [UPDATE contacts SET phone = NULL]"));
  const clone = await plan("--target", "harmless", "--as", "clone");
  assert.equal(clone.code, 0, clone.stderr);
  const [, id = ""] = /holdfast restore apply (\S+)/.exec(clone.stdout) ?? [];
  assert.equal((await crm.run(["restore", "apply", id])).code, 0);
  using made = new DatabaseSync(join(crm.folder, "harmless/crm.db"));
  assert.equal(made.prepare("SELECT count(phone) AS count FROM contacts").get()?.["count"], 0);
  assertRefused(
    await plan("--target", "taken", "--as", "replacement"),
    1,
    /target is not empty: .*taken/,
    /new folder/,
  );
  assert.deepEqual(readdirSync(taken), ["mine.txt"]);
  assert.equal(existsSync(join(crm.folder, "new")), false);
});

test("another run of the same CRM: who it is, and waiting for it", async () => {
  using crm = cliCrm();
  await crm.run(["init"]);
  assert.equal((await crm.run(["backup"])).code, 0);
  const damage = () => rmSync(join(crm.folder, "attachments/notes.txt"));
  damage();
  assert.equal((await crm.run(["restore", "run", "latest", "/files/attachments", "--yes"])).code, 0);
  damage();
  const { records } = await crm.json(["restore", "plan", "latest", "/files/attachments"]);
  const apply = ["restore", "apply", String(records.find(({ type }) => type === "restore-plan")?.["id"])];
  // A backup that takes its time: its password comes from a command, so it is the lock alone that is held here.
  const { lockCrm } = await import("../../src/jobs/crm-lock.ts");
  const request = {
    crm: "acme",
    location: join(crm.folder, "backups"),
    job: "backup",
    waitMs: 0,
    folders: ["/run/lock"],
  };
  const run = { signal: new AbortController().signal, now: () => new Date(), report: () => {} };
  {
    await using _held = await lockCrm(request, run);
    const refused = await crm.run(["backup"]);
    assertRefused(refused, 11, new RegExp(`busy with acme: process ${process.pid} of .+, since .+ \\+08:00`), /--wait/);
    // Nor may a restore in place begin beside it, or one be taken back.
    for (const args of [apply, ["restore", "undo"]]) {
      assertRefused(await crm.run(args), 11, /busy with acme: process/, /--wait/);
    }
    const short = await crm.run(["backup", "--wait", "1s"]);
    assert.equal(short.code, 11);
    assert.match(short.stderr, new RegExp(`^Waiting for another run: process ${process.pid} `));
  }
  assert.equal((await crm.run(["backup", "--wait", "1s"])).code, 0);
  assert.equal((await crm.run(apply)).code, 0);
});

test("a repository that somebody else holds for himself: who it is, and nothing is done", async () => {
  using crm = cliCrm();
  await crm.run(["init"]);
  assert.equal((await crm.run(["backup"])).code, 0);
  const location = join(crm.folder, "backups");
  const opening = { signal: new AbortController().signal, now: () => new Date() };
  const host = { hostname: "elsewhere", username: "maria", uid: 0, gid: 0 };
  await using repository = await openRepository(localStorage(location), password, { ...opening, host });
  await using _held = await repository.lock("exclusive", { ...opening, waitMs: 0 });
  const files = () => readdirSync(location, { recursive: true, encoding: "utf8" }).toSorted();
  const before = files();
  const who = new RegExp(`locked by maria on elsewhere, process ${process.pid}, since .+ \\+08:00`);
  for (const args of [["backup"], ["restore", "plan"], ["verify"]]) {
    assertRefused(await crm.run(args), 11, who, /--wait 10m.*holdfast unlock/);
  }
  const waited = await crm.run(["backup", "--wait", "1s"]);
  assert.equal(waited.code, 11);
  assert.match(waited.stderr, /^Waiting for another run: process \d+ of maria on elsewhere/);
  assert.deepEqual(files(), before);
  // Whoever only looks is kept out by nobody.
  assert.equal((await crm.run(["snapshots"])).code, 0);
});

test("several CRMs need a name", async () => {
  using crm = cliCrm();
  const two = configText.replace(
    /^crm:[^]*(?=repository)/,
    "crms:\n  - { name: one, database: 'sqlite:./crm.db' }\n  - { name: two, files: [./attachments] }\n",
  );
  writeFileSync(crm.config, two);
  await crm.run(["init"]);
  assertRefused(await crm.run(["backup"]), 2, /several CRMs here: one, two/, /--crm/);
  assert.equal((await crm.run(["--crm", "one", "backup"])).code, 0);
  assert.equal((await crm.run(["backup", "--crm", "two"])).code, 0);
  assertRefused(await crm.run(["browse"]), 2, /several CRMs here: one, two/, /--crm/);
  const only = await crm.json(["--crm", "two", "snapshots"]);
  assert.deepEqual(
    listIn(only, "snapshots").map((row) => row["crm"]),
    ["two"],
  );
  // The id of a recovery point does not speak for whose it is.
  const id = String(listIn(only, "snapshots")[0]?.["id"]).slice(0, 8);
  for (const args of [
    ["restore", "plan", id],
    ["browse", id],
    ["drill", id],
    ["hold", id],
    ["forget", id],
  ]) {
    const other = new RegExp(`${id} is no recovery point of one, but of two`);
    assertRefused(await crm.run([...args, "--crm", "one"]), 2, other, /holdfast snapshots/);
    const unknown = await crm.run([...args, "--crm", "three"]);
    assertRefused(unknown, 2, /no CRM or platform named three here; there is: one, two/, /--crm/);
  }
  assert.equal((await crm.run(["browse", id, "--crm", "two"])).code, 0);
  for (const command of ["status", "kit"]) {
    assertRefused(await crm.run([command, "--crm", "three"]), 2, /no CRM or platform named three/, /--crm/);
  }
  const kit = await crm.run(["kit"]);
  assert.match(kit.stdout, /holdfast restore plan .* --crm one .*\n.* --crm two /);
  assert.doesNotMatch((await crm.run(["kit", "--crm", "two"])).stdout, /--crm one/);
});

test("not root: what cannot be read is said once, and the backup ends as a warning", async () => {
  const uid = process.getuid?.() === 0 ? 65_534 : undefined;
  using crm = cliCrm();
  await crm.run(["init"]);
  for (const name of ["a", "b", "c"]) {
    const secret = join(crm.folder, "attachments", `secret-${name}.txt`);
    writeFileSync(secret, "secret");
    chmodSync(secret, 0);
  }
  if (uid !== undefined) giveAway(join(crm.folder, ".."), uid);
  const ended = await crm.run(["backup"], uid === undefined ? {} : { uid });
  assert.equal(ended.code, 3, ended.stderr);
  assert.match(ended.stdout, /Backup of acme, full: warning/);
  assert.equal(ended.stdout.match(/Not running as root/g)?.length, 1, ended.stdout);
});

test("doctor: what this user cannot read, whose owners it cannot set, and what lies on the CRM's own disk only", async () => {
  using crm = cliCrm();
  await crm.run(["init"]);
  const sameDisk = await crm.run(["doctor"]);
  assert.match(sameDisk.stdout, /! .*The repository \S+backups lies on the CRM's own disk only\n {2}→ /);
  assert.match(sameDisk.stdout, /! .*The password \S+password\.txt lies on the CRM's own disk only\n {2}→ /);
  assert.doesNotMatch(sameDisk.stdout, /cannot read|restore owners/);
  // Memory is a file system of its own, and so is the disk for a CRM in memory.
  const other = statSync("/dev/shm").dev === statSync(crm.folder).dev ? "/tmp" : "/dev/shm";
  using disk = mkdtempDisposableSync(join(other, "holdfast-"));
  const secret = join(disk.path, "password.txt");
  writeFileSync(secret, "another", { mode: 0o600 });
  const apart = ["--repository", join(disk.path, "backups"), "--password-file", secret];
  assert.doesNotMatch((await crm.run(["doctor", ...apart])).stdout, /own disk only/);

  const secrets = ["a", "b"].map((name) => join(crm.folder, "attachments", `secret-${name}.txt`));
  for (const path of secrets) writeFileSync(path, "secret", { mode: 0 });
  if (process.getuid?.() !== 0) return;
  giveAway(join(crm.folder, ".."), 65_534);
  chownSync(join(crm.folder, "attachments/notes.txt"), 1234, 1234);
  chmodSync(join(crm.folder, "attachments/notes.txt"), 0o644);
  const told = await crm.run(["doctor"], { uid: 65_534 });
  assert.match(told.stdout, new RegExp(`! .*cannot read 2 files: ${secrets.join(", ")}\n {2}→ `));
  assert.match(told.stdout, /! .*attachments files belong to users 0, 1234: this user cannot restore owners\n {2}→ /);
});

test("not root: a file that nobody may write comes back with its extended attributes", async () => {
  const uid = process.getuid?.() === 0 ? 65_534 : undefined;
  using crm = cliCrm();
  await crm.run(["init"]);
  const file = join(crm.folder, "attachments/notes.txt");
  setExtendedAttribute(nameFromText(file), "user.from", Buffer.from("mail"));
  chmodSync(file, 0o444);
  if (uid !== undefined) giveAway(join(crm.folder, ".."), uid);
  const as = uid === undefined ? {} : { uid };
  assert.equal((await crm.run(["backup"], as)).code, 0);
  rmSync(file);
  const { records } = await crm.json(["restore", "plan", "latest", "/files/attachments"], as);
  const plan = String(records.find(({ type }) => type === "restore-plan")?.["id"]);
  const applied = await crm.run(["restore", "apply", plan], as);
  assert.equal(applied.code, 0, `${applied.code} ${applied.stdout}${applied.stderr}`);
  const found = getExtendedAttribute(nameFromText(file), "user.from");
  assert.deepEqual([String(found), statSync(file).mode & 0o777], ["mail", 0o444]);
});

/** All but the secret files, which stay root's. */
function giveAway(folder: string, uid: number): void {
  chownSync(folder, uid, uid);
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) giveAway(path, uid);
    else if (!entry.name.startsWith("secret-")) chownSync(path, uid, uid);
  }
}

test("a folder without a CRM", async () => {
  using crm = cliCrm();
  const empty = mkdtempSync(join(tmpdir(), "holdfast-empty-"));
  assertRefused(await crm.run(["init", "--yes", empty]), 2, /No CRM was recognised in/, /by hand/);
  assert.deepEqual(readdirSync(empty), []);
  rmSync(empty, { recursive: true });
  assertRefused(
    await crm.run(["init", "--yes", empty]),
    2,
    /No CRM was recognised: there is no folder \/.*holdfast-empty/,
    /by hand/,
  );
});
