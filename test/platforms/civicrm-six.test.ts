import assert from "node:assert/strict";
import { copyFileSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { civicrm } from "../../src/crm/civicrm.ts";
import { startMariadb } from "../support/mariadb-server.ts";
import { temporaryFolder } from "../support/temp-folder.ts";
import * as civi from "./fixtures/civicrm.ts";
import { openSecrets, platformScene } from "./platform-scene.ts";

/** CiviCRM 6 as a fixture: what belongs together comes back together, past the triggers that it has on everything. */
test("CiviCRM 6: records, with the triggers that it makes; and a clone", async () => {
  using root = temporaryFolder();
  await using server = await startMariadb();
  await server.sql("CREATE USER crm@localhost IDENTIFIED BY 'geh''eim'; GRANT ALL ON *.* TO crm@localhost");
  await server.sql("CREATE DATABASE civi CHARACTER SET utf8mb4; CREATE DATABASE wp CHARACTER SET utf8mb4");
  await server.sql(civi.six, "civi");
  await server.sql(civi.wordpress, "wp");
  const folder = join(root.path, "site");
  civi.writeCivicrm(folder, server.socket);
  const settings = join(folder, "wp-content/uploads/civicrm/civicrm.settings.php");
  // As its installer writes it since 5.34.
  const installed = readFileSync(settings, "utf8")
    .replace(
      /define\('(CIVICRM_CRED_KEYS)', ('[^']*') \);/,
      "if (!defined('$1')) { define( '_$1', $2 ); define( '$1', _$1 === '%%' . 'credKeys' . '%%' ? '' : _$1 ); }",
    )
    .replace(
      /define\('(CIVICRM_SIGN_KEYS)', '[^']*' \);/,
      "if (!defined('$1')) { define( '_$1', '%%signKeys%%' ); define( '$1', _$1 === '%%' . 'signKeys' . '%%' ? '' : _$1 ); }",
    );
  writeFileSync(
    settings,
    `${installed}define('CIVICRM_MAIL_LOG_AND_SEND', 1);\n$civicrm_setting['domain']['mailing_backend']['outBound_option'] = 0;\n`,
  );
  const scene = await platformScene(root.path, folder);
  const { keys = [] } = await civicrm.parts(scene.description);
  assert.deepEqual(
    keys.map(({ name, state }) => `${name} ${state}`),
    ["CIVICRM_SITE_KEY found", "CIVICRM_CRED_KEYS found", "CIVICRM_SIGN_KEYS missing"],
  );
  const [stored] = await openSecrets(civicrm, scene.description);
  assert.equal(stored?.open(civi.sealed, undefined), "opened");
  const { warnings } = await scene.backup();
  assert.deepEqual(
    warnings.map(({ code, subject }) => `${code} ${subject}`),
    ["file-missing civicrm/custom/scan_1a2b.png"],
    "the picture that its address names with &amp; is there",
  );

  const { relations } = await scene.model();
  const owned = relations.tableNamed("civicrm_entity_file");
  assert.ok(owned && relations.from(owned).some(({ to }) => to.name === "civicrm_value_papers_1"));
  const names =
    "contact email relationship case case_contact activity case_activity activity_contact contribution line_item financial_trxn financial_item entity_financial_trxn file entity_file value_papers_1 value_schools_2";
  const all = async (): Promise<string> =>
    server.sql(
      [
        ...names.split(" ").map((name) => `SELECT * FROM civicrm_${name}`),
        "SELECT relationship_id, orientation, near_contact_id, near_relation FROM civicrm_relationship_cache ORDER BY 1, 2",
      ].join(";"),
      "civi",
    );
  const before = await all();

  // A contact for good, and what CiviCRM deletes with him; somebody else whom he knew was deleted on purpose.
  await server.sql(
    `DELETE FROM civicrm_entity_financial_trxn; DELETE FROM civicrm_financial_item; DELETE FROM civicrm_financial_trxn; DELETE FROM civicrm_line_item;
     DELETE FROM civicrm_activity WHERE id=1; DELETE FROM civicrm_case; DELETE FROM civicrm_entity_file; DELETE FROM civicrm_value_papers_1; DELETE FROM civicrm_file;
     DELETE FROM civicrm_contact WHERE id IN (1, 3)`,
    "civi",
  );
  const gone = await all();
  const back = await scene.bringBack("individual/1");
  assert.deepEqual(back.failed, []);
  assert.equal(await server.sql("SELECT COUNT(*) FROM civicrm_contact WHERE id=3", "civi"), "0\n");
  assert.equal(
    await server.sql(
      "SELECT created_date, modified_date FROM civicrm_contact WHERE id=1; SELECT school_2 FROM civicrm_value_schools_2; SELECT file_id FROM civicrm_entity_file",
      "civi",
    ),
    "2020-01-01 00:00:00\t2020-02-02 00:00:00\nElm\nOak\n1\n",
  );
  assert.equal(await server.sql("SELECT GROUP_CONCAT(id) FROM civicrm_entity_financial_trxn", "civi"), "1,2\n");
  // What the triggers wrote of a relationship is in nobody's way.
  await scene.bringBack("case/1");
  await scene.bringBack("relationship/2");
  assert.equal(await all(), before);
  for (let restores = 3; restores > 0; restores--) assert.deepEqual((await scene.undo()).failed, []);
  assert.equal(await all(), gone);
  assert.notEqual(gone, before);

  // Where 4.6 and before had it on WordPress, and later ones look first. What is restored there is the configuration alone.
  const old = join(folder, "wp-content/plugins/civicrm/civicrm.settings.php");
  copyFileSync(settings, old);
  assert.deepEqual(
    (await civicrm.detect(folder)).map(({ configuration }) => configuration),
    [old],
  );
  const { folders } = await civicrm.parts({ ...scene.description, configuration: old });
  const cms = folders.find(({ name }) => name === "cms");
  assert.ok(cms?.excludes.includes("/plugins/civicrm/civicrm.settings.php"), String(cms?.excludes));
  rmSync(old);

  await scene.clone(
    join(root.path, "copy"),
    `mariadb://crm@localhost/copy?socket=${encodeURIComponent(server.socket)}`,
  );
  assert.equal(
    await server.sql(
      `SELECT domain_id, value FROM civicrm_setting WHERE name='mailing_backend' ORDER BY 1; SELECT value FROM civicrm_setting WHERE name LIKE '%Dir' ORDER BY name;
       SELECT COUNT(value) FROM civicrm_setting WHERE name='recaptchaPrivateKey'; SELECT server, source FROM civicrm_mail_settings; SELECT token FROM civicrm_payment_token`,
      "copy",
    ),
    `1\ta:1:{s:15:"outBound_option";i:2;}\n2\ta:1:{s:15:"outBound_option";i:2;}\ns:7:"custom/";\ns:37:"[civicrm.files]/persist/contribute/ab";\n0\n127.0.0.1\tNULL\n\n`,
  );
  const cloned = readFileSync(join(root.path, "copy/wp-content/uploads/civicrm/civicrm.settings.php"), "utf8");
  assert.ok(!cloned.includes("CIVICRM_MAIL_LOG_AND_SEND"), cloned);
  assert.match(cloned, /\['mailing_backend'\]\['outBound_option'\] = '2';/);
  assert.match(cloned, /\['environment'\] = 'Development';/);
});
