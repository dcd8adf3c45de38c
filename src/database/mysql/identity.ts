import { createHash } from "node:crypto";
import { quoteText } from "./identifier.ts";
import { markerTable, readMarker } from "./marker.ts";
import type { Session } from "./session.ts";

/**
 * What a restore has written into the comment of a database that it made; of any other, the least of the numbers that
 * InnoDB gave to its tables, which a rename leaves alone. MySQL's databases have no comment. A database with nothing in it
 * is none: somebody made it to be restored into, or a rename was cut off before it had begun.
 */
export async function identityOf(session: Session, database: string): Promise<string | undefined> {
  const marked = await markedIdentity(session, database);
  if (marked !== undefined) return marked.identity;
  const isMariadb = session.server.flavour === "mariadb";
  const comment = isMariadb ? "SCHEMA_COMMENT" : "''";
  const [found] = await session.query(
    `SELECT ${comment} FROM information_schema.SCHEMATA WHERE SCHEMA_NAME=${quoteText(database)}`,
  );
  if (!found) return undefined;
  if (found[0]?.startsWith("holdfast ")) return found[0];
  if (await isEmpty(session, database)) return undefined;
  const folder = (await folderOf(session, database)).replaceAll(/[\\_%]/g, String.raw`\$&`);
  const [least] = await session.query(
    `SELECT MIN(TABLE_ID) FROM information_schema.${isMariadb ? "INNODB_SYS_TABLES" : "INNODB_TABLES"} ` +
      `WHERE NAME LIKE ${quoteText(`${folder}/%`)}`,
  );
  return least?.[0] ? `innodb ${least[0]}` : `tables ${await tablesDigest(session, database, "TABLE_NAME")}`;
}

/**
 * As the server names the folder of a database: a hyphen is `@002d` there, `ü` is `@1o`, by a table that only the server has. MySQL does not
 * give it out: what it writes by its table is not found then.
 */
async function folderOf(session: Session, database: string): Promise<string> {
  if (session.server.flavour === "mysql") {
    return database.replaceAll(/[^A-Za-z0-9_]/g, (letter) => `@${letter.charCodeAt(0).toString(16).padStart(4, "0")}`);
  }
  const [row] = await session.query(`SELECT CAST(CONVERT(${quoteText(database)} USING filename) AS BINARY)`);
  return row?.[0] ?? database;
}

/**
 * While a database is being renamed, it is what it was under its old name, and the new one is not there yet. The answer is
 * `undefined` for a database that has nothing to do with a rename.
 */
async function markedIdentity(
  session: Session,
  database: string,
): Promise<{ readonly identity: string | undefined } | undefined> {
  const marked = await session.query(
    `SELECT TABLE_SCHEMA FROM information_schema.TABLES WHERE TABLE_NAME='${markerTable}' AND TABLE_TYPE='BASE TABLE'`,
  );
  for (const [found] of marked) {
    if (found === null || found === undefined) continue;
    if (found === database) return { identity: undefined };
    const marker = await readMarker(session, found);
    if (marker?.source === database) return { identity: marker.identity };
  }
  return undefined;
}

/** Nothing is in it, or no more than a marker that is not whole. */
export async function isEmpty(session: Session, database: string): Promise<boolean> {
  const here = quoteText(database);
  const [row] = await session.query(
    `SELECT (SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA=${here} AND TABLE_NAME<>'${markerTable}')+` +
      `(SELECT COUNT(*) FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA=${here})+` +
      `(SELECT COUNT(*) FROM information_schema.EVENTS WHERE EVENT_SCHEMA=${here})`,
  );
  return row?.[0] === "0";
}

/** Tells whether anything changed in what `information_schema` says of the tables. */
export async function tablesDigest(session: Session, database: string, columns: string): Promise<string> {
  const rows = await session.query(
    `SELECT ${columns} FROM information_schema.TABLES WHERE TABLE_SCHEMA=${quoteText(database)} ORDER BY TABLE_NAME`,
  );
  return createHash("sha256").update(JSON.stringify(rows)).digest("hex").slice(0, 32);
}
