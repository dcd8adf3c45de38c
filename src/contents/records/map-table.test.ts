import assert from "node:assert/strict";
import { test } from "node:test";
import type { TableSchema } from "../../database/database.ts";
import { mysqlEngine } from "../../database/mysql/mysql.ts";
import { sqliteEngine } from "../../database/sqlite/sqlite.ts";
import { type HandleRules } from "./record-handle.ts";
import { recordRow } from "./record-row.ts";
import { mapRow, mapTable, refusedColumns } from "./map-table.ts";

function tableWith(type: string): TableSchema {
  const column = { nullable: false, generated: "no" } as const;
  const columns = [
    { name: "id", type: "int(11)", ...column },
    { name: "name", type, ...column },
  ];
  return { schema: "crm", name: "contact", columns, keyLength: 1 } as unknown as TableSchema;
}

/** What becomes of a field; `refused`: nothing does. */
function mapped(was: string, field: string, now: string, rules: HandleRules): string {
  const mapping = mapTable(tableWith(was), tableWith(now), { required: [] } as never, []);
  const row = recordRow(mapping.from, `1\t${field}`);
  const [, value = "nothing"] = mapRow(mapping, row, rules);
  return refusedColumns(mapping, row, rules).length > 0 ? "refused" : value;
}

test("text in a character set of its own that UTF-8 has now is the same characters, or refused", () => {
  const sjis = "varchar(20) character set cp932 collate cp932_japanese_ci";
  const gbk = "varchar(20) character set gbk collate gbk_chinese_ci";
  const utf8 = "varchar(20) character set utf8mb4 collate utf8mb4_general_ci";
  const wide = utf8.replace("20", "40");
  const inUtf8 = (text: string): string => mysqlEngine.lineField(text, tableWith(utf8).columns[1] as never);
  assert.equal(mapped(gbk, "D5C5", utf8, mysqlEngine), inUtf8("张"));
  // Two ways to write one character: UTF-8 gives back only one of them.
  assert.equal(mapped(sjis, "8790", utf8, mysqlEngine), inUtf8("≒"));
  assert.equal(mapped(sjis, "8790", sjis.replace("20", "40"), mysqlEngine), "8790");
  assert.equal(mapped(gbk, "D5C5CE", utf8, mysqlEngine), "refused");
  assert.equal(mapped(gbk, "D5C5CE", gbk.replace("20", "40"), mysqlEngine), "D5C5CE");
  assert.equal(mapped(utf8, "x'ab'", wide, mysqlEngine), "x'ab'");
  assert.equal(mapped("varbinary(9)", "AB", "varbinary(20)", mysqlEngine), "AB");
  const blob = sqliteEngine.lineField("x'ab'", tableWith("TEXT").columns[1] as never);
  assert.equal(mapped("TEXT", blob, "VARCHAR", sqliteEngine), blob);
});
