import type { DatabaseAddress } from "../database.ts";
import { targetOf } from "./location.ts";
import { Session } from "./session.ts";

/** Runs statements in one transaction; a statement that the server commits by itself (DDL) ends it. */
export async function executeMysql(
  address: DatabaseAddress,
  statements: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const target = await targetOf(address);
  await using session = await Session.open(target, target.database, signal);
  await session.run("START TRANSACTION");
  for (const statement of statements) await session.run(statement);
  await session.run("COMMIT");
}

/** The first value of a statement. */
export async function askMysql(
  address: DatabaseAddress,
  statement: string,
  signal: AbortSignal,
): Promise<string | null> {
  const target = await targetOf(address);
  await using session = await Session.open(target, target.database, signal);
  const [row] = await session.query(statement);
  return row?.[0]?.toString() ?? null;
}
