import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryFolder } from "../../test/support/temp-folder.ts";
import { recordRow } from "../contents/records/record-row.ts";
import { relationsOf } from "../contents/records/relations.ts";
import type { TableSchema } from "../database/database.ts";
import { sqliteEngine } from "../database/sqlite/sqlite.ts";
import { writeRecords } from "./records-export.ts";

test("tables of one name in two schemas are two files", () => {
  using folder = temporaryFolder();
  const tables = ["sales", "support"].map((schema): TableSchema => ({
    ...{ schema, name: "contact", keyLength: 1, foreignKeys: [], fingerprint: "" },
    columns: [{ name: "id", type: "INTEGER", nullable: false }],
  }));
  const rows = tables.map((table, at) => ({ row: recordRow(table, `i${at + 1}`), why: "chosen" as const }));
  writeRecords(folder.path, "csv", { engine: sqliteEngine, relations: relationsOf(tables, undefined), rows });
  const read = (name: string) => readFileSync(join(folder.path, name), "utf8");
  assert.deepEqual(
    readdirSync(folder.path)
      .toSorted()
      .map((name) => [name, read(name)]),
    [
      ["sales.contact.csv", "id\r\n1\r\n"],
      ["support.contact.csv", "id\r\n2\r\n"],
    ],
  );
});

test("a value that a spreadsheet takes for a formula stays as it is where it is to be loaded again, and is a text in a sheet", () => {
  using folder = temporaryFolder();
  const table: TableSchema = {
    ...{ schema: "main", name: "lead", keyLength: 1, foreignKeys: [], fingerprint: "" },
    columns: ["id", "name"].map((name) => ({ name, type: "TEXT", nullable: false })),
  };
  const rows = [{ row: recordRow(table, `"1"\t"=HYPERLINK(1)"`), why: "chosen" as const }];
  const records = { engine: sqliteEngine, relations: relationsOf([table], undefined), rows };
  for (const [format, text] of [
    ["csv", "id,name\r\n1,=HYPERLINK(1)\r\n"],
    // Excel knows UTF-8 by what stands before it.
    ["sheet", "\uFEFFid,name\r\n1,'=HYPERLINK(1)\r\n"],
    ["sheet-semicolon", "\uFEFFid;name\r\n1;'=HYPERLINK(1)\r\n"],
  ] as const) {
    const [path = ""] = writeRecords(join(folder.path, format), format, records);
    assert.equal(path, join(folder.path, format, "lead.csv"));
    assert.equal(readFileSync(path, "utf8"), text);
  }
});
