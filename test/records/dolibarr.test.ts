import assert from "node:assert/strict";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { folderContent } from "../../demo/compare.ts";
import type { DatabaseEngine } from "../../src/database/database.ts";
import { mysqlEngine } from "../../src/database/mysql/mysql.ts";
import { postgresEngine } from "../../src/database/postgres/postgres.ts";
import { dolibarr } from "../../src/crm/dolibarr.ts";
import { type DolibarrCrm, makeDolibarr, makeDolibarrOnPostgres } from "../dolibarr/dolibarr-crm.ts";
import { allRows, deleteThirdParty, differing } from "../dolibarr/dolibarr-rows.ts";
import { startMariadb } from "../support/mariadb-server.ts";
import { startPostgres } from "../support/postgres-server.ts";
import { platformCrm } from "../support/records-crm.ts";
import { temporaryFolder } from "../support/temp-folder.ts";

const data = process.env["HOLDFAST_TEST_DATA"];
const isHere = data !== undefined && existsSync(join(data, "dolibarr/demo-9.0.0.sql.xz"));
const leftOut = isHere ? "" : " (left out: HOLDFAST_TEST_DATA names no folder with Dolibarr's demo data)";

interface World {
  readonly engine: DatabaseEngine;
  readonly url: string;
  readonly sql: (script: string) => Promise<string>;
}

/** NLTechno: five invoices, two orders, a contact, three projects, a member. */
const id = "10";

async function accidents(root: string, made: DolibarrCrm, { engine, url, sql }: World): Promise<void> {
  const crm = await platformCrm(root, {
    ...{ platform: dolibarr, engine, url },
    ...{ configuration: made.configuration, files: made.documents },
  });
  const stamps = ["llx_societe.tms"];
  const rows = () => allRows(engine, url);
  await sql("INSERT INTO llx_element_contact (element_id, fk_c_type_contact, fk_socpeople) VALUES (2, 60, 99999)");
  await sql(
    "INSERT INTO llx_ecm_files (label, entity, filename, filepath) VALUES ('of a test', 1, 'contract.pdf', 'societe/9')",
  );
  const document = join(crm.attachments, "societe/9/contract.pdf");
  mkdirSync(join(crm.attachments, "societe/9"), { recursive: true });
  writeFileSync(document, "a contract\n");
  await crm.backup();
  const clean = await rows();
  const documents = folderContent(crm.attachments);
  const company = (await sql(`SELECT nom FROM llx_societe WHERE rowid = ${id}`)).trim();

  await sql(`${deleteThirdParty(id)} DELETE FROM llx_ecm_files WHERE filename = 'contract.pdf';`);
  rmSync(document);
  const deleted = await rows();
  const exact = { switches: { updateChanged: true } };
  const plan = await crm.plan({ compared: ["deleted", "changed"] }, exact);
  const counted = plan.records?.groups.reduce((sum, { counts }) => sum + counts.insert, 0) ?? 0;
  assert.ok(counted > 5, JSON.stringify(plan.records?.groups));
  assert.ok(
    plan.records?.rows.some(({ title, record }) => title === company || record === `llx_societe/${id}`),
    company,
  );
  const report = await crm.apply(plan);
  assert.deepEqual(report.failed, []);
  assert.deepEqual(differing(clean, await rows()), []);
  assert.deepEqual(folderContent(crm.attachments), documents);
  await crm.undo();
  assert.deepEqual(differing(deleted, await rows()), []);

  // The company by its own name: invoices cannot be without it, and come with it.
  const single = await crm.plan({ handles: [`llx_societe/${id}`] });
  const inserted = (name: RegExp) => single.records?.groups.find((one) => name.test(one.name))?.counts.insert ?? 0;
  assert.ok(inserted(/^(?:invoice|llx_facture)$/) > 0 && inserted(/^(?:invoice-line|llx_facturedet)$/) > 0);
  await crm.apply(single);
  await crm.apply(await crm.plan({ compared: ["deleted", "changed"] }, exact));
  assert.deepEqual(differing(clean, await rows()), []);

  // Those of a project who are users come with it and with them, and not with the contacts that have their keys.
  await sql("DELETE FROM llx_element_contact WHERE fk_c_type_contact = 160");
  const comes = async (handle: string) => {
    const { records } = await crm.plan({ handles: [handle] });
    return records?.rows.flatMap(({ action, record }) => (action === "insert" ? [record] : []));
  };
  assert.deepEqual(await comes("contact/1"), []);
  assert.deepEqual(await comes("project/6"), ["llx_element_contact/21"]);
  assert.deepEqual(
    await comes("user/12"),
    [21, 22, 23, 28].map((link) => `llx_element_contact/${link}`),
  );

  // So do those who take part in an event, and addresses that somebody put down for a third party.
  await sql(`DELETE FROM llx_actioncomm_resources WHERE fk_actioncomm = 1; DELETE FROM llx_actioncomm WHERE id = 1;
    DELETE FROM llx_links WHERE objecttype = 'societe' AND objectid = ${id}`);
  assert.deepEqual((await comes("event/1"))?.toSorted(), ["event/1", "llx_actioncomm_resources/1"]);
  assert.deepEqual((await comes(`thirdparty/${id}`))?.toSorted(), ["llx_links/1", "llx_links/3"]);

  // Some name a user where others name a contact, and one nobody: what linked to nothing then comes back as it was.
  await sql("DELETE FROM llx_element_contact");
  await crm.apply(await crm.plan({ compared: ["deleted"] }));
  assert.deepEqual(differing(clean, await rows()), []);

  await sql("UPDATE llx_societe SET phone = 'overwritten'; UPDATE llx_socpeople SET email = 'import@example.org'");
  const column = await crm.plan({ compared: ["changed"], in: ["llx_societe"], fields: ["phone"] });
  await crm.apply(column);
  // A row of which nothing but its stamp differs is not told as changed, and keeps the server's stamp.
  assert.deepEqual(differing(clean, await rows(), stamps), ["llx_socpeople"]);
  await crm.apply(await crm.plan({ compared: ["changed"] }, { switches: { updateChanged: true } }));
  assert.deepEqual(differing(clean, await rows(), stamps), []);
  assert.deepEqual(differing(clean, await rows()), ["llx_societe"]);

  const tables = ["facture", "facture_rec", "commande", "socpeople", "adherent", "projet", "actioncomm"];
  await sql(`${tables.map((table) => `UPDATE llx_${table} SET fk_soc = 25 WHERE fk_soc = ${id};`).join("\n")}
    DELETE FROM llx_categorie_fournisseur WHERE fk_soc = ${id}; DELETE FROM llx_categorie_societe WHERE fk_soc = ${id};
    DELETE FROM llx_societe_account WHERE fk_soc = ${id}; DELETE FROM llx_societe WHERE rowid = ${id};`);
  const merged = await rows();
  const unmerged = await crm.plan({ compared: ["deleted", "changed"] }, { switches: { updateChanged: true } });
  assert.deepEqual((await crm.apply(unmerged)).failed, []);
  assert.deepEqual(differing(clean, await rows(), stamps), []);
  await crm.undo();
  assert.deepEqual(differing(merged, await rows()), []);
}

test(`Dolibarr's demo on MariaDB: a third party with all it has, a column, a merge${leftOut}`, async () => {
  if (!isHere) return;
  using root = temporaryFolder();
  await using server = await startMariadb();
  const made = await makeDolibarr(root.path, data, server);
  const url = server.url(made.database);
  await accidents(root.path, made, { engine: mysqlEngine, url, sql: (script) => server.sql(script, made.database) });
});

test(`the same on PostgreSQL, by a user who is no superuser${leftOut}`, async () => {
  if (!isHere) return;
  using root = temporaryFolder();
  await using server = await startPostgres();
  const made = await makeDolibarrOnPostgres(root.path, data, server);
  const url = server.url(made.database, made.user);
  await accidents(root.path, made, {
    engine: postgresEngine({}),
    ...{ url, sql: (script) => server.sql(script, made.database) },
  });
});
