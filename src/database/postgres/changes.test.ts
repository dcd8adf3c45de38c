import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { postgres } from "../../../test/support/postgres-capture.ts";
import { type PostgresServer, startPostgres } from "../../../test/support/postgres-server.ts";
import type { TableSchema } from "../database.ts";

/** When a table's rows are told by what wrote them, and when they must be read: each rule by itself. */
const { signal } = new AbortController();

let server: PostgresServer;
before(async () => {
  server = await startPostgres();
  await server.sql("CREATE DATABASE crm");
  await server.sql(
    `CREATE TYPE stage AS ENUM ('lead', 'won');
     CREATE TABLE deal (id integer PRIMARY KEY, name text, stage stage);
     CREATE TABLE other (id integer PRIMARY KEY, name text);
     INSERT INTO deal SELECT i, 'deal ' || i, 'lead' FROM generate_series(1, 100) i;
     INSERT INTO other SELECT i, 'other ' || i FROM generate_series(1, 100) i`,
    "crm",
  );
});
after(() => server[Symbol.asyncDispose]());

type Marks = ReadonlyMap<string, string>;

async function withSnapshot<T>(
  work: (told: (name: string, since: string) => Promise<string | undefined>, marks: Marks) => Promise<T>,
): Promise<T> {
  await using source = await postgres.connect({ url: server.url("crm") }, { signal });
  await using snapshot = await source.snapshot(signal);
  const of = (name: string): TableSchema => {
    const table = snapshot.schema.tables.find((one) => one.name === name);
    assert.ok(table);
    return table;
  };
  const marks = new Map<string, string>();
  for (const table of snapshot.schema.tables)
    marks.set(table.name, (await snapshot.reader(table).mark?.(signal)) ?? "");
  /** The rows that were written since, or `undefined`: they must be found in another way. */
  const told = async (name: string, since: string): Promise<string | undefined> => {
    const changes = await snapshot.reader(of(name)).changes?.(since, signal);
    if (!changes) return undefined;
    return (await Array.fromAsync(changes.rows(), ({ lines }) => lines.toString("latin1"))).join("");
  };
  return await work(told, marks);
}

const marksNow = (): Promise<Marks> => withSnapshot(async (_told, marks) => marks);
const mark = (marks: Marks, name: string): string => marks.get(name) ?? "";

test("what is another system, timeline, file, set of definitions, or a later moment is not built on", async () => {
  const since = mark(await marksNow(), "deal");
  await server.sql("UPDATE deal SET name = 'changed' WHERE id = 7", "crm");
  await withSnapshot(async (told) => {
    assert.equal(await told("deal", since), "7\tchanged\tlead\n");
    const was = JSON.parse(since) as Readonly<Record<string, string>>;
    const others = {
      ...{ system: "1", timeline: "2", definitions: "0".repeat(32), file: "1" },
      ...{ until: "FFFF/0", xmin: String(BigInt(was["xmin"] ?? 0) + 1000n) },
    };
    for (const [name, value] of Object.entries(others)) {
      assert.ok(name in was, name);
      assert.equal(await told("deal", JSON.stringify({ ...was, [name]: value })), undefined, name);
    }
    // So long ago that the server's numbers of transactions could mean others.
    const old = String(BigInt(was["xmin"] ?? 0) - 2n ** 31n);
    assert.equal(await told("deal", JSON.stringify({ ...was, xmin: old })), undefined);
    for (const broken of ["", "{}", "null", "[]", '{"xmin":"1"}']) assert.equal(await told("deal", broken), undefined);
  });
});

test("a table that is rewritten or emptied is read, and the others are told", async () => {
  for (const statement of ["VACUUM FULL deal", "TRUNCATE deal", "CLUSTER deal USING deal_pkey"]) {
    const marks = await marksNow();
    await server.sql("UPDATE other SET name = name || '.' WHERE id = 1", "crm");
    await server.sql(statement, "crm");
    await withSnapshot(async (told) => {
      assert.equal(await told("deal", mark(marks, "deal")), undefined, statement);
      assert.match((await told("other", mark(marks, "other"))) ?? "", /^1\tother 1\.+\n$/, statement);
    });
  }
});

test("whatever changes values without a trace in the rows changes what they are compared by", async () => {
  for (const statement of [
    "ALTER TABLE deal ADD COLUMN priority integer DEFAULT 3",
    "ALTER TYPE stage RENAME VALUE 'won' TO 'gained'",
    "ALTER TYPE stage ADD VALUE 'lost'",
    "ALTER TABLE deal ALTER COLUMN name TYPE varchar(80)",
    "ALTER TABLE deal RENAME COLUMN name TO title",
    "CREATE DOMAIN small AS integer CHECK (VALUE < 10)",
  ]) {
    const marks = await marksNow();
    await server.sql(statement, "crm");
    await withSnapshot(async (told) => assert.equal(await told("deal", mark(marks, "deal")), undefined, statement));
  }
});

test("the bound is what was still open: a transaction that ends after the moment is told by the next", async () => {
  await server.sql("CREATE EXTENSION dblink; INSERT INTO other VALUES (1000, 'open')", "crm");
  const open = `SELECT dblink_connect('open', 'host=${server.folder} port=${server.port} dbname=crm user=postgres')`;
  // Begun before the moment, committed after it, while others begin and end: they are beyond it, and it is not.
  const session = server.sql(
    `${open}; SELECT dblink_exec('open', 'BEGIN; UPDATE other SET name = ''late'' WHERE id = 50'); SELECT pg_sleep(3); SELECT dblink_exec('open', 'COMMIT')`,
    "crm",
  );
  session.catch(() => {}); // told below
  for (let asked = 0; ; asked++) {
    const count = await server.sql(
      "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction' AND query LIKE '%late%'",
    );
    if (count.trim() === "1") break;
    assert.ok(asked < 500, "the transaction did not begin");
  }
  await server.sql("UPDATE other SET name = 'soon' WHERE id = 51", "crm");
  const since = mark(await marksNow(), "other");
  await session;
  await withSnapshot(async (told) => {
    assert.match((await told("other", since)) ?? "", /^50\tlate$/m);
  });
});
