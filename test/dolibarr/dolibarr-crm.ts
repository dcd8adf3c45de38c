import { mkdirSync, renameSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { commandOutput } from "../support/run-command.ts";
import type { MariadbServer } from "../support/mariadb-server.ts";
import type { PostgresServer } from "../support/postgres-server.ts";
import { postgresScript } from "./mysql-dump.ts";

/** A Dolibarr as it is installed: `htdocs/conf/conf.php`, documents, and its database. */
export interface DolibarrCrm {
  readonly folder: string;
  readonly documents: string;
  readonly configuration: string;
  readonly database: string;
  /** What `conf.php` says; the user may make databases of names that begin with the CRM's. */
  readonly user: string;
  readonly password: string;
}

const [database, user] = ["dolibarr", "doli"] as const;
const password = 'd0li\'s "pass"';

/** @param data the folder with Dolibarr's own demo data */
export async function makeDolibarr(root: string, data: string, server: MariadbServer): Promise<DolibarrCrm> {
  const crm = await emptyDolibarr(join(root, "dolibarr"), server);
  await server.sql(await demoDump(data), crm.database);
  await addDocuments(crm, data);
  return crm;
}

/** The same company on PostgreSQL, all of it owned by a user who is no superuser. */
export async function makeDolibarrOnPostgres(root: string, data: string, server: PostgresServer): Promise<DolibarrCrm> {
  const folder = join(root, "dolibarr");
  const crm = writeInstallation(folder, { type: "pgsql", host: "127.0.0.1", port: server.port });
  await server.sql(`CREATE ROLE ${user} LOGIN CREATEDB PASSWORD '${password.replaceAll("'", "''")}'`);
  await server.sql(`CREATE DATABASE ${database} OWNER ${user}`);
  await server.sql(`SET ROLE ${user};\n\\o /dev/null\n${postgresScript(await demoDump(data))}`, database);
  await addDocuments(crm, data);
  return crm;
}

/** One that was just installed: its database has no tables yet. */
export async function emptyDolibarr(folder: string, server: MariadbServer): Promise<DolibarrCrm> {
  await server.sql(
    `CREATE DATABASE ${database} CHARACTER SET utf8mb3 COLLATE utf8mb3_unicode_ci;
     CREATE USER ${user}@localhost IDENTIFIED BY '${password.replaceAll("'", "''")}';
     GRANT ALL ON \`${database}%\`.* TO ${user}@localhost; GRANT RELOAD, PROCESS ON *.* TO ${user}@localhost;
     GRANT SELECT ON mysql.* TO ${user}@localhost;`,
  );
  return writeInstallation(folder, { type: "mysqli", host: `localhost:${server.socket}`, port: 3306 });
}

/** The demo company's database as that version has it. */
export function demoDump(data: string, version = "9.0.0"): Promise<string> {
  return commandOutput("xz", ["--decompress", "--stdout", join(data, `dolibarr/demo-${version}.sql.xz`)]);
}

async function addDocuments(crm: DolibarrCrm, data: string): Promise<void> {
  const archive = join(data, "dolibarr/documents-9.0.0.tgz");
  await commandOutput("tar", ["--extract", "--gzip", "--file", archive, "--directory", crm.folder]);
  rmdirSync(crm.documents);
  renameSync(join(crm.folder, "documents_demo"), crm.documents);
}

interface DatabasePlace {
  readonly type: "mysqli" | "pgsql";
  readonly host: string;
  readonly port: number;
}

function writeInstallation(folder: string, { type, host, port }: DatabasePlace): DolibarrCrm {
  const conf = join(folder, "htdocs/conf");
  const documents = join(folder, "documents");
  mkdirSync(conf, { recursive: true });
  mkdirSync(documents);
  const configuration = join(conf, "conf.php");
  writeFileSync(
    configuration,
    `<?php
// $dolibarr_main_db_name='not-this-one';
$dolibarr_main_url_root='https://crm.example.org/dolibarr';
$dolibarr_main_document_root="${folder}/htdocs";
$dolibarr_main_data_root='${documents}';
$dolibarr_main_db_host='${host}';
$dolibarr_main_db_port='${port}';
$dolibarr_main_db_name='${database}';
$dolibarr_main_db_prefix='llx_';
$dolibarr_main_db_user='${user}';
$dolibarr_main_db_pass='crypted:${encoded(password)}';
$dolibarr_main_db_type='${type}';
$dolibarr_main_instance_unique_id='${"ab".repeat(16)}';
$dolibarr_cron_allow_cli='1';
`,
  );
  writeFileSync(join(folder, "htdocs/filefunc.inc.php"), "<?php\ndefine('DOL_VERSION', '9.0.0');\n");
  return { folder, documents, configuration, database, user, password };
}

/** As Dolibarr's `dol_encode` hides a password. */
function encoded(text: string): string {
  return Buffer.from(Buffer.from(text, "utf8").map((byte) => (byte + 17) & 255)).toString("base64");
}
