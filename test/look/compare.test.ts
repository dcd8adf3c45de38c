import assert from "node:assert/strict";
import { chmodSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { compare, type CompareInput, type Difference } from "../../src/engine/compare.ts";
import type { PointName } from "../../src/engine/snapshots.ts";
import { mysqlEngine } from "../../src/database/mysql/mysql.ts";
import { isHoldfastError } from "../../src/lib/errors.ts";
import { type LookCrm, lookCrm } from "../support/look-crm.ts";
import { type MariadbServer, startMariadb } from "../support/mariadb-server.ts";
import { postgres } from "../support/postgres-capture.ts";
import { type PostgresServer, startPostgres } from "../support/postgres-server.ts";
import { temporaryFolder } from "../support/temp-folder.ts";

let pg: PostgresServer;
let maria: MariadbServer;
before(async () => {
  pg = await startPostgres();
  maria = await startMariadb();
});
after(async () => {
  await pg[Symbol.asyncDispose]();
  await maria[Symbol.asyncDispose]();
});

const id = (prefix: string): PointName => ({ kind: "id", prefix });
const live: PointName = { kind: "live" };

async function differences(
  { engine, access, description, run }: LookCrm,
  from: PointName,
  to: PointName,
  only: CompareInput["only"] = [],
): Promise<readonly Difference[]> {
  const input = { repository: access, crms: [description], from, to, only };
  return compare(engine, input, run, (comparison) => Array.fromAsync(comparison.differences));
}

const day = `
  DELETE FROM invoice_line WHERE invoice = 7;
  DELETE FROM invoice WHERE id = 7;
  UPDATE party SET deleted = 1, touched = '2026-02-02 02:02:02' WHERE id = 3;
  UPDATE party SET deleted = 0 WHERE id = 20;
  UPDATE party SET name = '王芳公司', touched = '2026-02-02 02:02:02' WHERE id = 4;
  UPDATE party SET touched = '2026-02-02 02:02:02' WHERE id > 10 AND id < 16;
  UPDATE party_extra SET colour = NULL WHERE party_id = 5;
  DELETE FROM party_tag WHERE party = 2;
  INSERT INTO tag (label) VALUES ('new/one');
  INSERT INTO log VALUES ('a line');
`;

interface Expected {
  readonly tables: Readonly<Record<string, readonly number[]>>;
  readonly records: Readonly<Record<string, string>>;
}

/** Sums by entity or table, and each record as one line. */
function told(found: readonly Difference[]): Expected {
  const tables: Record<string, readonly number[]> = {};
  const records: Record<string, string> = {};
  for (const one of found) {
    if (one.type === "table") {
      tables[one.entity ?? one.table] = [one.created, one.changed, one.deleted, one.noise];
    } else if (one.type === "change" && one.action === "changed" && one.fields.length > 0) {
      const fields = one.fields.map((field) => `${field.column} ${field.before} → ${field.after}`).join(", ");
      records[one.handle] = `${fields}; ${one.noise.map(({ column }) => column).join()}`;
    } else if (one.type === "change") {
      records[one.handle] = one.fields.length === 0 ? "noise" : `${one.action} ${one.title ?? ""}`.trim();
    }
  }
  return { tables, records };
}

const expected: Expected = {
  tables: {
    party: [1, 1, 1, 5],
    invoice: [0, 0, 1, 0],
    invoice_line: [0, 0, 2, 0],
    party_extra: [0, 1, 0, 0],
    party_tag: [0, 0, 1, 0],
    tag: [1, 0, 0, 0],
    log: [1, 0, 0, 0],
  },
  records: {
    "party/3": "deleted 张伟有限公司 3",
    "party/20": "created 张伟有限公司 20",
    "party/4": "name 张伟有限公司 4 → 王芳公司; touched",
    ...Object.fromEntries([11, 12, 13, 14, 15].map((n) => [`party/${n}`, "noise"])),
    "invoice/7": "deleted FA1007",
    "invoice_line/6": "deleted",
    "invoice_line/66": "deleted",
    "party_extra/5": "colour colour 5 → null; ",
    "party_tag/2/3": "deleted",
    "tag/5": "created",
    "log/a line": "created",
  },
};

/** Backed up, a day's work, backed up; between any two of the three moments the same is found, there and back. */
async function assertFound(crm: LookCrm): Promise<void> {
  const first = await crm.backup();
  await crm.change(day);
  assert.deepEqual(told(await differences(crm, id(first.snapshot), live)), expected);
  const second = await crm.backup();
  assert.deepEqual(told(await differences(crm, id(first.snapshot), id(second.snapshot))), expected);
  assert.deepEqual(await differences(crm, id(second.snapshot), live), []);
  const third = await crm.backup("full");
  assert.deepEqual(told(await differences(crm, id(first.snapshot), id(third.snapshot))), expected);
  const back = told(await differences(crm, live, id(first.snapshot)));
  assert.deepEqual(back, told(await differences(crm, id(third.snapshot), id(first.snapshot))));
  assert.deepEqual(back.tables["invoice"], [1, 0, 0, 0]);
  assert.equal(back.records["party/4"], "name 王芳公司 → 张伟有限公司 4; touched");
  const only = told(await differences(crm, id(first.snapshot), live, ["invoice"]));
  assert.deepEqual(only, { tables: { invoice: [0, 0, 1, 0] }, records: { "invoice/7": "deleted FA1007" } });
  const nobody = differences(crm, id(first.snapshot), live, ["nobody"]);
  await assert.rejects(nobody, (error) => isHoldfastError(error, "nothing-matched"));
}

test("SQLite: what a day changed, between points and what is live", async () => {
  using folder = temporaryFolder();
  await assertFound(await lookCrm(folder.path));
});

test("PostgreSQL: what a day changed, asked of the database where it can tell", async () => {
  using folder = temporaryFolder();
  await pg.sql("CREATE DATABASE look");
  const sql = (statements: string) => pg.sql(statements, "look");
  await assertFound(await lookCrm(folder.path, { url: pg.url("look"), engine: postgres, sql }));
});

test("MariaDB: what a day changed", async () => {
  using folder = temporaryFolder();
  await maria.sql("CREATE DATABASE look CHARACTER SET utf8mb4");
  const sql = (statements: string) => maria.sql(statements, "look");
  await assertFound(await lookCrm(folder.path, { url: maria.url("look"), engine: mysqlEngine, sql }));
});

test("columns and tables that came and went are told apart, and rows are compared by what both have", async () => {
  using folder = temporaryFolder();
  const crm = await lookCrm(folder.path);
  const first = await crm.backup();
  await crm.change(`
    PRAGMA foreign_keys = OFF;
    ALTER TABLE product ADD COLUMN price REAL DEFAULT 1.5;
    UPDATE product SET name = 'renamed' WHERE id = 2;
    ALTER TABLE party_extra DROP COLUMN colour;
    DROP TABLE log; CREATE TABLE newer (id INTEGER PRIMARY KEY); INSERT INTO newer VALUES (1), (2);
    DROP TABLE tag; CREATE TABLE tag (label TEXT PRIMARY KEY NOT NULL);`);
  const second = await crm.backup();
  const found = await differences(crm, id(first.snapshot), id(second.snapshot));
  const schemas = found.flatMap((one) => (one.type === "schema" ? [{ ...one, database: undefined }] : []));
  assert.deepEqual(
    schemas.map(({ table, what, rows, columns }) => [table, what, rows ?? columns]),
    [
      ["party_extra", "columns", { added: [], removed: ["colour"], retyped: [], sameKey: true }],
      ["product", "columns", { added: ["price"], removed: [], retyped: [], sameKey: true }],
      ["newer", "table-added", 2],
      ["tag", "columns", { added: [], removed: ["id"], retyped: [], sameKey: false }],
      ["log", "table-removed", 0],
    ],
  );
  assert.deepEqual(told(found), {
    tables: { product: [0, 1, 0, 0] },
    records: { "product/2": "name Product 2 → renamed; " },
  });
  assert.deepEqual(told(await differences(crm, id(first.snapshot), live)), told(found));
});

test("files: created, changed, deleted; between points and what is live; times alone are no change", async () => {
  using folder = temporaryFolder();
  const crm = await lookCrm(folder.path);
  const first = await crm.backup();
  writeFileSync(join(crm.attachments, "new.txt"), "new");
  writeFileSync(join(crm.attachments, "logo.bin"), "other");
  rmSync(join(crm.attachments, "notes/2.txt"));
  chmodSync(join(crm.attachments, "notes/1.txt"), 0o600);
  const files = async (from: PointName, to: PointName) =>
    (await differences(crm, from, to, ["files"]))
      .flatMap((one) => (one.type === "file" ? [`${one.action} ${one.path}${one.what ? ` ${one.what}` : ""}`] : []))
      .toSorted();
  const expectedFiles = [
    "changed /files/attachments/logo.bin content",
    "changed /files/attachments/notes/1.txt metadata",
    "created /files/attachments/new.txt",
    "deleted /files/attachments/notes/2.txt",
  ];
  assert.deepEqual(await files(id(first.snapshot), live), expectedFiles);
  const second = await crm.backup();
  assert.deepEqual(await files(id(first.snapshot), id(second.snapshot)), expectedFiles);
  assert.deepEqual(await files(id(second.snapshot), live), []);
  const back = await files(live, id(first.snapshot));
  assert.deepEqual(back, await files(id(second.snapshot), id(first.snapshot)));
  utimesSync(join(crm.attachments, "new.txt"), 1, 1);
  const third = await crm.backup();
  assert.deepEqual(await files(id(second.snapshot), id(third.snapshot)), []);
});
