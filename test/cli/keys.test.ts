import assert from "node:assert/strict";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { openKeyFile } from "../../src/format/key-file.ts";
import { lockJson } from "../../src/format/lock-file.ts";
import { sealUnpacked } from "../../src/format/unpacked.ts";
import { resticOn } from "../support/restic.ts";
import { runCommand } from "../support/run-command.ts";
import { type CliCrm, cliCrm, listIn, password, program } from "./cli-crm.ts";

/** Runs the program on a terminal of its own and types a line at each prompt; what the terminal showed. */
async function onTerminal(
  crm: CliCrm,
  args: readonly string[],
  typed: readonly string[],
): Promise<{ readonly code: number | null; readonly shown: string }> {
  const script = `
import json, os, pty, sys
typed = json.loads(sys.argv[1])
pid, fd = pty.fork()
if pid == 0:
    os.execvp(sys.argv[2], sys.argv[2:])
shown = b""
asked = 0
while True:
    try:
        data = os.read(fd, 4096)
    except OSError:
        break
    if not data:
        break
    shown += data
    while asked < len(typed) and shown.count(b"assword") + shown.count(b"nce more") + shown.count("密码：".encode()) > asked:
        asked += 1
        os.write(fd, (typed[asked - 1] + "\\r").encode())
_, status = os.waitpid(pid, 0)
sys.stdout.buffer.write(shown)
sys.exit(os.waitstatus_to_exitcode(status) % 256)
`;
  const { code, stdout, stderr } = await runCommand(
    "python3",
    ["-c", script, JSON.stringify(typed), process.execPath, ...program, ...args],
    { cwd: crm.folder, env: { PATH: process.env["PATH"], HOME: crm.folder, LANG: "C", TERM: "dumb" } },
  );
  return { code, shown: stdout + stderr };
}

test("passwords are added, changed and removed; restic and the configuration agree", async () => {
  using crm = cliCrm();
  assert.equal((await crm.run(["init"])).code, 0);
  const file = (name: string, text: string): string => {
    const path = join(crm.folder, name);
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  };
  const second = file("second.txt", "second\n");
  const added = await crm.run(["key", "add", "--new-password-file", second]);
  assert.equal(added.code, 0, added.stderr);
  assert.match(added.stdout, /opens the repository/);
  const listed = listIn(await crm.json(["key", "list"]), "keys");
  assert.deepEqual(
    listed.map(({ current }) => current),
    [true, false],
  );
  const [current, other] = listed.map(({ id }) => String(id));
  assert.match((await crm.run(["key", "list"])).stdout, /in use/);

  assert.equal((await crm.run(["key", "remove", current ?? ""])).code, 2);
  assert.equal((await crm.run(["key", "remove", "0".repeat(20)])).code, 4);
  assert.equal((await crm.run(["key", "remove", ""])).code, 4);
  const none = await crm.run(["key", "add"]);
  assert.equal(none.code, 2);
  assert.match(none.stderr, /--new-password-file/);
  assert.equal(
    (await crm.run(["key", "add"], { environment: { HOLDFAST_NEW_PASSWORD_FILE: file("e", "\n") } })).code,
    12,
  );

  const changed = await crm.run(["key", "passwd", "--new-password-file", file("new.txt", "new\n")]);
  assert.equal(changed.code, 0, changed.stderr);
  assert.match(changed.stdout, /Write the new one into .*password\.txt/);
  assert.equal((await crm.run(["snapshots"])).code, 12);
  file("password.txt", "new\n");
  assert.equal((await crm.run(["snapshots"])).code, 0);
  assert.equal((await crm.run(["key", "remove", (other ?? "").slice(0, 12)])).code, 0);
  const restic = resticOn(join(crm.folder, "backups"), "new");
  await restic.check();
  assert.equal((await resticOn(join(crm.folder, "backups"), "second").run("snapshots")).code, 1);
  assert.deepEqual(readdirSync(join(crm.folder, "backups/locks")), []);
});

test("a terminal is asked for passwords, and shows none of them", async () => {
  using crm = cliCrm();
  assert.equal((await crm.run(["init"])).code, 0);
  const elsewhere = ["--repository", join(crm.folder, "backups")];
  rmSync(crm.config);
  assert.equal((await crm.run([...elsewhere, "snapshots"])).code, 2);
  const opened = await onTerminal(crm, [...elsewhere, "snapshots"], [`x\u007f${password}`]);
  assert.equal(opened.code, 0, opened.shown);
  assert.match(opened.shown, /Password of the repository: /);
  assert.ok(!opened.shown.includes("horse"));
  assert.equal((await onTerminal(crm, [...elsewhere, "snapshots"], ["wrong"])).code, 12);
  assert.equal((await onTerminal(crm, [...elsewhere, "snapshots"], ["half\u0003"])).code, 130);

  const added = await onTerminal(
    crm,
    [...elsewhere, "key", "add"],
    [password, "neu 密码", "nue 密码", "neu 密码", "neu 密码"],
  );
  assert.equal(added.code, 0, added.shown);
  assert.match(added.shown, /not the same/);
  assert.ok(!added.shown.includes("密码"));
  await resticOn(join(crm.folder, "backups"), "neu 密码").check();
});

test("unlock removes what is left behind, and names who holds the rest", async () => {
  using crm = cliCrm();
  assert.equal((await crm.run(["init"])).code, 0);
  const locks = join(crm.folder, "backups/locks");
  assert.match((await crm.run(["unlock"])).stdout, /There is no lock/);
  const keys = join(crm.folder, "backups/keys");
  const [key = ""] = readdirSync(keys);
  const masterKey = await openKeyFile(key, readFileSync(join(keys, key)), password);
  assert.ok(masterKey);
  const time = new Date().toISOString();
  const lock = { time, exclusive: true, hostname: "there", username: "ada", pid: 4711, uid: 0, gid: 0 };
  const { name, bytes } = sealUnpacked(masterKey, lockJson(lock));
  writeFileSync(join(locks, name), bytes);
  assert.equal((await crm.run(["verify"])).code, 11);
  const kept = await crm.run(["unlock"]);
  assert.equal(kept.code, 11, kept.stderr);
  assert.match(kept.stdout, /Kept: may be in use, exclusive, by ada on there, process 4711, since .*unlock --force/s);
  const removed = await crm.run(["unlock", "--force"]);
  assert.equal(removed.code, 0);
  assert.match(removed.stdout, /Removed: may be in use, exclusive, by ada/);
  assert.equal((await crm.run(["verify"])).code, 0);
});
