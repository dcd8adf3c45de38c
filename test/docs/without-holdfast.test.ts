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
import { runCommand } from "../support/run-command.ts";
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

/** What a reader of the page types, from top to bottom. */
function scriptOf(page: string): string {
  return codeBlocks(readFileSync(join(docs, page), "utf8"))
    .filter(({ language }) => language === "sh")
    .map(({ text }) => text)
    .join("");
}

test("the Chinese page has the same commands", () => {
  assert.equal(scriptOf("without-holdfast.zh-CN.md"), scriptOf("without-holdfast.md"));
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
