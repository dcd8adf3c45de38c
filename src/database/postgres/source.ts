import { isHoldfastError } from "../../lib/errors.ts";
import type { ConnectOptions, DatabaseAddress, DatabaseSource, SnapshotOf } from "../database.ts";
import type { Environment } from "./address.ts";
import { PostgresConnection, stallMs } from "./connection.ts";
import { postgresRights } from "./rights.ts";
import { PostgresSnapshot } from "./snapshot.ts";
import { ownRelation } from "./tables.ts";
import { summariesLack } from "./wal-summaries.ts";

/** Logs in once, so that what is wrong with the address or the password is told at once. */
export async function connectPostgres(
  address: DatabaseAddress,
  { signal: connecting, connections, onWait, unread = [] }: ConnectOptions,
  environment: Environment,
): Promise<DatabaseSource> {
  const session = await PostgresConnection.open(address, { environment, signal: connecting });
  // It looks on while others may hold tables that somebody waits for, and it for him.
  await session.run(`SET lock_timeout = ${stallMs}`);
  let asked = 0;
  const take = (signal: AbortSignal, what?: SnapshotOf, most = connections) =>
    PostgresSnapshot.take({
      address,
      environment,
      signal,
      unread,
      ...(what !== undefined && { what }),
      ...(most !== undefined && { connections: most }),
      ...(onWait && { onWait }),
    });
  return {
    location: address.url,
    async inspect(signal, what) {
      await using snapshot = await take(signal, what, 0);
      return snapshot.schema;
    },
    estimate: () => estimate(session),
    snapshot: (signal, what) => take(signal, what),
    rights: () => postgresRights(session),
    changesBy: async () => ((await summariesLack(session)) === undefined ? "wal" : "xmin"),
    async load() {
      const [row = []] = await session.rows(
        `SELECT (SELECT coalesce(sum(xact_commit + xact_rollback), 0) FROM pg_stat_database),
           extract(epoch FROM CASE WHEN (SELECT count(*) FROM generate_series(1, 30000)) > 0 THEN clock_timestamp() END - at) * 1000
         FROM (SELECT clock_timestamp() AS at OFFSET 0) AS begun`,
      );
      asked++;
      const [transactions, answerMs] = row.map(Number);
      return { others: (transactions ?? 0) - asked, answerMs: answerMs ?? 0 };
    },
    [Symbol.asyncDispose]: () => session[Symbol.asyncDispose](),
  };
}

async function estimate(session: PostgresConnection): ReturnType<DatabaseSource["estimate"]> {
  const ask = async (size: string): Promise<readonly number[]> => {
    const [row = []] = await session.rows(
      `SELECT count(*), coalesce(sum(greatest(c.reltuples, 0)), 0)::bigint, coalesce(sum(${size}), 0)::bigint
       FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_class t ON t.oid = c.reltoastrelid
       WHERE c.relkind = 'r' AND ${ownRelation}`,
    );
    return row.map(Number);
  };
  // A size is read under a lock; the catalog has the one of the last vacuum.
  const [tables = 0, rows = 0, bytes = 0] = await ask("pg_table_size(c.oid)").catch((error: unknown) => {
    if (!isHoldfastError(error, "database-busy")) throw error;
    return ask("(c.relpages + coalesce(t.relpages, 0)) * current_setting('block_size')::bigint");
  });
  return { tables, rows, bytes };
}
