import assert from "node:assert/strict";
import { test } from "node:test";
import type { DatabaseEngine } from "../../src/database/database.ts";
import { mysqlEngine } from "../../src/database/mysql/mysql.ts";
import { postgresEngine } from "../../src/database/postgres/postgres.ts";
import { isHoldfastError } from "../../src/lib/errors.ts";
import { cuttingProxy, type Cutting } from "../support/cutting-proxy.ts";
import { startMariadb } from "../support/mariadb-server.ts";
import { startPostgres } from "../support/postgres-server.ts";
import { recordsCrm, recordsRows, recordsSchema } from "../support/records-crm.ts";
import { temporaryFolder } from "../support/temp-folder.ts";

interface World {
  readonly engine: DatabaseEngine;
  readonly port: number;
  url(port: number): string;
  sql(script: string): Promise<string>;
}

const deleteInvoice = `DELETE FROM invoice_line WHERE invoice = 6;
  DELETE FROM note WHERE parent_type = 'invoice' AND parent_id = 6; DELETE FROM invoice WHERE id = 6;`;

/** Rows were written on this connection, and are now to stay. */
const committing = (sent: string): boolean => /(?:FROM STDIN|INSERT INTO)[^]*COMMIT\0?$/.test(sent);

async function story({ engine, port, url, sql }: World): Promise<void> {
  using folder = temporaryFolder();
  let through = port;
  const proxied = async <T>(how: Omit<Cutting, "at">, work: (cut: Promise<void>) => Promise<T>): Promise<T> => {
    await using proxy = await cuttingProxy(port, { at: committing, ...how });
    through = proxy.port;
    try {
      return await work(proxy.cut);
    } finally {
      assert.equal(proxy.cuts(), 1);
      through = port;
    }
  };
  // The CRM's own address stays; what changes is the way there.
  const rows: DatabaseEngine["rows"] = (address, mode, signal, work) =>
    engine.rows({ ...address, url: url(through) }, mode, signal, work);
  const crm = await recordsCrm(folder.path, { engine: { ...engine, rows }, url: url(port), sql });
  await crm.backup();
  const whole = await crm.rows();
  await sql(deleteInvoice);
  const deleted = await crm.rows();
  const plan = () => crm.plan({ handles: ["invoice/6"] });

  // It stayed, and only the answer was lost: the restore is done, and can be undone.
  const first = await plan();
  const report = await proxied({ how: "lost", after: "open" }, () => crm.apply(first));
  assert.deepEqual(report.failed, []);
  assert.ok(report.rows > 1 && report.undo !== undefined);
  assert.deepEqual(await crm.rows(), whole);
  await crm.undo();
  assert.deepEqual(await crm.rows(), deleted);

  // The server never heard of it: nothing was changed, and that is what is said.
  const second = await plan();
  await assert.rejects(
    proxied({ how: "unsent", after: "open" }, () => crm.apply(second)),
    (error: unknown) => isHoldfastError(error, "database-unreachable"),
  );
  assert.deepEqual(await crm.rows(), deleted);
  await crm.apply(second);
  assert.deepEqual(await crm.rows(), whole);
  await crm.undo();

  // Nobody can be asked: the undo is kept, and takes back what had stayed.
  const third = await plan();
  const controller = new AbortController();
  await assert.rejects(
    proxied({ how: "lost", after: "closed" }, async (cut) => {
      void cut.then(() => controller.abort(new Error("given up")));
      await crm.apply(third, { ...crm.run, signal: controller.signal });
    }),
    (error: unknown) => isHoldfastError(error, "commit-unknown"),
  );
  assert.deepEqual(await crm.rows(), whole, "it had stayed");
  await assert.rejects(crm.backup(), (error: unknown) => isHoldfastError(error, "restore-half-made"));
  // Whoever finishes it finds all rows as they are to be, and says what the restore did.
  const finished = await crm.apply(third);
  assert.deepEqual([finished.rows, finished.failed], [report.rows, []]);
  await crm.undo();
  assert.deepEqual(await crm.rows(), deleted);
}

test("a connection that is lost in COMMIT: what became of it is found out, and can be undone (PostgreSQL)", async () => {
  await using server = await startPostgres();
  await server.sql("CREATE DATABASE crm");
  await server.sql(recordsSchema("postgres") + recordsRows("postgres"), "crm");
  await story({
    engine: postgresEngine({}),
    port: server.port,
    url: (port) => server.url("crm").replace(`:${server.port}/`, `:${port}/`),
    sql: (script) => server.sql(script, "crm"),
  });
});

test("the same on MariaDB", async () => {
  await using server = await startMariadb();
  await server.sql(
    "CREATE DATABASE crm CHARACTER SET utf8mb4; CREATE USER crm@'127.0.0.1'; GRANT ALL ON *.* TO crm@'127.0.0.1'",
  );
  await server.sql(recordsSchema("mysql") + recordsRows("mysql"), "crm");
  await story({
    engine: mysqlEngine,
    port: server.port,
    url: (port) => `mariadb://crm@127.0.0.1:${port}/crm`,
    sql: (script) => server.sql(script, "crm"),
  });
});
