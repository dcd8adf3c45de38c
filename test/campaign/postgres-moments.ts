import type { Campaign } from "../support/campaign.ts";
import { momentsRounds } from "../support/moments-rounds.ts";
import { postgres } from "../support/postgres-capture.ts";
import { startPostgres } from "../support/postgres-server.ts";
import { PostgresWorkload } from "../support/postgres-workload.ts";
import type { SeededRandom } from "../support/seeded-random.ts";
import { smallCrm } from "../support/small-crm.ts";
import { temporaryFolder } from "../support/temp-folder.ts";

const tables = `
  CREATE TABLE contact (id bigserial PRIMARY KEY, name text NOT NULL, note text, amount numeric);
  CREATE TABLE pair (a integer, b text, v bytea, PRIMARY KEY (a, b));
  CREATE TABLE attachment (id integer PRIMARY KEY, path text);
  INSERT INTO contact (name, note) SELECT 'contact ' || i, repeat('n', i % 50) FROM generate_series(1, 500) i;
  INSERT INTO pair SELECT i % 7, 'b' || i, decode(md5(i::text), 'hex') FROM generate_series(1, 200) i;
  INSERT INTO attachment VALUES (1, '2026/合同.txt'), (2, 'logo.bin');
`;

function statement({ below: number, oneIn, pick }: SeededRandom): string {
  if (oneIn(80))
    return `TRUNCATE pair; INSERT INTO pair SELECT i % 7, 'again ' || i, '\\x00' FROM generate_series(1, 50) i`;
  return pick([
    () => `UPDATE contact SET name = name || '!' WHERE id % ${20 + number(100)} = ${number(20)}`,
    () => `DELETE FROM contact WHERE id % 97 = ${number(97)}`,
    () =>
      `INSERT INTO contact (name, note) SELECT E'new\\t' || i, E'\\\\ \\n' || i FROM generate_series(1, ${1 + number(40)}) i`,
    () =>
      `INSERT INTO contact (name, note) SELECT 'large', string_agg(md5(i::text), '') FROM generate_series(1, ${500 + number(500)}) i`,
    () => `UPDATE contact SET amount = ${number(1000)} / 7.0 WHERE name = 'large' OR id % 31 = ${number(31)}`,
    () => `UPDATE contact SET id = id + 1000000 WHERE id = (SELECT min(id) FROM contact)`,
    () => `UPDATE pair SET b = b || 'x' WHERE a = ${number(7)}`,
    () =>
      `DELETE FROM pair WHERE b LIKE 'b1%' AND a = ${number(7)}; INSERT INTO pair VALUES (${number(7)}, 'n' || ${number(1e6)}, NULL) ON CONFLICT DO NOTHING`,
    () => `SAVEPOINT s; DELETE FROM contact; ROLLBACK TO s; UPDATE pair SET v = NULL WHERE a = ${number(7)}`,
  ])();
}

export const campaign: Campaign = {
  name: "postgres-moments",
  about:
    "A writer on PostgreSQL whose whole database is hashed after every commit, many of them in one second, is followed; follow is ended, and killed " +
    "at some operation of its storage, its server is killed, tables are altered, backups are made beside it; then moments at random are opened and hash as they did.",
  rounds: 300,
  async run(options) {
    using folder = temporaryFolder();
    await using server = await startPostgres({ settings: ["wal_level=logical", "track_commit_timestamp=on"] });
    await server.sql("CREATE DATABASE crm");
    await server.sql(tables, "crm");
    const crm = await smallCrm(folder.path, { url: server.url("crm"), engine: postgres });
    const openWriter = async () => {
      const workload = await PostgresWorkload.open(server.url("crm"));
      return {
        commit: async (sql: string) => {
          const { time, ...state } = await workload.commit(sql);
          return { ...state, from: time, to: time };
        },
        [Symbol.asyncDispose]: () => workload[Symbol.asyncDispose](),
      };
    };
    const cutOff = async (): Promise<void> => {
      await server.kill();
      await server.start();
    };
    const alteration = (count: number) =>
      count % 2 === 0
        ? `ALTER TABLE pair ALTER b TYPE varchar(${100 + count})`
        : `ALTER TABLE contact ADD COLUMN c${count} text DEFAULT 'everywhere'`;
    return await momentsRounds({ crm, openWriter, statement, alteration, cutOff, log: "told", stepMs: 1 }, options);
  },
};
