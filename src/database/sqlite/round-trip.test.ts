import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, before, test } from "node:test";

import * as fc from "fast-check";

import { compareDatabases } from "../../../test/support/compare-databases.ts";
import {
  captureDatabase,
  loadCaptured,
  restoreByShell,
  writeBases,
  writeLines,
  type Captured,
} from "../../../test/support/sqlite-capture.ts";
import type { StoredTableLayout } from "../database.ts";
import { keyOf } from "../rows.ts";
import { compareKeys } from "./compare-keys.ts";

let folder = "";
before(() => {
  folder = mkdtempSync(join(tmpdir(), "holdfast-test-"));
});
after(() => rmSync(folder, { recursive: true, force: true }));

/** A value as a test writes it: text as bytes, since not all text of a database is text. */
type Value = null | bigint | number | { readonly text: Buffer } | { readonly blob: Buffer };

const hostileTexts = [
  "",
  "a\tb",
  "line\nend\r\n",
  "nul\0inside",
  "back\\slash\\n\\",
  '"quoted"',
  "\u0001\u001f\u007f",
  "中文",
  "😀",
  "\\N",
  "i1",
  "123",
  "1e5",
  " 7 ",
];
const brokenTexts = ["ff", "c3", "61e4b8", "eda080", "f0908d", "80bf", "00", "22ff5c"];
const integers = [
  0n,
  1n,
  -1n,
  2n ** 53n - 1n,
  2n ** 53n,
  2n ** 53n + 1n,
  -(2n ** 53n) - 1n,
  2n ** 63n - 1n,
  -(2n ** 63n),
];
const reals = [
  0,
  -0,
  0.1,
  -1.5,
  5e-324,
  -2.5e-310,
  2.2250738585072014e-308,
  Number.MAX_VALUE,
  Infinity,
  -Infinity,
  1e300,
  3,
  2 ** 53 + 2,
];

const text: fc.Arbitrary<Value> = fc
  .oneof(
    fc.constantFrom(...hostileTexts).map((value) => Buffer.from(value)),
    fc.string({ unit: "binary" }).map((value) => Buffer.from(value)),
    fc.constantFrom(...brokenTexts).map((value) => Buffer.from(value, "hex")),
  )
  .map((bytes) => ({ text: bytes }));
const value: fc.Arbitrary<Value> = fc.oneof(
  fc.constant(null),
  fc.constantFrom<Value>(...integers),
  fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n),
  fc.constantFrom<Value>(...reals),
  fc.double({ noNaN: true }),
  text,
  fc.uint8Array({ maxLength: 40 }).map((bytes) => ({ blob: Buffer.from(bytes) })),
);

const types = [
  "",
  "INTEGER",
  "INT",
  "TEXT",
  "REAL",
  "BLOB",
  "NUMERIC",
  "VARCHAR(10)",
  "DECIMAL(10,2)",
  "BOOLEAN",
  "DATETIME",
];
const names = [
  "id",
  "Name",
  "select",
  "名称",
  'quo"te',
  "a b",
  "rowid",
  "tab\there",
  "semi;colon",
  "line\nend",
  "it's",
];

interface TableShape {
  readonly columns: readonly { readonly name: string; readonly type: string }[];
  readonly keys: number;
  readonly key: "none" | "integer" | "autoincrement" | "primary" | "without-rowid" | "unique" | "nocase" | "descending";
  readonly rows: readonly (readonly Value[])[];
  /** What happens to each row between two backups. */
  readonly fates: readonly ("keep" | "delete" | "replace")[];
}

const tableShape: fc.Arbitrary<TableShape> = fc
  .record({
    names: fc.uniqueArray(fc.constantFrom(...names), { minLength: 1, maxLength: 6 }),
    types: fc.array(fc.constantFrom(...types), { minLength: 6, maxLength: 6 }),
    keys: fc.integer({ min: 1, max: 3 }),
    key: fc.constantFrom(
      "none",
      "integer",
      "autoincrement",
      "primary",
      "without-rowid",
      "unique",
      "nocase",
      "descending",
    ),
    rows: fc.array(fc.array(value, { minLength: 6, maxLength: 6 }), { maxLength: 25 }),
    fates: fc.array(fc.constantFrom<"keep" | "delete" | "replace">("keep", "delete", "replace"), {
      minLength: 25,
      maxLength: 25,
    }),
  })
  .map((shape) => ({
    ...shape,
    columns: shape.names.map((name, index) => ({ name, type: shape.types[index] ?? "" })),
    keys: Math.min(shape.keys, shape.names.length),
  }));

test("what is read is loaded back equal, by us and by SQLite's own shell, runs included", async () => {
  let round = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(tableShape, { minLength: 1, maxLength: 3 }),
      fc.constantFrom("UTF-8", "UTF-8", "UTF-16le", "UTF-16be"),
      fc.constantFrom("wal", "delete"),
      async (tables, encoding, journalMode) => {
        const work = join(folder, String(round++));
        mkdirSync(work);
        const path = join(work, "source.db");
        const source = build(path, tables, encoding, journalMode);
        const first = await captureDatabase(path);
        checkLines(first);
        const base = writeBases(work, first);
        tables.forEach((shape, index) => change(source, index, shape));
        const second = await captureDatabase(path);
        checkLines(second);

        await loadCaptured(join(work, "loaded.db"), second);
        assert.deepEqual(compareDatabases(path, join(work, "loaded.db")), []);
        const layouts = writeRuns(work, base, first, second);
        assert.equal(restoreByShell(work, second.schema, layouts), "ok\n");
        assert.deepEqual(compareDatabases(path, join(work, "new.db")), []);
        source.close();
        rmSync(work, { recursive: true });
      },
    ),
    { numRuns: 80 },
  );
});

function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

function build(path: string, tables: readonly TableShape[], encoding: string, journalMode: string): DatabaseSync {
  const database = new DatabaseSync(path);
  database.exec(
    `PRAGMA encoding='${encoding}'; PRAGMA journal_mode=${journalMode}; PRAGMA user_version=7; PRAGMA application_id=-3`,
  );
  tables.forEach((shape, index) => {
    database.exec(createTable(index, shape));
    database.exec("BEGIN");
    for (const row of shape.rows) insert(database, index, shape, row);
    // A counter that is at its end rolls the transaction back.
    if (database.isTransaction) database.exec("COMMIT");
  });
  return database;
}

function createTable(index: number, { columns, keys, key }: TableShape): string {
  const definitions = columns.map(({ name, type }, at) => {
    if (at === 0 && key === "integer") return `${quote(name)} INTEGER PRIMARY KEY`;
    if (at === 0 && key === "autoincrement") return `${quote(name)} INTEGER PRIMARY KEY AUTOINCREMENT`;
    if (at === 0 && key === "descending") return `${quote(name)} INTEGER PRIMARY KEY DESC`;
    return `${quote(name)} ${type}${key === "nocase" ? " COLLATE NOCASE" : ""}`;
  });
  const keyNames = columns.slice(0, keys).map(({ name }) => quote(name));
  if (key === "primary" || key === "without-rowid" || key === "nocase")
    definitions.push(`PRIMARY KEY(${keyNames.join(",")})`);
  if (key === "unique") definitions.push(`UNIQUE(${keyNames.join(",")})`);
  return `CREATE TABLE ${quote(`Table ${index}'"`)} (${definitions.join(",")})${key === "without-rowid" ? " WITHOUT ROWID" : ""}`;
}

function insert(database: DatabaseSync, index: number, { columns }: TableShape, row: readonly Value[]): void {
  const values = columns.map((_, at) => row[at] ?? null);
  const placeholders = values.map((item) =>
    item !== null && typeof item === "object" && "text" in item ? "CAST(? AS TEXT)" : "?",
  );
  const statement = database.prepare(
    `INSERT OR IGNORE INTO ${quote(`Table ${index}'"`)} VALUES(${placeholders.join(",")})`,
  );
  statement.setReadBigInts(true);
  try {
    statement.run(
      ...values.map((item) =>
        item !== null && typeof item === "object" ? ("text" in item ? item.text : item.blob) : item,
      ),
    );
  } catch (error) {
    // A value that an INTEGER PRIMARY KEY refuses.
    assert.match(String(error), /datatype mismatch|full/);
  }
}

function change(database: DatabaseSync, index: number, shape: TableShape): void {
  const name = quote(`Table ${index}'"`);
  if (shape.columns.some((column) => column.name === "rowid") || shape.key === "without-rowid") {
    if (shape.fates[0] === "delete") database.exec(`DELETE FROM ${name}`);
  } else {
    const ids = database.prepare(`SELECT rowid AS id FROM ${name}`);
    ids.setReadBigInts(true);
    const remove = database.prepare(`DELETE FROM ${name} WHERE rowid = ?`);
    remove.setReadBigInts(true);
    for (const [at, row] of ids.all().entries()) {
      if (shape.fates[at] !== "keep") remove.run(row["id"] ?? null);
    }
  }
  shape.rows.forEach((row, at) => {
    if (shape.fates[at] !== "replace") return;
    const keyed = row.slice(0, shape.keys);
    insert(database, index, shape, [...keyed, ...row.slice(shape.keys).toReversed()]);
  });
}

function checkLines({ lines }: Captured): void {
  for (const [table, rows] of lines) {
    for (const line of rows) {
      assert.equal(line.filter((byte) => byte < 0x20 && byte !== 0x09).length, 0);
      assert.equal(line.toString("latin1").split("\t").length, table.columns.length);
    }
    if (table.keyLength === 0) continue;
    const keys = rows.map((line) => keyOf(line, table.keyLength));
    keys.slice(1).forEach((key, at) => assert.ok(compareKeys(keys[at] ?? "", key) < 0, `${keys[at]} < ${key}`));
  }
}

/** Base of the first state, and a run for what changed; a table that got another key between is written whole. */
function writeRuns(
  work: string,
  base: readonly StoredTableLayout[],
  first: Captured,
  second: Captured,
): StoredTableLayout[] {
  return [...second.lines].map(([table, rows], index) => {
    const known = [...first.lines].find(([other]) => other.name === table.name);
    if (table.keyLength === 0 || known?.[0].fingerprint !== table.fingerprint) {
      writeLines(join(work, `whole-${index}`), rows);
      return { table, base: [`whole-${index}`], runs: [] };
    }
    const byKey = (list: readonly Buffer[]): Map<string, Buffer> =>
      new Map(list.map((line) => [keyOf(line, table.keyLength), line]));
    const old = byKey(known[1]);
    const now = byKey(rows);
    const changed = [...now].filter(([key, line]) => old.get(key)?.equals(line) !== true).map(([, line]) => line);
    const deleted = [...old.keys()].filter((key) => !now.has(key)).map((key) => Buffer.from(key, "latin1"));
    writeLines(join(work, `rows-${index}`), changed);
    writeLines(join(work, `deleted-${index}`), deleted);
    return {
      table,
      base: base.find((layout) => layout.table.name === table.name)?.base ?? [],
      runs: [{ rows: `rows-${index}`, deleted: `deleted-${index}` }],
    };
  });
}
