import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import {
  type Captured,
  captureDatabase,
  loadCaptured,
  withoutNumbers,
} from "../../../test/support/postgres-capture.ts";
import { type PostgresServer, postgresLacks, startPostgres } from "../../../test/support/postgres-server.ts";
import { commandOutput } from "../../../test/support/run-command.ts";
import type { LoadedSums, TableSchema } from "../database.ts";
import { definitionsFromCatalog } from "./catalog-definitions.ts";
import { PostgresConnection } from "./connection.ts";
import { rowHash } from "./row-hash.ts";

/**
 * What is rare: types of extensions and what users make of types, keys of each of them, partitions of partitions, comments and
 * rights on everything, functions that find what they name only where the application looks for it.
 */
const { signal } = new AbortController();
const odd = readFileSync(new URL("../../../test/support/postgres-odd.sql", import.meta.url), "utf8");

/** What a definition from the catalog does not have, and says so. */
const notInCatalog = `
  CREATE FOREIGN DATA WRAPPER nowhere; CREATE SERVER far FOREIGN DATA WRAPPER nowhere OPTIONS (host 'far');
  ALTER SERVER far OWNER TO "Ä super"; GRANT USAGE ON FOREIGN SERVER far TO r1; GRANT USAGE ON FOREIGN DATA WRAPPER nowhere TO r1;`;

/** All of a database and what it is on its server, rows of a table in any order, whatever its name is. */
async function dumped(server: PostgresServer, database: string): Promise<string> {
  const at = ["-h", server.folder, "-p", String(server.port), "-U", "postgres", "-d", database];
  const text = (await commandOutput("pg_dump", ["--create", ...at])).replaceAll(`"${database}"`, "DATABASE");
  const parts = text.replaceAll(/\b(DATABASE|connect) (?:\w+_odd)\b/g, "$1 DATABASE").split(/^\\\.$/m);
  const sorted = parts.map((part) => {
    const [head = "", rows = ""] = part.split(/(?<=^COPY [^\n]* FROM stdin;\n)/m);
    return head + rows.split("\n").toSorted().join("\n");
  });
  const lines = sorted
    .join("\n\\.\n")
    .split("\n")
    .filter((line) => !/^(\\(un)?restrict|--|SELECT pg_catalog.lo)/.test(line));
  // In the order in which they were set.
  return [
    ...lines.filter((line) => !/ SET \w+ TO | SET "/.test(line)),
    ...lines.filter((line) => / SET /.test(line)).toSorted(),
  ].join("\n");
}

function assertSums({ lines }: Captured, told: ReadonlyMap<TableSchema, LoadedSums>): void {
  for (const [table, bytes] of lines) {
    if (table.schema === "pg_catalog") continue;
    const sums = { rows: 0, rowSum: 0n };
    for (let start = 0; start < bytes.length; sums.rows++) {
      const end = bytes.indexOf(10, start);
      sums.rowSum = BigInt.asUintN(64, sums.rowSum + rowHash(bytes, start, end));
      start = end + 1;
    }
    assert.deepEqual(told.get(table), sums, table.name);
  }
}

test("PostgreSQL 15: what is rare comes back as it was, with its owners and rights, by pg_dump's definitions and the catalog's", async () => {
  await using server = await startPostgres();
  await server.sql("CREATE DATABASE crm_odd");
  await server.sql(odd, "crm_odd");
  const told = new Map<TableSchema, LoadedSums>();
  const onSums = (table: TableSchema, sums: LoadedSums) => void told.set(table, sums);
  {
    const captured = await captureDatabase(server.url("crm_odd"));
    await using connection = await PostgresConnection.open({ url: server.url("crm_odd") }, { environment: {}, signal });
    const made = await definitionsFromCatalog(connection);
    assert.deepEqual(made.uncovered, []);
    const others = captured.schema.after.filter((statement) => /^(REFRESH|DO|COMMENT ON LARGE)/.test(statement));
    const schema = { ...captured.schema, before: made.before, after: [...made.after, ...others] };
    assert.deepEqual(await loadCaptured(server.url("catalog_odd"), { ...captured, schema }, { onSums }), []);
    assertSums(captured, told);
    assert.equal(await dumped(server, "catalog_odd"), await dumped(server, "crm_odd"));
  }
  await server.sql(notInCatalog, "crm_odd");
  await using connection = await PostgresConnection.open({ url: server.url("crm_odd") }, { environment: {}, signal });
  assert.deepEqual((await definitionsFromCatalog(connection)).uncovered.map(({ subject }) => subject).toSorted(), [
    ...["foreign data wrappers (1)", "foreign servers (1)"],
  ]);
  const captured = await captureDatabase(server.url("crm_odd"));
  assert.deepEqual(captured.schema.uncovered, []);
  assert.deepEqual(await loadCaptured(server.url("copy_odd"), captured, { onSums }), []);
  assertSums(captured, told);
  assert.equal(await dumped(server, "copy_odd"), await dumped(server, "crm_odd"));
});

test("an event trigger that writes down what is granted does not write down what a restore grants", async () => {
  await using server = await startPostgres();
  await server.sql("CREATE DATABASE crm_odd; CREATE ROLE reader");
  await server.sql(
    `CREATE TABLE granted (id serial PRIMARY KEY, tag text); INSERT INTO granted (tag) VALUES ('before');
     CREATE FUNCTION note() RETURNS event_trigger LANGUAGE plpgsql AS
       $$ BEGIN INSERT INTO public.granted (tag) VALUES (tg_tag); END $$;
     GRANT SELECT ON granted TO reader;
     CREATE EVENT TRIGGER noted ON ddl_command_end EXECUTE FUNCTION note();
     COMMENT ON EVENT TRIGGER noted IS 'what is altered'; ALTER EVENT TRIGGER noted ENABLE ALWAYS;`,
    "crm_odd",
  );
  const captured = await captureDatabase(server.url("crm_odd"));
  const told = new Map<TableSchema, LoadedSums>();
  const onSums = (table: TableSchema, sums: LoadedSums) => void told.set(table, sums);
  assert.deepEqual(await loadCaptured(server.url("copy_odd"), captured, { onSums }), []);
  assertSums(captured, told);
  assert.equal(await dumped(server, "copy_odd"), await dumped(server, "crm_odd"));
  await server.sql("GRANT INSERT ON granted TO reader", "copy_odd");
  assert.equal(
    (await server.sql("SELECT string_agg(tag, ',' ORDER BY id) FROM granted", "copy_odd")).trim(),
    "before,GRANT",
  );
});

test("an owner that an earlier release wrote down malformed is told of, and all else comes", async () => {
  await using server = await startPostgres();
  await server.sql("CREATE DATABASE crm_odd; CREATE ROLE reader");
  await server.sql(
    `CREATE TABLE note (id integer); INSERT INTO note VALUES (1); CREATE AGGREGATE many(*) (SFUNC = int8inc, STYPE = int8, INITCOND = '0');
     GRANT SELECT ON note TO reader`,
    "crm_odd",
  );
  const captured = await captureDatabase(server.url("crm_odd"));
  const malformed = "ALTER AGGREGATE public.many() OWNER TO postgres";
  const schema = { ...captured.schema, grants: [malformed, ...(captured.schema.grants ?? [])] };
  assert.deepEqual(await loadCaptured(server.url("copy_odd"), { ...captured, schema }), [malformed]);
  assert.equal(await dumped(server, "copy_odd"), await dumped(server, "crm_odd"));
});

for (const version of [17, 18] as const) {
  test(`PostgreSQL ${version}: what is rare comes back`, { skip: postgresLacks(version) ?? false }, async () => {
    await using server = await startPostgres({ version });
    await server.sql("CREATE DATABASE crm_odd");
    await server.sql(odd, "crm_odd");
    const captured = await captureDatabase(server.url("crm_odd"));
    assert.deepEqual(captured.schema.uncovered, []);
    const told = new Map<TableSchema, LoadedSums>();
    const onSums = (table: TableSchema, sums: LoadedSums) => void told.set(table, sums);
    assert.deepEqual(await loadCaptured(server.url("copy_odd"), captured, { onSums }), []);
    assertSums(captured, told);
    assert.deepEqual(withoutNumbers(await captureDatabase(server.url("copy_odd"))), withoutNumbers(captured));
  });
}
