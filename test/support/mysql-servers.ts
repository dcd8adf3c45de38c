import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { targetOf } from "../../src/database/mysql/location.ts";
import { Session } from "../../src/database/mysql/session.ts";
import { startMariadb } from "./mariadb-server.ts";
import { commandOutput } from "./run-command.ts";

/** A server of MariaDB or MySQL, whoever started it; what tests make on it goes with them. */
export interface MysqlServer extends AsyncDisposable {
  readonly flavour: "mariadb" | "mysql";
  /** For files of the test's own. */
  readonly folder: string;
  /** What a database is called there that a test calls so. */
  database(name: string): string;
  url(name: string): string;
  /** Runs a script with the client that this machine has; fields separated by TAB, without a header. */
  sql(script: string, name?: string): Promise<string>;
  /** Options of that client, by which it finds the server. */
  readonly client: readonly string[];
}

/** Where to find a server, and what tests on it are called. */
export interface MysqlServerKind {
  readonly title: string;
  /** `undefined`: there is none here, as the title says. */
  readonly start: ((options?: readonly string[]) => Promise<MysqlServer>) | undefined;
}

const variable = "HOLDFAST_TEST_MYSQL_URL";

/** Debian 12 has no MySQL: that server is whatever the variable names, by a user who may make and drop databases. */
export function mysqlServers(): readonly MysqlServerKind[] {
  const given = process.env[variable];
  return [
    { title: "MariaDB", start: ownMariadb },
    given === undefined
      ? { title: `MySQL (left out: ${variable} names no server)`, start: undefined }
      : { title: `the server that ${variable} names`, start: () => givenServer(given) },
  ];
}

async function ownMariadb(options: readonly string[] = []): Promise<MysqlServer> {
  const server = await startMariadb(options);
  return {
    flavour: "mariadb",
    folder: server.folder,
    database: (name) => name,
    url: (name) => server.url(name),
    sql: (script, name) => server.sql(script, name),
    client: ["--no-defaults", `--socket=${server.socket}`, "--user=root"],
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

async function givenServer(given: string): Promise<MysqlServer> {
  const prefix = `holdfast_test_${randomBytes(4).toString("hex")}_`;
  const database = (name: string): string => prefix + name;
  const url = (name: string): string => Object.assign(new URL(given), { pathname: `/${database(name)}` }).href;
  const { signal } = new AbortController();
  const target = await targetOf({ url: url("first") });
  const onServer = async <T>(work: (session: Session) => Promise<T>): Promise<T> => {
    await using session = await Session.open(target, undefined, signal);
    return await work(session);
  };
  const flavour = await onServer(async ({ server }) => server.flavour);
  const folder = mkdtempSync(join(tmpdir(), "hf-mysql-"));
  const options = join(folder, "client.cnf");
  const place = target.socket === undefined ? `host=${target.host}\nport=${target.port}` : `socket=${target.socket}`;
  const password = target.password === undefined ? "" : `password="${target.password}"\n`;
  writeFileSync(options, `[client]\n${place}\nuser=${target.user}\n${password}`, { mode: 0o600 });
  const client = [`--defaults-file=${options}`];
  return {
    flavour,
    folder,
    database,
    url,
    sql: (script, name) => {
      const how = [...client, "--default-character-set=utf8mb4", "--batch", "--raw", "--skip-column-names"];
      const input = `SET NAMES utf8mb4;\n${script}`;
      return commandOutput("mariadb", [...how, ...(name === undefined ? [] : [database(name)])], { input });
    },
    client,
    async [Symbol.asyncDispose]() {
      await onServer(async (session) => {
        // `_` stands for itself in no pattern.
        const like = prefix.replaceAll("_", String.raw`\_`);
        const made = await session.query(`SHOW DATABASES LIKE '${like}%'`);
        for (const [name] of made) await session.run(`DROP DATABASE \`${name}\``);
      });
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
