import { PostgresConnection } from "../../src/database/postgres/connection.ts";
import type { Campaign, CampaignOptions } from "../support/campaign.ts";
import { changesRounds } from "../support/changes-rounds.ts";
import { postgres } from "../support/postgres-capture.ts";
import { type PostgresOptions, startPostgres } from "../support/postgres-server.ts";

const tables = `
  CREATE TYPE stage AS ENUM ('lead', 'won');
  CREATE TABLE deal (id bigserial PRIMARY KEY, name text NOT NULL, stage stage DEFAULT 'lead', amount numeric, note text);
  CREATE TABLE tag (name text PRIMARY KEY, weight integer);
  CREATE TABLE item (token uuid DEFAULT gen_random_uuid() PRIMARY KEY, data text);
  CREATE TABLE pair (a integer, b integer, v text, PRIMARY KEY (a, b));
  INSERT INTO deal (name, amount, note) SELECT 'deal ' || i, i, repeat('n', i % 300) FROM generate_series(1, 60000) i;
  INSERT INTO tag SELECT 'tag ' || md5(i::text), i FROM generate_series(1, 3000) i;
  INSERT INTO item (data) SELECT repeat(md5(i::text), 5) FROM generate_series(1, 40000) i;
  INSERT INTO pair SELECT i % 50, i, 'v' FROM generate_series(1, 2000) i;
`;

/** What people and programs do to a CRM between two backups, and while one runs. */
function operation(chance: () => number): string {
  const number = (most: number) => Math.floor(chance() * most);
  const all = [
    () => `UPDATE deal SET name = name || '!' WHERE id % ${50 + number(500)} = ${number(50)}`,
    () => `DELETE FROM deal WHERE id % ${1000 + number(3000)} = ${number(1000)}`,
    () => `DELETE FROM deal WHERE id = (SELECT min(id) + ${number(5000)} FROM deal)`,
    () =>
      `INSERT INTO deal (name, note) SELECT 'new ' || i, E'\\t\\\\\\n' || i FROM generate_series(1, ${1 + number(300)}) i`,
    () => `UPDATE deal SET id = id + 10000000 WHERE id = (SELECT min(id) + ${number(9000)} FROM deal)`,
    () => `UPDATE tag SET name = name || 'x' WHERE weight % 97 = ${number(97)}`,
    () => `DELETE FROM tag WHERE weight % 199 = ${number(199)}`,
    () => `INSERT INTO tag SELECT 'Ä ' || gen_random_uuid(), ${number(1000)}`,
    () => `DELETE FROM item WHERE token::text LIKE '${number(16).toString(16)}${number(16).toString(16)}%'`,
    () => `INSERT INTO item (data) SELECT 'more' FROM generate_series(1, ${number(200)})`,
    () => `UPDATE pair SET v = v || 'y' WHERE a = ${number(50)}`,
    () =>
      `DELETE FROM pair WHERE b = ${number(2000)}; INSERT INTO pair VALUES (${number(50)}, ${10_000 + number(1_000_000)}, 'new') ON CONFLICT DO NOTHING`,
    () => "BEGIN; UPDATE deal SET note = 'lost' WHERE id < 500; ROLLBACK",
    () =>
      "BEGIN; UPDATE deal SET note = 'kept' WHERE id < 100; SAVEPOINT s; DELETE FROM deal WHERE id < 90; ROLLBACK TO s; UPDATE tag SET weight = weight + 1 WHERE weight < 9; COMMIT",
  ];
  const rare = [
    () => "VACUUM FULL deal",
    () => "VACUUM (FREEZE) item",
    () => "TRUNCATE tag; INSERT INTO tag SELECT 'again ' || i, i FROM generate_series(1, 500) i",
    () => `ALTER TABLE deal ADD COLUMN c${number(1e6)} text DEFAULT 'everywhere'`,
    () => `ALTER TYPE stage RENAME VALUE 'lead' TO 'lead'`,
    () => "CLUSTER pair USING pair_pkey",
  ];
  const from = chance() < 0.1 ? rare : all;
  return (from[number(from.length)] ?? (() => "SELECT 1"))();
}

export const campaign: Campaign = {
  name: "postgres-changes",
  about:
    "Random writers on PostgreSQL, with long transactions, savepoints, rollbacks, changed keys, truncates and changed tables; " +
    "after each round the incremental backup, from the journal or from what the database tells, holds exactly what a full read of the same moment gives.",
  rounds: 300,
  run: (options) => postgresRounds({}, options),
};

export async function postgresRounds(
  server: PostgresOptions,
  options: CampaignOptions,
): Promise<Readonly<Record<string, number>>> {
  const { signal } = new AbortController();
  await using running = await startPostgres({
    ...server,
    settings: ["wal_level=logical", "track_commit_timestamp=on", ...(server.settings ?? [])],
  });
  await running.sql("CREATE DATABASE crm");
  await running.sql(tables, "crm");
  const address = { url: running.url("crm") };
  const open = async () => {
    const session = await PostgresConnection.open(address, { environment: {}, signal });
    await session.run("SET search_path TO DEFAULT; SET lock_timeout = 50");
    return session;
  };
  await using first = await open();
  await using second = await open();
  const run = (session: PostgresConnection) => async (sql: string) => {
    await session.run(sql).catch((error: unknown) => {
      // A label that has its name already, a table or a row that a long transaction holds: nothing happened then.
      if (!/already exists|lock timeout|same name/.test(String(error))) throw error;
      return session.run("ROLLBACK");
    });
  };
  const world = { engine: postgres, address, writer: run(first), slow: run(second), operation, begin, beside };
  return await changesRounds(world, options);
}

const begin =
  "BEGIN; UPDATE item SET data = 'slow' WHERE token::text LIKE 'a%'; INSERT INTO pair VALUES (1, nextval('deal_id_seq')::integer, 'slow')";

function beside(count: number): string {
  return `UPDATE deal SET note = 'beside' WHERE id % 500 = ${count}; DELETE FROM tag WHERE weight = ${count}`;
}
