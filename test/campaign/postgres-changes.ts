import { setTimeout as wait } from "node:timers/promises";
import { captureDatabase, readDatabase, verifyTable } from "../../src/contents/databases.ts";
import type { DatabaseManifest } from "../../src/contents/manifest.ts";
import { PostgresConnection } from "../../src/database/postgres/connection.ts";
import type { Id } from "../../src/format/tree.ts";
import type { Campaign } from "../support/campaign.ts";
import { postgres } from "../support/postgres-capture.ts";
import { startPostgres } from "../support/postgres-server.ts";
import { testRepository } from "../support/test-repository.ts";

/** Numbers from 0 to 1, the same for the same seed: https://en.wikipedia.org/wiki/Linear_congruential_generator */
function chanceFrom(seed: number): () => number {
  let state = (seed * 2_654_435_761) >>> 0;
  return () => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0) / 2 ** 32;
}

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
    "after each round the incremental backup holds exactly what a full read of the same moment gives.",
  rounds: 300,
  async run({ rounds, seed, report }) {
    const chance = chanceFrom(seed);
    const facts = { rounds: 0, operations: 0, "tables told by xmin": 0, "tables read": 0, "rows compared": 0 };
    await using server = await startPostgres();
    await server.sql("CREATE DATABASE crm");
    await server.sql(tables, "crm");
    await using repository = await testRepository();
    const { signal } = repository;
    const address = { url: server.url("crm") };
    const open = () => PostgresConnection.open(address, { environment: {}, signal });
    await using writer = await open();
    await using slow = await open();
    await Promise.all([writer, slow].map((session) => session.run("SET search_path TO DEFAULT")));
    let parent: { readonly manifest: DatabaseManifest; readonly tree: Id } | undefined;
    let isOpen = false;
    for (let round = 0; round < rounds; round++) {
      const done: string[] = [];
      const run = async (session: PostgresConnection, sql: string) => {
        done.push(sql);
        facts.operations++;
        await session.run(sql).catch((error: unknown) => {
          // A label that has its name already, a table that a long transaction holds: nothing happened then.
          if (!/already exists|lock timeout|same name/.test(String(error))) throw error;
          return session.run("ROLLBACK");
        });
      };
      await writer.run("SET lock_timeout = 50");
      for (let count = Math.floor(chance() * 5); count >= 0; count--) await run(writer, operation(chance));
      // A transaction that is open over one backup or several, and ends between two others.
      if (isOpen && chance() < 0.5) {
        await run(slow, chance() < 0.7 ? "COMMIT" : "ROLLBACK");
        isOpen = false;
      } else if (!isOpen && chance() < 0.5) {
        await run(
          slow,
          "BEGIN; UPDATE item SET data = 'slow' WHERE token::text LIKE 'a%'; INSERT INTO pair VALUES (1, nextval('deal_id_seq')::integer, 'slow')",
        );
        isOpen = true;
      }
      await using source = await postgres.connect(address, { signal });
      await using snapshot = await source.snapshot(signal);
      const kind = parent === undefined ? "full" : chance() < 0.1 ? "differential" : "incremental";
      const beside = (async () => {
        for (let count = 0; count < 3; count++) {
          await wait(5);
          await writer.run(
            `UPDATE deal SET note = 'beside' WHERE id % 500 = ${count}; DELETE FROM tag WHERE weight = ${count}`,
          );
        }
      })();
      const { stored: _, ...capture } = await repository.upload((store, reader) =>
        captureDatabase({
          snapshot,
          engine: postgres,
          name: "main",
          location: address.url,
          ...(parent && { parent }),
          kind,
          store,
          reader,
          cutKey: repository.repository.secret("rows"),
          emptyTables: [],
          time: new Date(1_700_000_000_000 + round * 1000).toISOString(),
          signal,
          report: (event) => {
            if (event.type === "note" && event.code === "table-method")
              facts["tables told by xmin"] += Number(event.facts["count"]);
          },
        }),
      );
      await beside;
      parent = { manifest: capture.manifest, tree: capture.tree };
      const stored = await readDatabase(await repository.index(), capture.tree, postgres, signal);
      for (const table of stored.tables) {
        const same = snapshot.schema.tables.find(({ name }) => name === table.table.name);
        const [live, kept] = [
          await bytesOf(same ? snapshot.reader(same).read({}, signal) : []),
          await bytesOf(table.rows({}, signal)),
        ];
        const wrong = await verifyTable(table, signal);
        if (live !== kept || wrong.length > 0) {
          throw new Error(
            `seed ${seed}, round ${round}, ${kind}, ${table.table.name}: ${wrong.join()} after\n${done.join("\n")}`,
          );
        }
        facts["rows compared"] += table.rowCount;
      }
      facts.rounds++;
      facts["tables read"] += stored.tables.length;
      if (round % 20 === 19) report(`${round + 1} rounds, ${facts["tables told by xmin"]} tables told by xmin`);
    }
    return facts;
  },
};

/** All lines, in the order of bytes: the database's own order may be another one. */
async function bytesOf(batches: AsyncIterable<{ readonly lines: Buffer }> | readonly never[]): Promise<string> {
  const lines: string[] = [];
  for await (const batch of batches) lines.push(...batch.lines.toString("latin1").split("\n").slice(0, -1));
  return lines.toSorted().join("\n");
}
