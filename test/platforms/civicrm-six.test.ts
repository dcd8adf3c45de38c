import assert from "node:assert/strict";
import { copyFileSync, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { civicrm } from "../../src/crm/civicrm.ts";
import { readPhp } from "../../src/crm/php-data.ts";
import { startMariadb } from "../support/mariadb-server.ts";
import { temporaryFolder } from "../support/temp-folder.ts";
import * as civi from "./fixtures/civicrm.ts";
import { codesOf, openSecrets, platformScene, writeFiles } from "./platform-scene.ts";

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
    `${installed}define('CIVICRM_MAIL_LOG_AND_SEND', 1);\nif (extension_loaded('redis')) { define('CIVICRM_DB_CACHE_CLASS', 'Redis'); }\nelse { define('CIVICRM_DB_CACHE_CLASS', 'APCcache'); }\n$civicrm_setting['domain']['mailing_backend']['outBound_option'] = 0;\n`,
  );
  const wordpress = join(folder, "wp-config.php");
  writeFileSync(
    wordpress,
    readFileSync(wordpress, "utf8").replace(
      "<?php\n",
      `<?php\ndefine('WP_CONTENT_DIR', '${folder}/wp-content');\ndefine('WP_PLUGIN_DIR', '${folder}/wp-content/plugins');\n`,
    ),
  );
  await server.sql(
    "INSERT INTO wp_options (option_name, option_value) VALUES ('upload_path', '/srv/live/uploads'), ('upload_url_path', 'https://crm.example.org/up')",
    "wp",
  );
  // A second site of the same WordPress, and a table whose name says that it is another database's.
  await server.sql(
    `CREATE TABLE wp_2_options LIKE wp_options; INSERT INTO wp_2_options (option_name, option_value) VALUES ('home', 'https://two.example.org'), ('cron', 'a:1:{}');
     CREATE TABLE \`live.wp_options\` LIKE wp_options; CREATE TABLE \`live.wp_usermeta\` LIKE wp_usermeta;
     CREATE DATABASE live; CREATE TABLE live.wp_options LIKE wp_options; INSERT INTO live.wp_options SELECT * FROM wp_2_options;
     CREATE TABLE live.wp_usermeta LIKE wp_usermeta`,
    "wp",
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
    ["not-covered /srv/crm/live/files", "file-missing files/ada_9.png", "file-missing files/scan_1a2b.png"],
    "they are where the database says",
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
  assert.deepEqual(
    cloned.match(/CIVICRM_DB_CACHE_CLASS', '\w+'/g),
    Array(2).fill("CIVICRM_DB_CACHE_CLASS', 'ArrayCache'"),
  );
  const content = join(root.path, "copy/wp-content");
  const php = readPhp(readFileSync(join(root.path, "copy/wp-config.php"), "utf8"));
  assert.deepEqual(
    ["WP_CONTENT_DIR", "WP_PLUGIN_DIR", "WP_REDIS_DISABLED", "WP_CACHE_KEY_SALT"].map((name) => php.get(name)),
    [content, join(content, "plugins"), "true", "holdfast-clone"],
  );
  assert.equal(
    await server.sql("SELECT option_value FROM wp_options WHERE option_name LIKE 'upload%'", "copy_cms"),
    "\n\n",
  );
  assert.equal(
    await server.sql(
      "SELECT option_name, option_value FROM wp_2_options; SELECT COUNT(*) FROM live.wp_options",
      "copy_cms",
    ),
    "home\thttp://localhost\n2\n",
    "each site, and nobody else's",
  );
  const drupal = civicrm
    .neutralise(scene.description)
    ?.config?.("settings.php", "<?php\n$settings['redis.connection']['host'] = 'cache';\n");
  assert.equal(readPhp(drupal ?? "").get("settings", "cache_prefix"), "holdfast-clone");
});

test("CiviCRM Standalone: its folders, and files in a folder that the database names", async () => {
  using root = temporaryFolder();
  await using server = await startMariadb();
  await server.sql("CREATE USER crm@localhost IDENTIFIED BY 'geh''eim'; GRANT ALL ON *.* TO crm@localhost");
  await server.sql("CREATE DATABASE alone CHARACTER SET utf8mb4");
  await server.sql(civi.six, "alone");
  const [folder, papers] = [join(root.path, "alone"), join(root.path, "papers")];
  civi.writeStandalone(folder, server.socket);
  writeFiles(papers, { "scan_1a2b.png": "png" });
  await server.sql(
    `UPDATE civicrm_setting SET value='s:${papers.length}:"${papers}";' WHERE name='customFileUploadDir'`,
    "alone",
  );
  const scene = await platformScene(root.path, folder, { files: [{ name: "papers", path: papers }] });
  assert.deepEqual(
    [scene.detected.configuration, scene.detected.version],
    [join(folder, "private/civicrm.settings.php"), "6.5.1"],
  );
  const { folders, databases } = await civicrm.parts(scene.description);
  assert.deepEqual(
    folders.map(({ name, path }) => `${name} ${path}`),
    [`private ${folder}/private`, `ext ${folder}/ext`, `civicrm ${folder}/public`, `papers ${papers}`],
  );
  assert.deepEqual(
    databases.map(({ name }) => name),
    ["main"],
  );
  const { warnings } = await scene.backup();
  // What the settings file says stands over the database: the picture is where the installer had it put.
  assert.deepEqual(codesOf(warnings), ["file-missing private/attachment/scan_1a2b.png"]);

  const settings = join(folder, "private/civicrm.settings.php");
  writeFileSync(settings, readFileSync(settings, "utf8").replace(/^.*customFileUploadDir.*$/m, ""));
  assert.deepEqual(codesOf((await scene.backup()).warnings), ["file-missing papers/ada_9.png"]);
  // Below the folder that holds all of it.
  const copy = join(root.path, "copies/alone");
  await scene.clone(
    join(root.path, "copies"),
    `mariadb://crm@localhost/copy?socket=${encodeURIComponent(server.socket)}`,
  );
  const cloned = readPhp(readFileSync(join(copy, "private/civicrm.settings.php"), "utf8"));
  const paths = ["cms.root", "civicrm.private", "civicrm.compile", "civicrm.files", "civicrm.root"];
  assert.deepEqual(
    paths.map((name) => cloned.get("civicrm_paths", name, "path")),
    [copy, `${copy}/private`, `${copy}/private/cache`, `${copy}/public`, `${folder}/core`],
  );
  assert.ok(existsSync(join(copy, "ext/org.example/info.xml")) && !existsSync(join(copy, "private/cache/x.php")));
});

test("CiviCRM on Backdrop and on Joomla: what is backed up, and a copy that finds its own database", async () => {
  using root = temporaryFolder();
  const dsn = (name: string) => `mysql://crm:geh%27eim@db.example.org/${name}?new_link=true`;
  const of = (uf: string, compiled: string) => `<?php
if (!defined('CIVICRM_UF')) { define('CIVICRM_UF', '${uf}'); }
define('CIVICRM_UF_DSN', '${dsn("cms")}');
define('CIVICRM_DSN', '${dsn("civi")}');
define('CIVICRM_TEMPLATE_COMPILEDIR', '${compiled}');
`;
  const [backdrop, joomla] = [join(root.path, "backdrop"), join(root.path, "joomla")];
  writeFiles(backdrop, {
    "core/modules/layout/layout.module": "<?php",
    "civicrm.settings.php": of("Backdrop", `${backdrop}/files/civicrm/templates_c`),
    "settings.php": "<?php\n$database = 'mysql://crm:geh%27eim@db.example.org/cms';\n$database_prefix = '';\n",
  });
  writeFiles(joomla, {
    "administrator/components/com_civicrm/civicrm.settings.php": of("Joomla", `${joomla}/media/civicrm/templates_c/`),
    "configuration.php":
      "<?php\nclass JConfig {\n\tpublic $host = 'db.example.org';\n\tpublic $user = 'crm';\n\tpublic $password = 'geh\\'eim';\n\tpublic $db = 'cms';\n\tpublic $dbprefix = 'abc_';\n}\n",
  });
  const found: string[][] = [];
  for (const folder of [backdrop, joomla]) {
    const [crm] = await civicrm.detect(folder);
    assert.ok(crm);
    const { name, platform, configuration = "", database } = crm;
    const none = { files: [], excludes: [], attachments: [], neutralise: [] };
    const { folders, config, databases } = await civicrm.parts({ name, platform, configuration, database, ...none });
    found.push([...databases, ...folders, ...config].map((one) => `${one.name} ${"url" in one ? one.url : one.path}`));
    const excludes = folders.flatMap((one) => (one.name === "cms" ? one.excludes : []));
    assert.ok(
      excludes.some((one) => one.endsWith("/civicrm/")),
      `CiviCRM's files are there once: ${excludes.join()}`,
    );
  }
  const both = ["main mariadb://crm@db.example.org/civi", "cms mariadb://crm@db.example.org/cms"];
  assert.deepEqual(found, [
    [...both, `cms ${backdrop}`, `civicrm ${backdrop}/files/civicrm`].concat(
      ["civicrm.settings.php", "settings.php"].map((name) => `${name} ${backdrop}/${name}`),
    ),
    [
      ...[...both, `cms ${joomla}`, `civicrm ${joomla}/media/civicrm`],
      `civicrm.settings.php ${joomla}/administrator/components/com_civicrm/civicrm.settings.php`,
      `configuration.php ${joomla}/configuration.php`,
    ],
  ]);
  const databases = ["main", "cms"].map((name) => ({ name, url: `mariadb://crm@other.example.org/${name}_copy` }));
  const relocated = (name: string, folder: string) =>
    civicrm.relocate?.(name, readFileSync(join(folder, name), "utf8"), { databases, folders: [] });
  assert.match(
    relocated("settings.php", backdrop) ?? "",
    /\$database = 'mysql:\/\/crm:geh\\'eim@other\.example\.org\/cms_copy';/,
  );
  const drupal = `<?php\n$databases['default']['default'] = array ('database' => 'cms', 'username' => 'crm', 'host' => 'localhost', 'port' => '3307', 'unix_socket' => '/run/one.sock');\n`;
  const moved = civicrm.relocate?.("settings.php", drupal, { databases, folders: [] }) ?? "";
  const now = readPhp(moved);
  assert.deepEqual(
    ["database", "host", "port", "unix_socket"].map((name) => now.get("databases", "default", "default", name)),
    ["cms_copy", "other.example.org", "", undefined],
  );
  assert.match(moved, /'unix_socket' => null/);
  const configuration = relocated("configuration.php", joomla) ?? "";
  assert.match(
    configuration,
    /\$host = 'other\.example\.org';\n\tpublic \$user = 'crm';\n\tpublic \$password = 'geh\\'eim';\n\tpublic \$db = 'cms_copy';/,
  );
  assert.match(configuration, /\$dbprefix = 'abc_';/);
});

test("CiviCRM on Joomla: a copy elsewhere, whose settings for visitors and cron name the copy too", async () => {
  using root = temporaryFolder();
  await using server = await startMariadb();
  await server.sql("CREATE USER crm@localhost IDENTIFIED BY 'geh''eim'; GRANT ALL ON *.* TO crm@localhost");
  await server.sql("CREATE DATABASE joomla CHARACTER SET utf8mb4");
  await server.sql(civi.six, "joomla");
  const [folder, copy] = [join(root.path, "site"), join(root.path, "copies/site")];
  const component = "administrator/components/com_civicrm";
  const dsn = `mysql://crm:geh%27eim@unix(${server.socket})/joomla?new_link=true&charset=utf8mb4`;
  const settings = (address: string) => `<?php
global $civicrm_root, $civicrm_setting, $civicrm_paths;
define('CIVICRM_UF', 'Joomla');
define('CIVICRM_UF_DSN', '${dsn}');
define('CIVICRM_DSN', '${dsn}');
$civicrm_root = '${folder}/${component}/civicrm/';
define('CIVICRM_TEMPLATE_COMPILEDIR', '${folder}/media/civicrm/templates_c/');
define('CIVICRM_UF_BASEURL', '${address}');
define('CIVICRM_SITE_KEY', 'a1b2c3');
`;
  writeFiles(folder, {
    [`${component}/civicrm.settings.php`]: settings("https://crm.example.org/administrator/"),
    "components/com_civicrm/civicrm.settings.php": settings("https://crm.example.org/"),
    [`${component}/civicrm/civicrm.config.php`]: `<?php\nrequire_once '${folder}/${component}/civicrm.settings.php';\n`,
    [`${component}/civicrm/xml/version.xml`]: "<version><version_no>6.5.1</version_no></version>\n",
    "configuration.php": `<?php\nclass JConfig {\n\tpublic $host = 'localhost:${server.socket}';\n\tpublic $user = 'crm';\n\tpublic $password = 'geh\\'eim';\n\tpublic $db = 'joomla';\n\tpublic $log_path = '${folder}/administrator/logs';\n\tpublic $tmp_path = '${folder}/tmp';\n}\n`,
    "media/civicrm/persist/logo.png": "png",
  });
  const scene = await platformScene(root.path, folder);
  await scene.backup();
  const plan = await scene.plan({
    // Its database names files that are not here, so that it ended with a warning.
    point: { kind: "id", prefix: (await scene.points()).at(-1) ?? "" },
    target: dirname(copy),
    purpose: "replacement",
    targetDatabase: `mariadb://crm@localhost/copy?socket=${encodeURIComponent(server.socket)}`,
  });
  assert.deepEqual((await scene.apply(plan)).failed, []);

  const read = (path: string) => readFileSync(join(copy, path), "utf8");
  for (const [path, address] of [
    [`${component}/civicrm.settings.php`, "https://crm.example.org/administrator/"],
    ["components/com_civicrm/civicrm.settings.php", "https://crm.example.org/"],
  ] as const) {
    const php = readPhp(read(path));
    assert.deepEqual(
      ["CIVICRM_DSN", "CIVICRM_UF_DSN", "CIVICRM_TEMPLATE_COMPILEDIR", "civicrm_root", "CIVICRM_UF_BASEURL"].map(
        (name) => php.get(name),
      ),
      [
        ...[dsn, dsn].map((one) => one.replace("/joomla?", "/copy?").replace("%27", "'")),
        `${copy}/media/civicrm/templates_c/`,
        `${copy}/${component}/civicrm/`,
        address,
      ],
      path,
    );
  }
  const boot = read(`${component}/civicrm/civicrm.config.php`);
  assert.equal(boot, `<?php\nrequire_once '${copy}/${component}/civicrm.settings.php';\n`);
  const configuration = read("configuration.php");
  assert.ok(!configuration.includes(folder), configuration);
  assert.match(configuration, /\$db = 'copy';\n\tpublic \$log_path = '.*\/copies\/site\/administrator\/logs';/);
});
