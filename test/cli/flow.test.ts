import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { DatabaseSync } from "node:sqlite";
import { displayWidth } from "../../src/words/width.ts";
import { cliCrm, listIn, password, program } from "./cli-crm.ts";
import { until } from "../support/until.ts";

test("from a folder to the first backup, by what was recognised alone", async () => {
  using crm = cliCrm();
  rmSync(crm.config);
  rmSync(join(crm.folder, "password.txt"));
  const init = await crm.run(["init", "--yes"]);
  assert.equal(init.code, 0, init.stderr);
  assert.match(
    init.stdout,
    /^Recognised in \/.*\/acme: a database with a CRM's tables, crm\.db, and files in attachments\/\n/,
  );
  const text = readFileSync(crm.config, "utf8");
  assert.doesNotMatch(text, /\n\n\n/);
  assert.match(text, /^# yaml-language-server: \$schema=\/.*\/docs\/holdfast\.schema\.json\n/);
  assert.match(text, /database: sqlite:\.\/crm\.db/);
  const outside = `${crm.folder}-backups`;
  assert.ok(text.includes(`location: ${outside}\n`), text);
  assert.ok(existsSync(join(outside, "config")));
  const made = `${crm.folder}-password.txt`;
  assert.ok(text.includes(`password: file:${made}\n`), text);
  assert.equal(statSync(made).mode & 0o777, 0o600);
  assert.match(readFileSync(made, "utf8"), /^[a-z2-9]{5}(?:-[a-z2-9]{5}){4}\n$/);
  assert.ok(!init.stdout.includes(readFileSync(made, "utf8").trim()));
  assert.equal((await crm.run(["backup"])).code, 0);
  // A second time nothing is made again, and nothing is changed.
  const again = await crm.run(["init", "--yes"]);
  assert.equal(again.code, 0, again.stderr);
  assert.match(again.stdout, /already there, used as it is.*already there, the password opens it/s);
  assert.equal(readFileSync(crm.config, "utf8"), text);
});

test("one answer for a question, a line an event for a stream", async () => {
  using crm = cliCrm();
  const init = await crm.json(["init"]);
  assert.deepEqual([init.records.length, init.records[0]?.type], [1, "init"]);
  const predicted = await crm.json(["backup", "--dry-run"]);
  assert.equal(predicted.records.at(-1)?.type, "backup-prediction");
  const backup = await crm.json(["backup"]);
  const types = new Set(backup.records.map((record) => record.type));
  assert.ok(types.has("phase"));
  assert.deepEqual(backup.records.filter((record) => record.type === "backup").length, 1);
  assert.equal(backup.records.at(-1)?.type, "backup");
  assert.equal(backup.records.at(-1)?.["outcome"], "ok");
  const snapshots = await crm.json(["snapshots"]);
  assert.equal(snapshots.records[0]?.type, "snapshots");
  assert.equal(listIn(snapshots, "snapshots").length, 1);
  const list = await crm.json(["browse", "/databases/main"]);
  assert.deepEqual(
    listIn(list, "entries")
      .map((entry) => String(entry["name"]))
      .toSorted(),
    ["contacts", "deals"],
  );
  const rows = await crm.json(["browse", "/databases/main/contacts"]);
  assert.deepEqual(
    rows.records.map((record) => record.type),
    ["rows", "row", "row", "row"],
  );
  assert.deepEqual(rows.records[2]?.["values"], ["2", "王芳", "2"]);
  const file = await crm.json(["browse", "/files/attachments/合同.txt"]);
  assert.deepEqual(
    file.records.map((record) => record.type),
    ["file", "content"],
  );
  assert.equal(Buffer.from(String(file.records[1]?.["base64"]), "base64").toString(), "a contract\n");
  const plan = await crm.json(["restore", "plan", "--target", "copy", "--as", "replacement"]);
  assert.deepEqual([plan.records.length, plan.records[0]?.type], [1, "restore-plan"]);
  const applied = await crm.json(["restore", "apply", String(plan.records[0]?.["id"])]);
  assert.equal(applied.records.at(-1)?.type, "restore");
  assert.equal(readFileSync(join(crm.folder, "copy/attachments/合同.txt"), "utf8"), "a contract\n");
  for (const [args, type] of [
    [["doctor"], "doctor"],
    [["restore", "undo", "--list"], "undoable"],
    [["kit"], "kit"],
    [["config", "validate"], "config-check"],
  ] as const) {
    const ended = await crm.json(args);
    assert.deepEqual([ended.records.length, ended.records[0]?.type], [1, type]);
  }
  assert.equal((await crm.json(["verify"])).records.at(-1)?.type, "verify");
});

test("an accident, its recovery, and the way back", async () => {
  using crm = cliCrm();
  await crm.run(["init"]);
  assert.equal((await crm.run(["backup"])).code, 0);
  using database = new DatabaseSync(crm.database);
  database.exec("UPDATE contacts SET phone = 'wrong'");
  database.close();
  rmSync(join(crm.folder, "attachments/合同.txt"));
  const plan = await crm.run(["restore", "plan", "--exact"]);
  assert.equal(plan.code, 0, plan.stderr);
  const [, id = ""] = /holdfast restore apply (\S+)/.exec(plan.stdout) ?? [];
  assert.equal(existsSync(join(crm.folder, "attachments/合同.txt")), false);
  // Replacing what is live asks for its name.
  const unnamed = await crm.run(["restore", "apply", id]);
  assert.equal(unnamed.code, 2, unnamed.stderr);
  assert.match(unnamed.stderr, /its name must be given: acme/);
  assert.equal((await crm.run(["restore", "apply", id, "--confirm", "acne"])).code, 2);
  const applied = await crm.run(["restore", "apply", id, "--confirm", "acme"]);
  assert.equal(applied.code, 0, applied.stderr);
  assert.equal(phones(crm.database), "1,2,3");
  assert.equal(readFileSync(join(crm.folder, "attachments/合同.txt"), "utf8"), "a contract\n");
  const [, undo = ""] = /holdfast restore undo (\S+)/.exec(applied.stdout) ?? [];

  // As if it had been cut off in its swap: no backup begins, and who asks is told what to type, to the letter.
  const records = join(crm.folder, "../home/state/restores");
  const [known = ""] = readdirSync(records);
  const record = join(records, known);
  const cutOff = (state: string) =>
    writeFileSync(record, readFileSync(record, "utf8").replace(/"state": "\w+"/, `"state": "${state}"`));
  cutOff("swapping");
  const finish = `holdfast restore apply ${id}`;
  const takeBack = `holdfast restore undo ${known.replace(".json", "")}`;
  const refused = [await crm.run(["backup"]), await crm.run(["restore", "plan"])];
  for (const command of [finish, takeBack]) {
    for (const { code, stderr } of refused) {
      assert.notEqual(code, 0);
      assert.ok(stderr.includes(`\`${command}\``), stderr);
    }
    const told = await crm.run(["status"]);
    assert.equal(told.code, 1);
    assert.ok(told.stdout.includes(`\`${command}\``), told.stdout);
  }
  assert.equal((await crm.run(["restore", "apply", id])).code, 0, "its name was typed already");
  assert.notEqual((await crm.run(["status"])).code, 1);
  cutOff("undoing");
  const undoing = (await crm.run(["status"])).stdout;
  assert.ok(undoing.includes(takeBack) && !undoing.includes(finish), undoing);
  cutOff("done");

  const list = await crm.run(["restore", "undo", "--list"]);
  assert.ok(list.stdout.includes(undo), list.stdout);
  const undone = await crm.run(["restore", "undo", undo]);
  assert.equal(undone.code, 0, undone.stderr);
  assert.equal(phones(crm.database), "wrong,wrong,wrong");
});

test("a plan says what it leaves, and what would take it along", async () => {
  using crm = cliCrm();
  await crm.run(["init"]);
  assert.equal((await crm.run(["backup"])).code, 0);
  using database = new DatabaseSync(crm.database);
  database.exec("UPDATE contacts SET phone = '0'; INSERT INTO contacts (name) VALUES ('Lin'); DELETE FROM deals");
  rmSync(join(crm.folder, "attachments/合同.txt"));
  const plan = await crm.run(["restore", "plan", "--database"]);
  assert.match(plan.stdout, /1 to create, 0 to update, 0 to remove, 4 left as they are/);
  assert.match(plan.stdout, /left as now: 3 rows\. --update-changed.*\n.*left there: 1 row\. --remove-newer/);
  assert.doesNotMatch((await crm.run(["restore", "plan", "--database", "--exact"])).stdout, /left (?:as now|there)/);
  // Of chosen paths, what comes is counted.
  const file = await crm.run(["restore", "plan", "latest", "/files/attachments/合同.txt"]);
  assert.match(file.stdout, /folder +attachments +1 file +11 B/);
  assert.doesNotMatch(
    (await crm.run(["restore", "plan", "latest", "/files/attachments/notes.txt"])).stdout,
    / 0 B +\//,
  );
  const table = await crm.run(["restore", "plan", "latest", "/databases/main/deals"]);
  assert.equal(table.code, 2);
  assert.match(table.stderr, /is rows, not files: --database .*--in deals/);
  assert.match((await crm.run(["restore", "plan", "latest", "deals/1"])).stderr, /no path: .*--record deals\/1/);
  // What a newer one lacked is a sentence, no code.
  rmSync(join(crm.folder, "attachments"), { recursive: true });
  assert.equal((await crm.run(["backup"])).code, 3);
  const passed = await crm.run(["restore", "plan", "--database"]);
  assert.match(
    (await crm.run(["status"])).stdout,
    /^acme: the newest backup, [0-9a-f]{8}, ended with 1 warning; the first: A part of the CRM is not there/m,
  );
  assert.match(passed.stdout, /was not taken: [0-9a-f]{8} \(1 warning; the first: A part of the CRM is not there/);
});

test("a database that is damaged, or none any more, comes back as a whole", async () => {
  using crm = cliCrm();
  await crm.run(["init"]);
  assert.equal((await crm.run(["backup"])).code, 0);
  writeFileSync(crm.database, "no database, but what somebody wrote over it ".repeat(500));
  const backup = await crm.run(["backup"]);
  assert.equal(backup.code, 1);
  assert.match(backup.stderr, /no SQLite database, or a damaged one: .*crm\.db\.\n.*--database --exact/);
  const plan = await crm.run(["restore", "plan", "--database"]);
  assert.match(plan.stdout, /conflict .*cannot be read, .*--exact replaces it/);
  assert.match(plan.stdout, /\nNothing would be done like this: /);
  const whole = ["restore", "run", "latest", "--database", "--exact", "--confirm", "acme"];
  const restored = await crm.run(whole);
  assert.equal(restored.code, 0, restored.stderr);
  assert.equal(phones(crm.database), "1,2,3");
});

test("an undo that leaves something is told as an undo", async () => {
  using crm = cliCrm();
  await crm.run(["init"]);
  assert.equal((await crm.run(["backup"])).code, 0);
  using database = new DatabaseSync(crm.database);
  database.exec("DELETE FROM contacts WHERE id = 3");
  assert.equal((await crm.run(["restore", "run", "latest", "--record", "contacts/3", "--yes"])).code, 0);
  database.exec("UPDATE contacts SET phone = '4' WHERE id = 3");
  const undone = await crm.run(["restore", "undo"]);
  assert.equal(undone.code, 30);
  assert.match(undone.stdout, /Left as they are:\n {2}✗ contacts\/3 \(changed again since/);
  assert.match(undone.stderr, /The undo is done, but 1 item could not be taken back\./);
});

test("a plan that is done at once", async () => {
  using crm = cliCrm();
  await crm.run(["init"]);
  assert.equal((await crm.run(["backup"])).code, 0);
  const elsewhere = ["restore", "run", "--system", "--target", "../recovered", "--as", "replacement"];
  const recovered = join(crm.folder, "../recovered");
  // Nobody is there to be asked.
  const unasked = await crm.run(elsewhere);
  assert.equal(unasked.code, 2, unasked.stderr);
  assert.match(unasked.stderr, /use --yes/);
  assert.equal(existsSync(recovered), false);
  const ended = await crm.json([...elsewhere, "--yes"]);
  assert.equal(ended.code, 0, ended.stderr);
  const types = ended.records.map(({ type }) => type).filter((type) => type === "restore-plan" || type === "restore");
  assert.deepEqual(types, ["restore-plan", "restore"]);
  assert.equal(phones(join(recovered, "crm.db")), "1,2,3");
  assert.equal(readFileSync(join(recovered, "attachments/合同.txt"), "utf8"), "a contract\n");

  const live = ["restore", "run", "--database", "--exact"];
  const idle = await crm.run(["restore", "run", "--database", "--yes"]);
  assert.deepEqual([idle.code, /There is nothing to do/.test(idle.stdout)], [0, true], idle.stdout);
  using database = new DatabaseSync(crm.database);
  database.exec("UPDATE contacts SET phone = 'wrong'");
  database.close();
  // Nor is a yes the name of what is replaced.
  const unnamed = await crm.run([...live, "--yes"]);
  assert.equal(unnamed.code, 2, unnamed.stderr);
  assert.match(unnamed.stderr, /its name must be given: acme/);
  assert.equal(phones(crm.database), "wrong,wrong,wrong");
  const named = await crm.run([...live, "--confirm", "acme"]);
  assert.equal(named.code, 0, named.stderr);
  assert.equal(phones(crm.database), "1,2,3");
});

function phones(path: string): string {
  using database = new DatabaseSync(path, { readOnly: true });
  return String(database.prepare("SELECT group_concat(phone) AS phones FROM contacts").get()?.["phones"]);
}

test("the repository and its password are enough: no configuration, another machine's folder", async () => {
  using crm = cliCrm();
  await crm.run(["init"]);
  assert.equal((await crm.run(["backup"])).code, 0);
  const elsewhere = { folder: join(crm.folder, "..") };
  const access = ["--repository", "acme/backups", "--password-file", "acme/password.txt"];
  const environment = { HOLDFAST_REPOSITORY: "acme/backups", HOLDFAST_PASSWORD_FILE: "acme/password.txt" };
  for (const args of [["snapshots"], ["browse", "/files"], ["verify"], ["doctor"], ["kit"], ["restore", "plan"]]) {
    const ended = await crm.run([...args, ...access], elsewhere);
    assert.ok(ended.code === 0 || (args[0] === "doctor" && ended.code === 3), `${args.join(" ")}: ${ended.stderr}`);
  }
  assert.equal((await crm.run(["snapshots"], { ...elsewhere, environment })).code, 0);
  const backup = await crm.json(["backup", ...access], elsewhere);
  assert.equal(backup.code, 0, backup.stderr);
  assert.equal(backup.records.at(-1)?.["kind"], "incremental");
});

test("init writes the file that --config names, for a CRM in another folder", async () => {
  using crm = cliCrm();
  rmSync(crm.config);
  mkdirSync(join(crm.folder, "../etc of acme"));
  const config = join(crm.folder, "../etc of acme/holdfast.yaml");
  const options = ["--config", config, "--repository", "../backups", "--password-file", "password.txt"];
  const made = await crm.run(["init", "--yes", ...options, "."]);
  assert.equal(made.code, 0, made.stderr);
  assert.match(readFileSync(config, "utf8"), /^ +database: sqlite:\/.+\/acme\/crm\.db$/m);
  const backup = await crm.json(["--config", config, "backup"]);
  assert.equal(backup.records.at(-1)?.["outcome"], "ok", backup.stderr);
  assert.ok(made.stdout.includes(`holdfast backup --config '${config}'\n`), made.stdout);
  const here = await crm.run(["init", "--yes", ...options, "--config", "acme.yaml"]);
  assert.match(here.stdout, /holdfast backup --config \S+\/acme\.yaml\n/, "no file of this name is found by itself");
});

test("the kit opens the repository, and doctor knows it then", async () => {
  using crm = cliCrm();
  await crm.run(["init"]);
  const printed = await crm.run(["kit"]);
  assert.ok(printed.stdout.includes(password));
  assert.doesNotMatch(printed.stdout, /login/);
  // Before the first backup, too: it is offered by `init`, and may be the only one that is ever printed.
  assert.match(printed.stdout, /^CRMs +acme$[^]* plan latest .*--crm acme .*[^]* --path \/acme /m);
  const [, checksum = ""] = /^Checksum +([0-9a-f]{16})$/m.exec(printed.stdout) ?? [];
  assert.match((await crm.run(["doctor"])).stdout, /kit was never used/);
  assert.equal((await crm.run(["kit", "--check", "0123456789abcdef"])).code, 40);
  assert.equal((await crm.run(["kit", "--check", checksum])).code, 0);
  const remarked = await crm.run(["doctor"]);
  assert.match(remarked.stdout, /kit was used and works/);
  assert.match(remarked.stdout, /3-2-1 asks for 3 copies[^]*\n0 problems, \d warnings?\.$/m);
  assert.equal(remarked.code, 3, "what is told as a warning is one to scripts, too");
  const saved = await crm.run(["kit", "--output", "kit.txt"]);
  assert.equal(saved.code, 0);
  assert.equal(statSync(join(crm.folder, "kit.txt")).mode & 0o777, 0o600);
  assert.ok(!saved.stdout.includes(password));
  assert.equal((await crm.run(["kit", "--output", "kit.txt"])).code, 1);
  rmSync(join(crm.folder, "attachments"), { recursive: true });
  assert.equal((await crm.run(["doctor"])).code, 1);
});

test("tables align in Chinese", async () => {
  using crm = cliCrm();
  writeFileSync(crm.config, readFileSync(crm.config, "utf8").replace("name: acme", "name: 客户"));
  await crm.run(["init"]);
  assert.equal((await crm.run(["--lang", "zh-CN", "backup"])).code, 0);
  assert.equal((await crm.run(["--lang", "zh-CN", "backup", "differential"])).code, 0);
  const { stdout } = await crm.run(["--lang", "zh-CN", "snapshots"]);
  const [heading = "", ...rows] = stdout.split("\n").slice(0, 3);
  assert.match(heading, /^编号 +时间 +CRM +类型 +结果 +大小 +新增$/);
  const column = (line: string, text: string) => displayWidth(line.slice(0, line.indexOf(text)));
  assert.equal(column(rows[0] ?? "", "全量"), column(heading, "类型"));
  assert.equal(column(rows[1] ?? "", "差异"), column(heading, "类型"));
  assert.equal(column(rows[1] ?? "", "正常"), column(heading, "结果"));
});

test("Ctrl-C ends a waiting command at once with 130, and says so", async () => {
  using crm = cliCrm();
  writeFileSync(
    crm.config,
    readFileSync(crm.config, "utf8").replace("file:./password.txt", "cmd:touch asked; exec sleep 600"),
  );
  const child = spawn(process.execPath, [...program, "snapshots"], {
    cwd: crm.folder,
    env: { PATH: process.env["PATH"], HOME: crm.folder },
    stdio: ["ignore", "ignore", "pipe"],
  });
  const errors: Buffer[] = [];
  child.stderr.on("data", (part: Buffer) => errors.push(part));
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  await until(() => existsSync(join(crm.folder, "asked")));
  child.kill("SIGINT");
  assert.equal(await ended, 130);
  assert.match(Buffer.concat(errors).toString("utf8"), /^Error: Cancelled\.\n/);
});
