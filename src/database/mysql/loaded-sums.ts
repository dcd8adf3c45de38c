import type { LoadedSums, TableSchema } from "../database.ts";
import { quoteName, quoteText } from "./identifier.ts";
import { keyLiteral } from "./key-literal.ts";
import { hashSum } from "./line-sql.ts";
import type { Session } from "./session.ts";

/**
 * Sums up all rows of a table that was just filled, a part with each function, as many of them at once as there are sessions; `tell` is called
 * once all are done, unless the server could not tell. The later half comes first: it was loaded last, so that the server has it in memory,
 * while whoever builds indexes begins with the other one, which has to be read from the disk.
 * @param table as it is there
 * @param middle the first field of a row in the middle
 */
export function summings(
  table: TableSchema,
  middle: string | undefined,
  tell: (sums: LoadedSums) => void,
): readonly ((session: Session) => Promise<void>)[] {
  const parts = middle === undefined ? (["all"] as const) : ([">=", "<"] as const);
  const found: LoadedSums[] = [];
  return parts.map((part) => async (session: Session) => {
    const where = part === "all" ? "" : await half(session, table, part, middle ?? "");
    const sums = where === undefined ? { rows: 0, rowSum: 0n } : await sumsOf(session, table, where);
    if (sums) found.push(sums);
    if (found.length < parts.length) return;
    const rowSum = found.reduce((sum, one) => sum + one.rowSum, 0n);
    tell({ rows: found.reduce((sum, one) => sum + one.rows, 0), rowSum: BigInt.asUintN(64, rowSum) });
  });
}

/** `undefined`: there are lines longer than a packet. */
async function sumsOf(
  session: Session,
  { name, columns }: TableSchema,
  where: string,
): Promise<LoadedSums | undefined> {
  const sql = `SELECT COUNT(*),${hashSum("@l", columns)},COUNT(@l) FROM ${quoteName(name)}${where}`;
  const [[rows, rowSum, hashed] = []] = await session.query(sql);
  return rows === hashed ? { rows: Number(rows), rowSum: BigInt(rowSum ?? 0) } : undefined;
}

/**
 * Whatever order the server has its keys in, each row is in one half, since no part of a key is NULL. Where rows do not lie in the order of the
 * first column, one is the whole table, and the other nothing.
 */
async function half(
  session: Session,
  { name, columns: [first] }: TableSchema,
  side: ">=" | "<",
  middle: string,
): Promise<string | undefined> {
  const [primary] = await session.query(
    `SELECT COLUMN_NAME FROM information_schema.STATISTICS WHERE TABLE_SCHEMA=DATABASE() AND TABLE_NAME=${quoteText(name)}
       AND INDEX_NAME='PRIMARY' AND SEQ_IN_INDEX=1 AND SUB_PART IS NULL`,
  );
  if (!first || primary?.[0] !== first.name) return side === "<" ? undefined : "";
  return ` FORCE INDEX (PRIMARY) WHERE ${quoteName(first.name)}${side}${keyLiteral(first, middle)}`;
}
