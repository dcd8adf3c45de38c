import type { DatabaseAddress, DatabaseFindings } from "../database.ts";
import { quoteName } from "./identifier.ts";
import { inspectDatabase } from "./inspect.ts";
import { targetOf } from "./location.ts";
import { Session } from "./session.ts";

/** The server's `CHECK TABLE`, and rows that refer to rows that are not there, which no later check of the server finds. */
export async function checkMysql(address: DatabaseAddress, signal: AbortSignal): Promise<DatabaseFindings> {
  const target = await targetOf(address);
  await using session = await Session.open(target, target.database, signal);
  const { schema } = await inspectDatabase(session, "rows");
  const damage: string[] = [];
  const orphans: string[] = [];
  const present = new Set(schema.tables.map(({ name }) => name));
  for (const { name, foreignKeys, schema: own } of schema.tables) {
    const answers = await session.query(`CHECK TABLE ${quoteName(name)} QUICK`);
    for (const [, , kind, text] of answers) {
      if (kind === "error" || kind === "Error" || (kind === "warning" && !(text ?? "").startsWith("Table is marked"))) {
        damage.push(`${name}: ${text}`);
      }
    }
    for (const { columns, table, tableSchema, referenced } of foreignKeys) {
      if (tableSchema !== own) continue;
      const [row] = await session.query(antiJoin(name, columns, present.has(table) ? table : undefined, referenced));
      if (row?.[0] !== "0") orphans.push(`${name} -> ${table}: ${row?.[0]}`);
    }
  }
  return { damage, orphans };
}

/**
 * Without checks, a key may refer to a table that is not there: then every row refers to nothing. As MATCH SIMPLE, which is all that the server knows: a row with a NULL refers to nothing.
 */
function antiJoin(
  child: string,
  columns: readonly string[],
  parent: string | undefined,
  referenced: readonly string[],
): string {
  const same = columns.map((column, at) => `p.${quoteName(referenced[at] ?? "")}=c.${quoteName(column)}`).join(" AND ");
  const given = columns.map((column) => `c.${quoteName(column)} IS NOT NULL`).join(" AND ");
  const found = parent === undefined ? "" : ` AND NOT EXISTS (SELECT 1 FROM ${quoteName(parent)} p WHERE ${same})`;
  return `SELECT COUNT(*) FROM ${quoteName(child)} c WHERE ${given}${found}`;
}
