import { setTimeout as wait } from "node:timers/promises";
import { openFor } from "../../src/engine/access.ts";
import { openPoint } from "../../src/engine/open-point.ts";
import type { Campaign } from "../support/campaign.ts";
import { following } from "../support/following.ts";
import { hashOfPoint } from "../support/live-hash.ts";
import { momentOf } from "../support/open-moment.ts";
import { postgres } from "../support/postgres-capture.ts";
import { startPostgres } from "../support/postgres-server.ts";
import { type Committed, PostgresWorkload } from "../support/postgres-workload.ts";
import { resticOn } from "../support/restic.ts";
import { seededRandom } from "../support/seeded-random.ts";
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

/** What people and programs do. */
function statement(number: (most: number) => number): string {
  const all = [
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
    () => `TRUNCATE pair; INSERT INTO pair SELECT i % 7, 'again ' || i, '\\x00' FROM generate_series(1, 50) i`,
  ];
  return (all[number(number(8) === 0 ? all.length : all.length - 1)] ?? (() => "SELECT 1"))();
}

export const campaign: Campaign = {
  name: "journal-moments",
  about:
    "A writer whose whole database is hashed after every commit, many of them in one second, is followed; follow is ended and begun " +
    "anew, its server is killed, tables are altered, backups are made in between; then moments at random are opened and hash as they did.",
  rounds: 300,
  async run({ rounds, seed, report }) {
    const { below: number } = seededRandom(seed);
    const facts = {
      moments: 0,
      commits: 0,
      backups: 1,
      "follow begun anew": 0,
      "server killed": 0,
      "tables altered": 0,
      "in the gap of an altered table": 0,
    };
    using folder = temporaryFolder();
    await using server = await startPostgres({ settings: ["wal_level=logical", "track_commit_timestamp=on"] });
    await server.sql("CREATE DATABASE crm");
    await server.sql(tables, "crm");
    const crm = await smallCrm(folder.path, { url: server.url("crm"), engine: postgres });
    let followed = following(crm);
    await followed.event((event) => event.type === "note" && event.code === "follow-gap");
    await crm.backup();
    let workload = await PostgresWorkload.open(server.url("crm"));
    const commits: (Committed & { readonly altered: number })[] = [];
    let altered = 0;
    while (commits.length < rounds) {
      commits.push({ ...(await workload.commit(statement(number))), altered });
      facts.commits++;
      const chance = number(60);
      if (chance === 0) {
        await followed.end();
        followed = following(crm);
        await followed.event((event) => event.type === "journal");
        facts["follow begun anew"]++;
      } else if (chance === 1) {
        await workload[Symbol.asyncDispose]();
        await server.kill();
        await server.start();
        workload = await PostgresWorkload.open(server.url("crm"));
        facts["server killed"]++;
      } else if (chance === 2) {
        await crm.backup();
        facts.backups++;
      } else if (chance === 3) {
        const column = `c${commits.length}`;
        commits.push({
          ...(await workload.commit(`ALTER TABLE contact ADD COLUMN ${column} text DEFAULT 'everywhere'`)),
          altered: ++altered,
        });
        facts["tables altered"]++;
        const { time } = commits.at(-1) ?? { time: "" };
        await followed.durable(time);
        await wait(3000);
        await crm.backup();
        facts.backups++;
        commits.push({ ...(await workload.commit(statement(number))), altered });
      } else await wait(number(30));
    }
    await followed.durable(commits.at(-1)?.time ?? "");
    await followed.end();
    report(`${commits.length} commits, ${facts.backups} backups`);
    const { engine, access, run } = crm;
    await using repository = await openFor(engine, access, run);
    const snapshots = await repository.snapshots(run.signal);
    const reader = await repository.index(run.signal);
    for (let round = 0; round < rounds; round++) {
      const committed = commits[number(commits.length)];
      if (!committed) continue;
      try {
        await using point = await openPoint({ engine, reader, snapshots, run }, "acme", momentOf(committed));
        const hash = await hashOfPoint(point);
        if (hash !== committed.hash)
          throw new Error(`round ${round}, seed ${seed}: ${JSON.stringify(committed)} hashes as ${hash}`);
        facts.moments++;
      } catch (error) {
        // Behind the alteration and before the backup that ends its gap: refused, never wrong.
        const next = commits.find(({ altered: count }) => count > committed.altered);
        const first = commits.find(({ altered: count }) => count === committed.altered);
        const inGap = committed === first && committed.altered > 0;
        const beforeGap = next && Date.parse(next.time) - Date.parse(committed.time) < 2500;
        if (!(error instanceof Error) || !/moment-unreachable/.test(error.message) || !(inGap || beforeGap))
          throw error;
        facts["in the gap of an altered table"]++;
      }
    }
    await workload[Symbol.asyncDispose]();
    await resticOn(access.location, access.password).check();
    return facts;
  },
};
