import type { DatabaseAddress, DatabaseFindings, TableSchema } from "../database.ts";
import { sideBySide } from "../side-by-side.ts";
import { quoteName } from "./identifier.ts";
import { inspectDatabase } from "./inspect.ts";
import { targetOf } from "./location.ts";
import { Session } from "./session.ts";

/** Tables are looked through side by side: the server does it with one thread for each statement. */
const connections = 2;

/**
 * The server's `CHECK TABLE`, and rows that refer to rows that are not there, which no later check of the server finds.
 * @param what `loaded`: whoever loaded a table had the server check it (`damageOf`)
 */
export async function checkMysql(
  address: DatabaseAddress,
  signal: AbortSignal,
  what?: "loaded",
): Promise<DatabaseFindings> {
  const target = await targetOf(address);
  await using opened = new AsyncDisposableStack();
  const first = opened.use(await Session.open(target, target.database, signal));
  const { schema } = await inspectDatabase(first, "rows");
  const sessions = [first];
  while (sessions.length < connections) sessions.push(opened.use(await Session.open(target, target.database, signal)));
  const present = new Set(schema.tables.map(({ name }) => name));
  const damage = schema.tables.map((): readonly string[] => []);
  const orphans = schema.tables.map((): readonly string[] => []);
  await sideBySide(sessions, schema.tables.entries(), async (session, [at, table]) => {
    if (what !== "loaded") damage[at] = await damageOf(session, table.name);
    orphans[at] = await orphansOf(session, table, present);
  });
  return { damage: damage.flat(), orphans: orphans.flat() };
}

/** What the server's own check of a table says against it: each index is read from end to end, and its entries are counted. */
export async function damageOf(session: Session, table: string): Promise<readonly string[]> {
  const answers = await session.query(`CHECK TABLE ${quoteName(table)} QUICK`);
  return answers.flatMap(([, , kind, text]) =>
    kind === "error" || kind === "Error" || (kind === "warning" && !(text ?? "").startsWith("Table is marked"))
      ? [`${table}: ${text}`]
      : [],
  );
}

async function orphansOf(
  session: Session,
  { name, foreignKeys, schema: own }: TableSchema,
  present: ReadonlySet<string>,
): Promise<readonly string[]> {
  const orphans: string[] = [];
  for (const { columns, table, tableSchema, referenced } of foreignKeys) {
    if (tableSchema !== own) continue;
    const [row] = await session.query(antiJoin(name, columns, present.has(table) ? table : undefined, referenced));
    if (row?.[0] !== "0") orphans.push(`${name} -> ${table}: ${row?.[0]}`);
  }
  return orphans;
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
