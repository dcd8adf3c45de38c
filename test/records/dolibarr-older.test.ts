import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { dolibarr } from "../../src/crm/dolibarr.ts";
import { mysqlEngine } from "../../src/database/mysql/mysql.ts";
import type { RestorePlan } from "../../src/engine/restore-plan.ts";
import { demoDump, emptyDolibarr } from "../dolibarr/dolibarr-crm.ts";
import { allRows, deleteThirdParty, differing } from "../dolibarr/dolibarr-rows.ts";
import { type MariadbServer, startMariadb } from "../support/mariadb-server.ts";
import { platformCrm } from "../support/records-crm.ts";
import { temporaryFolder } from "../support/temp-folder.ts";

const data = process.env["HOLDFAST_TEST_DATA"];
const isHere = data !== undefined && existsSync(join(data, "dolibarr/demo-5.0.0.sql.xz"));
const leftOut = isHere ? "" : " (left out: HOLDFAST_TEST_DATA names no folder with Dolibarr's demo data)";
const party = "10";

/** What the plan says of the columns of a table: those that came and those that went. */
function columns(plan: RestorePlan, table: string, how: string): readonly string[] {
  return (plan.records?.schema ?? []).flatMap((one) =>
    one.table === table && one.how === how && one.column !== undefined ? [one.column] : [],
  );
}

/**
 * Statements by which the rows of one database were made when those of another were: each version's demo data has dates of its own,
 * where a Dolibarr that is updated keeps them. A record that was made at another time is another one.
 */
async function sameCreation(server: MariadbServer, one: string, other: string): Promise<string> {
  const found = await server.sql(`SELECT a.TABLE_NAME, a.COLUMN_NAME FROM information_schema.COLUMNS a
    JOIN information_schema.COLUMNS b USING (TABLE_NAME, COLUMN_NAME)
    JOIN information_schema.COLUMNS k ON k.TABLE_SCHEMA = a.TABLE_SCHEMA AND k.TABLE_NAME = a.TABLE_NAME AND k.COLUMN_NAME = 'rowid'
    WHERE a.TABLE_SCHEMA = '${one}' AND b.TABLE_SCHEMA = '${other}' AND a.COLUMN_NAME IN ('datec', 'date_creation', 'date_c')`);
  return found
    .trim()
    .split("\n")
    .map((line) => line.split("\t"))
    .map(
      ([table, column]) =>
        `UPDATE ${one}.${table} JOIN ${other}.${table} o USING (rowid) SET ${one}.${table}.${column} = o.${column};`,
    )
    .join("\n");
}

for (const version of ["5.0.0", "7.0.0"]) {
  test(`a third party of a Dolibarr of ${version} comes back into the database that 9.0.0 has${leftOut}`, async () => {
    if (!isHere) return;
    using root = temporaryFolder();
    await using server = await startMariadb();
    const made = await emptyDolibarr(join(root.path, "dolibarr"), server);
    const { database, configuration, documents } = made;
    await server.sql(await demoDump(data, version), database);
    await server.sql("CREATE DATABASE next CHARACTER SET utf8mb3 COLLATE utf8mb3_unicode_ci");
    await server.sql(await demoDump(data), "next");
    await server.sql(await sameCreation(server, database, "next"));
    const url = server.url(database);
    const crm = await platformCrm(root.path, {
      ...{ platform: dolibarr, engine: mysqlEngine, url },
      ...{ configuration, files: documents },
    });
    await crm.backup();
    const sql = (script: string): Promise<string> => server.sql(script, database);
    const facts = `SELECT nom, (SELECT COUNT(*) FROM llx_facture WHERE fk_soc = ${party}),
      (SELECT SUM(total_ttc) FROM llx_facture WHERE fk_soc = ${party}), (SELECT COUNT(*) FROM llx_socpeople WHERE fk_soc = ${party})
      FROM llx_societe WHERE rowid = ${party}`;
    const then = await sql(facts);

    // The CRM is updated, and goes on with another database.
    await server.sql(
      `DROP DATABASE ${database}; CREATE DATABASE ${database} CHARACTER SET utf8mb3 COLLATE utf8mb3_unicode_ci`,
    );
    await server.sql(await demoDump(data), database);
    await sql(deleteThirdParty(party));
    const deleted = await allRows(mysqlEngine, url);
    const plan = await crm.plan({ handles: [`llx_societe/${party}`] });
    for (const column of ["facebook", "fk_entrepot", "remise_supplier"]) {
      assert.ok(columns(plan, "llx_societe", "new").includes(column), JSON.stringify(plan.records?.schema));
    }
    assert.ok(columns(plan, "llx_facture", "new").includes("module_source"));
    const report = await crm.apply(plan);
    assert.deepEqual(report.failed, []);
    assert.equal(await sql(facts), then);
    // No other row was touched.
    const restored = await allRows(mysqlEngine, url);
    const lost = [...deleted].filter(([name, { lines }]) => {
      const there = new Set(restored.get(name)?.lines);
      return lines.some((line) => !there.has(line));
    });
    assert.deepEqual(
      lost.map(([name]) => name),
      [],
    );
    await crm.undo();
    assert.deepEqual(differing(deleted, await allRows(mysqlEngine, url)), []);
  });
}
