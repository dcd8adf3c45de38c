import { setTimeout as wait } from "node:timers/promises";

import { HoldfastError, isHoldfastError } from "../../lib/errors.ts";
import type { DatabaseAddress, DatabaseHolder, ServerHome } from "../database.ts";
import { type Environment, loginOf, longestName, withDatabase } from "./address.ts";
import { PostgresConnection } from "./connection.ts";
import { contentsOf } from "./contents.ts";
import { quoteName } from "./identifier.ts";

/** A session that was just ended may be seen for a moment: of ours we know that it is over. */
const lingerMs = 3000;
const othersLingerMs = 1000;

export function postgresHome(environment: Environment): ServerHome {
  const onServer = async <T>(
    address: DatabaseAddress,
    signal: AbortSignal,
    use: (connection: PostgresConnection, name: string) => Promise<T>,
  ): Promise<T> => {
    await using connection = await openMaintenance(address, environment, signal);
    return await use(connection, loginOf(address.url, environment).database);
  };
  const identity: ServerHome["identity"] = (address, signal) =>
    onServer(address, signal, async (connection, name) => {
      return (await connection.value("SELECT oid FROM pg_database WHERE datname = $1", [name])) ?? undefined;
    });
  const extended: ServerHome["extended"] = (address, ending) => {
    const name = Array.from(loginOf(address.url, environment).database);
    while (name.length > 0 && Buffer.byteLength(name.join("") + ending) > longestName) name.pop();
    return withDatabase(address, name.join("") + ending);
  };
  return {
    kind: "server",
    extended,
    beside: (address, id, role) => extended(address, `_holdfast_${id}_${role}`),
    identity,
    async witness(address, signal) {
      await using connection = await PostgresConnection.open(address, { environment, signal });
      const [row = []] = await connection.rows(
        `SELECT d.oid, (SELECT count(*) FROM pg_class WHERE oid >= 16384),
           (SELECT coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0) FROM pg_stat_user_tables)
         FROM pg_database d WHERE d.datname = current_database()`,
      );
      return row.join(" ");
    },
    async contents(address, signal) {
      await using connection = await PostgresConnection.open(address, { environment, signal });
      return await contentsOf(connection);
    },
    rename: (address, to, signal) =>
      onServer(address, signal, async (connection, name) => {
        const target = loginOf(to.url, environment).database;
        await whileInUse(() =>
          connection.run(`ALTER DATABASE ${quoteName(name)} RENAME TO ${quoteName(target)}`, name),
        );
      }),
    drop: (address, signal) =>
      onServer(address, signal, async (connection, name) => {
        await connection.run(`DROP DATABASE IF EXISTS ${quoteName(name)} WITH (FORCE)`, name);
      }),
    async privateServer(place, signal) {
      const { privatePostgres } = await import("./private-server.ts");
      return privatePostgres(place, environment, signal);
    },
  };
}

/** Sessions of others in this database. */
export async function postgresHolders(
  address: DatabaseAddress,
  environment: Environment,
  signal: AbortSignal,
): Promise<readonly DatabaseHolder[]> {
  await using connection = await openMaintenance(address, environment, signal);
  const { database } = loginOf(address.url, environment);
  const since = performance.now();
  for (;;) {
    const rows = await connection.rows(
      `SELECT pid, coalesce(nullif(application_name, ''), usename::text, '?') FROM pg_stat_activity
       WHERE datname = $1 AND pid <> pg_backend_pid() AND coalesce(backend_type, 'client backend') = 'client backend'
       ORDER BY pid`,
      [database],
    );
    const holders = rows.map(([pid, command]) => ({ pid: Number(pid), command: command ?? "?" }));
    const mayLinger = holders.some(({ command }) => command === "holdfast") ? lingerMs : othersLingerMs;
    if (holders.length === 0 || performance.now() - since > mayLinger) return holders;
    await wait(100, undefined, { signal });
  }
}

/** A session beside the database that is meant, from which it can be made, renamed and removed. */
export async function openMaintenance(
  address: DatabaseAddress,
  environment: Environment,
  signal: AbortSignal,
): Promise<PostgresConnection> {
  let refused: unknown;
  for (const database of ["postgres", "template1", loginOf(address.url, environment).database]) {
    try {
      return await PostgresConnection.open(withDatabase(address, database), { environment, signal });
    } catch (error) {
      if (!isHoldfastError(error, "database-missing") && !isHoldfastError(error, "database-rights")) throw error;
      refused ??= error;
    }
  }
  throw refused instanceof Error ? refused : new HoldfastError("database-unreachable", { path: address.url });
}

async function whileInUse(work: () => Promise<void>): Promise<void> {
  const until = performance.now() + lingerMs;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!isHoldfastError(error, "target-in-use") || performance.now() > until) throw error;
      await wait(100);
    }
  }
}
