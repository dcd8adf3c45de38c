import { spawn } from "node:child_process";
import { once } from "node:events";
import { DatabaseSync } from "node:sqlite";
import { sqliteEngine } from "../../src/database/sqlite/sqlite.ts";
import type { Campaign } from "../support/campaign.ts";
import { hashOfLive } from "../support/live-hash.ts";
import { momentsRounds, type Writer } from "../support/moments-rounds.ts";
import type { SeededRandom } from "../support/seeded-random.ts";
import { smallCrm } from "../support/small-crm.ts";
import { temporaryFolder } from "../support/temp-folder.ts";

const numbers = (most: number) => `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${most})`;

function statement({ below: number, pick }: SeededRandom): string {
  return pick([
    () => `UPDATE contact SET name = name || '!' WHERE id % ${20 + number(100)} = ${number(20)}`,
    () => `DELETE FROM contact WHERE id % 97 = ${number(97)}`,
    () =>
      `INSERT INTO contact (name, amount) ${numbers(1 + number(40))} SELECT 'new' || char(9) || i || char(10), ${number(9)} / 7.0 FROM n`,
    () => `INSERT INTO contact (name) VALUES (hex(randomblob(${20_000 + number(20_000)})))`,
    () =>
      `UPDATE contact SET amount = CASE id % 3 WHEN 0 THEN 'text' WHEN 1 THEN ${number(1000)} ELSE x'00ff' END WHERE id % 31 = ${number(31)}`,
    () => `UPDATE contact SET id = (SELECT max(id) + 1 FROM contact) WHERE id = (SELECT min(id) FROM contact)`,
    () =>
      `SAVEPOINT s; DELETE FROM contact; ROLLBACK TO s; UPDATE attachment SET path = 'p${number(100)}' WHERE id = 2`,
    () => `DELETE FROM contact WHERE id > ${3000 + number(100)}`,
  ])();
}

export const campaign: Campaign = {
  name: "sqlite-moments",
  about:
    "A writer on SQLite, in WAL mode and (odd seeds) with a rollback journal, whose whole database is hashed after every commit, is followed; follow is ended, and killed at some " +
    "operation of its storage, a writer is killed in the midst of a transaction, tables are altered, backups are made beside it; then moments at random are opened: " +
    "each is a state that the database had when it was looked at last, and never one that it did not have.",
  rounds: 300,
  async run(options) {
    using folder = temporaryFolder();
    const crm = await smallCrm(folder.path);
    const mode = options.seed % 2 === 0 ? "wal" : "delete";
    crm.sql(`PRAGMA journal_mode=${mode}; DELETE FROM contact WHERE id > 500`);
    const url = `sqlite:${crm.database}`;
    const openWriter = async (): Promise<Writer> => {
      const connection = new DatabaseSync(crm.database, { enableForeignKeyConstraints: false, timeout: 10_000 });
      return {
        async commit(sql) {
          const from = new Date().toISOString();
          connection.exec(`BEGIN IMMEDIATE; ${sql}; COMMIT`);
          const to = new Date().toISOString();
          return { from, to, hash: await hashOfLive(sqliteEngine, url) };
        },
        [Symbol.asyncDispose]: async () => connection.close(),
      };
    };
    const cutOff = async (): Promise<void> => {
      const shell = spawn("sqlite3", [crm.database], { stdio: ["pipe", "pipe", "ignore"] });
      const ended = once(shell, "exit");
      // What does not fit its cache is in the database's files before it is committed.
      shell.stdin.write(
        "PRAGMA busy_timeout=10000; PRAGMA cache_size=5; PRAGMA cache_spill=1; BEGIN IMMEDIATE; UPDATE contact SET name = name || hex(randomblob(3000)); SELECT 'written';\n",
      );
      let said = "";
      for await (const part of shell.stdout) {
        said += String(part);
        if (said.includes("written")) break;
      }
      shell.kill("SIGKILL");
      await ended;
    };
    const alteration = (count: number) => `ALTER TABLE contact ADD COLUMN c${count} TEXT DEFAULT 'everywhere'`;
    return await momentsRounds({ crm, openWriter, statement, alteration, cutOff, log: "looked", stepMs: 1 }, options);
  },
};
