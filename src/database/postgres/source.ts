import type { ConnectOptions, DatabaseAddress, DatabaseSource, SnapshotOf } from "../database.ts";
import type { Environment } from "./address.ts";
import { PostgresConnection } from "./connection.ts";
import { postgresRights } from "./rights.ts";
import { PostgresSnapshot } from "./snapshot.ts";
import { ownRelation } from "./tables.ts";
import { summariesLack } from "./wal-summaries.ts";

/** Logs in once, so that what is wrong with the address or the password is told at once. */
export async function connectPostgres(
  address: DatabaseAddress,
  { signal: connecting, connections, onWait }: ConnectOptions,
  environment: Environment,
): Promise<DatabaseSource> {
  const session = await PostgresConnection.open(address, { environment, signal: connecting });
  let asked = 0;
  const take = (signal: AbortSignal, what?: SnapshotOf) =>
    PostgresSnapshot.take({
      address,
      environment,
      signal,
      ...(what !== undefined && { what }),
      ...(connections !== undefined && { connections }),
      ...(onWait && { onWait }),
    });
  return {
    location: address.url,
    async inspect(signal, what) {
      await using snapshot = await take(signal, what);
      return snapshot.schema;
    },
    async estimate() {
      const [row = []] = await session.rows(
        `SELECT count(*), coalesce(sum(greatest(c.reltuples, 0)), 0)::bigint, coalesce(sum(pg_table_size(c.oid)), 0)::bigint
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'r' AND ${ownRelation}`,
      );
      const [tables, rows, bytes] = row.map(Number);
      return { tables: tables ?? 0, rows: rows ?? 0, bytes: bytes ?? 0 };
    },
    snapshot: take,
    rights: () => postgresRights(session),
    changesBy: async () => ((await summariesLack(session)) === undefined ? "wal" : "xmin"),
    async load() {
      const [row = []] = await session.rows(
        `SELECT (SELECT coalesce(sum(xact_commit + xact_rollback), 0) FROM pg_stat_database),
           extract(epoch FROM clock_timestamp() - at) * 1000
         FROM (SELECT clock_timestamp() AS at, (SELECT count(*) FROM generate_series(1, 3000)) OFFSET 0) AS work`,
      );
      asked++;
      const [transactions, answerMs] = row.map(Number);
      return { others: (transactions ?? 0) - asked, answerMs: answerMs ?? 0 };
    },
    [Symbol.asyncDispose]: () => session[Symbol.asyncDispose](),
  };
}
