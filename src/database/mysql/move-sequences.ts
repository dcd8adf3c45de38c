import type { TableSchema } from "../database.ts";
import { quoteName, quoteText } from "./identifier.ts";
import type { Session } from "./session.ts";

const oneName = "`((?:[^`]|``)+)`";
const taken = new RegExp(`\\bnextval\\(${oneName}\\.${oneName}\\)`, "g");

/** Sequences of MariaDB whose numbers are defaults of the table's columns. The server moves them onward only. */
export async function moveSequences(session: Session, { name }: TableSchema): Promise<void> {
  if (session.server.flavour !== "mariadb") return;
  const columns = await session.query(
    "SELECT COLUMN_NAME, COLUMN_DEFAULT, DATABASE() FROM information_schema.COLUMNS WHERE TABLE_SCHEMA=DATABASE() " +
      `AND TABLE_NAME=${quoteText(name)} AND COLUMN_DEFAULT LIKE '%nextval(%' ` +
      "AND DATA_TYPE IN ('tinyint','smallint','mediumint','int','bigint','decimal')",
  );
  for (const [column, value, here] of columns) {
    for (const [, database, sequence] of (value ?? "").matchAll(taken)) {
      // That of another database is no part of this one.
      if (database === quoteName(here ?? "").slice(1, -1))
        await moveSequence(session, name, column ?? "", `\`${sequence}\``);
    }
  }
}

async function moveSequence(session: Session, table: string, column: string, sequence: string): Promise<void> {
  const [[least, most, increment] = []] = await session.query(
    `SELECT minimum_value, maximum_value, increment FROM ${sequence}`,
  );
  const farthest = increment?.startsWith("-") === true ? "MIN" : "MAX";
  // What was put in by hand may be more than it could ever give.
  const [[value] = []] = await session.query(
    `SELECT f FROM (SELECT TRUNCATE(${farthest}(${quoteName(column)}),0) AS f FROM ${quoteName(table)}) AS t WHERE f BETWEEN ${least} AND ${most}`,
  );
  if (value !== undefined && value !== null) await session.run(`DO SETVAL(${sequence},${value},1)`);
}
