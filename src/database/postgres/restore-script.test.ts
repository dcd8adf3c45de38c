import assert from "node:assert/strict";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { captureDatabase, postgres } from "../../../test/support/postgres-capture.ts";
import { startPostgres } from "../../../test/support/postgres-server.ts";
import { runCommand } from "../../../test/support/run-command.ts";

test("a name that holds a line end is a name to psql too, and nothing that it runs", async () => {
  await using server = await startPostgres();
  const folder = join(server.folder, "restore");
  mkdirSync(folder, { mode: 0o777 });
  // Whoever may make tables in a CRM's database chooses their names.
  const attack = (word: string): string => `"${word}\n\\! touch ${folder}/${word}\n\\q\n"`;
  await server.sql("CREATE DATABASE crm; CREATE DATABASE new TEMPLATE template0");
  await server.sql(
    `CREATE TABLE ${attack("table")} (id integer PRIMARY KEY, ${attack("column")} text, generated integer GENERATED ALWAYS AS (id + 1) STORED);
     INSERT INTO ${attack("table")} VALUES (1, E'a\\tb'), (2, NULL), (3, 'c');
     CREATE TABLE "carriage\rreturn" (id integer PRIMARY KEY); INSERT INTO "carriage\rreturn" VALUES (7)`,
    "crm",
  );
  const { schema, lines } = await captureDatabase(server.url("crm"));
  const layouts = [...lines].map(([table, bytes], at) => {
    writeFileSync(join(folder, `base${at}`), bytes);
    const isFirst = table.columns.length > 1;
    writeFileSync(join(folder, `deleted${at}`), isFirst ? "2\n" : "");
    writeFileSync(join(folder, `rows${at}`), isFirst ? "3\tchanged\n4\tnew\n" : "");
    return { table, base: [`base${at}`], runs: [{ deleted: `deleted${at}`, rows: `rows${at}` }] };
  });
  writeFileSync(join(folder, "restore.sql"), postgres.restoreScript(schema, layouts));
  const at = ["-h", server.folder, "-p", String(server.port), "-U", "postgres", "-d", "new"];
  const { code, stdout, stderr } = await runCommand("psql", ["-X", ...at, "-f", "restore.sql"], { cwd: folder });
  assert.deepEqual([code, stdout, stderr], [0, "ok\n", ""]);
  for (const word of ["table", "column"]) assert.ok(!existsSync(join(folder, word)), `${word} was run`);
  assert.equal(
    await server.sql(`SELECT * FROM ${attack("table")} ORDER BY id`, "new"),
    "1|a\tb|2\n3|changed|4\n4|new|5\n",
  );
  assert.equal(await server.sql('SELECT * FROM "carriage\rreturn"', "new"), "7\n");
});
