import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { temporaryFolder } from "../../../test/support/temp-folder.ts";
import { sqliteEngine } from "../../database/sqlite/sqlite.ts";
import { LiveRows } from "./plan-rows.ts";

test("which of thousands of values a row is equal to, by its collation alone, is asked in few questions", async () => {
  using folder = temporaryFolder();
  const path = join(folder.path, "crm.db");
  using connection = new DatabaseSync(path);
  connection.exec(`CREATE TABLE code (id INTEGER PRIMARY KEY, name TEXT COLLATE NOCASE UNIQUE, number INTEGER, UNIQUE (number, name));
    INSERT INTO code VALUES (1, 'CODE 700', 7), (2, 'code 2000', 20), (3, 'Code 3999', 39), (4, 'other', 4)`);
  const { signal } = new AbortController();
  await sqliteEngine.rows({ url: `sqlite:${path}` }, "read", signal, async (rows) => {
    let questions = 0;
    const find: typeof rows.find = (...asked) => {
      questions++;
      return rows.find(...asked);
    };
    const live = new LiveRows({ rows: { ...rows, tables: rows.tables, find }, rules: sqliteEngine });
    const [table] = rows.tables;
    assert.ok(table);
    const values = Array.from({ length: 4000 }, (_, n) => `"code ${n}"`);
    const found = await live.findFor(table, { columns: ["name"] }, values);
    const pairs = found.map(({ value, row }) => `${value} ${row.key}`);
    assert.deepEqual(pairs.toSorted(), ['"code 2000" i2', '"code 3999" i3', '"code 700" i1']);
    assert.ok(questions < 50, `${questions} questions`);
    const both = await live.findFor(table, { columns: ["number", "name"] }, [
      'i7\t"code 700"',
      'i20\t"CODE 2000"',
      'i4\t"code 700"',
    ]);
    assert.deepEqual(both.map(({ row }) => row.key).toSorted(), ["i1", "i2"]);
  });
});
