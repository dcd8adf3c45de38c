import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { custom } from "../../src/crm/custom.ts";
import type { CrmModel } from "../../src/crm/model.ts";
import { mysqlEngine } from "../../src/database/mysql/mysql.ts";
import { postgresEngine } from "../../src/database/postgres/postgres.ts";
import { sqliteEngine } from "../../src/database/sqlite/sqlite.ts";
import type { RestorePlan } from "../../src/engine/restore-plan.ts";
import { startMariadb } from "./mariadb-server.ts";
import { startPostgres } from "./postgres-server.ts";
import { platformCrm, type RecordsCrm } from "./records-crm.ts";
import { temporaryFolder } from "./temp-folder.ts";

/** A CRM of a few tables on one engine. */
export interface SmallWorld {
  readonly crm: RecordsCrm;
  readonly engine: "sqlite" | "postgres" | "mysql";
  /** Runs a script; gives what a `SELECT` finds: a row a line, columns parted by `|`. */
  readonly sql: (script: string) => Promise<string>;
}

const noModel: CrmModel = { entities: [], references: [], noise: [] };

/** Runs a story on a CRM whose tables a script has made, on SQLite. */
export async function onSqlite(
  script: string,
  story: (world: SmallWorld) => Promise<void>,
  model: CrmModel = noModel,
): Promise<void> {
  using folder = temporaryFolder();
  const path = join(folder.path, "crm.db");
  const sql = async (text: string): Promise<string> => {
    using connection = new DatabaseSync(path);
    if (!text.startsWith("SELECT")) {
      connection.exec(text);
      return "";
    }
    const rows = connection.prepare(text).all();
    return rows.map((row) => Object.values(row).join("|")).join("\n");
  };
  await sql(script);
  const url = `sqlite:${path}`;
  const platform = { ...custom, model: async () => model };
  await story({
    engine: "sqlite",
    crm: await platformCrm(folder.path, { platform, engine: sqliteEngine, url, files: folder.path }),
    sql,
  });
}

/** The same on PostgreSQL. */
export async function onPostgres(
  script: string,
  story: (world: SmallWorld) => Promise<void>,
  model: CrmModel = noModel,
): Promise<void> {
  using folder = temporaryFolder();
  await using server = await startPostgres();
  await server.sql("CREATE DATABASE crm");
  await server.sql(script, "crm");
  const platform = { ...custom, model: async () => model };
  const engine = postgresEngine({});
  await story({
    engine: "postgres",
    crm: await platformCrm(folder.path, { platform, engine, url: server.url("crm"), files: folder.path }),
    sql: async (text) => (await server.sql(text, "crm")).trimEnd(),
  });
}

/** The same on MariaDB. */
export async function onMariadb(
  script: string,
  story: (world: SmallWorld) => Promise<void>,
  model: CrmModel = noModel,
): Promise<void> {
  using folder = temporaryFolder();
  await using server = await startMariadb();
  await server.sql("CREATE DATABASE crm CHARACTER SET utf8mb4");
  await server.sql(script, "crm");
  const platform = { ...custom, model: async () => model };
  await story({
    engine: "mysql",
    crm: await platformCrm(folder.path, { platform, engine: mysqlEngine, url: server.url("crm"), files: folder.path }),
    sql: async (text) => (await server.sql(text, "crm")).trimEnd().replaceAll("\t", "|"),
  });
}

/** What becomes of each record of a plan, and why. */
function fates(plan: RestorePlan): Readonly<Record<string, string>> {
  return Object.fromEntries(
    (plan.records?.rows ?? []).map(({ record, action, reason, detail }) => [
      record,
      [action, reason, detail].filter((one) => one !== undefined).join(" "),
    ]),
  );
}

/** What of it is no change, and is told as one that could not be made. */
export function conflicts(plan: RestorePlan): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(fates(plan)).filter(([, fate]) => fate.startsWith("conflict")));
}
