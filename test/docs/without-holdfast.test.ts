import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { buildCrm } from "../../demo/build-crm.ts";
import { folderContent } from "../../demo/compare.ts";
import { workingDay } from "../../demo/working-day.ts";
import { compareDatabases } from "../support/compare-databases.ts";
import { codeBlocks } from "../support/doc-commands.ts";
import { holdfast } from "../support/holdfast.ts";
import { startMariadb } from "../support/mariadb-server.ts";
import { startPostgres } from "../support/postgres-server.ts";
import { commandOutput, runCommand } from "../support/run-command.ts";
import { temporaryFolder } from "../support/temp-folder.ts";

const docs = join(import.meta.dirname, "../../docs");

/** Values that text formats lose, beside what the demo CRM has. */
const hostile = `
  CREATE TABLE odd (id INTEGER PRIMARY KEY, value);
  INSERT INTO odd (value) VALUES (NULL), (''), ('tab\tline\nreturn\r"quote" \\ back'), (9007199254740993),
    (-9223372036854775808), (1e308), (0.1), (-0.0), (x'00ff0a09'), ('a' || char(0) || 'b'), (CAST(x'ff' AS TEXT));
  CREATE TABLE 客户 (代码 TEXT PRIMARY KEY, 备注 TEXT) WITHOUT ROWID;
  INSERT INTO 客户 VALUES ('张伟', '第一'), ('李芳', '第二'), ('王强', '第三');
`;
const hostileDay = `
  UPDATE odd SET value = 'changed' WHERE id = 2;
  DELETE FROM odd WHERE id = 4;
  DELETE FROM 客户 WHERE 代码 = '李芳';
  INSERT INTO 客户 VALUES ('赵敏', '第四');
`;

type Server = "PostgreSQL" | "MariaDB";

/** What a reader of the page types, from top to bottom; for a database on a server its own section in place of step 4. */
function scriptOf(page: string, server?: Server): string {
  const sections = readFileSync(join(docs, page), "utf8").split(/^(?=## )/m);
  const own = (section: string): string | undefined => /^## .*\b(PostgreSQL|MariaDB)/.exec(section)?.[1];
  const instead = sections.find((section) => server !== undefined && own(section) === server);
  return sections
    .filter((section) => own(section) === undefined)
    .map((section) => (instead !== undefined && section.startsWith("## 4.") ? instead : section))
    .flatMap(codeBlocks)
    .filter(({ language }) => language === "sh")
    .map(({ text }) => text)
    .join("");
}

test("the Chinese page has the same commands", () => {
  for (const server of [undefined, "PostgreSQL", "MariaDB"] as const) {
    assert.equal(scriptOf("without-holdfast.zh-CN.md", server), scriptOf("without-holdfast.md", server));
  }
});

test("the page's commands, word by word in a fresh shell, give everything back", async () => {
  using folder = temporaryFolder();
  const crm = buildCrm(join(folder.path, "crm"));
  const run = (sql: string) => {
    using database = new DatabaseSync(crm.database);
    database.exec(sql);
  };
  const env = { ...process.env, HOLDFAST_STATE: join(folder.path, "state") };
  const backup = async (...args: readonly string[]) => {
    const { code, stderr } = await holdfast(args, { cwd: join(folder.path, "crm"), env });
    assert.ok(code === 0 || code === 3, `${args.join(" ")}: ${stderr}`);
  };
  run(hostile);
  await backup("init", "--yes", "--repository", "../backups", "--password-file", "../password.txt");
  await backup("backup", "full");
  workingDay(crm, 1);
  run(hostileDay);
  await backup("backup", "incremental");
  workingDay(crm, 2);
  await backup("backup", "incremental");

  const script = scriptOf("without-holdfast.md");
  assert.match(script, /sqlite3 .* < restore.sql/);
  const empty = join(folder.path, "home");
  mkdirSync(empty);
  writeFileSync(join(folder.path, "script.sh"), script);
  const shell = await runCommand("/bin/sh", ["-eu", "script.sh"], {
    cwd: folder.path,
    env: { PATH: "/usr/bin:/bin", HOME: empty },
  });
  assert.equal(shell.code, 0, shell.stdout + shell.stderr);
  assert.match(shell.stdout, /^ok$/m);

  assert.deepEqual(compareDatabases(crm.database, join(folder.path, "crm.db")), []);
  assert.deepEqual(folderContent(join(folder.path, "attachments")), folderContent(crm.attachments));
  const config = readFileSync(join(folder.path, "crm/holdfast.yaml"), "utf8");
  assert.equal(readFileSync(join(folder.path, "holdfast.yaml"), "utf8"), config);
});

/** Keys that a script could mix up: equal for the database but for their case, binary, of two columns, with escapes. */
const tables = `
  CREATE TABLE contact (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(60), photo BLOB, boss INT, FOREIGN KEY (boss) REFERENCES contact(id)) CHARACTER SET utf8mb4;
  INSERT INTO contact(name, photo) SELECT CONCAT('contact ', seq, ' 客户'), UNHEX(MD5(seq)) FROM seq_1_to_3000;
  CREATE TABLE label (name VARCHAR(40) PRIMARY KEY, v INT) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;
  INSERT INTO label VALUES ('b',1),('A',2),('c\\td',3),('é',4),('Zürich',5),('_x',6);
  CREATE TABLE pair (a VARBINARY(10), b DATETIME, v DOUBLE, PRIMARY KEY (a,b)); INSERT INTO pair VALUES (X'00','2024-02-29',0.1),(X'0A09','0001-01-01',-0e0);
  CREATE TABLE loose (x TEXT) CHARACTER SET latin1; INSERT INTO loose VALUES ('é'),('é'),(NULL);
  CREATE VIEW named AS SELECT id, name FROM contact;
  CREATE TRIGGER stamp BEFORE INSERT ON contact FOR EACH ROW SET NEW.name = UPPER(NEW.name);
`;
const days = [
  `UPDATE contact SET name = 'changed' WHERE id % 400 = 0; DELETE FROM contact WHERE id % 401 = 0; INSERT INTO contact(name) VALUES ('new; --');
   UPDATE label SET name = 'B' WHERE name = 'b'; DELETE FROM label WHERE v = 3; INSERT INTO label VALUES ('c\\td\\\\e', 33);`,
  `UPDATE label SET v = 7 WHERE v = 1; UPDATE pair SET v = 1e300 WHERE a = X'0A09'; DELETE FROM pair WHERE a = X'00'; INSERT INTO pair VALUES (X'', '2024-01-01', NULL);
   INSERT INTO loose VALUES ('ü'); UPDATE contact SET name = 'again' WHERE id = 800; INSERT INTO contact(id, name) VALUES (401, 'back');`,
];

test("the commands for a database on MariaDB give it back, changes and all", async () => {
  using folder = temporaryFolder();
  await using server = await startMariadb();
  const cwd = join(folder.path, "work");
  mkdirSync(join(cwd, "attachments"), { recursive: true });
  writeFileSync(join(cwd, "attachments", "a.txt"), "a");
  await server.sql(`CREATE DATABASE source CHARACTER SET utf8mb4; USE source; ${tables}`);
  writeFileSync(join(folder.path, "password.txt"), "secret\n", { mode: 0o600 });
  writeFileSync(
    join(cwd, "holdfast.yaml"),
    `crm:\n  name: crm\n  platform: custom\n  database: ${JSON.stringify(server.url("source"))}\n  files: [./attachments]\nrepository:\n  location: ../backups\n  password: file:../password.txt\n`,
  );
  const env = { ...process.env, HOLDFAST_STATE: join(folder.path, "state") };
  const run = async (...args: readonly string[]) => {
    const { code, stderr } = await holdfast(args, { cwd, env });
    assert.equal(code, 0, `${args.join(" ")}: ${stderr}`);
  };
  await run("init", "--yes");
  await run("backup", "full");
  for (const day of days) {
    await server.sql(day, "source");
    await run("backup", "incremental");
  }
  const home = join(folder.path, "home");
  mkdirSync(home);
  writeFileSync(join(home, ".my.cnf"), `[client]\nsocket=${server.socket}\nuser=root\n`);
  writeFileSync(join(folder.path, "script.sh"), scriptOf("without-holdfast.md", "MariaDB"));
  const shell = await runCommand("/bin/sh", ["-eu", "script.sh"], {
    cwd: folder.path,
    env: { PATH: "/usr/bin:/bin", HOME: home },
  });
  assert.equal(shell.code, 0, shell.stdout + shell.stderr);
  assert.match(shell.stdout, /contact\t299\d/);
  const dump = (name: string) =>
    commandOutput("mariadb-dump", [
      ...["--no-defaults", `--socket=${server.socket}`, "--user=root", "--skip-comments", "--hex-blob"],
      ...["--order-by-primary", "--skip-extended-insert", name],
    ]);
  assert.deepEqual((await dump("crm")).split("\n").toSorted(), (await dump("source")).split("\n").toSorted());
});

test("the page's commands for PostgreSQL, with restic and psql alone", async () => {
  using folder = temporaryFolder();
  await using server = await startPostgres();
  await server.sql("CREATE DATABASE live");
  await server.sql(readFileSync(new URL("../support/postgres-crm.sql", import.meta.url), "utf8"), "live");
  const crm = join(folder.path, "crm");
  mkdirSync(join(crm, "attachments"), { recursive: true });
  writeFileSync(join(crm, "attachments", "a.txt"), "a");
  writeFileSync(join(folder.path, "password.txt"), "secret\n", { mode: 0o600 });
  const config = `crm:\n  name: crm\n  database: ${server.url("live")}\n  files: [./attachments]\n`;
  writeFileSync(
    join(crm, "holdfast.yaml"),
    `${config}repository:\n  location: ../backups\n  password: file:../password.txt\n`,
  );
  const env = { ...process.env, HOLDFAST_STATE: join(folder.path, "state") };
  for (const args of [["init", "--yes"], ["backup"]]) {
    const { code, stderr } = await holdfast(args, { cwd: crm, env });
    assert.ok(code === 0 || code === 3, stderr);
  }
  writeFileSync(join(folder.path, "script.sh"), scriptOf("without-holdfast.md", "PostgreSQL"));
  const client = { PGHOST: server.folder, PGPORT: String(server.port), PGUSER: "postgres" };
  const shell = await runCommand("/bin/sh", ["-eu", "script.sh"], {
    cwd: folder.path,
    env: { PATH: "/usr/bin:/bin", HOME: folder.path, ...client },
  });
  assert.equal(shell.code, 0, shell.stdout + shell.stderr);
  assert.match(shell.stdout, /^ok$/m);
  const dump = (database: string) =>
    commandOutput("pg_dump", ["--data-only", "--inserts", "-d", database], { env: { ...process.env, ...client } });
  const sorted = (text: string) =>
    text
      .split("\n")
      .filter((line) => !/^(\\|--)/.test(line))
      .toSorted()
      .join("\n");
  assert.equal(sorted(await dump("crm")), sorted(await dump("live")));
});
