import type { LoadedSums } from "../database.ts";
import { quoteName } from "./identifier.ts";
import { inspectDatabase } from "./inspect.ts";
import { hashSum } from "./line-sql.ts";
import type { Session } from "./session.ts";
import { computesHashes } from "./snapshot.ts";

/** What all rows of a table that was just filled sum up to, as it is there; `undefined`: the server cannot tell. */
export async function loadedSums(session: Session, table: string): Promise<LoadedSums | undefined> {
  if (!computesHashes(session.server)) return undefined;
  const { schema } = await inspectDatabase(session, "rows");
  const there = schema.tables.find(({ name }) => name === table);
  if (!there) return undefined;
  const sums = `COUNT(*),${hashSum("@l", there.columns)},COUNT(@l)`;
  const [[rows, rowSum, hashed] = []] = await session.query(`SELECT ${sums} FROM ${quoteName(table)}`);
  // One that is missing was longer than a packet.
  if (rows !== hashed) return undefined;
  return { rows: Number(rows), rowSum: BigInt.asUintN(64, BigInt(rowSum ?? 0)) };
}
