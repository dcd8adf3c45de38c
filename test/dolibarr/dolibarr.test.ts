import assert from "node:assert/strict";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { dolibarr } from "../../src/crm/dolibarr.ts";
import { folderContent } from "../../demo/compare.ts";
import { holdfast } from "../support/holdfast.ts";
import { startMariadb, type MariadbServer } from "../support/mariadb-server.ts";
import { resticOn } from "../support/restic.ts";
import { commandOutput } from "../support/run-command.ts";
import { temporaryFolder } from "../support/temp-folder.ts";
import { makeDolibarr } from "./dolibarr-crm.ts";

const data = process.env["HOLDFAST_TEST_DATA"];
const isHere = data !== undefined && existsSync(join(data, "dolibarr/demo-9.0.0.sql.xz"));
const leftOut = isHere ? "" : " (left out: HOLDFAST_TEST_DATA names no folder with Dolibarr's demo data)";

/** A working day: what people change, a document that they add, and a second Dolibarr in the same database. */
const day = `
  UPDATE llx_societe SET nom = CONCAT(nom, ' 有限公司') WHERE rowid % 3 = 0;
  UPDATE llx_facture SET note_private = 'a\\tb\\nc' WHERE rowid % 5 = 0;
  DELETE FROM llx_actioncomm WHERE id % 7 = 0;
  INSERT INTO llx_socpeople(lastname, firstname, entity, fk_user_creat) VALUES ('Zoë', 'Ünal', 1, NULL);
  INSERT INTO llx_ecm_files(label, entity, filename, filepath) VALUES ('x', 1, 'new.pdf', '/facture/NEW');
  INSERT INTO llx_const(name, entity, value, type, visible) VALUES ('CLICKTODIAL_URL', 1, 'https://pbx.test', 'chaine', 0), ('SYSLOG_SENTRY_DSN', 0, 'https://x@sentry.test/1', 'chaine', 0),
    ('BLOCKEDLOG_AUTHORITY_URL', 1, 'https://seals.test', 'chaine', 0), ('MEMCACHED_SERVER', 1, '127.0.0.1:11211', 'chaine', 0);
  INSERT INTO llx_const(name, entity, value, type, visible) VALUES ('SYSLOG_FILE', 0, '/var/log/dolibarr.log', 'chaine', 0) ON DUPLICATE KEY UPDATE value=VALUES(value);
  INSERT INTO llx_user_clicktodial(fk_user, url, login, pass, poste) VALUES (1, 'https://pbx.test', 'me', 'x', '12');
  CREATE TABLE a2_const LIKE llx_const; CREATE TABLE a2_cronjob LIKE llx_cronjob; CREATE TABLE a2_societe LIKE llx_societe;
`;

/** Lines that only one of two dumps has. Foreign keys of one table may come in another order. */
function differences(a: string, b: string): readonly string[] {
  const lines = (dump: string): readonly string[] => dump.split("\n").map((line) => line.replace(/,$/, ""));
  const [left, right] = [lines(a), lines(b)];
  const [inLeft, inRight] = [new Set(left), new Set(right)];
  assert.equal(left.length, right.length);
  return [...left.filter((line) => !inRight.has(line)), ...right.filter((line) => !inLeft.has(line))].slice(0, 10);
}

test(`Dolibarr's own demo data: backed up, changed, destroyed, restored, undone, cloned${leftOut}`, async () => {
  if (!isHere) return;
  using root = temporaryFolder();
  await using server = await startMariadb(["--log-bin=log", "--event-scheduler=ON"]);
  const crm = await makeDolibarr(root.path, data, server);
  const env = { ...process.env, HOME: root.path, HOLDFAST_STATE: join(root.path, "state") };
  const run = async (...args: readonly string[]) => {
    const result = await holdfast(args, { cwd: crm.folder, env });
    assert.ok(result.code === 0 || result.code === 3, `${args.join(" ")}: ${result.stdout}${result.stderr}`);
    return result;
  };
  const json = async (...args: readonly string[]) => {
    const { stdout } = await run(...args, "--json");
    return JSON.parse(stdout.trim().split("\n").at(-1) ?? "") as Record<string, unknown>;
  };
  const dumped = (name = crm.database): Promise<string> =>
    commandOutput("mariadb-dump", [
      ...[
        "--no-defaults",
        `--socket=${server.socket}`,
        "--user=root",
        "--skip-comments",
        "--hex-blob",
        "--order-by-primary",
      ],
      ...["--skip-extended-insert", "--single-transaction", "--tz-utc", name],
    ]);

  await run("init", "--yes", "--repository", "../backups", "--password-file", "../password.txt");
  const yaml = readFileSync(join(crm.folder, "holdfast.yaml"), "utf8");
  assert.match(yaml, /platform: dolibarr/);
  assert.doesNotMatch(yaml, /d0li/);
  const doctor = await holdfast(["doctor"], { cwd: crm.folder, env });
  assert.match(doctor.stdout + doctor.stderr, /BINLOG MONITOR|BINLOG/);

  const first = await json("backup", "full");
  const warnings = first["warnings"] as readonly { readonly code: string; readonly subject: string }[];
  assert.equal(warnings.filter(({ code }) => code === "file-missing").length, 7, JSON.stringify(warnings));
  assert.ok(
    warnings.some(({ code, subject }) => code === "not-covered" && /llx_/.test(subject)),
    "the MyISAM table",
  );

  await server.sql(day, crm.database);
  writeFileSync(join(crm.documents, "facture/note.txt"), "a new document\n");
  const second = await json("backup", "incremental");
  const point = String(second["snapshot"]).slice(0, 8);
  const rows = second["rows"] as { readonly changedRows: number; readonly rows: number };
  assert.ok(rows.changedRows > 10 && rows.changedRows < 200, JSON.stringify(rows));
  const password = readFileSync(join(root.path, "password.txt"), "utf8").trim();
  await resticOn(join(root.path, "backups"), password).check();

  const was = { dump: await dumped(), documents: folderContent(crm.documents) };
  await server.sql(
    "SET foreign_key_checks=0; DROP TABLE llx_societe, llx_facture; DELETE FROM llx_const",
    crm.database,
  );
  rmSync(join(crm.documents, "societe"), { recursive: true });
  const destroyed = await dumped();
  const plan = await json("restore", "plan", point, "--system", "--exact");
  const applied = await json("restore", "apply", String(plan["id"]), "--confirm", "dolibarr");
  assert.deepEqual(differences(await dumped(), was.dump), []);
  assert.deepEqual(folderContent(crm.documents), was.documents);
  assert.ok(applied["undo"] !== undefined);
  await run("restore", "undo");
  assert.deepEqual(differences(await dumped(), destroyed), []);

  const clone = `mariadb://${crm.user}@localhost/dolibarr_clone?socket=${encodeURIComponent(server.socket)}`;
  const copy = await json(
    "restore",
    "plan",
    point,
    "--system",
    "--target",
    "../clone",
    "--to-database",
    clone,
    "--as",
    "clone",
  );
  await json("restore", "apply", String(copy["id"]));
  const settings = await server.sql(
    `SELECT value FROM llx_const WHERE name='MAIN_DISABLE_ALL_MAILS'; SELECT COUNT(*) FROM llx_cronjob WHERE status<>0;
     SELECT COUNT(*) FROM llx_const WHERE name LIKE 'PAYPAL%' OR name LIKE '%CRON\\_KEY' OR name LIKE 'STRIPE%' OR (name='SYSLOG_FILE' AND value LIKE '/%');
     SELECT COUNT(*) FROM llx_const WHERE name IN ('CLICKTODIAL_URL', 'SYSLOG_SENTRY_DSN', 'BLOCKEDLOG_AUTHORITY_URL', 'MEMCACHED_SERVER');
     SELECT url, pass, poste FROM llx_user_clicktodial; SELECT COUNT(*) FROM llx_user WHERE api_key IS NOT NULL; SELECT COUNT(*) > 10 FROM llx_societe;
     SELECT value FROM a2_const WHERE name='MAIN_DISABLE_ALL_MAILS'`,
    "dolibarr_clone",
  );
  assert.equal(settings, "1\n0\n0\n0\nNULL\tNULL\t12\n0\n1\n1\n");
  const conf = readFileSync(join(root.path, "clone/htdocs/conf/conf.php"), "utf8");
  assert.match(conf, /db_name='dolibarr_clone'/);
  assert.match(conf, /url_root='http:\/\/localhost'/);
  assert.match(conf, /cron_allow_cli='0'/);
  const documents = /data_root='([^']+)'/.exec(conf)?.[1] ?? "";
  assert.deepEqual(folderContent(documents), was.documents);

  const training = await json(
    ...["restore", "plan", point, "--system", "--target", "../training", "--as", "clone", "--anonymise"],
    ...["--to-database", clone.replace("dolibarr_clone", "dolibarr_training")],
  );
  await json("restore", "apply", String(training["id"]));
  await nobodyIsLeft(server, (await dumped("dolibarr_training")).toLowerCase());
  assert.ok(!existsSync(join(root.path, "training/documents/facture/note.txt")));

  // Records as files say the same of the same people.
  const sample = ["--record", "thirdparty/1", "--to-files", "../sample", "--format", "csv", "--anonymise"];
  await json("restore", "apply", String((await json("restore", "plan", point, ...sample))["id"]));
  const [name = ""] = (await server.sql("SELECT nom FROM llx_societe WHERE rowid=1", "dolibarr_training")).split("\n");
  const csv = readFileSync(join(root.path, "sample/llx_societe.csv"), "utf8");
  assert.ok(name.length > 5 && csv.includes(name), `${name}: ${csv}`);
});

/** What was equal is equal, and nothing tells of third parties, contacts, members and users, wherever it stood. */
async function nobodyIsLeft(server: MariadbServer, copy: string): Promise<void> {
  const both = async (sql: string) => [
    await server.sql(sql, "dolibarr_clone"),
    await server.sql(sql, "dolibarr_training"),
  ];
  for (const sql of [
    "SELECT COUNT(*), COUNT(DISTINCT nom), COUNT(DISTINCT email), COUNT(DISTINCT phone) FROM llx_societe",
    "SELECT a.rowid, b.rowid FROM llx_societe a JOIN llx_societe b ON a.nom=b.nom ORDER BY 1, 2",
    "SELECT l.rowid, s.rowid FROM llx_bank_url l JOIN llx_societe s ON l.label=s.nom ORDER BY 1, 2",
    "SELECT a.rowid, b.rowid FROM llx_socpeople a JOIN llx_user b ON a.lastname=b.lastname ORDER BY 1, 2",
    "SELECT rowid, fk_soc FROM llx_socpeople ORDER BY 1",
    "SELECT rowid, facnumber, fk_soc, total_ttc, model_pdf FROM llx_facture ORDER BY 1",
    "SELECT rowid, model_pdf FROM llx_commande WHERE model_pdf='einstein'",
    "SELECT rowid, mainmenu, fk_mainmenu, titre FROM llx_menu ORDER BY 1",
    "SELECT rowid, label FROM llx_product ORDER BY 1",
  ]) {
    const [before, after] = await both(sql);
    assert.ok(before !== "" && before === after, `${sql}\n${before}\n${after}`);
  }
  const people = "firstname, lastname, email, phone";
  const names = await server.sql(
    `SELECT nom, '', email, phone FROM llx_societe UNION SELECT nom, '', '', fax FROM llx_societe
     UNION SELECT ${people} FROM llx_socpeople UNION SELECT ${people} FROM llx_adherent
     UNION SELECT firstname, lastname, email, phone_mobile FROM llx_socpeople
     UNION SELECT firstname, lastname, email, user_mobile FROM llx_user UNION SELECT '', login, '', office_phone FROM llx_user`,
    "dolibarr_clone",
  );
  const wanted = new Set<string>();
  for (const line of names.toLowerCase().trimEnd().split("\n")) {
    const [first = "", last = "", email = "", phone = ""] = line
      .split("\t")
      .map((text) => (text === "null" ? "" : text));
    if (/\S \S/.test(first)) wanted.add(first);
    if (first !== "" && last !== "") wanted.add(`${first} ${last}`).add(`${last} ${first}`);
    if (email !== "") wanted.add(email);
    if (phone.replaceAll(/\D/g, "").length >= 7) wanted.add(phone);
  }
  // Somebody's telephone number is what Dolibarr's own kinds of bar codes have as an example.
  wanted.delete("123456789");
  assert.ok(wanted.size > 40, String(wanted.size));
  assert.deepEqual(
    [...wanted].filter((text) => copy.includes(text)),
    [],
  );
  // Families alone, too; an Einstein is among them, as the layout of orders is called.
  const families = /\b(?:destailleur|zeceo|scientol|commerson|adminson|rotchield|curie)\b/g;
  assert.deepEqual(
    copy.split("\n").flatMap((line) => line.match(families)?.map((found) => `${found}: ${line.slice(0, 80)}`) ?? []),
    [],
  );
}

test("a copy of Dolibarr on another server does not keep the port of the one before", () => {
  const moved = (url: string, text: string) =>
    dolibarr.relocate?.("conf.php", text, { databases: [{ name: "main", url }], folders: [] }) ?? "";
  const before = "<?php\n$dolibarr_main_db_port='3307';\n";
  assert.match(moved("mariadb://crm@db.example.org/copy", before), /db_port='3306'/);
  assert.match(moved("mariadb://crm@db.example.org:3308/copy", before), /db_port='3308'/);
  assert.match(moved("postgresql://crm@db.example.org/copy", before), /db_port='5432'/);
  assert.doesNotMatch(moved("mariadb://crm@db.example.org/copy", "<?php\n"), /db_port/);
});
