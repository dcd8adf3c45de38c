import assert from "node:assert/strict";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { folderContent } from "../../demo/compare.ts";
import { espocrm } from "../../src/crm/espocrm.ts";
import { readPhp } from "../../src/crm/php-data.ts";
import { suitecrm } from "../../src/crm/suitecrm.ts";
import { isHoldfastError } from "../../src/lib/errors.ts";
import { startMariadb } from "../support/mariadb-server.ts";
import { missingOnly } from "../support/small-crm.ts";
import { temporaryFolder } from "../support/temp-folder.ts";
import * as espo from "./fixtures/espocrm.ts";
import * as suite from "./fixtures/suitecrm.ts";
import * as vt from "./fixtures/vtiger.ts";
import { codesOf, openSecrets, platformScene, writeFiles } from "./platform-scene.ts";

/** Platforms on MariaDB as fixtures: detected, backed up, restored elsewhere as a clone; one server for all. */
test("CRMs on MariaDB", async (context) => {
  await using server = await startMariadb();
  await server.sql(
    `CREATE USER crm@localhost IDENTIFIED BY 'geh''eim'; CREATE USER crm@'127.0.0.1' IDENTIFIED BY 'geh''eim';
     GRANT ALL ON *.* TO crm@localhost; GRANT ALL ON *.* TO crm@'127.0.0.1';`,
  );
  const make = async (name: string, tables: string) => {
    await server.sql(`CREATE DATABASE ${name} CHARACTER SET utf8mb4`);
    await server.sql(tables, name);
  };
  const socketUrl = (name: string) => `mariadb://crm@localhost/${name}?socket=${encodeURIComponent(server.socket)}`;

  await context.test("SuiteCRM 7", async () => {
    using root = temporaryFolder();
    const folder = join(root.path, "suitecrm");
    await make("suite7", suite.tables);
    suite.writeSuitecrm(folder, 7, {
      socket: server.socket,
      name: "suite7",
      files: { n1: "offer", c1_photo: "png", "deleted/x/n3": "gone" },
    });
    const scene = await platformScene(root.path, folder);
    assert.deepEqual([scene.detected.platform, scene.detected.version], ["suitecrm", "7.14.2"]);
    const report = await scene.backup();
    assert.deepEqual(codesOf(report.warnings), [
      ...["file-missing upload/n2", "file-missing upload/t1_photo", "file-missing upload/w1", "not-covered Google"],
    ]);
    const { checks } = await scene.doctor();
    assert.match(String(checks.find(({ code }) => code === "keys-found")?.facts["names"]), /^custom\/blowfish, Api/);

    const settings = suitecrm
      .neutralise(scene.description)
      ?.config?.("config.php", "<?php\n$sugar_config = array ();\n");
    assert.equal(readPhp(settings ?? "").get("sugar_config", "external_cache_disabled"), "true");
    const elsewhere =
      "<?php\n$sugar_config = array ('upload_dir' => '/srv/uploads/', 'cache_dir' => '/var/cache/suite/', 'log_dir' => '.', 'dbconfig' => array ('db_name' => 'suite7'));\n";
    const placed = {
      databases: [{ name: "main", url: socketUrl("suite7_copy") }],
      folders: [{ name: "upload", path: "/copy/uploads" }],
    };
    const named = readPhp(suitecrm.relocate?.("config.php", elsewhere, placed) ?? "");
    assert.deepEqual(
      ["upload_dir", "cache_dir", "log_dir"].map((key) => named.get("sugar_config", key)),
      ["/copy/uploads/", "cache/", "."],
    );

    await scene.clone(join(root.path, "copy"), socketUrl("suite7_copy"));
    const copy = join(root.path, "copy/suitecrm");
    assert.deepEqual(
      folderContent(join(copy, "upload")),
      new Map([...folderContent(join(folder, "upload"))].filter(([path]) => !path.startsWith("upgrades/"))),
    );
    assert.equal(
      await server.sql(
        `SELECT status FROM schedulers; SELECT mail_smtpserver, mail_smtppass FROM outbound_email; SELECT status FROM inbound_email;
         SELECT id FROM job_queue; SELECT name FROM accounts`,
        "suite7_copy",
      ),
      "Inactive\n127.0.0.1\tNULL\nInactive\nj2\n张伟有限公司\n",
    );
    assert.equal(
      await server.sql(
        `SELECT COALESCE(password, api_data, consumer_secret, oauth_token, oauth_secret) FROM eapm;
         SELECT COALESCE(client_secret, access_token, refresh_token) FROM external_oauth_connections; SELECT category FROM user_preferences`,
        "suite7_copy",
      ),
      "NULL\nNULL\nglobal\n",
    );
    const config = readFileSync(join(copy, "config.php"), "utf8");
    assert.match(config, /'db_name' => 'suite7_copy'/);
    assert.match(config, /'google_auth_json' => ''/);
    assert.match(config, /'enabled' => false, 'host' => 'search\.example\.org'/);
    assert.match(config, /'site_url' => 'http:\/\/localhost'/);
    assert.match(readFileSync(join(copy, "config_override.php"), "utf8"), /\['site_url'\] = 'http:\/\/localhost'/);
    assert.match(readFileSync(join(copy, "modules/Built/Built.php"), "utf8"), /php/);
    assert.throws(() => readFileSync(join(copy, "cache/x.php")), /ENOENT/);

    const clone = scene.asRestored(join(copy, "config.php"));
    assert.equal((await suitecrm.parts(clone)).databases[0]?.url, socketUrl("suite7_copy"));
    const [outgoing] = await openSecrets(suitecrm, clone);
    assert.deepEqual(
      [outgoing?.open(suite.password, undefined), outgoing?.open("AAAAAAAAAAA=", undefined)],
      ["opened", "closed"],
    );

    const { relations, model } = await scene.model();
    assert.deepEqual(
      model.entities.map(({ name }) => name),
      ["abc-vehicles", "account", "contact", "case", "note", "target"],
    );
    assert.deepEqual(await scene.labels("account/a1"), suite.accountLabels);
    assert.deepEqual(await scene.labels("account/a1", "live"), suite.accountLabels);
    assert.deepEqual(await scene.labels("abc-vehicles/v1"), {
      deleted: "Deleted",
      plate: "Plate",
      date_entered: "Date Created",
    });
    const notes = relations.tableNamed("notes");
    assert.ok(notes && relations.from(notes).some(({ to, kind }) => to.name === "accounts" && kind === "belongs"));
    assert.ok(
      relations.from(notes).some(({ to, when }) => to.name === "abc_vehicles" && when?.equals === "abc_Vehicles"),
    );
    const join3 = relations.tableNamed("abc_vehicles_accounts_1_c");
    assert.deepEqual(
      join3 &&
        relations
          .from(join3)
          .map(({ to, kind }) => `${to.name} ${kind}`)
          .toSorted(),
      ["abc_vehicles links", "accounts links"],
    );
    const updates = relations.tableNamed("aop_case_updates");
    assert.deepEqual(updates && relations.from(updates).map(({ to, kind }) => `${to.name} ${kind}`), [
      "cases belongs",
      "contacts refers",
    ]);
    const join2 = relations.tableNamed("accounts_contacts");
    assert.deepEqual(
      join2 &&
        relations
          .from(join2)
          .map(({ to, kind }) => `${to.name} ${kind}`)
          .toSorted(),
      ["accounts links", "contacts links"],
    );

    // As SuiteCRM deletes somebody: what joins the contact with others says that it is gone, too.
    const joined = "SELECT deleted FROM contacts WHERE id = 'c1'; SELECT deleted FROM accounts_contacts";
    await server.sql(
      "UPDATE contacts SET deleted = 1 WHERE id = 'c1'; UPDATE accounts_contacts SET deleted = 1",
      "suite7",
    );
    await scene.bringBack("contact/c1");
    assert.equal(await server.sql(joined, "suite7"), "0\n0\n");

    rmSync(join(folder, "custom/blowfish"), { recursive: true });
    const without = await scene.backup();
    assert.equal(without.outcome, "warning");
    assert.ok(
      codesOf(without.warnings).some((text) => text.startsWith("key-missing custom/blowfish (")),
      JSON.stringify(without.warnings),
    );
  });

  await context.test(
    "SuiteCRM 8: both places that name the database are changed, and its program must fit",
    async () => {
      using root = temporaryFolder();
      const folder = join(root.path, "suitecrm");
      await make("suite8", suite.tables);
      suite.writeSuitecrm(folder, 8, {
        socket: server.socket,
        name: "suite8",
        files: { n1: "offer", n2: "lost", c1_photo: "png", t1_photo: "png", w1: "paper" },
      });
      const scene = await platformScene(root.path, folder);
      assert.equal(scene.detected.version, "8.8.1");
      assert.deepEqual(codesOf((await scene.backup()).warnings), ["not-covered Google"]);
      await scene.clone(join(root.path, "copy"), socketUrl("suite8_copy"));
      const copy = join(root.path, "copy/suitecrm");
      const environment = readFileSync(join(copy, ".env.local"), "utf8");
      assert.match(
        environment,
        /^DATABASE_URL="?mysql:\/\/crm:geh(%27|')eim@localhost\/suite8_copy\?unix_socket=[^&\n]+&serverVersion=mariadb-10\.11\.4"?$/m,
      );
      assert.match(environment, /^MAILER_DSN=null:\/\/null$/m);
      assert.match(environment, /^APP_SECRET=51a1$/m);
      assert.match(readFileSync(join(copy, "public/legacy/config.php"), "utf8"), /'db_name' => 'suite8_copy'/);
      assert.match(readFileSync(join(copy, "extensions/own/x.php"), "utf8"), /php/);
      assert.throws(() => readFileSync(join(copy, "cache/prod/x.php")), /ENOENT/);
      assert.deepEqual(await scene.labels("account/a1"), suite.accountLabels);

      // A newer program than the recovery point's: its database alone would be a mix.
      writeFiles(folder, { "public/legacy/suitecrm_version.php": "<?php\n$suitecrm_version = '8.9.0';\n" });
      await server.sql("UPDATE accounts SET name = 'changed'", "suite8");
      const point = { point: { kind: "id", prefix: (await scene.points())[0] ?? "" } } as const;
      await assert.rejects(
        scene.plan({ ...point, scope: { kind: "database" } }),
        (error) =>
          isHoldfastError(error, "crm-version-differs") &&
          error.facts["installed"] === "8.9.0" &&
          error.facts["remedy"] === "--system --exact",
      );
      const plan = await scene.plan({ ...point });
      assert.deepEqual(plan.maintenance, { on: "web-server", off: "web-server-off" });
      await scene.apply(plan);
      assert.match(readFileSync(join(folder, "public/legacy/suitecrm_version.php"), "utf8"), /8\.8\.1/);
      assert.equal(await server.sql("SELECT name FROM accounts", "suite8"), "张伟有限公司\n");

      // An empty machine: the program comes along, into its own place.
      rmSync(folder, { recursive: true });
      await server.sql("DROP DATABASE suite8");
      // Whoever restores tells the password: it stood in the configuration that is gone.
      const crms = [{ ...scene.description, databasePassword: "geh'eim" }];
      await scene.apply(await scene.plan({ ...point, switches: missingOnly, crms }), crms);
      assert.equal(readFileSync(join(folder, "public/legacy/upload/n1"), "utf8"), "offer");
      assert.match(readFileSync(join(folder, ".env.local"), "utf8"), /suite8\?/);
      assert.equal(await server.sql("SELECT count(*) FROM notes", "suite8"), "5\n");
    },
  );

  await context.test("EspoCRM", async () => {
    using root = temporaryFolder();
    const folder = join(root.path, "espo");
    await make("espo", espo.tables + espo.userTable("`"));
    espo.writeEspocrm(folder, { platform: "Mysql", host: "127.0.0.1", port: server.port, name: "espo" });
    const scene = await platformScene(root.path, folder);
    assert.deepEqual([scene.detected.platform, scene.detected.version], ["espocrm", "8.4.2"]);
    const report = await scene.backup();
    assert.deepEqual(codesOf(report.warnings), ["file-missing upload/f3", "not-covered AwsS3"]);
    const url = `mariadb://crm@127.0.0.1:${server.port}/espo_copy`;
    await scene.clone(join(root.path, "copy"), url);
    const copy = join(root.path, "copy/espo");
    assert.equal(
      await server.sql(
        `SELECT status, password, use_smtp, smtp_password FROM email_account; SELECT status, password FROM inbound_email; SELECT status FROM scheduled_job;
         SELECT id FROM job; SELECT is_active FROM webhook; SELECT enabled, data FROM integration; SELECT value FROM app_secret; SELECT api_key, password FROM user WHERE id='u1'; SELECT name FROM account WHERE id='a1'; SELECT COUNT(*) FROM o_auth_access_token`,
        "espo_copy",
      ),
      "Inactive\tNULL\t0\tNULL\nInactive\tNULL\nInactive\nj2\n0\n0\tNULL\n\nNULL\t$2y$10$x\n张伟有限公司\n0\n",
    );
    await scene.anonymised(join(root.path, "training"), `mariadb://crm@127.0.0.1:${server.port}/espo_training`);
    assert.match(await server.sql(espo.anonymised("`"), "espo_training"), espo.nobody("\t", "NULL"));
    const config = readFileSync(join(copy, "data/config.php"), "utf8");
    for (const line of [
      "'siteUrl' => 'http://localhost'",
      "'cronDisabled' => true",
      "'useWebSocket' => false",
      "'path' => 'data/logs/espo.log'",
      "'smtpServer' => ''",
      "'smtpPassword' => ''",
      "'defaultFileStorage' => 'EspoUploadDir'",
      "'secret' => ''",
    ]) {
      assert.ok(config.includes(line), `${line}\n${config}`);
    }
    const clone = scene.asRestored(join(copy, "data/config-internal.php"));
    assert.deepEqual((await espocrm.parts(clone)).databases, [{ name: "main", url, password: "geh'eim" }]);
    assert.equal(readFileSync(join(copy, "data/upload/f1"), "utf8"), "offer");
    assert.throws(() => readFileSync(join(copy, "data/cache/application/x.php")), /ENOENT/);
    const [stored] = await openSecrets(espocrm, clone);
    assert.deepEqual([stored?.open(espo.password, undefined), stored?.open("", undefined)], ["opened", "plain"]);
    const { model, relations } = await scene.model();
    assert.deepEqual(model.entities.map(({ name }) => name).toSorted(), [
      "account",
      "attachment",
      "c-building",
      "contact",
      "document",
      "document-folder",
      "note",
      "user",
    ]);
    assert.deepEqual(await scene.labels("c-building/b1"), espo.buildingLabels);
    assert.deepEqual(await scene.labels("c-building/b1", "live"), espo.buildingLabels);
    assert.deepEqual(await scene.labels("account/a1"), {
      name: "Firm",
      created_at: "Erstellt am",
      assigned_user_id: "Betreuer",
    });
    const relation = (table: string): readonly string[] => {
      const found = relations.tableNamed(table);
      assert.ok(found);
      return relations
        .from(found)
        .map(({ columns, to, kind }) => `${columns.map((at) => found.columns[at]?.name).join()} ${to.name} ${kind}`);
    };
    assert.deepEqual(relation("email"), [
      ...["from_email_address_id email_address refers", "sent_by_id user refers", "replied_id email refers"],
    ]);
    assert.deepEqual(relation("document"), ["file_id attachment refers", "folder_id document_folder refers"]);
    assert.deepEqual(relation("document_folder"), ["parent_id document_folder refers"]);
    assert.deepEqual(relation("document_folder_path"), [
      ...["ascendor_id document_folder links", "descendor_id document_folder links"],
    ]);
    for (const [table, kind] of [
      ["array_value", "entity_id contact belongs"],
      ["entity_email_address", "entity_id contact belongs"],
      ["entity_email_address", "email_address_id email_address refers"],
      ["attachment", "related_id document belongs"],
      ["attachment", "source_id attachment refers"],
    ] as const) {
      assert.ok(relation(table).includes(kind), `${table} ${kind}`);
    }
    // Whoever was deleted and comes back has the address and what is found by it, and may sign in by the name.
    const address =
      "SELECT COUNT(*) FROM email_address; SELECT COUNT(*) FROM entity_email_address; SELECT COUNT(*) FROM array_value";
    await server.sql(
      "DELETE FROM entity_email_address; DELETE FROM email_address; DELETE FROM array_value; DELETE FROM contact; UPDATE user SET deleted = TRUE, delete_id = 'x7' WHERE id = 'u1'",
      "espo",
    );
    await scene.bringBack("contact/c1");
    assert.equal(await server.sql(address, "espo"), "1\n1\n1\n");
    await scene.bringBack("user/u1");
    assert.equal(await server.sql("SELECT deleted, delete_id FROM user WHERE id = 'u1'", "espo"), "0\t0\n");
    assert.deepEqual(relation("c_building"), ["owner_firm_id account refers"]);
    assert.deepEqual(relation("c_neighbours"), ["left_id c_building links", "right_id c_building links"]);
    const attachment = relations.tableNamed("attachment");
    assert.ok(
      attachment && relations.from(attachment).some(({ to, when }) => to.name === "note" && when?.equals === "Note"),
    );

    writeFiles(folder, {
      "data/config-internal.php": readFileSync(join(folder, "data/config-internal.php"), "utf8").replace(
        / *'cryptKey'.*\n/,
        "",
      ),
    });
    const without = await scene.backup();
    assert.ok(
      codesOf(without.warnings).some((text) => text.startsWith("key-missing cryptKey")),
      JSON.stringify(without.warnings),
    );
    const { checks } = await scene.doctor();
    assert.deepEqual(
      checks.filter(({ code }) => code === "key-missing").map(({ facts }) => facts["name"]),
      ["cryptKey"],
    );
  });

  await context.test("Vtiger", async () => {
    using root = temporaryFolder();
    const folder = join(root.path, "vtiger");
    await make("vt", vt.tables);
    vt.writeVtiger(folder, server.socket, "vt");
    const scene = await platformScene(root.path, folder);
    assert.deepEqual([scene.detected.platform, scene.detected.version], ["vtiger", "8.0.0"]);
    assert.deepEqual(codesOf((await scene.backup()).warnings), ["file-missing storage/2026/November/week4/8_aa.txt"]);
    await scene.clone(join(root.path, "copy"), socketUrl("vt_copy"));
    const copy = join(root.path, "copy/vtiger");
    assert.equal(
      await server.sql(
        `SELECT SUM(status) FROM vtiger_cron_task; SELECT server, server_password FROM vtiger_systems; SELECT isvalid, password FROM vtiger_mailscanner;
         SELECT status FROM com_vtiger_workflows; SELECT COUNT(*) FROM com_vtiger_workflowtask_queue; SELECT accesskey<>'AbCdEfGhIjKlMnOp' FROM vtiger_users;
         SELECT accountname FROM vtiger_account`,
        "vt_copy",
      ),
      "0\n127.0.0.1:1\t\n0\t\n0\n0\n1\n张伟有限公司\n",
    );
    assert.equal(
      await server.sql(
        `SELECT isactive, password, parameters FROM vtiger_smsnotifier_servers; SELECT COUNT(*) FROM vtiger_google_oauth2; SELECT enabled FROM vtiger_google_sync_settings;
         SELECT COUNT(*) FROM vtiger_mailer_queue; SELECT COUNT(*) FROM vtiger_extnstore_users; SELECT COUNT(*) FROM vtiger_ws_userauthtoken; SELECT user_password FROM vtiger_portalinfo`,
        "vt_copy",
      ),
      "0\t\t\n0\n0\n0\n0\n0\nx\n",
    );
    await scene.anonymised(join(root.path, "training"), socketUrl("vt_training"));
    assert.equal(
      await server.sql("SELECT accountname FROM vtiger_sostatushistory", "vt_training"),
      await server.sql("SELECT accountname FROM vtiger_account", "vt_training"),
    );
    const [company = "", ...labels] = (
      await server.sql("SELECT accountname FROM vtiger_account; SELECT label FROM vtiger_crmentity", "vt_training")
    ).split("\n");
    assert.match(company, /^\p{Script=Han}{6}$/u);
    assert.ok(labels.includes(company) && !labels.some((text) => /张伟|Byron/.test(text)), labels.join());
    assert.match(
      await server.sql(
        `SELECT bill_city, bill_code, bill_country, bill_street FROM vtiger_accountbillads; SELECT ticket_no, priority, title, update_log FROM vtiger_troubletickets;
         SELECT from_email, to_email, idlists FROM vtiger_emaildetails; SELECT direction, customer, customernumber FROM vtiger_pbxmanager;
         SELECT user_name, first_name FROM vtiger_users; SELECT summary, task FROM com_vtiger_workflowtasks; SELECT name FROM vtiger_cron_task`,
        "vt_training",
      ),
      new RegExp(
        [
          String.raw`^\p{Script=Han}{6}\t(?!200001)\d{6}\tChina\t\d+ \p{Script=Han}+`,
          String.raw`TT1\tHigh\t(?!Ada)\w+ \w+ cannot sign in\t\[anonymised\]`,
          String.raw`p\w{16}@example\.org\t\["p\w{16}@example\.org"\]\t3@1\|`,
          String.raw`inbound\t3\t\+(?!49 30 1234567)\d\d \d\d \d{7}`,
          String.raw`admin\t(?!Ad\n)\w+`,
          String.raw`Tell sales\t\[anonymised\]`,
          String.raw`Workflow\nMailScanner\n$`,
        ].join(String.raw`\n`),
        "u",
      ),
    );
    const config = readFileSync(join(copy, "config.inc.php"), "utf8");
    assert.ok(config.includes("$site_URL = 'http://localhost/';"), config);
    assert.ok(config.includes("$PORTAL_URL = 'http://localhost/portal';"), config);
    assert.ok(config.includes(`$root_directory = '${copy}/';`), config);
    assert.ok(config.includes("$dbconfig['db_name'] = 'vt_copy';"), config);
    assert.deepEqual(folderContent(join(copy, "storage")), folderContent(join(folder, "storage")));
    assert.match(readFileSync(join(copy, "config.csrf-secret.php"), "utf8"), /0123/);
    const { model, relations } = await scene.model();
    assert.deepEqual(
      model.entities.map(({ name, extensions }) => `${name} ${extensions.length}`),
      [
        ...["activity 2", "email 2", "contact 2", "account 3", "document 1", "event 2", "sales-order 2", "comment 1"],
        "user 0",
      ],
    );
    for (const [handle, subject] of [
      ["activity/20", "Call back"],
      ["event/21", "Visit"],
      ["email/10", "Hello"],
    ] as const) {
      assert.equal(await scene.title(handle), subject);
    }
    const kinds = (name: string): readonly string[] => {
      const table = relations.tableNamed(name);
      assert.ok(table);
      return relations
        .from(table)
        .map(({ columns, to, kind }) => `${columns.map((at) => table.columns[at]?.name).join()} ${to.name} ${kind}`)
        .toSorted();
    };
    assert.deepEqual(kinds("vtiger_seattachmentsrel"), [
      "attachmentsid vtiger_attachments refers",
      "crmid vtiger_crmentity belongs",
    ]);
    assert.deepEqual(kinds("vtiger_sostatushistory"), ["salesorderid vtiger_crmentity belongs"]);
    assert.deepEqual(kinds("vtiger_modtracker_detail"), ["id vtiger_modtracker_basic belongs"]);
    assert.deepEqual(kinds("vtiger_salesorder"), [
      "accountid vtiger_crmentity refers",
      "contactid vtiger_crmentity refers",
    ]);
    assert.deepEqual(await scene.labels("account/2"), {
      accountname: "Firmenname",
      "vtiger_accountscf.cf_900": "Grade",
      "vtiger_crmentity.createdtime": "Erstellt",
    });
    const comments = relations.tableNamed("vtiger_modcomments");
    assert.ok(
      comments && relations.from(comments).some(({ to, kind }) => to.name === "vtiger_crmentity" && kind === "belongs"),
    );
    // A document comes back with its base row, its attachment and the file.
    const gone = `SELECT COUNT(*) FROM vtiger_notes; SELECT storedname FROM vtiger_attachments WHERE attachmentsid = 5; SELECT COUNT(*) FROM vtiger_seattachmentsrel;
      SELECT crmid FROM vtiger_crmentity WHERE crmid IN (4, 5) ORDER BY crmid; SELECT COUNT(*) FROM vtiger_senotesrel`;
    const whole = await server.sql(gone, "vt");
    await server.sql(
      `DELETE FROM vtiger_senotesrel; DELETE FROM vtiger_seattachmentsrel; DELETE FROM vtiger_attachments WHERE attachmentsid = 5; DELETE FROM vtiger_notes;
       DELETE FROM vtiger_crmentity WHERE crmid IN (4, 5)`,
      "vt",
    );
    rmSync(join(folder, "storage/2026/November/week4/5_42b4.txt"));
    await scene.bringBack("document/4");
    assert.equal(await server.sql(gone, "vt"), whole);
    assert.equal(readFileSync(join(folder, "storage/2026/November/week4/5_42b4.txt"), "utf8"), "offer");
    // In the recycle bin: what says so is in the base row.
    const bin = "SELECT crmid, deleted FROM vtiger_crmentity WHERE crmid IN (2, 3) ORDER BY crmid";
    await server.sql("UPDATE vtiger_crmentity SET deleted = 1, modifiedtime = NOW() WHERE crmid IN (2, 3)", "vt");
    assert.deepEqual(await scene.deleted(["account"]), ["account/2"]);
    assert.deepEqual(await scene.deleted(), ["vtiger_crmentity/2", "vtiger_crmentity/3"]);
    await scene.bringBack("account/2");
    assert.equal(await server.sql(bin, "vt"), "2\t0\n3\t1\n");
    await scene.bringBack("contact/3");
    assert.equal(await server.sql(bin, "vt"), "2\t0\n3\t0\n");
    // No parent is 0 there.
    const account = `SELECT accountname, parentid FROM vtiger_account; SELECT COUNT(*) FROM vtiger_accountscf;
      SELECT commentcontent, related_to FROM vtiger_modcomments; SELECT crmid, relcrmid FROM vtiger_crmentityrel; SELECT postvalue FROM vtiger_modtracker_detail;
      SELECT entity_id FROM com_vtiger_workflow_activatedonce; SELECT crmid FROM vtiger_crmentity WHERE crmid IN (2, 6) ORDER BY crmid`;
    await server.sql(
      `DELETE FROM vtiger_accountscf; DELETE FROM vtiger_account; DELETE FROM vtiger_crmentity WHERE crmid IN (2, 6); DELETE FROM vtiger_modcomments;
       DELETE FROM vtiger_crmentityrel; DELETE FROM vtiger_modtracker_basic; DELETE FROM vtiger_modtracker_detail; DELETE FROM com_vtiger_workflow_activatedonce`,
      "vt",
    );
    // Comments, links and the history of changes are in tables without a key.
    assert.deepEqual((await scene.bringBack("account/2")).failed, []);
    assert.equal(await server.sql(account, "vt"), "张伟有限公司\t0\n1\ncalled\t2\n2\t4\n张伟有限公司\n2\n2\n6\n");
    rmSync(join(folder, "config.csrf-secret.php"));
    assert.ok(
      codesOf((await scene.backup()).warnings).some((text) => text.startsWith("key-missing config.csrf-secret.php")),
    );
  });
});
