import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { userInfo } from "node:os";
import { commandOutput } from "./run-command.ts";

/** Programs of MariaDB or MySQL: of a server, of its client, and of what makes a server's data. */
export interface MysqlPrograms {
  readonly flavour: "mariadb" | "mysql";
  readonly server: string;
  readonly client: string;
  /** Options that the server has besides those that both have. */
  readonly options: readonly string[];
  /** What tests write for MariaDB, as this server understands it. */
  dialect(script: string): string;
  /** Makes a data folder; `root` has no password. */
  makeData(folder: string): Promise<void>;
}

/** Which of the servers that `scripts/other-servers.sh` fetches tests start; absent: MariaDB as it is installed. */
const variable = "HOLDFAST_TEST_SERVER";
const servers = join(import.meta.dirname, "../../node_modules/.cache/holdfast/servers");
const logSize = "--innodb-log-file-size=16M";
const account = `--user=${userInfo().username}`;

export function mysqlPrograms(wanted = process.env[variable] ?? ""): MysqlPrograms {
  if (wanted === "") return mariadb();
  const usr = join(servers, wanted, "usr");
  if (!existsSync(usr)) throw new Error(`There is no server ${wanted}: scripts/other-servers.sh ${wanted}`);
  return existsSync(join(usr, "sbin/mariadbd")) ? mariadb(usr) : mysql(usr);
}

function mariadb(usr?: string): MysqlPrograms {
  const [server, client, install] = ["sbin/mariadbd", "bin/mariadb", "bin/mariadb-install-db"].map((program) =>
    usr === undefined ? program.replace(/^.*\//, "") : join(usr, program),
  ) as [string, string, string];
  const base = usr === undefined ? [] : [`--basedir=${usr}`];
  const plugins = usr === undefined ? [] : [`--plugin-dir=${join(usr, "lib/mysql/plugin")}`];
  return {
    flavour: "mariadb",
    server,
    client,
    options: [...base, ...plugins, logSize],
    dialect: (script) => script,
    async makeData(folder) {
      const root = "--auth-root-authentication-method=normal";
      const options = [`--datadir=${folder}`, `--tmpdir=${dirname(folder)}`, account, logSize, ...base];
      await commandOutput(install, ["--no-defaults", "--skip-test-db", root, ...options]);
    },
  };
}

/** MariaDB has these tables of numbers by itself. */
function numbers(_name: string, first: string, last: string): string {
  const all = `SELECT ${first} UNION ALL SELECT seq + 1 FROM n WHERE seq < ${last}`;
  return `(WITH RECURSIVE n (seq) AS (${all}) SELECT seq FROM n) numbers`;
}

function inMysql(script: string): string {
  return script
    .replaceAll(/\bseq_(\d+)_to_(\d+)\b/g, numbers)
    .replaceAll(/\bMD5\((\w+)\)/g, "LEFT(SHA2($1,256),32)")
    .replaceAll("RESET MASTER", "RESET BINARY LOGS AND GTIDS")
    .replaceAll("SHOW MASTER STATUS", "SHOW BINARY LOG STATUS")
    .replaceAll(
      /@@(?:last_gtid|gtid_current_pos)\b/g,
      "REGEXP_REPLACE(@@global.gtid_executed,'[0-9]+-(?=[0-9]+$)','')",
    );
}

function mysql(usr: string): MysqlPrograms {
  const server = join(usr, "sbin/mysqld");
  const options = [
    `--basedir=${usr}`,
    `--lc-messages-dir=${join(usr, "share/mysql")}`,
    `--plugin-dir=${join(usr, "lib/mysql/plugin")}`,
    "--innodb-redo-log-capacity=16M",
    "--mysqlx=OFF",
    "--secure-file-priv=",
    "--cte-max-recursion-depth=1000000",
  ];
  return {
    flavour: "mysql",
    server,
    client: join(usr, "bin/mysql"),
    options,
    dialect: inMysql,
    async makeData(folder) {
      const data = [`--datadir=${folder}`, `--tmpdir=${dirname(folder)}`, account, "--skip-log-bin"];
      await commandOutput(server, ["--no-defaults", "--initialize-insecure", ...data, ...options]);
    },
  };
}
