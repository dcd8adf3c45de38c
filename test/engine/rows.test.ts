import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { mysqlEngine } from "../../src/database/mysql/mysql.ts";
import { postgresEngine } from "../../src/database/postgres/postgres.ts";
import { sqliteEngine } from "../../src/database/sqlite/sqlite.ts";
import { startMariadb } from "../support/mariadb-server.ts";
import { startPostgres } from "../support/postgres-server.ts";
import { rowsContract } from "../support/rows-contract.ts";
import { temporaryFolder } from "../support/temp-folder.ts";

const { signal } = new AbortController();

test("single rows of SQLite; its triggers sleep but for those of a full-text index", async () => {
  using folder = temporaryFolder();
  const path = join(folder.path, "crm.db");
  const sql = async (script: string): Promise<string> => {
    using connection = new DatabaseSync(path);
    if (!script.startsWith("SELECT")) connection.exec(script);
    else
      return connection
        .prepare(script)
        .all()
        .map((row) => Object.values(row).join("|"))
        .join("\n");
    return "";
  };
  const address = { url: `sqlite:${path}` };
  await sql("CREATE TABLE first (x)");
  await rowsContract({ engine: sqliteEngine, address, sql });
  await sql(`CREATE VIRTUAL TABLE search USING fts5(body, content='note', content_rowid='id');
    CREATE TRIGGER into_search AFTER INSERT ON note BEGIN INSERT INTO search(rowid, body) VALUES (new.id, new.body); END;
    CREATE TRIGGER count_notes AFTER INSERT ON note BEGIN INSERT INTO log VALUES ('note ' || new.id); END;`);
  const before = await sql("SELECT name FROM sqlite_schema WHERE type = 'trigger'");
  await sqliteEngine.rows(address, "change", signal, async (rows) => {
    const note = rows.tables.find(({ name }) => name === "note") ?? assert.fail();
    assert.deepEqual((await rows.facts(note)).triggers, [{ name: "count_notes", how: "aside" }]);
    await rows.insert(note, note.columns, ['i990\t\\N\t\\N\t"findme"\t\\N']);
  });
  assert.equal(await sql("SELECT count(*) FROM log WHERE line LIKE 'note%'"), "0");
  assert.equal(await sql("SELECT rowid FROM search WHERE search MATCH 'findme'"), "990");
  assert.equal(await sql("SELECT name FROM sqlite_schema WHERE type = 'trigger'"), before);
});

test("single rows of PostgreSQL; triggers sleep and wake as they were, counters move forward only", async () => {
  await using server = await startPostgres();
  await server.sql("CREATE DATABASE crm");
  const engine = postgresEngine({});
  const address = { url: server.url("crm") };
  const sql = (script: string) => server.sql(script, "crm");
  await rowsContract({ engine, address, sql });
  await sql(`CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO log VALUES (''note''); RETURN new; END';
    CREATE TRIGGER a AFTER INSERT ON note FOR EACH ROW EXECUTE FUNCTION noted();
    CREATE TRIGGER b AFTER INSERT ON note FOR EACH ROW EXECUTE FUNCTION noted();
    CREATE TRIGGER c AFTER INSERT ON note FOR EACH ROW EXECUTE FUNCTION noted();
    ALTER TABLE note ENABLE ALWAYS TRIGGER b; ALTER TABLE note DISABLE TRIGGER c;
    SELECT setval(pg_get_serial_sequence('note', 'id'), 5000);`);
  const states = "SELECT tgname, tgenabled FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1";
  const before = await sql(states);
  await engine.rows(address, "change", signal, async (rows) => {
    const note = rows.tables.find(({ name }) => name === "note") ?? assert.fail();
    assert.deepEqual(
      (await rows.facts(note)).triggers,
      ["a", "b"].map((name) => ({ name, how: "aside" })),
    );
    await rows.insert(note, note.columns.slice(0, 1), ["990"]);
  });
  assert.equal(await sql("SELECT count(*) FROM log"), "0\n");
  assert.equal(await sql(states), before);
  assert.equal(await sql("SELECT nextval(pg_get_serial_sequence('note', 'id'))"), "5001\n");
});

test("single rows of MariaDB; that triggers fire is told", async () => {
  await using server = await startMariadb();
  await server.sql("CREATE DATABASE crm CHARACTER SET utf8mb4");
  const address = { url: server.url("crm") };
  const sql = (script: string) => server.sql(script, "crm");
  await rowsContract({ engine: mysqlEngine, address, sql });
  await sql(
    "CREATE TRIGGER a AFTER INSERT ON note FOR EACH ROW INSERT INTO log VALUES ('note'); CREATE TABLE old (id INT PRIMARY KEY) ENGINE=MyISAM;",
  );
  await mysqlEngine.rows(address, "read", signal, async (rows) => {
    const table = (name: string) => rows.tables.find((one) => one.name === name) ?? assert.fail(name);
    assert.deepEqual((await rows.facts(table("note"))).triggers, [{ name: "a", how: "fires" }]);
    assert.equal((await rows.facts(table("old"))).transactional, "no");
  });
});
