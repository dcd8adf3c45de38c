import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { odoo } from "../../src/crm/odoo.ts";
import { twenty } from "../../src/crm/twenty.ts";
import { startPostgres } from "../support/postgres-server.ts";
import { temporaryFolder } from "../support/temp-folder.ts";
import * as espo from "./fixtures/espocrm.ts";
import * as oo from "./fixtures/odoo.ts";
import * as tw from "./fixtures/twenty.ts";
import { codesOf, openSecrets, platformScene, writeFiles } from "./platform-scene.ts";

/** Platforms on PostgreSQL as fixtures: detected, backed up, restored elsewhere as a clone; one server for all. */
test("CRMs on PostgreSQL", async (context) => {
  await using server = await startPostgres();
  await server.sql("CREATE ROLE crm SUPERUSER LOGIN");
  const make = async (name: string, tables: string) => {
    await server.sql(`CREATE DATABASE ${name} OWNER crm`);
    await server.sql(tables, name);
  };
  const url = (name: string) => `postgresql://crm@127.0.0.1:${server.port}/${name}`;

  await context.test("Odoo", async () => {
    using root = temporaryFolder();
    const folder = join(root.path, "odoo");
    await make("acme", oo.tables);
    oo.writeOdoo(folder, server.port, "acme");
    const scene = await platformScene(root.path, folder);
    assert.deepEqual([scene.detected.platform, scene.detected.name, scene.detected.version], ["odoo", "acme", "17.0"]);
    writeFiles(join(root.path, "etc"), {
      "odoo.conf":
        "[options]\n; admin_passwd = admin\ndb_host = False\ndb_port = False\ndb_user = odoo\ndb_password = False\ndb_name = acme\n",
    });
    assert.deepEqual(
      (await odoo.detect(join(root.path, "etc"))).map(({ name, database }) => [name, database]),
      [["acme", "postgresql://odoo@localhost/acme?host=%2Fvar%2Frun%2Fpostgresql"]],
    );
    const report = await scene.backup();
    assert.deepEqual(codesOf(report.warnings), [
      "file-missing filestore/aa/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
      "not-covered https://storage.googleapis.com/bucket-2",
      "not-covered s3://bucket-1",
    ]);
    await scene.clone(join(root.path, "copy"), url("acme_copy"));
    const copy = join(root.path, "copy");
    assert.equal(
      await server.sql(
        `SELECT smtp_host, active, smtp_pass FROM ir_mail_server ORDER BY id; SELECT active FROM ir_cron; SELECT webhook_url FROM ir_act_server;
         SELECT active, password FROM fetchmail_server; SELECT state, stripe_secret_key, stripe_webhook_secret FROM payment_provider; SELECT state FROM mail_mail ORDER BY id;
         SELECT value FROM ir_config_parameter WHERE key IN ('database.is_neutralized', 'web.base.url') ORDER BY key;
         SELECT count(*) FROM ir_config_parameter WHERE key LIKE '%google%' OR key = 'report.url' OR value IN ('one', 'two'); SELECT count(*) FROM bus_bus; SELECT name FROM res_partner ORDER BY id`,
        "acme_copy",
      ),
      "invalid|f|\ninvalid|t|\nf\nhttp://127.0.0.1:9\nf|\ndisabled||\ncancel\nsent\ntrue\nhttp://localhost:8069\n0\n0\n张伟有限公司\nAda\nLunch Supplier\n",
    );
    assert.deepEqual(
      (
        await server.sql(
          `SELECT code, is_live, stripe_publishable_key, authorize_login, adyen_hmac_key, aps_sha_request, worldline_pspid, dpo_service_ref FROM payment_provider;
           SELECT sms_twilio_auth_token, l10n_eg_client_secret, l10n_eg_production_env, l10n_es_sii_test_env, l10n_sa_api_mode, l10n_hu_edi_server_mode, ldap_password FROM res_company;
           SELECT google_calendar_rtoken, google_calendar_token, google_synchronization_stopped, microsoft_calendar_sync_token FROM res_users_settings;
           SELECT domain, cdn_activated, robots_txt LIKE '%Disallow: /', google_analytics_key FROM website WHERE id = 1; SELECT key, active, visibility_password FROM ir_ui_view ORDER BY id;
           SELECT account_token FROM iap_account; SELECT active, refresh_token FROM account_edi_proxy_client_user; SELECT count(*) FROM mail_push_device;
           SELECT state FROM snailmail_letter; SELECT prod_environment, active FROM delivery_carrier ORDER BY id; SELECT DISTINCT password FROM res_users; SELECT access_token FROM sale_order;
           SELECT key || '=' || value FROM ir_config_parameter WHERE key ~ 'auth_|peppol|endpoint' ORDER BY key`,
          "acme_copy",
        )
      ).split("\n"),
      [
        ...["stripe|f||||||", "||f|t|sandbox|test|", "||t|", "|f|t|"],
        ...["web.neutralize_banner|t|", "website.page|f|$pbkdf2$x", "disabled-1", "f|", "0", "canceled", "f|t", "f|f"],
        ...["$pbkdf2$x", "shared", "account_peppol.edi.mode=demo", "auth_password_policy.minlength=8"],
        ...["auth_signup.reset_password=True"],
        ...["enrich", "iap", "iap.partner_autocomplete", "reveal", "sms", "snailmail"].map(
          (name) => `${name}.endpoint=http://127.0.0.1:9`,
        ),
        "",
      ],
    );
    // What other countries' authorities know a company by goes, what its own kiosk is opened with stays, and so does what was.
    assert.equal(
      await server.sql(
        `SELECT l10n_hu_edi_signature_key, l10n_gr_edi_aade_key, "l10n_tw_edi_ecpay_hashIV", l10n_tw_edi_ecpay_staging_mode, l10n_hr_mer_connection_mode, l10n_ke_cu_proxy_address, attendance_kiosk_key
         FROM res_company; SELECT is_live FROM payment_transaction; SELECT smtp_ssl_private_key FROM ir_mail_server WHERE id = 1;
         SELECT key || '=' || value FROM ir_config_parameter WHERE key IN ('account_edi_proxy_client.demo', 'l10n_dk_nemhandel.edi.mode') ORDER BY key`,
        "acme_copy",
      ),
      "|||t|test||kept\nt\n\naccount_edi_proxy_client.demo=demo\nl10n_dk_nemhandel.edi.mode=demo\n",
    );
    const config = readFileSync(join(copy, "odoo.conf"), "utf8");
    for (const line of [
      "db_name = acme_copy",
      "max_cron_threads = 0",
      "smtp_server = invalid",
      "logfile = False",
      "db_replica_host = False",
      `data_dir = ${copy}/data`,
      // Odoo's own program is not in the copy.
      `addons_path = ${folder}/odoo/addons,${copy}/own`,
      "; our own",
    ]) {
      assert.ok(config.split("\n").includes(line), `${line}\n${config}`);
    }
    // Odoo looks for a filestore of the database's name.
    assert.ok(existsSync(join(copy, "data/filestore/acme_copy", oo.store)));
    assert.ok(!existsSync(join(copy, "data/filestore/acme_copy/checklist")));
    assert.ok(existsSync(join(copy, "own/acme/__manifest__.py")) && !existsSync(join(copy, "own/acme/__pycache__")));
    assert.ok(existsSync(join(copy, "data/addons/17.0/acme_more/__manifest__.py")));
    const clone = scene.asRestored(join(copy, "odoo.conf"));
    assert.equal((await odoo.parts(clone)).databases[0]?.url, url("acme_copy"));

    const ruled = await scene.anonymised(join(root.path, "training"), url("acme_training"));
    for (const rule of ["res_partner.name name", "res_users.login name", "mail_message.subject mentions"]) {
      assert.ok(ruled.includes(rule), `${rule} of ${ruled.join(", ")}`);
    }
    assert.match(
      await server.sql("SELECT name FROM res_partner WHERE id = 1; SELECT name FROM ir_act_server", "acme_training"),
      /^(\p{Script=Han}{6})\n\{"en_US": "Write to \1 and p\w{16}@example\.org"\}\n$/u,
    );
    assert.doesNotMatch(await server.sql("SELECT * FROM hr_version", "acme_training"), /C01X00T47|High Street|CEO/);
    // The program's own words stay, and whom its modules bring along; what is said in several languages is never a single text.
    assert.equal(
      await server.sql(
        `SELECT name, phone_code, address_format FROM res_country; SELECT note FROM account_payment_term; SELECT name, mobile_view_mode FROM ir_act_window;
         SELECT name FROM hr_resume_line; SELECT name FROM ir_translation ORDER BY id LIMIT 1; SELECT name FROM res_partner ORDER BY id DESC LIMIT 1;
         SELECT DISTINCT website_slide_google_app_key FROM website; SELECT content FROM mail_message_reaction; SELECT count(*) FROM resource_resource WHERE name = 'Ada Byron'`,
        "acme_training",
      ),
      '{"en_US": "Germany"}|49|%(street)s %(zip)s %(city)s\n{"en_US": "Payment terms: 30 Days"}\n{"en_US": "Contacts"}|kanban\n\nproduct.template,name\nLunch Supplier\n\n👍\n0\n',
    );

    assert.match(
      await server.sql(
        `SELECT name, state, payment_reference, invoice_partner_display_name FROM account_move; SELECT email_from, subject FROM mail_template;
         SELECT login FROM res_users ORDER BY id; SELECT function, street, partner_latitude, lang FROM res_partner WHERE id = 2; SELECT name, shortdesc FROM ir_module_module;
         SELECT name FROM ir_model WHERE model = 'res.partner'; SELECT field_description FROM ir_model_fields WHERE id = 3; SELECT name FROM ir_property; SELECT name FROM ir_model_data`,
        "acme_training",
      ),
      new RegExp(
        [
          String.raw`^INV/2026/00001\|posted\|INV/2026/00001\|\p{Script=Han}{6}`,
          String.raw`\{\{ object\.user_id\.email_formatted \}\}\|\{"en_US": "Your order"\}`,
          String.raw`admin\np\w{16}@example\.org|admin\n[A-Z]\w+`,
          String.raw`\[anonymised\]\|\d+ \w+\|\|de_DE`,
          String.raw`sale\|\{"en_US": "Sales"\}`,
          String.raw`\{"en_US": "Contact"\}`,
          String.raw`\{"en_US": "Opportunity"\}`,
          String.raw`property_payment_term_id\np1\n$`,
        ]
          .map((line) => `(?:${line})`)
          .join(String.raw`\n`)
          .replace("(?:^", "^(?:"),
        "u",
      ),
    );

    assert.deepEqual(await scene.labels("partner/1"), { name: "Name", is_company: "Ist ein Unternehmen" });
    await server.sql("UPDATE res_partner SET name = '北京张伟有限公司', is_company = false WHERE id = 1", "acme");
    await scene.backup();
    const both = { name: "Name", is_company: "Ist ein Unternehmen" };
    assert.deepEqual(await scene.labelsTold("partner/1", "北京"), {
      compare: both,
      history: both,
      search: { name: both.name },
    });
    const { model, relations } = await scene.model();
    assert.deepEqual(
      model.entities.map(({ name }) => name),
      [
        ...["partner", "lead", "opportunity", "message", "sale-order", "invoice", "product", "project"],
        ...["employee", "attachment", "user"],
      ],
    );
    assert.deepEqual(
      model.noise.flatMap(({ table, columns }) => (table.name === "ir_cron" ? columns : [])),
      ["write_date", "lastcall", "nextcall"],
    );
    const messages = relations.tableNamed("mail_message");
    assert.deepEqual(
      messages &&
        relations
          .from(messages)
          .map(({ to, when, kind }) => `${when?.equals} ${to.name} ${kind}`)
          .toSorted(),
      [
        ...["account.payment.term account_payment_term", "crm.lead crm_lead", "hr.resume.line hr_resume_line"],
        ...["ir.actions.server ir_act_server", "ir.ui.menu ir_ui_menu", "mail.message mail_message"],
        ...["mail.notification mail_message_res_partner_needaction_rel", "product.pricelist product_pricelist"],
        ...["product.pricelist.item product_pricelist_item", "product.template product_template"],
        ...["res.partner res_partner", "stock.quant stock_quant"],
      ].map((pair) => `${pair} belongs`),
    );
    const tags = relations.tableNamed("crm_tag_rel");
    assert.deepEqual(tags && [...new Set(relations.from(tags).map(({ kind }) => kind))], ["links"]);
    const ofTable = (name: string): readonly string[] => {
      const table = relations.tableNamed(name);
      assert.ok(table);
      const found = relations.from(table).filter(({ when }) => when === undefined || when.equals === "res.partner");
      return found.map(({ columns, to, kind, prefix }) =>
        [...columns.map((at) => table.columns[at]?.name), to.name, kind, prefix].filter(Boolean).join(" "),
      );
    };
    // An order needs its customer, and is no part of it; its lines are parts of it.
    assert.deepEqual(ofTable("sale_order"), ["partner_id res_partner refers"]);
    assert.deepEqual(ofTable("sale_order_line"), ["order_id sale_order belongs"]);
    assert.deepEqual(ofTable("res_partner"), ["parent_id res_partner belongs"]);
    assert.deepEqual(
      ofTable("product_variant_combination").map((text) => text.split(" ").at(-1)),
      ["links", "links"],
    );
    assert.deepEqual(ofTable("ir_model_data"), ["res_id res_partner belongs"]);
    assert.deepEqual(ofTable("ir_property").slice(0, 2), [
      "res_id res_partner belongs res.partner,",
      "res_id crm_lead belongs crm.lead,",
    ]);
    assert.equal(await scene.title("project/1"), "Move");
    // What Odoo deletes with a record is a part of it, whether or not it could be without; what it forbids to delete is none.
    assert.deepEqual(ofTable("product_pricelist_item"), [
      ...["pricelist_id product_pricelist belongs", "product_tmpl_id product_template belongs"],
    ]);
    assert.deepEqual(ofTable("stock_quant"), ["product_id product_template refers"]);
    assert.deepEqual(ofTable("mail_message_res_partner_needaction_rel"), [
      ...["mail_message_id mail_message belongs", "res_partner_id res_partner belongs"],
    ]);
    assert.deepEqual(ofTable("hr_version"), ["employee_id hr_employee belongs"]);
    assert.ok(ofTable("ir_ui_menu").includes("action ir_act_server refers ir.actions.server,"));
    const aliases = relations.tableNamed("mail_alias");
    assert.ok(
      aliases && relations.from(aliases).some(({ to, when }) => to.name === "crm_lead" && when?.equals === "2"),
    );
    await server.sql(
      "DELETE FROM ir_translation WHERE name = 'product.template,name'; DELETE FROM product_template",
      "acme",
    );
    await scene.bringBack("product/1");
    assert.equal(
      await server.sql(
        "SELECT fixed_price FROM product_pricelist_item ORDER BY id; SELECT value FROM ir_translation ORDER BY id",
        "acme",
      ),
      "5\n7\nStuhl\nheiß\n",
    );
    // What stayed without the record that it is a part of, is a part of it again; what was changed in it since stays.
    await server.sql("DELETE FROM hr_employee; UPDATE hr_version SET job_title = 'CTO'", "acme");
    await scene.bringBack("employee/1");
    assert.equal(await server.sql("SELECT employee_id, job_title FROM hr_version", "acme"), "1|CTO\n");
  });

  await context.test("Twenty", async () => {
    using root = temporaryFolder();
    const folder = join(root.path, "twenty");
    await make("twenty", tw.tables);
    tw.writeTwenty(folder, server.port, "twenty");
    const scene = await platformScene(root.path, folder);
    assert.deepEqual([scene.detected.platform, scene.detected.version], ["twenty", "1.8.2"]);
    const report = await scene.backup();
    // An attachment of older versions names its file itself, and one that was moved does no more.
    assert.deepEqual(codesOf(report.warnings), [
      `file-missing storage/${tw.workspace}/20202020-0000-4000-8000-000000000001/attachment/lost.pdf`,
      `file-missing storage/workspace-${tw.workspace}/attachment/gone.pdf`,
    ]);
    assert.deepEqual(codesOf(report.known), ["not-covered Redis"]);
    await scene.clone(join(root.path, "copy"), url("twenty_copy"));
    const copy = join(root.path, "copy");
    assert.equal(
      await server.sql(
        `SELECT "targetUrl", secret FROM core.webhook; SELECT "accessToken", "refreshToken" FROM core."connectedAccount"; SELECT "isSyncEnabled" FROM core."messageChannel";
         SELECT "revokedAt" IS NOT NULL FROM core."apiKey"; SELECT key FROM core."keyValuePair"; SELECT name FROM workspace_1wgvd1injqtife6y4rvfbu3h5.company`,
        "twenty_copy",
      ),
      "http://127.0.0.1:9|\n|\nf\nt\nonboarding\n张伟有限公司\n",
    );
    assert.equal(
      await server.sql(
        `SELECT "customDomain", "isCustomDomainEnabled" FROM core.workspace; SELECT count(*) FROM core."connectedAccountWebhookSubscription";
         SELECT "cronTriggerSettings", "databaseEventTriggerSettings", "httpRouteTriggerSettings" FROM core."logicFunction";
         SELECT key FROM core."applicationVariable" ORDER BY id; SELECT count(*) FROM core."applicationRegistrationVariable"; SELECT count(*) FROM core."applicationVariableUserValue";
         SELECT count(*) FROM core."signingKey"; SELECT status FROM core."workflowVersion"`,
        "twenty_copy",
      ),
      '|f\n0\n||{"path": "/in"}\nREGION\n0\n0\n0\nDEACTIVATED\n',
    );
    const environment = readFileSync(join(copy, ".env"), "utf8");
    for (const line of [
      "SERVER_URL=http://localhost:3000",
      "EMAIL_DRIVER=logger",
      "EMAIL_SMTP_PASSWORD= # of the mail server",
      "AUTH_GOOGLE_CLIENT_SECRET=",
      ...[
        "REDIS_URL=redis://127.0.0.1:1",
        "COMPOSE_PROJECT_NAME=crm-clone",
        "SENTRY_DSN=",
        "STORAGE_S3_ACCESS_KEY_ID=",
      ],
      // How it is reached stays as it was.
      `PG_DATABASE_URL=postgres://crm:geheim@127.0.0.1:${server.port}/twenty_copy?sslmode=disable&application_name=twenty`,
      `PG_DATABASE_REPLICA_URL=postgres://crm:geheim@127.0.0.1:${server.port}/twenty_copy`,
      ...["FRONTEND_URL=http://localhost:3000", "LOGIC_FUNCTION_TYPE=DISABLED", "AWS_SES_SESSION_TOKEN="],
      "TELEMETRY_ENABLED=false",
      `STORAGE_LOCAL_PATH=${copy}/.local-storage`,
    ]) {
      assert.ok(environment.split("\n").includes(line), `${line}\n${environment}`);
    }
    assert.match(
      readFileSync(join(copy, "docker-compose.yml"), "utf8"),
      /^ {6}PG_DATABASE_URL: \S*:\$\{PG_DATABASE_PORT:-5432\}\/\$\{PG_DATABASE_NAME:-default\}$/m,
      "its database is not the live one's by its name",
    );
    const unnamed = twenty.neutralise(scene.description)?.config?.(".env", "SERVER_URL=x\n");
    assert.match(unnamed ?? "", /^COMPOSE_PROJECT_NAME=twenty-clone$/m);
    // Compose has the database in parts; a replica is named whole, and would be the live CRM's.
    const inParts =
      "PG_DATABASE_HOST=db\nPG_DATABASE_PASSWORD=geh@im\nPG_DATABASE_REPLICA_URL=postgres://live@standby/default?sslmode=verify-full&options=-csearch_path%3Dcore&host=%2Frun\n";
    const placed = {
      databases: [{ name: "main", url: "postgresql://10.0.0.9:5433/copy?sslmode=require" }],
      folders: [],
    };
    assert.deepEqual(
      twenty.relocate?.(".env", inParts, placed)?.split("\n").toSorted(),
      [
        "",
        "PG_DATABASE_HOST=10.0.0.9",
        "PG_DATABASE_NAME=copy",
        "PG_DATABASE_PASSWORD=geh@im",
        "PG_DATABASE_PORT=5433",
      ].concat(
        "PG_DATABASE_REPLICA_URL=postgres://postgres:geh%40im@10.0.0.9:5433/copy?sslmode=require&options=-csearch_path%3Dcore",
      ),
    );
    const clone = scene.asRestored(join(copy, ".env"));
    const [access] = await openSecrets(twenty, clone);
    assert.deepEqual(
      [access?.open(tw.token, tw.workspace), access?.open(tw.token, "other"), access?.open("bare", undefined)],
      ["opened", "closed", "plain"],
    );
    const { model, relations } = await scene.model();
    assert.deepEqual(
      model.entities.map(({ name, label }) => `${name} ${label}`).toSorted(),
      [
        ...["attachment attachment", "company company", "message email", "note note", "person contact"],
        "workspace-member user",
        "车辆 undefined",
      ].toSorted(),
    );
    const ofTable = (name: string): readonly string[] => {
      const table = relations.tableNamed(name);
      assert.ok(table);
      return relations.from(table).map(({ to, kind }) => `${to.name} ${kind}`);
    };
    assert.deepEqual(
      [...new Set(ofTable("timelineActivity"))].filter((text) => !text.startsWith("agent")).toSorted(),
      [
        ...["_车辆 belongs", "_车辆 refers", "attachment refers", "company refers", "person belongs", "person refers"],
        "workspaceMember refers",
      ].toSorted(),
    );
    // What the fields say goes before what columns are called: `messageId` is no e-mail's, and `holderId` nobody's word.
    assert.deepEqual(ofTable("agentMessagePart"), ["agentMessage belongs"]);
    assert.deepEqual(ofTable("_车辆"), ["company belongs"]);
    assert.deepEqual(ofTable("company"), ["workspaceMember refers"]);
    assert.equal(new Set(ofTable("recordShare")).size, 7);
    assert.ok(ofTable("navigationMenuItem").includes("company belongs"));
    assert.deepEqual(ofTable("messageParticipant").toSorted(), ["message belongs", "person refers"]);
    assert.deepEqual(ofTable("workspaceMember"), ["user refers"]);
    const company = "company/00000000-0000-4000-8000-000000000011";
    assert.deepEqual(await scene.labels(company), { name: "Firma", createdAt: "Creation date" });
    assert.deepEqual(await scene.labels("车辆/00000000-0000-4000-8000-000000000023"), { name: "车牌" });
    const targets = relations.tableNamed("noteTarget");
    assert.deepEqual(targets && [...new Set(relations.from(targets).map(({ kind }) => kind))], ["links"]);

    const ruled = await scene.anonymised(join(root.path, "training"), url("twenty_training"));
    assert.ok(ruled.includes("connectedAccount.handle email"), ruled.join());
    assert.match(
      await server.sql(
        'SELECT "nameFirstName", "emailsAdditionalEmails", intro FROM workspace_1wgvd1injqtife6y4rvfbu3h5.person',
        "twenty_training",
      ),
      /^[A-Z][a-z]{11}\|\{\}\|"\[anonymised\]"\n$/,
    );
    assert.match(
      await server.sql(
        `SET search_path = workspace_1wgvd1injqtife6y4rvfbu3h5; SELECT "addressAddressStreet1", "addressAddressCountry", "addressAddressLat" FROM company;
         SELECT name, steps FROM "workflowVersion"; SELECT label FROM core."fieldMetadata" WHERE name = 'accountOwner'`,
        "twenty_training",
      ),
      /^\d+ \p{Script=Han}+\|China\|\nv1\|\[\{"to": "p\w{16}@example\.org", "type": "SEND_EMAIL"\}\]\nAccount Owner\n$/u,
    );

    // Files on S3 and no key: both are named.
    writeFiles(folder, {
      ".env": readFileSync(join(folder, ".env"), "utf8")
        .replace("STORAGE_TYPE=local", "STORAGE_TYPE=s3\nSTORAGE_S3_NAME=files")
        .replace(/^ENCRYPTION_KEY=.*$/m, ""),
    });
    const without = codesOf((await scene.backup()).warnings);
    assert.ok(
      without.includes("not-covered s3://files") && without.some((text) => text.startsWith("key-missing APP_SECRET")),
      JSON.stringify(without),
    );
  });

  await context.test("EspoCRM", async () => {
    using root = temporaryFolder();
    const folder = join(root.path, "espo");
    await make("espo", espo.tables + espo.userTable('"'));
    espo.writeEspocrm(folder, { platform: "Postgresql", host: "127.0.0.1", port: server.port, name: "espo" });
    const scene = await platformScene(root.path, folder);
    assert.deepEqual(codesOf((await scene.backup()).warnings), ["file-missing upload/f3", "not-covered AwsS3"]);
    await scene.clone(join(root.path, "copy"), url("espo_copy"));
    assert.equal(
      await server.sql(
        `SELECT status, password, use_smtp FROM email_account; SELECT is_active FROM webhook; SELECT api_key FROM "user" WHERE id='u1'; SELECT name FROM account WHERE id='a1'`,
        "espo_copy",
      ),
      "Inactive||f\nf\n\n张伟有限公司\n",
    );
    const ruled = await scene.anonymised(join(root.path, "training"), url("espo_training"));
    for (const rule of ["user.user_name name", "account.name name", "note.post mentions"]) {
      assert.ok(ruled.includes(rule), `${rule} of ${ruled.join(", ")}`);
    }
    assert.match(await server.sql(espo.anonymised('"'), "espo_training"), espo.nobody(String.raw`\|`, ""));
  });
});
