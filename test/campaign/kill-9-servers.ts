import assert from "node:assert/strict";
import type { ChangeMethod, DatabaseEngine } from "../../src/database/database.ts";
import { mysqlEngine } from "../../src/database/mysql/mysql.ts";
import type { BackupReport } from "../../src/engine/backup.ts";
import type { PointName } from "../../src/engine/snapshots.ts";
import type { Campaign, CampaignOptions } from "../support/campaign.ts";
import { following } from "../support/following.ts";
import { KillScene, password, type Proved, tally } from "../support/kill-scene.ts";
import { hashOfLive, hashOfPoint } from "../support/live-hash.ts";
import { startMariadb } from "../support/mariadb-server.ts";
import { withPoint } from "../support/open-moment.ts";
import { postgres } from "../support/postgres-capture.ts";
import { startPostgres } from "../support/postgres-server.ts";
import { temporaryFolder } from "../support/temp-folder.ts";

/** Like `kill-9`, of an incremental backup of a database on a server, on each rung by which it finds what changed. */
export const campaign: Campaign = {
  name: "kill-9-servers",
  about:
    "kill -9 before every file system operation of an incremental backup of a database on a server, for each way of finding what changed: summaries of the log (PostgreSQL 18), xmin and sums of rows (PostgreSQL 15), the journal and sums of rows (MariaDB). restic check is clean, the earlier snapshot holds what it held row by row, and the next backup goes on by the same way and holds what a full read of the database gives.",
  rounds: 10_000,
  run: async (options) => {
    using folder = temporaryFolder();
    const facts: Record<string, number> = {};
    const all = Object.entries(rungs);
    // A slice is of one of them, by its seed.
    const some = options.rounds < all.length ? all.slice(options.seed % all.length).slice(0, 1) : all;
    for (const [name, rung] of some) {
      const { operations, killed } = await proveRung(folder.path, name, rung, options);
      facts[`${name}: operations`] = operations;
      facts[`${name}: killed at`] = killed;
    }
    return facts;
  },
};

interface Rung {
  readonly method: ChangeMethod;
  readonly engine: DatabaseEngine;
  readonly start: () => Promise<Server>;
  readonly tables: string;
  /** What happens between the two backups. */
  readonly changes: string;
}

interface Server extends AsyncDisposable {
  url(database: string): string;
  sql(script: string, database?: string): Promise<string>;
}

/** Rows enough for sums of ranges to be worth it, and pages enough for summaries of the log; the hints of these are set. */
const postgresTables = `
  CREATE TABLE deal (id integer PRIMARY KEY, name text NOT NULL, note text) WITH (fillfactor = 10);
  CREATE TABLE tag (name text PRIMARY KEY, note text) WITH (fillfactor = 10);
  INSERT INTO deal SELECT i, 'deal 张伟 ' || i, repeat('n', 150) FROM generate_series(1, 8000) i;
  INSERT INTO tag SELECT 'tag ' || md5(i::text), repeat('t', 150) FROM generate_series(1, 8000) i;
  CHECKPOINT;
  VACUUM;
  CHECKPOINT;
`;
const mariadbTables = `
  ALTER DATABASE CHARACTER SET utf8mb4;
  CREATE TABLE deal (id integer PRIMARY KEY, name varchar(200) NOT NULL, note text);
  CREATE TABLE tag (name varchar(100) CHARACTER SET ascii COLLATE ascii_bin PRIMARY KEY, note text);
  INSERT INTO deal SELECT seq, CONCAT('deal 张伟 ', seq), REPEAT('n', 150) FROM seq_1_to_8000;
  INSERT INTO tag SELECT CONCAT('tag ', MD5(seq)), REPEAT('t', 150) FROM seq_1_to_8000;
`;
const changes = `
  UPDATE deal SET note = 'changed' WHERE id BETWEEN 100 AND 120;
  DELETE FROM deal WHERE id BETWEEN 130 AND 135;
  INSERT INTO deal VALUES (9000, 'new', NULL);
  UPDATE tag SET note = NULL WHERE name LIKE 'tag a1%';
  DELETE FROM tag WHERE name LIKE 'tag a2%';
`;
/** Another definition of whatever table, after which a transaction's number tells nothing. */
const defined = "CREATE TABLE later (id integer PRIMARY KEY);";

const rungs: Readonly<Record<string, Rung>> = {
  "PostgreSQL 18, summaries of the log": {
    method: "wal",
    engine: postgres,
    start: () => startPostgres({ version: 18, settings: ["summarize_wal=on"] }),
    tables: postgresTables,
    changes,
  },
  "PostgreSQL 15, xmin": {
    method: "xmin",
    engine: postgres,
    start: () => startPostgres(),
    tables: postgresTables,
    changes,
  },
  "PostgreSQL 15, sums of rows": {
    method: "hash",
    engine: postgres,
    start: () => startPostgres(),
    tables: postgresTables,
    changes: changes + defined,
  },
  "MariaDB, the journal": {
    method: "journal",
    engine: mysqlEngine,
    start: () => startMariadb(["--log-bin", "--binlog-format=ROW", "--binlog-row-metadata=FULL"]),
    tables: mariadbTables,
    changes,
  },
  "MariaDB, sums of rows": {
    method: "hash",
    engine: mysqlEngine,
    start: () => startMariadb(),
    tables: mariadbTables,
    changes,
  },
};

async function proveRung(folder: string, name: string, rung: Rung, options: CampaignOptions): Promise<Proved> {
  const { method, engine, start, tables } = rung;
  await using server = await start();
  await server.sql("CREATE DATABASE crm");
  await server.sql(tables, "crm");
  const url = server.url("crm");
  const scene = new KillScene(folder, name, { url, engine });
  const restic = await scene.init();
  await scene.succeed("backup");
  const [first = ""] = scene.files("backups", "snapshots");
  const before = await hashOfLive(engine, url);
  await change(scene, server, rung);
  const now = await hashOfLive(engine, url);
  const proved = await tally(
    scene.kills(async () => ["backup", "incremental", "--json"], options),
    async ({ told }) => {
      assert.equal(wayOf(told), method);
      await restic.output("check", "--read-data", "--no-lock"); // the lock of the dead one is still there
      const after = scene.files("backups", "snapshots");
      assert.ok(after.includes(first), "the earlier snapshot is gone");
      assert.equal(await rowsOf(scene, url, { kind: "id", prefix: first }), before);
      const way = wayOf(await scene.succeed("backup", "incremental", "--json"));
      // After one that was whole already, nothing has changed.
      if (after.length === 1) assert.equal(way, method);
      assert.ok(scene.files("backups", "snapshots").length > after.length);
      assert.equal(await rowsOf(scene, url, { kind: "latest" }), now);
      await scene.succeed("verify", "--read-data");
      assert.deepEqual(scene.files("backups", "locks"), [], "a dead one's lock is still there");
    },
  );
  await restic.check();
  return proved;
}

/** Changes the database; with the journal, while somebody follows it. */
async function change(scene: KillScene, server: Server, { method, changes: sql }: Rung): Promise<void> {
  if (method !== "journal") {
    await server.sql(sql, "crm");
    return;
  }
  await using running = following(crmOf(scene, server.url("crm")));
  await running.event(({ type }) => type === "journal");
  await server.sql(sql, "crm");
  await running.durable(new Date().toISOString());
}

/** In which way what changed was found, of all tables that had been there before. */
function wayOf(told: string): string {
  const report = told
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as BackupReport)
    .find(({ type }) => type === "backup");
  return Object.keys(report?.rows.methods ?? {}).join();
}

/** Hash of what a snapshot holds. */
async function rowsOf(scene: KillScene, url: string, point: PointName): Promise<string> {
  return await withPoint(crmOf(scene, url), point, hashOfPoint);
}

function crmOf(scene: KillScene, url: string) {
  return {
    engine: scene.engine,
    access: { location: scene.path("backups"), password },
    description: {
      name: "acme",
      platform: "custom",
      database: url,
      files: [{ name: "attachments", path: scene.path("crm/attachments") }],
      excludes: [],
      attachments: [],
      neutralise: [],
    },
    run: { signal: new AbortController().signal, now: () => new Date(), report: () => {} },
  };
}
