import assert from "node:assert/strict";
import { test } from "node:test";
import type { CrmModel } from "../../src/crm/model.ts";
import { conflicts, onMariadb, onPostgres, onSqlite, type SmallWorld } from "../support/records-world.ts";

const model: CrmModel = {
  entities: [],
  references: [
    {
      ...{ from: { name: "remark" }, columns: ["party"], to: { name: "party" }, referenced: ["id"], kind: "belongs" },
    },
    ...["one", "other"].map((column) => ({
      ...{ from: { name: "beside" }, columns: [column], to: { name: "party" }, referenced: ["id"] },
      kind: "links" as const,
    })),
  ],
  noise: [],
};

/** As Vtiger has comments, links and the history of changes: in tables without a key. */
const tables = (text: string, more = ""): string =>
  `CREATE TABLE party (id INTEGER PRIMARY KEY, name ${text}); CREATE TABLE remark (party INTEGER, body ${text}, rate DECIMAL(8,2)${more});
   CREATE TABLE beside (one INTEGER NOT NULL, other INTEGER NOT NULL);
   INSERT INTO party VALUES (1, 'one'), (2, 'two'), (3, 'three');
   INSERT INTO remark (party, body, rate) VALUES (1, 'called', NULL), (1, 'Called', 1.5), (1, NULL, 2), (2, 'called', NULL), (NULL, 'nobody', 0);
   INSERT INTO beside VALUES (1, 2), (3, 1), (2, 3)`;

async function story({ crm, sql }: SmallWorld): Promise<void> {
  const all = async () =>
    [
      await sql("SELECT party, body, rate FROM remark ORDER BY party, rate, body"),
      await sql("SELECT one, other FROM beside ORDER BY one"),
      await sql("SELECT id FROM party ORDER BY id"),
    ].join("\n\n");
  await crm.backup();
  const before = await all();
  await sql("DELETE FROM party WHERE id = 1; DELETE FROM beside WHERE one = 1 OR other = 1");
  // One is there yet.
  await sql("DELETE FROM remark WHERE party = 1 AND rate IS NULL; DELETE FROM remark WHERE party = 1 AND rate = 2");
  const damaged = await all();
  const plan = await crm.plan({ handles: ["party/1"] });
  assert.deepEqual(conflicts(plan), {});
  const counts = Object.fromEntries(
    (plan.records?.groups ?? []).map(({ name, counts: { insert, skip } }) => [name, `${insert} ${skip}`]),
  );
  assert.deepEqual(counts, { party: "1 0", remark: "2 1", beside: "2 0" });
  assert.deepEqual((await crm.apply(plan)).failed, []);
  assert.equal(await all(), before);
  assert.deepEqual((await crm.undo()).failed, []);
  assert.equal(await all(), damaged);
  await crm.apply(await crm.plan({ handles: ["party/1"] }));
  assert.equal(await all(), before);
  const again = await crm.plan({ handles: ["party/1"] });
  assert.ok((again.records?.groups ?? []).every(({ counts: { insert } }) => insert === 0));
  // What somebody took away meanwhile is not put back, nor is it missed.
  await sql("DELETE FROM remark WHERE party = 1 AND rate = 2");
  assert.equal((await crm.undo()).failed.length, 0);
  assert.equal(await all(), damaged);
}

test("rows of tables without a key come back with what they belong to, where no equal one is there, on SQLite", () =>
  onSqlite(tables("TEXT"), story, model));

test("the same on PostgreSQL", () => onPostgres(tables("text", ", doc json"), story, model));

test("the same on MariaDB", () => onMariadb(tables("VARCHAR(40)", ", at DATETIME, f FLOAT, b BLOB"), story, model));
