/**
 * PostgreSQL 13 and later, through the `pg` driver.
 *
 * - `address.ts`, `password.ts`, `tls.ts` find out where and how to log in, as libpq would; `connection.ts` is a session
 *   with pinned settings, `copy-out.ts` and `copy-in.ts` its rows.
 * - `tables.ts`, `inspect.ts`, `grants.ts`, `definitions.ts` tell what is in a database; the DDL comes from `pg_dump`
 *   (`pg-dump.ts`), else from the catalog (`catalog-definitions.ts`).
 * - `snapshot.ts` holds one moment for several sessions, `reader.ts` reads a table in stretches (`stretches.ts`, `in-turn.ts`);
 *   `daily-path.ts` says when a session searches more than the server's own schema.
 * - `field.ts`, `key-order.ts`, `row-hash.ts`: what lines mean; `line-sql.ts` lets the database compute the same hash.
 * - `load.ts` builds a database from lines, in `steps.ts` that sessions do side by side, `restore-script.ts` writes what psql needs to do the same; `check.ts`
 *   looks for orphans; `rows.ts` finds and changes single rows; `server-home.ts` makes, renames and removes databases, and
 *   tells what they are made of (`contents.ts`);
 *   `private-server.ts` starts a server for one copy.
 * - `log-feed.ts` follows its changes by logical decoding: `log-publication.ts` and `log-slot.ts` keep what the server needs for
 *   that, `log-stream.ts` speaks its protocol, `pgoutput.ts` and `log-rows.ts` turn what comes into lines.
 */
import type { DatabaseEngine } from "../database.ts";
import { fittedValue } from "../fitted-value.ts";
import { type Environment, isPostgresUrl } from "./address.ts";
import { lineField, readable, searchable, textOf } from "./field.ts";
import { keyOrder } from "./key-order.ts";
import { rowSql } from "./literal.ts";
import { snapshotPoint } from "./log-position.ts";
import { restoreScript } from "./restore-script.ts";
import { addRowHash, rowHash } from "./row-hash.ts";
import { postgresHolders, postgresHome } from "./server-home.ts";

export function postgresEngine(environment: Environment): DatabaseEngine {
  return {
    name: "postgres",
    accepts: isPostgresUrl,
    async connect(address, options) {
      const { connectPostgres } = await import("./source.ts");
      return connectPostgres(address, options, environment);
    },
    async load(address, schema, tables, options) {
      const { loadPostgres } = await import("./load.ts");
      return loadPostgres(address, schema, tables, options, environment);
    },
    async check(address, signal, what) {
      const [{ PostgresConnection }, { checkPostgres }] = await Promise.all([
        import("./connection.ts"),
        import("./check.ts"),
      ]);
      await using connection = await PostgresConnection.open(address, { environment, signal });
      return await checkPostgres(connection, what);
    },
    rowHash,
    addRowHash,
    keyOrder,
    readable,
    textOf,
    lineField,
    fitted: fittedValue,
    searchable,
    rowSql,
    restoreScript,
    async execute(address, statements, signal) {
      const { PostgresConnection } = await import("./connection.ts");
      await using connection = await PostgresConnection.open(address, { environment, signal });
      await connection.run("SET search_path TO DEFAULT; BEGIN");
      for (const statement of statements) await connection.run(statement, statement.slice(0, 80));
      await connection.run("COMMIT");
    },
    async ask(address, statement, signal) {
      const { PostgresConnection } = await import("./connection.ts");
      await using connection = await PostgresConnection.open(address, { environment, signal });
      await connection.run("SET search_path TO DEFAULT");
      return (await connection.value(statement, [], statement.slice(0, 80))) ?? null;
    },
    async rows(address, mode, signal, work) {
      const { postgresRows } = await import("./rows.ts");
      return postgresRows(address, mode, signal, environment, work);
    },
    holders: (address, signal) => postgresHolders(address, environment, signal),
    home: postgresHome(environment),
    log: {
      pointOf: snapshotPoint,
      async follow(address, options) {
        const { openFeed } = await import("./log-open.ts");
        return openFeed(address, options, environment);
      },
    },
  };
}
