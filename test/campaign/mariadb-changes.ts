import { targetOf } from "../../src/database/mysql/location.ts";
import { mysqlEngine } from "../../src/database/mysql/mysql.ts";
import { Session } from "../../src/database/mysql/session.ts";
import type { Campaign } from "../support/campaign.ts";
import { changesRounds } from "../support/changes-rounds.ts";
import { startMariadb } from "../support/mariadb-server.ts";

const tables = `
  CREATE DATABASE crm;
  USE crm;
  CREATE TABLE deal (id bigint AUTO_INCREMENT PRIMARY KEY, name varchar(200) NOT NULL, stage enum('lead','won') DEFAULT 'lead', amount decimal(12,2), note text);
  CREATE TABLE tag (name varchar(100) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci PRIMARY KEY, weight integer);
  CREATE TABLE item (token char(36) CHARACTER SET ascii PRIMARY KEY, data text);
  CREATE TABLE pair (a integer, b integer, v varchar(200), PRIMARY KEY (a, b));
  CREATE TABLE log (line varchar(200));
  INSERT INTO deal (name, amount, note) SELECT CONCAT('deal ', seq), seq, REPEAT('n', seq % 300) FROM seq_1_to_30000;
  INSERT INTO tag SELECT CONCAT('tag ', MD5(seq)), seq FROM seq_1_to_3000;
  INSERT INTO item SELECT CONCAT_WS('-', LEFT(MD5(seq), 8), RIGHT(MD5(seq), 12)), REPEAT(MD5(seq), 5) FROM seq_1_to_20000;
  INSERT INTO pair SELECT seq % 50, seq, REPEAT('v', 150) FROM seq_1_to_20000;
  INSERT INTO log VALUES ('one'), ('one'), ('two');
`;

/** What people and programs do to a CRM between two backups, and while one runs. */
function operation(chance: () => number): string {
  const number = (most: number) => Math.floor(chance() * most);
  const all = [
    () => `UPDATE deal SET name = CONCAT(name, '!') WHERE id % ${50 + number(500)} = ${number(50)}`,
    () => `DELETE FROM deal WHERE id % ${1000 + number(3000)} = ${number(1000)}`,
    () => `DELETE FROM deal WHERE id = ${number(30_000)}`,
    () =>
      `INSERT INTO deal (name, note) SELECT CONCAT('new ', seq), CONCAT('\\t\\\\\\n\\r\\0', seq) FROM seq_1_to_${1 + number(300)}`,
    () => `UPDATE deal SET id = id + 10000000 WHERE id = ${number(30_000)}`,
    () => `UPDATE IGNORE tag SET name = CONCAT(name, 'x') WHERE weight % 97 = ${number(97)}`,
    () => `UPDATE tag SET name = UPPER(name) WHERE weight % 301 = ${number(301)}`,
    () => `DELETE FROM tag WHERE weight % 199 = ${number(199)}`,
    () => `INSERT IGNORE INTO tag VALUES ('Ä ${number(100_000)}', ${number(1000)}), ('straße ${number(1000)}', NULL)`,
    () => `DELETE FROM item WHERE token LIKE '${number(16).toString(16)}${number(16).toString(16)}%'`,
    () => `INSERT IGNORE INTO item SELECT UUID(), 'more' FROM seq_1_to_${1 + number(200)}`,
    () => `UPDATE pair SET v = CONCAT(LEFT(v, 150), 'y${number(100)}') WHERE a = ${number(50)}`,
    () => `DELETE FROM pair WHERE b = ${number(20_000)}`,
    () => `REPLACE INTO pair VALUES (${number(50)}, ${100_000 + number(1_000_000)}, 'new')`,
    () => `INSERT INTO log VALUES ('line ${number(100)}')`,
    () => "BEGIN; UPDATE deal SET note = 'lost' WHERE id < 500; ROLLBACK",
    () =>
      "BEGIN; UPDATE deal SET note = 'kept' WHERE id < 100; SAVEPOINT s; DELETE FROM deal WHERE id < 90; ROLLBACK TO s; UPDATE tag SET weight = weight + 1 WHERE weight < 9; COMMIT",
  ];
  const rare = [
    () => "OPTIMIZE TABLE deal",
    () => "TRUNCATE tag; INSERT INTO tag SELECT CONCAT('again ', seq), seq FROM seq_1_to_500",
    () => `ALTER TABLE deal ADD COLUMN c${number(1e6)} text DEFAULT ('everywhere')`,
    () => "ALTER TABLE item ENGINE=InnoDB",
    () => `ALTER TABLE pair ALTER v SET DEFAULT 'd${number(9)}'`,
  ];
  const from = chance() < 0.1 ? rare : all;
  return (from[number(from.length)] ?? (() => "DO 1"))();
}

export const campaign: Campaign = {
  name: "mariadb-changes",
  about:
    "Random writers on MariaDB, with long transactions, savepoints, rollbacks, changed keys, keys that differ only for their " +
    "collation, truncates and changed tables; after each round the incremental backup, from the journal or from what the database tells, holds exactly what a full read of the same moment gives.",
  rounds: 300,
  async run(options) {
    const { signal } = new AbortController();
    await using server = await startMariadb([
      "--log-bin",
      "--server-id=7",
      "--binlog-format=ROW",
      "--binlog-row-metadata=FULL",
    ]);
    await server.sql(tables);
    const address = { url: server.url("crm") };
    const open = async () => {
      const session = await Session.open(await targetOf(address), "crm", signal);
      await session.run("SET SESSION innodb_lock_wait_timeout=1, lock_wait_timeout=1");
      return session;
    };
    await using first = await open();
    await using second = await open();
    const run = (session: Session) => async (sql: string) => {
      try {
        for (const statement of server.dialect(sql).split("; ")) await session.run(statement);
      } catch (error) {
        // What a long transaction holds, or a backup while it reads, or a key that is taken by now: nothing happened then.
        if (!/timeout|busy|duplicate entry/i.test(`${String(error)} ${String((error as Error).cause)}`)) throw error;
        await session.run("ROLLBACK");
      }
    };
    const world = { engine: mysqlEngine, address, writer: run(first), slow: run(second), operation, begin, beside };
    return await changesRounds(world, options);
  },
};

const begin =
  "BEGIN; UPDATE item SET data = 'slow' WHERE token LIKE 'a%'; INSERT IGNORE INTO pair VALUES (1, 5000000, 'slow')";

function beside(count: number): string {
  return `UPDATE deal SET note = 'beside' WHERE id % 500 = ${count}; DELETE FROM tag WHERE weight = ${count}`;
}
