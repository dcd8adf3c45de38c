import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { captureDatabase, loadCaptured, postgres } from "../../../test/support/postgres-capture.ts";
import { type PostgresServer, startPostgres } from "../../../test/support/postgres-server.ts";
import { commandOutput } from "../../../test/support/run-command.ts";
import { definitionsFromCatalog } from "./catalog-definitions.ts";
import { PostgresConnection } from "./connection.ts";

const { signal } = new AbortController();
const everything = readFileSync(new URL("../../../test/support/postgres-crm.sql", import.meta.url), "utf8");

let server: PostgresServer;
before(async () => {
  server = await startPostgres();
  await server.sql("CREATE DATABASE crm");
  await server.sql(everything, "crm");
});
after(() => server[Symbol.asyncDispose]());

/** All of a database as `pg_dump` writes it, rows of each table sorted, without what names the database. */
async function dumped(database: string): Promise<string> {
  const text = await commandOutput("pg_dump", [
    "-h",
    server.folder,
    "-p",
    String(server.port),
    "-U",
    "postgres",
    "--inserts",
    "-d",
    database,
  ]);
  const lines = text.split("\n").filter((line) => !/^(\\|-- Dumped|SELECT pg_catalog.lo)/.test(line));
  const inserts = lines.filter((line) => line.startsWith("INSERT")).toSorted();
  return [...lines.filter((line) => !line.startsWith("INSERT")), ...inserts].join("\n");
}

test("everything comes back as it was, by what pg_dump compares", async () => {
  const captured = await captureDatabase(server.url("crm"));
  assert.match(String(captured.schema.settings["definitions"]), /^pg_dump 15\.\d+$/);
  assert.deepEqual(captured.schema.uncovered, []);
  assert.deepEqual(await loadCaptured(server.url("copy"), captured), []);
  assert.equal(await dumped("copy"), await dumped("crm"));
  assert.equal(await server.sql("SELECT nextval('invoice_number'), nextval('company_id_seq')", "copy"), "986|3001\n");
  assert.equal(await server.sql("SHOW work_mem", "copy"), "5MB\n");
});

test("who only reads rows starts no pg_dump", async () => {
  const { schema } = await captureDatabase(server.url("crm"));
  await using source = await postgres.connect({ url: server.url("crm") }, { signal });
  await using snapshot = await source.snapshot(signal, "rows");
  assert.deepEqual([snapshot.schema.before, snapshot.schema.settings["definitions"]], [[], "none"]);
  assert.deepEqual(snapshot.schema.tables, schema.tables);
  for (const table of snapshot.schema.tables) assert.equal(await snapshot.reader(table).mark?.(signal), undefined);
});

test("how busy a server is: what others do, and how long a real piece of work takes it", async () => {
  await using source = await postgres.connect({ url: server.url("crm") }, { signal });
  const load = await source.load?.(signal);
  assert.ok(load && load.others > 0 && load.answerMs > 0.3, JSON.stringify(load));
});

test("what changed is told without definitions too: a small table is summed up, and for a large one they are read after all", async () => {
  await server.sql("CREATE DATABASE sizes");
  await server.sql(
    `CREATE TABLE small (id integer PRIMARY KEY, name text);
     CREATE TABLE large (id integer PRIMARY KEY, name text);
     INSERT INTO small VALUES (1, 'a');
     INSERT INTO large SELECT i, repeat('x', 1500) FROM generate_series(1, 50000) i`,
    "sizes",
  );
  await using source = await postgres.connect({ url: server.url("sizes") }, { signal });
  const marks = new Map<string, string | undefined>();
  {
    await using whole = await source.snapshot(signal);
    for (const table of whole.schema.tables) marks.set(table.name, await whole.reader(table).mark?.(signal));
  }
  await server.sql("UPDATE small SET name = 'b'; UPDATE large SET name = 'c' WHERE id = 7", "sizes");
  await using snapshot = await source.snapshot(signal, "rows");
  const changed = async (name: string): Promise<string | undefined> => {
    const table = snapshot.schema.tables.find((one) => one.name === name);
    assert.ok(table);
    const changes = await snapshot.reader(table).changes?.(marks.get(name) ?? "", signal);
    if (!changes) return undefined;
    const batches = await Array.fromAsync(changes.rows(), ({ lines }) => lines.toString("latin1"));
    return batches.join("");
  };
  assert.equal(await changed("small"), undefined);
  assert.equal(await changed("large"), "7\tc\n");
  assert.equal(await changed("small"), "1\tb\n");
});

test("the same by definitions from the catalog, where no pg_dump is new enough", async () => {
  const captured = await captureDatabase(server.url("crm"));
  await using connection = await PostgresConnection.open({ url: server.url("crm") }, { environment: {}, signal });
  const made = await definitionsFromCatalog(connection);
  assert.deepEqual([made.source, made.uncovered], ["catalog", []]);
  const refreshes = captured.schema.after.filter((statement) => statement.startsWith("REFRESH"));
  const schema = { ...captured.schema, before: made.before, after: [...made.after, ...refreshes] };
  assert.deepEqual(await loadCaptured(server.url("from catalog"), { ...captured, schema }), []);
  assert.equal(await dumped("from catalog"), await dumped("crm"));
});

test("the keys of a large table, whose indexes are built before they are keys, are the keys that they were", async () => {
  await server.sql("CREATE DATABASE large");
  await server.sql(
    `CREATE TABLE large (id integer PRIMARY KEY, "Odd ""code""" text COLLATE "C" UNIQUE, a integer, b integer NOT NULL,
       CONSTRAINT pair UNIQUE (b, a), CONSTRAINT late UNIQUE (b) DEFERRABLE INITIALLY DEFERRED, CONSTRAINT roomy UNIQUE (b, id) WITH (fillfactor=70));
     ALTER TABLE large CLUSTER ON pair; COMMENT ON CONSTRAINT pair ON large IS 'both'; CREATE INDEX ON large (a);
     INSERT INTO large SELECT i, 'c' || i, NULLIF(i, 7), i FROM generate_series(1, 100001) i;
     CREATE TABLE small (id integer PRIMARY KEY REFERENCES large, code text COLLATE "C" REFERENCES large ("Odd ""code"""));
     INSERT INTO small VALUES (1, 'c1')`,
    "large",
  );
  const captured = await captureDatabase(server.url("large"));
  const sums: string[] = [];
  const onSums = (table: { readonly name: string }, { rows }: { readonly rows: number }) =>
    void sums.push(`${table.name} ${rows}`);
  await loadCaptured(server.url("large copy"), captured, { onSums });
  assert.deepEqual(sums.toSorted(), ["large 100001", "small 1"]);
  assert.equal(await dumped("large copy"), await dumped("large"));
  const keys = `SELECT c.conname, c.contype, c.conindid::regclass, c.condeferrable, to_jsonb(i) - '{indexrelid,indrelid}'::text[],
      (SELECT string_agg(concat(d.deptype, ' ', pg_describe_object(d.refclassid, d.refobjid, d.refobjsubid)), ', '
         ORDER BY d.refclassid, d.refobjsubid)
       FROM pg_depend d WHERE d.objid = i.indexrelid)
    FROM pg_constraint c JOIN pg_index i ON i.indexrelid = c.conindid WHERE c.connamespace = 'public'::regnamespace AND c.contype IN ('p', 'u') ORDER BY 1`;
  const found = await server.sql(keys, "large copy");
  assert.equal(found.trim().split("\n").length, 6);
  assert.equal(found, await server.sql(keys, "large"));
});

test("tables that refer to each other come back with keys that the server has compared, and one that it need not", async () => {
  await server.sql("CREATE DATABASE related");
  const names = Array.from({ length: 8 }, (_, at) => `t${at}`);
  await server.sql(
    [
      ...names.map(
        (name) => `CREATE TABLE ${name} (id integer PRIMARY KEY, of integer, beside integer REFERENCES ${name})`,
      ),
      ...names.flatMap((name) => [
        `INSERT INTO ${name} SELECT i, 1 + i % 2000, i FROM generate_series(1, 2000) i`,
        `CREATE INDEX ON ${name} (of)`,
      ]),
      ...names.map(
        (name, at) => `ALTER TABLE ${name} ADD FOREIGN KEY (of) REFERENCES ${names[(at + 1) % names.length]}`,
      ),
      "CREATE TABLE loose (id integer PRIMARY KEY, of integer)",
      "INSERT INTO loose VALUES (1, 99999)",
      "ALTER TABLE loose ADD FOREIGN KEY (of) REFERENCES t0 NOT VALID",
    ].join(";"),
    "related",
  );
  const captured = await captureDatabase(server.url("related"));
  const told = new Map<string, number>();
  await loadCaptured(server.url("related copy"), captured, {
    onSums: ({ name }, { rows }) => void told.set(name, rows),
  });
  assert.equal(await dumped("related copy"), await dumped("related"));
  assert.deepEqual(told.get("loose"), 1);
  assert.deepEqual(new Set(names.map((name) => told.get(name))), new Set([2000]));
  const valid = "SELECT count(*) FILTER (WHERE convalidated), count(*) FROM pg_constraint WHERE contype = 'f'";
  assert.equal(await server.sql(valid, "related copy"), "16|17\n");
  const url = server.url("related copy");
  for (const what of [undefined, "loaded"] as const) {
    assert.deepEqual((await postgres.check({ url }, signal, what)).orphans, ["loose -> t0: 1"]);
  }
});

test("a number that goes into a column of 32 bits is planned as it reads back", async () => {
  const texts = [
    "0.1",
    "-12.50",
    "0.1234567890123",
    "16777217",
    "999999.94",
    "1234567",
    "0.00012345678",
    "100000000000",
    "0",
  ];
  await server.sql("CREATE DATABASE single");
  const rows = texts.map((text, at) => `(${at}, ${text})`).join();
  await server.sql(`CREATE TABLE one (id integer PRIMARY KEY, f real); INSERT INTO one VALUES ${rows}`, "single");
  await using source = await postgres.connect({ url: server.url("single") }, { signal });
  await using snapshot = await source.snapshot(signal);
  const [table] = snapshot.schema.tables;
  const column = table?.columns[1];
  assert.ok(table && column);
  const batches = await Array.fromAsync(snapshot.reader(table).read({}, signal), ({ lines }) =>
    lines.toString("latin1"),
  );
  assert.deepEqual(
    batches.join("").trimEnd().split("\n"),
    texts.map((text, at) => `${at}\t${postgres.fitted(text, column) ?? ""}`),
  );
});
