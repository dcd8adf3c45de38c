import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { startMariadb } from "../../../test/support/mariadb-server.ts";
import { commandOutput, runCommand } from "../../../test/support/run-command.ts";
import type { TableRows } from "../database.ts";
import { mysqlEngine } from "./mysql.ts";

/**
 * What is rare on MariaDB: sequences, tables with a history, periods, packages, programs of other SQL modes, triggers in order,
 * compressed and spatial tables, partitions of partitions, keys of every type, every engine, names that nobody would write.
 */
const { signal } = new AbortController();
const odd = readFileSync(new URL("../../../test/support/mariadb-odd.sql", import.meta.url), "utf8");

test("what is rare comes back as mariadb-dump writes it, in each way to load it", async (context) => {
  await using server = await startMariadb();
  if (server.flavour !== "mariadb") return context.skip("MySQL has little of it");
  await server.sql("CREATE DATABASE odd CHARACTER SET utf8mb4");
  await server.sql(odd, "odd");
  const dumped = async (database: string): Promise<string> => {
    const what = ["--routines", "--events", "--triggers", "--order-by-primary", "--compact", "--skip-extended-insert"];
    const text = await commandOutput("mariadb-dump", [...server.client.options, ...what, "--hex-blob", database]);
    // A row of a table with a history begins when it is written; what it was before is named as not covered.
    const lines = text.replaceAll(`\`${database}\``, "DATABASE").split("\n");
    return lines.filter((line) => !/^INSERT INTO `sysver(2|trx)`/.test(line)).join("\n");
  };
  await using source = await mysqlEngine.connect({ url: server.url("odd") }, { signal });
  await using snapshot = await source.snapshot(signal);
  const { schema } = snapshot;
  const lines = new Map<string, Buffer>();
  for (const table of schema.tables) {
    const batches = await Array.fromAsync(snapshot.reader(table).read({}, signal), (batch) => Buffer.from(batch.lines));
    lines.set(table.name, Buffer.concat(batches));
  }
  assert.deepEqual(
    schema.uncovered.map(({ subject, reason }) => `${subject}: ${reason}`),
    [
      ...["ariat", "csvt", "memt", "mi1", "mi2"].map((table) => `${table}: mysql-engine`),
      "mrg: mysql-elsewhere",
      ...["sysver", "sysver2", "sysverpart", "sysvertrx"].map((table) => `${table}: mysql-history`),
    ],
  );
  const rows = async function* (): AsyncGenerator<TableRows> {
    for (const table of schema.tables) {
      const bytes = lines.get(table.name) ?? Buffer.alloc(0);
      yield {
        table,
        batches: (async function* () {
          yield { lines: bytes, rows: bytes.toString("latin1").split("\n").length - 1 };
        })(),
      };
    }
  };
  const was = await dumped("odd");
  for (const word of ["PACKAGE BODY", "`ev2`", "SPATIAL KEY", "SETVAL(`s1`", "SUBPARTITION", "COMPRESSED", "`v1`"])
    assert.ok(was.includes(word), word);
  const refused: string[] = [];
  for (const [name, local] of [
    ["by_files", 1],
    ["by_statements", 0],
  ] as const) {
    await server.sql(`SET GLOBAL local_infile=${local}`);
    const onRefused = (statement: string) => void refused.push(statement);
    await mysqlEngine.load({ url: server.url(name) }, schema, rows(), { signal, grants: "restore", onRefused });
    assert.equal(await dumped(name), was, name);
  }
  assert.deepEqual(refused, []);
  const folder = join(server.folder, "script");
  mkdirSync(folder);
  const layouts = schema.tables.map((table, at) => {
    writeFileSync(join(folder, `rows${at}`), lines.get(table.name) ?? "");
    return { table, base: [`rows${at}`], runs: [] };
  });
  await server.sql("CREATE DATABASE scripted CHARACTER SET utf8mb4; SET GLOBAL local_infile=1");
  const args = [...server.client.options, "--local-infile=1", "scripted"];
  const input = mysqlEngine.restoreScript(schema, layouts);
  const { code, stderr } = await runCommand(server.client.program, args, { input, cwd: folder });
  assert.equal(code, 0, stderr);
  assert.equal(await dumped("scripted"), was);
});
