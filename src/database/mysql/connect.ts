import type { ConnectOptions, DatabaseAddress, DatabaseSource, ServerLoad } from "../database.ts";
import { inspectDatabase } from "./inspect.ts";
import { type Target, targetOf } from "./location.ts";
import { rightsOf } from "./rights.ts";
import { Session, statementsSent } from "./session.ts";
import { computesHashes, takeSnapshot } from "./snapshot.ts";

/** Rows are read by one connection besides the one that asks: with more, two processors have nothing left to store with. */
const defaultConnections = 1;

export async function connectMysql(address: DatabaseAddress, options: ConnectOptions): Promise<DatabaseSource> {
  const target = await targetOf(address);
  const asked = async <T>(signal: AbortSignal, work: (session: Session) => Promise<T>): Promise<T> => {
    await using session = await Session.open(target, target.database, signal);
    return await work(session);
  };
  await asked(options.signal, async () => {});
  let watching: Promise<Session> | undefined;
  const endWatch = async (): Promise<void> => {
    const session = await watching?.catch(() => undefined);
    watching = undefined;
    await session?.[Symbol.asyncDispose]();
  };
  return {
    location: target.location,
    inspect: (signal) => asked(signal, async (session) => (await inspectDatabase(session)).schema),
    estimate: (signal) => asked(signal, estimate),
    snapshot: (signal, what) =>
      takeSnapshot({
        target,
        connections: options.connections ?? defaultConnections,
        onWait: options.onWait,
        unread: options.unread ?? [],
        signal,
        what,
      }),
    changesBy: (signal) => asked(signal, async ({ server }) => (computesHashes(server) ? "hash" : "read")),
    rights: (signal) => asked(signal, (session) => rightsOf(session, target)),
    load: async (signal) => {
      try {
        return await serverLoad(await (watching ??= Session.open(target, target.database, signal)), target);
      } catch {
        // What is read goes on without: sessions of a server may be few, and any of them be ended.
        signal.throwIfAborted();
        await endWatch();
        return undefined;
      }
    },
    [Symbol.asyncDispose]: endWatch,
  };
}

/** Of the server's statements, those of others: a program that looks through many small tables sends more than they do. */
async function serverLoad(session: Session, target: Target): Promise<ServerLoad> {
  const ours = statementsSent(target) + 1;
  const status = await session.query("SHOW GLOBAL STATUS LIKE 'Questions'");
  // The sum is there so that the steps are taken one after the other.
  const [row] = await session.query(
    "SELECT TIMESTAMPDIFF(MICROSECOND,@at:=SYSDATE(6),IF(BENCHMARK(250000,1+1)=0,SYSDATE(6),NULL))",
  );
  return { others: Number(status[0]?.[1] ?? 0) - ours, answerMs: Number(row?.[0] ?? 0) / 1000 };
}

/** By the statistics of the storage engines. */
async function estimate(session: Session): Promise<{ tables: number; rows: number; bytes: number }> {
  const [row] = await session.query(
    "SELECT COUNT(*), IFNULL(SUM(TABLE_ROWS),0), IFNULL(SUM(DATA_LENGTH),0) FROM information_schema.TABLES " +
      "WHERE TABLE_SCHEMA=DATABASE() AND TABLE_TYPE<>'VIEW'",
  );
  return { tables: Number(row?.[0]), rows: Number(row?.[1]), bytes: Number(row?.[2]) };
}
