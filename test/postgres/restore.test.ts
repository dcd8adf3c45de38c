import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { Manifest } from "../../src/contents/manifest.ts";
import { listUndoable, undoRestore } from "../../src/engine/undo.ts";
import type { DatabaseEngine, RowBatch, TableRows } from "../../src/database/database.ts";
import { isHoldfastError, type ErrorCode } from "../../src/lib/errors.ts";
import { postgres } from "../support/postgres-capture.ts";
import { type PostgresServer, startPostgres } from "../support/postgres-server.ts";
import { resticOn } from "../support/restic.ts";
import { commandOutput } from "../support/run-command.ts";
import { missingOnly, smallCrm, type SmallCrm } from "../support/small-crm.ts";
import { temporaryFolder } from "../support/temp-folder.ts";

const everything = readFileSync(new URL("../support/postgres-crm.sql", import.meta.url), "utf8");
const ownRows = `CREATE TABLE attachment (id integer PRIMARY KEY, path text); INSERT INTO attachment VALUES (1, '2026/合同.txt'), (2, 'logo.bin')`;

let server: PostgresServer;
before(async () => {
  server = await startPostgres();
  await server.sql("CREATE DATABASE template");
  await server.sql(`${everything}; ${ownRows}`, "template");
});
after(() => server[Symbol.asyncDispose]());

let made = 0;
async function newCrm(
  root: string,
  engine: DatabaseEngine = postgres,
): Promise<SmallCrm & { readonly name: string; readonly psql: (sql: string) => Promise<string> }> {
  const name = `crm${made++}`;
  await server.sql(`CREATE DATABASE ${name} TEMPLATE template`);
  const crm = await smallCrm(root, { url: server.url(name), engine });
  return { ...crm, name, psql: (sql) => server.sql(sql, name) };
}

/** What `pg_dump` writes of a database, rows of a table in any order. */
async function dumped(database: string): Promise<string> {
  const options = ["-h", server.folder, "-p", String(server.port), "-U", "postgres", "--inserts", "-d", database];
  const lines = (await commandOutput("pg_dump", options))
    .split("\n")
    .filter((line) => !/^(\\|-- Dumped|SELECT pg_catalog.lo)/.test(line));
  return [
    ...lines.filter((line) => !line.startsWith("INSERT")),
    ...lines.filter((line) => line.startsWith("INSERT")).toSorted(),
  ].join("\n");
}

const day = `
  UPDATE company SET name = name || ' AG', price = price + 1 WHERE id % 50 = 0;
  DELETE FROM contact WHERE id % 11 = 0;
  INSERT INTO company (name) VALUES ('new one'), (E'new\\ttwo');
  UPDATE tag SET name = 'z' WHERE name = 'Z';
  INSERT INTO lorry VALUES (3, 4, 100);
  INSERT INTO visit VALUES ('2025-03-03', 99, 'moved'), ('2031-01-01', 1, NULL);
  DELETE FROM visit WHERE note = 'n500';
  SELECT lo_put(70002, 5, 'abc');
`;
const fails = (code: ErrorCode) => (error: unknown) => isHoldfastError(error, code);

test("backed up three times, destroyed, put back beside and swapped in, and undone", async () => {
  using folder = temporaryFolder();
  const crm = await newCrm(folder.path);
  const first = await crm.backup();
  assert.deepEqual([first.kind, first.outcome, first.warnings], ["full", "ok", []]);
  await crm.psql(day);
  const second = await crm.backup();
  assert.ok(second.rows.changedRows > 200 && second.rows.changedRows < 1000, `${second.rows.changedRows} rows changed`);
  const told = crm.events.flatMap((event) =>
    event.type === "note" && event.code === "table-method" ? [event.facts] : [],
  );
  assert.deepEqual(told, [{ count: 8, method: "xmin" }]);
  assert.equal((await crm.backup()).rows.changedRows, 0);
  const restic = resticOn(crm.access.location, crm.access.password);
  await restic.check();
  const manifest = JSON.parse(await restic.output("dump", "latest", "/acme/holdfast.json")) as Manifest;
  // Another thirtieth in each, also where backups come at the same second of each hour.
  assert.equal(manifest.databases[0]?.audit, 2);
  const was = await dumped(crm.name);
  await crm.psql("DROP TABLE company CASCADE; DELETE FROM tag; CREATE TABLE newer (x integer)");
  const broken = await dumped(crm.name);

  const plan = await crm.plan();
  assert.equal(plan.confirm, "acme");
  assert.deepEqual(
    plan.parts.filter(({ kind }) => kind === "database").map(({ action }) => action),
    ["replace"],
  );
  const report = await crm.apply(plan);
  assert.deepEqual([report.failed, report.warnings], [[], []]);
  assert.equal(await dumped(crm.name), was);
  assert.ok(report.kept.some((url) => url.includes(`${crm.name}_holdfast_`)));
  await undoRestore(crm.engine, {}, crm.run);
  assert.equal(await dumped(crm.name), broken);

  // What somebody did between a restore and its undo is kept, also when the same plan is applied once more.
  const again = await crm.plan({ scope: { kind: "database" } });
  await crm.apply(again);
  await crm.psql("INSERT INTO tag VALUES ('a day of work', 1)");
  const worked = await dumped(crm.name);
  await undoRestore(crm.engine, {}, crm.run);
  await assert.rejects(crm.apply(again), fails("plan-outdated"));
  assert.equal(await dumped(`${crm.name}_holdfast_${again.id}_new`), worked);
});

test("a plan is refused once the database moved, and while somebody is connected", async () => {
  using folder = temporaryFolder();
  const crm = await newCrm(folder.path);
  await crm.backup();
  const plan = await crm.plan();
  await crm.psql("INSERT INTO tag VALUES ('more', 1); SELECT pg_stat_force_next_flush()");
  await assert.rejects(crm.apply(plan), fails("plan-outdated"));
  const again = await crm.plan();
  const other = await postgres.connect({ url: server.url(crm.name) }, { signal: crm.run.signal });
  await assert.rejects(crm.apply(again), fails("target-in-use"));
  await other[Symbol.asyncDispose]();
  assert.equal((await crm.apply(again)).failed.length, 0);
});

test("another database on the server: a clone is made harmless, a database that is there is left alone", async () => {
  using folder = temporaryFolder();
  const crm = await newCrm(folder.path);
  await crm.psql(
    "ALTER TABLE company RENAME TO contact_old; CREATE TABLE contact_x (name text); ALTER TABLE contact ADD COLUMN name text DEFAULT 'somebody'",
  );
  await crm.backup();
  const scope = { kind: "database" } as const;
  const elsewhere = (name: string) => ({ scope, targetDatabase: server.url(name), purpose: "clone" }) as const;
  await assert.rejects(crm.plan(elsewhere(crm.name)), fails("target-not-empty"));
  await assert.rejects(
    crm.plan({ scope, target: join(folder.path, "x"), purpose: "clone" }),
    fails("target-database-needed"),
  );
  const report = await crm.apply(await crm.plan(elsewhere(`${crm.name} clone`)));
  assert.deepEqual([report.undo, report.kept], [undefined, []]);
  assert.equal(await server.sql("SELECT DISTINCT name FROM contact", `${crm.name} clone`), "nobody\n");
  assert.equal(await server.sql("SELECT DISTINCT name FROM contact", crm.name), "somebody\n");
});

test("stock restic and psql alone give the same database", async () => {
  using folder = temporaryFolder();
  const crm = await newCrm(folder.path);
  await crm.backup();
  await crm.psql(day);
  await crm.backup();
  await crm.psql(
    "UPDATE company SET mail = 'x@y' WHERE id < 20; DELETE FROM company WHERE id = 2999; SELECT lo_unlink(70002), lo_create(70003)",
  );
  await crm.backup();
  const out = join(folder.path, "out");
  await resticOn(crm.access.location, crm.access.password).output("restore", "latest", "--target", out);
  const inside = join(out, "acme/databases/main");
  const create = /^--\s+(CREATE DATABASE .*)$/m.exec(readFileSync(join(inside, "restore.sql"), "utf8"))?.[1] ?? "";
  await server.sql(create.replace('"crm"', `"${crm.name} psql"`));
  const options = ["-X", "-h", server.folder, "-p", String(server.port), "-U", "postgres", "-d", `${crm.name} psql`];
  const said = await commandOutput("psql", [...options, "-f", "restore.sql"], { cwd: inside });
  assert.match(said, /(^|\n)ok\n$/);
  assert.equal(await dumped(`${crm.name} psql`), await dumped(crm.name));
});

/** Functions that name others as the application does, and keys whose operators are an extension's, in a schema of its own. */
const asInDailyWork = `
  CREATE SCHEMA tools; CREATE EXTENSION ltree SCHEMA tools; CREATE EXTENSION citext SCHEMA tools;
  CREATE FUNCTION bare(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT lower($1)';
  CREATE FUNCTION sortable(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT bare($1)';
  CREATE FUNCTION is_name(text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN bare($1) <> $$$$; END';
  CREATE TABLE person (id integer PRIMARY KEY, name text CHECK (is_name(name)),
    sorted text GENERATED ALWAYS AS (sortable(name)) STORED);
  INSERT INTO person SELECT i, 'Name ' || i FROM generate_series(1, 2000) i;
  CREATE INDEX person_by_name ON person (sortable(name)); CREATE UNIQUE INDEX ON person (sortable(name)) WHERE is_name(name);
  CREATE MATERIALIZED VIEW first_names AS SELECT sortable(name) AS name FROM person WHERE id < 10;
  CREATE TABLE branch (path tools.ltree PRIMARY KEY, name tools.citext UNIQUE, person integer REFERENCES person, kind regclass DEFAULT 'attachment');
  INSERT INTO branch SELECT ('a.b' || i)::tools.ltree, 'Branch ' || i, i FROM generate_series(1, 2000) i;
  CREATE TABLE word (word tools.citext PRIMARY KEY, n integer);
  INSERT INTO word SELECT CASE WHEN i % 2 = 0 THEN 'W' ELSE 'w' END || i, i FROM generate_series(1, 2000) i;`;

test("functions find what they name without a schema, as in daily work, in backups and restores", async () => {
  using folder = temporaryFolder();
  const crm = await newCrm(folder.path);
  await crm.psql(asInDailyWork);
  await crm.backup();
  await crm.psql(
    `UPDATE person SET name = name || '!' WHERE id % 100 = 0; DELETE FROM branch WHERE person = 7; UPDATE branch SET name = 'X' WHERE person = 9;
     UPDATE word SET word = upper(word::text) WHERE n = 11; DELETE FROM word WHERE n = 12; REFRESH MATERIALIZED VIEW first_names`,
  );
  const second = await crm.backup();
  assert.deepEqual([second.kind, second.outcome, second.rows.changedRows], ["incremental", "ok", 25]);
  const asked = "SELECT sortable(name) FROM person ORDER BY id; TABLE branch; TABLE word; TABLE first_names";
  const was = await crm.psql(asked);
  const out = join(folder.path, "out");
  await resticOn(crm.access.location, crm.access.password).output("restore", "latest", "--target", out);
  const options = ["-X", "-h", server.folder, "-p", String(server.port), "-U", "postgres", "-d", `${crm.name} psql`];
  await server.sql(`CREATE DATABASE "${crm.name} psql" TEMPLATE template0`);
  const said = await commandOutput("psql", [...options, "-f", "restore.sql"], {
    cwd: join(out, "acme/databases/main"),
  });
  assert.match(said, /(^|\n)ok\n$/);
  const sorted = (text: string) => text.split("\n").toSorted();
  const indexes = "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1";
  assert.deepEqual(sorted(await server.sql(asked, `${crm.name} psql`)), sorted(was));
  assert.equal(await server.sql(indexes, `${crm.name} psql`), await crm.psql(indexes));
  await crm.psql("DROP TABLE person CASCADE; DELETE FROM word");
  const report = await crm.apply(await crm.plan({ scope: { kind: "database" } }));
  assert.deepEqual([report.failed, report.warnings], [[], []]);
  assert.deepEqual(sorted(await crm.psql(asked)), sorted(was));
  assert.equal(await server.sql(indexes, `${crm.name} psql`), await crm.psql(indexes));
});

test("killed while it loads: the live database is as it was, the half-made one is named, and the plan goes on or is dropped", async () => {
  using folder = temporaryFolder();
  const crm = await newCrm(folder.path);
  await crm.backup();
  await crm.psql("UPDATE company SET mail = 'later@x'; SELECT pg_stat_force_next_flush()");
  const live = await dumped(crm.name);
  const halfMade = async () =>
    (await server.sql(`SELECT count(*) FROM pg_database WHERE datname LIKE '${crm.name}_holdfast_%'`)).trim();

  const plan = await crm.plan();
  await killedRestore(crm, plan.id);
  assert.equal(await dumped(crm.name), live);
  assert.equal(await halfMade(), "1");
  const [left] = await listUndoable(crm.engine);
  assert.deepEqual([left?.state, left?.plan], ["half-made", plan.id]);
  // Going on: the half-made one makes room for a whole one.
  const report = await crm.apply(plan);
  assert.deepEqual(report.failed, []);
  assert.equal(await server.sql("SELECT count(*) FROM company WHERE mail = 'later@x'", crm.name), "0\n");
  await undoRestore(crm.engine, {}, crm.run);
  assert.equal(await dumped(crm.name), live);

  const again = await crm.plan();
  await killedRestore(crm, again.id);
  const count = await halfMade();
  await undoRestore(crm.engine, { id: again.id }, crm.run);
  assert.equal(Number(await halfMade()), Number(count) - 1);
  assert.equal(await dumped(crm.name), live);
});

test("rows that are not what was backed up are seen by what the server says of them, and nothing is swapped", async () => {
  async function* changed(tables: AsyncIterable<TableRows>): AsyncGenerator<TableRows> {
    for await (const { table, batches } of tables) {
      const other = async function* (): AsyncGenerator<RowBatch> {
        for await (const batch of batches) {
          const lines = batch.lines.toString("latin1").replace("logo.bin", "logo.txt");
          yield { ...batch, lines: Buffer.from(lines, "latin1") };
        }
      };
      yield table.name === "attachment" ? { table, batches: other() } : { table, batches };
    }
  }
  const load: DatabaseEngine["load"] = (address, schema, tables, options) =>
    postgres.load(address, schema, changed(tables), options);
  using folder = temporaryFolder();
  const crm = await newCrm(folder.path, { ...postgres, load });
  await crm.backup();
  await crm.psql("UPDATE company SET mail = 'later@x'; SELECT pg_stat_force_next_flush()");
  const live = await dumped(crm.name);
  await assert.rejects(crm.apply(await crm.plan()), fails("restore-mismatch"));
  assert.equal(await dumped(crm.name), live);
});

/** Applies a plan in a process of its own, which is killed as soon as the server has a database for it. */
async function killedRestore(crm: SmallCrm, plan: string): Promise<void> {
  const script = join(import.meta.dirname, "apply-plan.ts");
  const { stateFolder } = crm.engine;
  const child = spawn(process.execPath, [script, stateFolder, crm.access.password, plan], { stdio: "ignore" });
  const ended = once(child, "exit");
  const loading = `SELECT count(*) FROM pg_database WHERE datname LIKE '%_holdfast_${plan}_new'`;
  for (let asked = 0; asked < 2000; asked++) {
    if ((await server.sql(loading)).trim() !== "0") break;
    assert.equal(child.exitCode, null, "it ended before it loaded anything");
  }
  child.kill("SIGKILL");
  await ended;
}

test("a merge leaves no counter behind the rows that came back, and moves none otherwise", async () => {
  using folder = temporaryFolder();
  const crm = await newCrm(folder.path);
  await crm.psql(`CREATE TABLE counted (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text);
    CREATE TABLE down (id serial PRIMARY KEY, name text); ALTER SEQUENCE down_id_seq INCREMENT -1 MINVALUE -100 MAXVALUE -1 START -1 RESTART;
    CREATE TABLE ahead (id serial PRIMARY KEY, name text);
    INSERT INTO counted (name) VALUES ('a'), ('b'), ('c'); INSERT INTO down (name) VALUES ('a'), ('b'), ('c');
    INSERT INTO ahead (name) VALUES ('a')`);
  await crm.backup();
  await crm.psql(`TRUNCATE counted RESTART IDENTITY; TRUNCATE down RESTART IDENTITY; SELECT setval('ahead_id_seq', 7)`);
  await crm.apply(await crm.plan({ scope: { kind: "database" }, switches: missingOnly }));
  const next = (table: string) => crm.psql(`INSERT INTO ${table} (name) VALUES ('new') RETURNING id`);
  assert.deepEqual([await next("counted"), await next("down"), await next("ahead")].map(Number), [4, -4, 8]);
});
