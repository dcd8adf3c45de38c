import { isRefused } from "./failure.ts";
import { quoteName } from "./identifier.ts";
import type { Row, Session } from "./session.ts";

/** The server's own tables of who may what; those of accounts, with what passwords become, are none of them. */
export const rightsTables = ["db", "tables_priv", "columns_priv", "procs_priv"] as const;

const grantee = "CONCAT(QUOTE(User),'@',QUOTE(Host))";

/**
 * Rights on this database, as statements about the default database, whatever its name is then. They stand in tables that whoever may
 * read one of them reads whole; the information schema shows others' rights only to whoever may read all of `mysql`, and everybody his own.
 */
export async function givenRights(session: Session): Promise<readonly string[]> {
  const inTables = [
    ...(await onDatabase(session)),
    ...(await onTables(session)),
    ...(await onColumns(session)),
    ...(await onRoutines(session)),
  ];
  return inTables.length > 0 ? inTables : await ownRights(session);
}

/** Those of the tables that this user may not read: of who may what, he sees what he may himself. */
export async function closedRightsTables(session: Session): Promise<readonly string[]> {
  const closed: string[] = [];
  for (const table of rightsTables) {
    try {
      await session.query(`SELECT 1 FROM mysql.${table} LIMIT 1`);
    } catch (error) {
      if (!isRefused(error)) throw error;
      closed.push(table);
    }
  }
  return closed;
}

async function ownRights(session: Session): Promise<readonly string[]> {
  const listed = (columns: string, view: string) =>
    session.query(
      String.raw`SELECT GRANTEE, PRIVILEGE_TYPE, IS_GRANTABLE, ${columns} FROM information_schema.${view} WHERE ${isThis("TABLE_SCHEMA")} ORDER BY 1,4,5,2`,
    );
  const all = [
    ...(await listed("NULL, NULL", "SCHEMA_PRIVILEGES")),
    ...(await listed("TABLE_NAME, NULL", "TABLE_PRIVILEGES")),
    ...(await listed("TABLE_NAME, COLUMN_NAME", "COLUMN_PRIVILEGES")),
  ];
  return all
    .filter(([, right]) => right !== "USAGE")
    .flatMap(([to, right, grantable, table, column]) => {
      const columns = column === null || column === undefined ? "" : ` (${quoteName(column)})`;
      const on = table === null || table === undefined ? "*" : quoteName(table);
      return grants(`${right}${grantable === "YES" ? ",Grant" : ""}`, columns, on, to);
    });
}

/** In the name that rights on a database are for, `_` and `%` are patterns unless escaped; those for several are not this one's. */
const isThis = (name: string): string => String.raw`REPLACE(REPLACE(${name},'\\_','_'),'\\%','%')=DATABASE()`;

async function onDatabase(session: Session): Promise<readonly string[]> {
  const columns = await rows(
    session,
    String.raw`SELECT COLUMN_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA='mysql' AND TABLE_NAME='db' AND COLUMN_NAME LIKE '%\_priv' ORDER BY ORDINAL_POSITION`,
  );
  if (columns.length === 0) return [];
  const rights = columns.map(([name]) => {
    const right = (name ?? "")
      .replace(/_priv$/i, "")
      .replace("Create_tmp_table", "Create temporary tables")
      .replaceAll("_", " ");
    return `IF(${quoteName(name ?? "")}='Y','${right}',NULL)`;
  });
  const found = await rows(
    session,
    String.raw`SELECT ${grantee}, CONCAT_WS(',',${rights.join(",")}) FROM mysql.db WHERE ${isThis("Db")} ORDER BY 1`,
  );
  return found.flatMap(([to, list]) => grants(list, "", "*", to));
}

async function onTables(session: Session): Promise<readonly string[]> {
  const found = await rows(
    session,
    `SELECT ${grantee}, Table_name, Table_priv FROM mysql.tables_priv WHERE Db=DATABASE() ORDER BY 1,2`,
  );
  return found.flatMap(([to, table, list]) => grants(list, "", quoteName(table ?? ""), to));
}

async function onColumns(session: Session): Promise<readonly string[]> {
  const found = await rows(
    session,
    `SELECT ${grantee}, Table_name, Column_name, Column_priv FROM mysql.columns_priv WHERE Db=DATABASE() ORDER BY 1,2,3`,
  );
  return found.flatMap(([to, table, column, list]) =>
    grants(list, ` (${quoteName(column ?? "")})`, quoteName(table ?? ""), to),
  );
}

async function onRoutines(session: Session): Promise<readonly string[]> {
  const found = await rows(
    session,
    `SELECT ${grantee}, Routine_type, Routine_name, Proc_priv FROM mysql.procs_priv WHERE Db=DATABASE() ORDER BY 1,2,3`,
  );
  return found.flatMap(([to, type, name, list]) => grants(list, "", `${type} ${quoteName(name ?? "")}`, to));
}

/** `Select,Show view,Grant`: as the server's own tables have them. */
function grants(
  list: string | null | undefined,
  columns: string,
  on: string,
  to: string | null | undefined,
): readonly string[] {
  const all = (list ?? "").split(",").filter((right) => right !== "");
  if (all.length === 0) return [];
  const given = all
    .filter((right) => right !== "Grant")
    .map((right) => (right === "Delete versioning rows" ? "DELETE HISTORY" : right.toUpperCase()) + columns);
  const option = all.includes("Grant") ? " WITH GRANT OPTION" : "";
  return [`GRANT ${given.length === 0 ? "USAGE" : given.join(", ")} ON ${on} TO ${to}${option}`];
}

async function rows(session: Session, sql: string): Promise<readonly Row[]> {
  try {
    return await session.query(sql);
  } catch (error) {
    if (isRefused(error)) return [];
    throw error;
  }
}
