import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { civicrm } from "../../src/crm/civicrm.ts";
import { noFiles } from "../../src/crm/crm-files.ts";
import { dolibarr } from "../../src/crm/dolibarr.ts";
import { dolibarrModel } from "../../src/crm/dolibarr-model.ts";
import type { CrmModel } from "../../src/crm/model.ts";
import { relationsOf } from "../../src/contents/records/relations.ts";
import { mysqlEngine } from "../../src/database/mysql/mysql.ts";
import { startMariadb, type MariadbServer } from "../support/mariadb-server.ts";
import { commandOutput, runCommand } from "../support/run-command.ts";
import { temporaryFolder } from "../support/temp-folder.ts";
import { makeDolibarr } from "../dolibarr/dolibarr-crm.ts";
import * as civi from "./fixtures/civicrm.ts";
import * as suite from "./fixtures/suitecrm.ts";
import { codesOf, openSecrets, platformScene } from "./platform-scene.ts";

const data = process.env["HOLDFAST_TEST_DATA"] ?? "";
const isHere = existsSync(join(data, "suitecrm/demo-8.8.1.sql.xz"));
const leftOut = isHere ? "" : " (left out: HOLDFAST_TEST_DATA names no folder with the CRMs' demo data)";

const unpacked = (path: string): Promise<string> => commandOutput("xz", ["--decompress", "--stdout", join(data, path)]);

/** Of people in a copy, by first and last name or the one name of a company: none may be left anywhere in its dump. */
async function nobodyIsLeft(server: MariadbServer, live: string, copy: string, people: string): Promise<void> {
  const options = ["--no-defaults", `--socket=${server.socket}`, "--user=root", "--skip-extended-insert", copy];
  const dump = (await commandOutput("mariadb-dump", options)).toLowerCase();
  const names = (await server.sql(people, live)).toLowerCase().trimEnd().split("\n");
  const wanted = new Set(names.map((name) => name.trim()).filter((name) => /\S \S|@/.test(name)));
  assert.ok(wanted.size > 100, String(wanted.size));
  const left = [...wanted].filter((name) => dump.includes(name.replaceAll("'", "\\'")));
  assert.deepEqual(left, []);
}

/** Rows of each reference of the model that name a row, and those of them whose row is there. */
async function resolved(
  server: MariadbServer,
  database: string,
  { references }: CrmModel,
): Promise<ReadonlyMap<string, [number, number]>> {
  const found = new Map<string, [number, number]>();
  const script = references.map(({ from, columns: [column = ""], to, referenced: [key = ""], when }) => {
    const only = when ? ` AND f.\`${when.column}\`='${when.equals}'` : "";
    const [a, b] = [`f.\`${column}\``, `t.\`${key}\``];
    return `SELECT COUNT(*), COUNT(${b}) FROM \`${from.name}\` f LEFT JOIN \`${to.name}\` t ON CAST(${a} AS CHAR)=CAST(${b} AS CHAR)
      WHERE ${a} IS NOT NULL AND ${a}<>'' AND ${a}<>'0'${only};`;
  });
  const lines = (await server.sql(script.join("\n"), database)).trimEnd().split("\n");
  for (const [at, { from, columns, to, when }] of references.entries()) {
    const [all = 0, there = 0] = (lines[at] ?? "").split("\t").map(Number);
    if (all > 0)
      found.set(`${from.name}.${columns.join()}${when ? ` ${when.equals}` : ""} -> ${to.name}`, [all, there]);
  }
  return found;
}

test(`demo data of SuiteCRM, CiviCRM and Dolibarr${leftOut}`, async (context) => {
  if (!isHere) return;
  await using server = await startMariadb();
  await server.sql("CREATE USER crm@localhost IDENTIFIED BY 'geh''eim'; GRANT ALL ON *.* TO crm@localhost");
  const url = (name: string) => `mariadb://crm@localhost/${name}?socket=${encodeURIComponent(server.socket)}`;

  await context.test("SuiteCRM 8.8.1", async () => {
    using root = temporaryFolder();
    const folder = join(root.path, "suitecrm");
    await server.sql("CREATE DATABASE suite CHARACTER SET utf8mb4");
    await server.sql(await unpacked("suitecrm/demo-8.8.1.sql.xz"), "suite");
    const files = (
      await server.sql(
        "SELECT id FROM notes WHERE filename<>'' AND deleted=0 UNION SELECT id FROM document_revisions WHERE filename<>'' AND deleted=0",
        "suite",
      )
    )
      .split("\n")
      .filter((id) => id !== "");
    suite.writeSuitecrm(folder, 8, {
      socket: server.socket,
      name: "suite",
      files: Object.fromEntries(files.map((id) => [id, "x"])),
    });
    const scene = await platformScene(root.path, folder);
    assert.deepEqual(codesOf((await scene.backup()).warnings), []);
    const { model } = await scene.model();
    assert.equal(model.entities.length, 23);
    assert.ok(
      model.entities.every(({ title, modified, deleted }) => title.length > 0 && modified.length > 0 && deleted),
    );
    const references = await resolved(server, "suite", model);
    for (const one of [
      "accounts_contacts.contact_id -> contacts",
      "email_addr_bean_rel.bean_id Contacts -> contacts",
      "opportunities_contacts.opportunity_id -> opportunities",
      "leads.assigned_user_id -> users",
      "meetings.parent_id Accounts -> accounts",
    ]) {
      const [all = 0, there] = references.get(one) ?? [];
      assert.ok(all > 0 && all === there, `${one}: ${all} ${there}`);
    }
    const broken = [...references].filter(([, [all, there]]) => there < all);
    assert.ok(broken.length * 10 <= references.size, JSON.stringify(broken));
    await scene.clone(join(root.path, "copy"), url("suite_copy"));
    assert.equal(
      await server.sql(
        "SELECT COUNT(*) FROM schedulers WHERE status='Active'; SELECT DISTINCT mail_smtpserver FROM outbound_email; SELECT COUNT(*) FROM contacts",
        "suite_copy",
      ),
      "0\n127.0.0.1\n200\n",
    );
    await scene.anonymised(join(root.path, "training"), url("suite_training"));
    const person = "CONCAT(first_name, ' ', last_name)";
    const people = `SELECT name FROM accounts UNION SELECT ${person} FROM contacts UNION SELECT ${person} FROM leads
      UNION SELECT ${person} FROM users UNION SELECT email_address FROM email_addresses UNION SELECT from_addr FROM emails_text`;
    await nobodyIsLeft(server, "suite", "suite_training", people);
    // Of settings, only an address that mail is from.
    assert.equal(
      await server.sql(
        "SELECT live.name FROM suite.config live JOIN suite_training.config USING (category, name) WHERE NOT live.value<=>config.value",
        "suite_training",
      ),
      "fromaddress\n",
    );
  });

  await context.test("CiviCRM 4.2 on WordPress: both databases", async () => {
    using root = temporaryFolder();
    const folder = join(root.path, "site");
    await server.sql("CREATE DATABASE civi CHARACTER SET utf8mb3; CREATE DATABASE wp CHARACTER SET utf8mb4");
    for (const part of ["civicrm/civicrm.mysql.xz", "civicrm/civicrm_generated.mysql.xz"]) {
      const options = ["--no-defaults", `--socket=${server.socket}`, "--user=root", "--force", "civi"];
      await runCommand("mariadb", options, { input: `SET sql_mode='';\n${await unpacked(part)}` });
    }
    await server.sql(civi.rows, "civi");
    const individual = "SELECT MIN(id) FROM civicrm_contact WHERE contact_type='Individual'";
    const constituent = (await server.sql(individual, "civi")).trim();
    await server.sql(
      `DELETE FROM civicrm_value_constituent_information_1; INSERT INTO civicrm_value_constituent_information_1 (entity_id, marital_status_2) VALUES (${constituent}, 'M')`,
      "civi",
    );
    await server.sql(civi.wordpress, "wp");
    civi.writeCivicrm(folder, server.socket);
    const scene = await platformScene(root.path, folder);
    assert.deepEqual([scene.detected.platform, scene.detected.version], ["civicrm", "4.2.17"]);
    const report = await scene.backup();
    assert.deepEqual(codesOf(report.warnings), ["file-missing civicrm/custom/lost.pdf"]);
    await scene.clone(join(root.path, "copy"), url("civi_copy"));
    const copy = join(root.path, "copy");
    assert.equal(
      await server.sql(
        `SELECT SUM(is_active) FROM civicrm_job; SELECT DISTINCT password, port FROM civicrm_mail_settings; SELECT SUM(is_active), COUNT(password) FROM civicrm_payment_processor;
         SELECT value FROM civicrm_setting WHERE name='mailing_backend'; SELECT COUNT(api_key) FROM civicrm_contact; SELECT COUNT(*) FROM civicrm_contact; SELECT COUNT(*) FROM civicrm_cache`,
        "civi_copy",
      ),
      '0\nNULL\t1\n0\t0\na:1:{s:15:"outBound_option";i:2;}\n0\n101\n0\n',
    );
    assert.equal(
      await server.sql(
        `SELECT name, value FROM civicrm_setting WHERE name IN ('geoAPIKey', 'sparkpost_apiKey', 'lcMessages') ORDER BY name;
         SELECT password, api_params, is_active FROM civicrm_sms_provider`,
        "civi_copy",
      ),
      'geoAPIKey\tNULL\nlcMessages\ts:5:"en_US";\nsparkpost_apiKey\tNULL\nNULL\tNULL\t0\n',
    );
    assert.equal(
      await server.sql("SELECT option_name, option_value FROM wp_options ORDER BY 1", "civi_copy_cms"),
      "blogname\tAcme\nhome\thttp://localhost\nsiteurl\thttp://localhost\n",
    );
    const settings = readFileSync(join(copy, "wp-content/uploads/civicrm/civicrm.settings.php"), "utf8");
    assert.ok(settings.includes("define('CIVICRM_MAIL_LOG', '/dev/null');"), settings);
    assert.ok(settings.includes("'CIVICRM_UF_BASEURL', 'http://localhost/'"), settings);
    const clone = scene.asRestored(join(copy, "wp-content/uploads/civicrm/civicrm.settings.php"));
    assert.deepEqual(
      (await civicrm.parts(clone)).databases.map((one) => `${one.name} ${one.url} ${one.password}`),
      [`main ${url("civi_copy")} geh'eim`, `cms ${url("civi_copy_cms")} geh'eim`],
    );
    const wordpress = readFileSync(join(copy, "wp-config.php"), "utf8");
    assert.match(wordpress, /^<\?php\nfunction wp_mail\(\) \{ return true; \}$/m);
    assert.match(wordpress, /'DB_NAME', 'civi_copy_cms'/);
    const [stored] = await openSecrets(civicrm, clone);
    assert.deepEqual(
      [civi.sealed, civi.sealed.replace("h6o", "h6p"), 's:5:"plain"'].map((value) => stored?.open(value, undefined)),
      ["opened", "closed", "plain"],
    );
    assert.equal(stored?.open(civi.unsealed, undefined), "opened");

    await scene.anonymised(join(root.path, "training"), url("civi_training"));
    const people = `SELECT display_name FROM civicrm_contact UNION SELECT sort_name FROM civicrm_contact UNION SELECT email FROM civicrm_email
      UNION SELECT CONCAT(first_name, ' ', last_name) FROM civicrm_contact`;
    await nobodyIsLeft(server, "civi", "civi_training", people);

    // Fields that somebody added are fields of the contact, under the name that he gave them.
    assert.deepEqual(await scene.labels(`individual/${constituent}`), {
      "civicrm_value_constituent_information_1.most_important_issue_1": "Most Important Issue",
      "civicrm_value_constituent_information_1.marital_status_2": "Marital Status",
      "civicrm_value_constituent_information_1.marriage_date_3": "Marriage Date",
    });
    const { model, relations } = await scene.model();
    const [file, owner] = ["civicrm_file", "civicrm_entity_file"].map((name) => relations.tableNamed(name));
    assert.ok(file && owner);
    assert.deepEqual(
      relations.from(file).map(({ to, kind }) => `${to.name} ${kind}`),
      ["civicrm_entity_file belongs"],
    );
    assert.ok(relations.from(owner).some(({ to, kind }) => to.name === "civicrm_contact" && kind === "belongs"));
    assert.ok(
      ["individual", "organization", "household", "activity", "contribution", "event"].every((name) =>
        model.entities.some((one) => one.name === name),
      ),
    );
    const references = await resolved(server, "civi", model);
    for (const one of [
      "civicrm_email.contact_id -> civicrm_contact",
      "civicrm_activity_target.activity_id -> civicrm_activity",
      "civicrm_note.entity_id civicrm_contact -> civicrm_contact",
      "civicrm_entity_tag.entity_id civicrm_contact -> civicrm_contact",
      "civicrm_line_item.entity_id civicrm_participant -> civicrm_participant",
      "civicrm_pcp.page_id contribute -> civicrm_contribution_page",
      "civicrm_pcp.pcp_block_id -> civicrm_pcp_block",
      "civicrm_uf_join.entity_id civicrm_event -> civicrm_event",
    ]) {
      const [all = 0, there] = references.get(one) ?? [];
      assert.ok(all > 0 && all === there, `${one}: ${all} ${there}`);
    }
  });

  await context.test("Dolibarr 9, what its tables mean, and its secrets", async () => {
    using root = temporaryFolder();
    const crm = await makeDolibarr(root.path, data, server);
    await using source = await mysqlEngine.connect(
      { url: server.url(crm.database) },
      { signal: AbortSignal.timeout(60_000) },
    );
    const { tables } = await source.inspect(AbortSignal.timeout(60_000));
    const model = await dolibarrModel({ tables, files: noFiles, async *rows() {} });
    assert.equal(model.entities.length, 17);
    assert.ok(model.entities.every(({ title }) => title.length > 0));
    const references = await resolved(server, crm.database, model);
    for (const one of [
      "llx_facturedet.fk_facture -> llx_facture",
      "llx_socpeople.fk_soc -> llx_societe",
      "llx_propal.fk_soc -> llx_societe",
      "llx_actioncomm_resources.fk_actioncomm -> llx_actioncomm",
      "llx_actioncomm_resources.fk_element user -> llx_user",
    ]) {
      const [all = 0, there] = references.get(one) ?? [];
      assert.ok(all > 0 && all === there, `${one}: ${all} ${there}`);
    }
    const lines = relationsOf(tables, model).tableNamed("llx_facturedet");
    assert.ok(
      lines &&
        relationsOf(tables, model)
          .from(lines)
          .some(({ kind }) => kind === "belongs"),
    );
    const [constant] = await openSecrets(dolibarr, {
      name: "d",
      platform: "dolibarr",
      configuration: crm.configuration,
      files: [],
      excludes: [],
      attachments: [],
      neutralise: [],
    });
    // "Gehe!m 密码", encrypted with the instance's key by pycryptodome.
    const values = [
      "dolcrypt:AES-256-CTR:0123456789abcdef:LRxzjQG7cbQU0t/XZw==",
      "dolcrypt:AES-256-CTR:0123456789abcdee:LRxzjQG7cbQU0t/XZw==",
      "plain",
    ];
    assert.deepEqual(
      values.map((value) => constant?.open(value, undefined)),
      ["opened", "closed", "plain"],
    );
  });
});
