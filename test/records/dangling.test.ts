import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { custom } from "../../src/crm/custom.ts";
import { sqliteEngine } from "../../src/database/sqlite/sqlite.ts";
import { exact } from "../support/small-crm.ts";
import { platformCrm } from "../support/records-crm.ts";
import { temporaryFolder } from "../support/temp-folder.ts";

const reference = (from: string, column: string, to: string, kind: "belongs" | "links") => ({
  from: { name: from },
  columns: [column],
  to: { name: to },
  referenced: ["id"],
  kind,
});

/** References that the database does not hold to led to nothing at that time: so they do again, whatever has the key by now. */
test("links and parts that led to nothing then come back and stay so, restored, undone and done again", async () => {
  using folder = temporaryFolder();
  const path = join(folder.path, "crm.db");
  using connection = new DatabaseSync(path);
  connection.exec(`
    CREATE TABLE party (id INTEGER PRIMARY KEY, name TEXT);
    CREATE TABLE tag (id INTEGER PRIMARY KEY, label TEXT);
    CREATE TABLE party_tag (id INTEGER PRIMARY KEY, party INTEGER, tag INTEGER);
    CREATE TABLE note (id INTEGER PRIMARY KEY, party INTEGER, body TEXT);
    INSERT INTO party VALUES (1, 'Ada'), (2, 'Bob');
    INSERT INTO tag VALUES (1, 'friend');
    INSERT INTO party_tag VALUES (1, 1, 1), (2, 1, 98), (3, 1, 99), (4, 2, 97);
    INSERT INTO note VALUES (1, 9, 'of nobody'), (2, 9, 'of nobody either');`);
  const rows = () =>
    ["party", "tag", "party_tag", "note"].map((table) =>
      connection.prepare(`SELECT * FROM ${table} ORDER BY id`).all(),
    );
  mkdirSync(join(folder.path, "files"));
  const crm = await platformCrm(folder.path, {
    platform: {
      ...custom,
      model: async () => ({
        entities: [],
        references: [
          reference("party_tag", "party", "party", "links"),
          reference("party_tag", "tag", "tag", "links"),
          reference("note", "party", "party", "belongs"),
        ],
        noise: [],
      }),
    },
    ...{ engine: sqliteEngine, url: `sqlite:${path}`, files: join(folder.path, "files") },
  });
  await crm.backup();
  const before = rows();
  // One link is gone and one is not, and there is now what both of them would name; the same with parts of a record.
  connection.exec(
    "DELETE FROM party_tag WHERE id = 2; DELETE FROM note WHERE id = 1; INSERT INTO tag VALUES (98, 'new'), (99, 'new'); INSERT INTO party VALUES (9, 'new')",
  );
  const spoiled = rows();
  const wanted = { compared: ["deleted", "changed", "created"] as const };
  const plan = await crm.plan(wanted, { switches: exact });
  assert.deepEqual((await crm.apply(plan)).failed, []);
  assert.deepEqual(rows(), before);
  assert.deepEqual((await crm.undo()).failed, []);
  assert.deepEqual(rows(), spoiled);
  assert.deepEqual((await crm.apply(plan)).failed, []);
  assert.deepEqual(rows(), before);

  // What names something else by now than it did then is somebody's choice: what it names stays.
  connection.exec("INSERT INTO tag VALUES (97, 'new'), (96, 'new'); UPDATE party_tag SET tag = 96 WHERE id = 1");
  const { records } = await crm.plan({ compared: ["created"], in: ["tag"] }, { switches: exact });
  assert.deepEqual(
    records?.rows.map(({ action, record, reason }) => [action, record, reason]),
    [
      ["conflict", "tag/96", "still-referenced"],
      ["remove", "tag/97", undefined],
    ],
  );
});
