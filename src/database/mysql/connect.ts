import type { DatabaseAddress, DatabaseSource } from "../database.ts";
import { inspectDatabase } from "./inspect.ts";
import { targetOf } from "./location.ts";
import { rightsOf } from "./rights.ts";
import { Session } from "./session.ts";
import { takeSnapshot } from "./snapshot.ts";

/** Rows are read by one connection besides the one that asks: with more, two processors have nothing left to store with. */
const defaultConnections = 1;

export async function connectMysql(
  address: DatabaseAddress,
  options: { readonly signal: AbortSignal; readonly connections?: number },
): Promise<DatabaseSource> {
  const target = await targetOf(address);
  const asked = async <T>(signal: AbortSignal, work: (session: Session) => Promise<T>): Promise<T> => {
    await using session = await Session.open(target, target.database, signal);
    return await work(session);
  };
  await asked(options.signal, async () => {});
  return {
    location: target.location,
    inspect: (signal) => asked(signal, async (session) => (await inspectDatabase(session)).schema),
    estimate: (signal) => asked(signal, estimate),
    snapshot: (signal) => takeSnapshot(target, options.connections ?? defaultConnections, signal),
    rights: (signal) => asked(signal, (session) => rightsOf(session, target)),
    [Symbol.asyncDispose]: async () => {},
  };
}

/** By the statistics of the storage engines. */
async function estimate(session: Session): Promise<{ tables: number; rows: number; bytes: number }> {
  const [row] = await session.query(
    "SELECT COUNT(*), IFNULL(SUM(TABLE_ROWS),0), IFNULL(SUM(DATA_LENGTH),0) FROM information_schema.TABLES " +
      "WHERE TABLE_SCHEMA=DATABASE() AND TABLE_TYPE<>'VIEW'",
  );
  return { tables: Number(row?.[0]), rows: Number(row?.[1]), bytes: Number(row?.[2]) };
}
