import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { startMariadb, type MariadbServer } from "../../../test/support/mariadb-server.ts";
import { mysqlEngine } from "./mysql.ts";
import { Session } from "./session.ts";
import { targetOf } from "./location.ts";

let server: MariadbServer;
before(async () => {
  server = await startMariadb();
  const rows = Array.from({ length: 20_000 }, (_, id) => `(${id},REPEAT('x',1000))`).join(",");
  await server.sql(
    `CREATE DATABASE crm; CREATE TABLE crm.t (id INT PRIMARY KEY, x VARCHAR(2000)); INSERT INTO crm.t VALUES ${rows}`,
  );
});
after(() => server[Symbol.asyncDispose]());

const { signal } = new AbortController();

/** Bytes that are still needed. */
function heldBytes(): number {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

test("a session that is asked for months keeps nothing of what was answered", async () => {
  const target = await targetOf({ url: server.url("crm") });
  await using session = await Session.open(target, "crm", signal);
  const ask = async (): Promise<void> => {
    for (let at = 0; at < 3000; at++) await session.query(`SELECT ${at}, REPEAT('x',1000)`);
  };
  await ask();
  const then = heldBytes();
  await ask();
  const more = heldBytes() - then;
  assert.ok(more < 200_000, `${more} bytes more`);
});

test("whoever stops reading has the session back, however much was on its way", { timeout: 30_000 }, async () => {
  await using source = await mysqlEngine.connect({ url: server.url("crm") }, { signal });
  await using snapshot = await source.snapshot(signal);
  const [table] = snapshot.schema.tables;
  assert.ok(table);
  const reader = snapshot.reader(table);
  for (let round = 0; round < 3; round++) {
    for await (const { rows } of reader.read({}, signal, 16 << 10)) {
      assert.ok(rows > 0);
      break;
    }
  }
  let rows = 0;
  for await (const batch of reader.read({}, signal)) rows += batch.rows;
  assert.equal(rows, 20_000);
});
