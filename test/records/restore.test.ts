import assert from "node:assert/strict";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { mysqlEngine } from "../../src/database/mysql/mysql.ts";
import { postgresEngine } from "../../src/database/postgres/postgres.ts";
import { sqliteEngine } from "../../src/database/sqlite/sqlite.ts";
import type { RestorePlan } from "../../src/engine/restore-plan.ts";
import { isHoldfastError } from "../../src/lib/errors.ts";
import { startMariadb } from "../support/mariadb-server.ts";
import { startPostgres } from "../support/postgres-server.ts";
import { recordsCrm, recordsRows, recordsSchema, type RecordsWithRows } from "../support/records-crm.ts";
import { resticOn } from "../support/restic.ts";
import { temporaryFolder } from "../support/temp-folder.ts";

type Sql = (script: string) => Promise<string>;

/** How many rows of which entity get which part. */
function counted(plan: RestorePlan): Readonly<Record<string, string>> {
  return Object.fromEntries(
    (plan.records?.groups ?? []).map(({ name, counts }) => [
      name,
      Object.entries(counts)
        .filter(([, count]) => count > 0)
        .map(([action, count]) => `${action} ${count}`)
        .join(" "),
    ]),
  );
}

const deleteParty7 = `
  UPDATE party SET main_contact = NULL WHERE id = 7;
  DELETE FROM invoice_line WHERE invoice IN (SELECT id FROM invoice WHERE party = 7);
  DELETE FROM note WHERE (parent_type = 'party' AND parent_id = 7) OR (parent_type = 'invoice' AND parent_id IN (SELECT id FROM invoice WHERE party = 7));
  DELETE FROM invoice WHERE party = 7; DELETE FROM contact WHERE party = 7; DELETE FROM party_tag WHERE party = 7;
  DELETE FROM party_extra WHERE party_id = 7; DELETE FROM party WHERE id = 7;`;

async function story(crm: RecordsWithRows, sql: Sql): Promise<void> {
  await crm.backup();
  const before = await crm.rows();

  // A customer is deleted with everything; work goes on; the customer comes back, and nothing else is touched.
  await sql(deleteParty7);
  rmSync(join(crm.attachments, "notes/6.txt"));
  await sql("UPDATE party SET phone = 'new work' WHERE id = 3; INSERT INTO product (name) VALUES ('new product')");
  const deleted = await crm.rows();
  const plan = await crm.plan({ handles: ["party/7"] });
  assert.deepEqual(counted(plan), {
    party: "insert 1",
    party_extra: "insert 1",
    contact: "insert 2",
    invoice: "insert 3",
    invoice_line: "insert 6",
    party_tag: "insert 1",
    note: counted(plan)["note"] ?? "",
  });
  assert.match(counted(plan)["note"] ?? "", /^insert \d+$/);
  assert.deepEqual(await crm.rows(), deleted, "a plan changes nothing");
  const report = await crm.apply(plan);
  assert.deepEqual(report.failed, []);
  const restored = await crm.rows();
  for (const [table, lines] of before) {
    if (table === "party" || table === "product") continue;
    assert.deepEqual(restored.get(table), lines, table);
  }
  const parties = (rows: ReadonlyMap<string, readonly string[]>) =>
    (rows.get("party") ?? []).filter((line) => !line.includes("new work") && !line.includes("+86 10 3"));
  assert.deepEqual(parties(restored), parties(before));
  await crm.undo();
  assert.deepEqual(await crm.rows(), deleted);
  await crm.apply(await crm.plan({ handles: ["party/7"] }));
  assert.deepEqual(await crm.rows(), restored);
  await assert.rejects(crm.plan({ handles: ["party/999"] }), (error: unknown) =>
    isHoldfastError(error, "record-unknown"),
  );

  // One of its contacts comes back, and the customer whom he names: whole, but without what are records of their own.
  await sql(deleteParty7);
  const one = await crm.plan({ handles: ["contact/26"] });
  const notes = (lines: readonly string[] = []) => lines.filter((line) => /\bparty\W+(?:parent_id\W+)?7\W/.test(line));
  assert.deepEqual(counted(one), {
    ...{ contact: "insert 2", party: "insert 1", party_extra: "insert 1", party_tag: "insert 1" },
    note: `insert ${notes(before.get("note")).length}`,
  });
  assert.deepEqual((await crm.apply(one)).failed, []);
  assert.deepEqual(notes((await crm.rows()).get("note")), notes(before.get("note")));
  assert.deepEqual((await crm.rows()).get("party_extra"), before.get("party_extra"));
  await crm.undo();
  assert.deepEqual(await crm.rows(), deleted);
  // So does the invoice of a line, with its others.
  const ofLine = await crm.plan({ handles: ["invoice_line/5"] });
  assert.deepEqual([counted(ofLine)["invoice"], counted(ofLine)["invoice_line"]], ["insert 1", "insert 2"]);
  await crm.apply(await crm.plan({ handles: ["party/7"] }));

  // The same by comparison: all that is gone since.
  await sql(deleteParty7);
  const compared = await crm.plan({ compared: ["deleted"], in: [] });
  await crm.apply(compared);
  assert.deepEqual(await crm.rows(), restored);
  assert.equal(readFileSync(join(crm.attachments, "notes/6.txt"), "utf8"), "note 6\n");

  // One column of many rows, overwritten by mistake.
  await crm.backup();
  const clean = await crm.rows();
  await sql("UPDATE contact SET email = NULL; UPDATE contact SET name = 'renamed on purpose' WHERE id = 4");
  const wanted = await crm.rows();
  const column = await crm.plan({ compared: ["changed"], in: ["contact"], fields: ["email"] });
  assert.deepEqual(counted(column), { contact: "update 40" });
  await crm.apply(column);
  const mended = await crm.rows();
  assert.equal(mended.get("contact")?.filter((line) => line.includes("renamed on purpose")).length, 1);
  assert.equal(mended.get("contact")?.filter((line) => line.includes("@example.org")).length, 40);
  await crm.undo();
  assert.deepEqual(await crm.rows(), wanted);
  await crm.apply(await crm.plan({ compared: ["changed"], in: ["contact"] }, { switches: { updateChanged: true } }));
  assert.deepEqual(await crm.rows(), clean);

  // Two companies merged by mistake: what belonged to one hangs on the other, and the one is gone.
  await sql(`UPDATE contact SET party = 8 WHERE party = 9; UPDATE invoice SET party = 8 WHERE party = 9;
    UPDATE note SET parent_id = 8 WHERE parent_type = 'party' AND parent_id = 9; DELETE FROM party_tag WHERE party = 9;
    DELETE FROM party_extra WHERE party_id = 9; DELETE FROM party WHERE id = 9; UPDATE party SET name = 'merged', code = 'C9' WHERE id = 8;`);
  const merged = await crm.rows();
  const apart = await crm.plan({ handles: ["party/9", "party/8"] }, { switches: { updateChanged: true } });
  assert.deepEqual(
    apart.records?.rows.filter(({ action }) => action === "conflict"),
    [],
  );
  await crm.apply(apart);
  assert.deepEqual(await crm.rows(), clean);
  await crm.undo();
  assert.deepEqual(await crm.rows(), merged);
  await crm.apply(
    apart.id === ""
      ? apart
      : await crm.plan({ handles: ["party/9", "party/8"] }, { switches: { updateChanged: true } }),
  );
  assert.deepEqual(await crm.rows(), clean);
}

test("records come back on SQLite: a customer with all that belongs to it, a column, a merge; undone and done again", async () => {
  using folder = temporaryFolder();
  const path = join(folder.path, "crm.db");
  const sql: Sql = async (script) => {
    using connection = new DatabaseSync(path);
    if (script.startsWith("SELECT"))
      return connection
        .prepare(script)
        .all()
        .map((row) => JSON.stringify(row))
        .join("\n");
    connection.exec(script);
    return "";
  };
  await sql(recordsSchema("sqlite") + recordsRows("sqlite"));
  const crm = await recordsCrm(folder.path, { engine: sqliteEngine, url: `sqlite:${path}`, sql });
  await story(crm, sql);
  await resticOn(crm.access.location, crm.access.password).check();
  assert.ok(existsSync(path));
});

test("the same on PostgreSQL", async () => {
  using folder = temporaryFolder();
  await using server = await startPostgres();
  await server.sql("CREATE DATABASE crm");
  await server.sql(recordsSchema("postgres") + recordsRows("postgres"), "crm");
  const sql: Sql = (script) => server.sql(script, "crm");
  await story(await recordsCrm(folder.path, { engine: postgresEngine({}), url: server.url("crm"), sql }), sql);
});

test("the same on MariaDB", async () => {
  using folder = temporaryFolder();
  await using server = await startMariadb();
  await server.sql("CREATE DATABASE crm CHARACTER SET utf8mb4");
  await server.sql(recordsSchema("mysql") + recordsRows("mysql"), "crm");
  const sql: Sql = (script) => server.sql(script, "crm");
  await story(await recordsCrm(folder.path, { engine: mysqlEngine, url: server.url("crm"), sql }), sql);
});
