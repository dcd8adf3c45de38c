import { targetOf } from "../../src/database/mysql/location.ts";
import { mysqlEngine } from "../../src/database/mysql/mysql.ts";
import { Session } from "../../src/database/mysql/session.ts";
import type { Campaign } from "../support/campaign.ts";
import { hashOfLive } from "../support/live-hash.ts";
import { startMariadb } from "../support/mariadb-server.ts";
import { momentsRounds, type StateAfter, type Writer } from "../support/moments-rounds.ts";
import type { SeededRandom } from "../support/seeded-random.ts";
import { smallCrm } from "../support/small-crm.ts";
import { temporaryFolder } from "../support/temp-folder.ts";

const tables = `
  CREATE DATABASE crm CHARACTER SET utf8mb4;
  USE crm;
  CREATE TABLE contact (id bigint AUTO_INCREMENT PRIMARY KEY, name varchar(300) NOT NULL, note mediumtext, amount decimal(20,4), at datetime(6), ratio double);
  CREATE TABLE pair (a integer, b varchar(100) COLLATE utf8mb4_unicode_ci, v varbinary(200), PRIMARY KEY (a, b));
  CREATE TABLE attachment (id integer PRIMARY KEY, path varchar(200));
  INSERT INTO contact (name, note, ratio) SELECT CONCAT('contact ', seq), REPEAT('n', seq % 50), seq / 3 FROM seq_1_to_500;
  INSERT INTO pair SELECT seq % 7, CONCAT('b', seq), UNHEX(MD5(seq)) FROM seq_1_to_200;
  INSERT INTO attachment VALUES (1, '2026/合同.txt'), (2, 'logo.bin');
`;

function statement({ below: number, oneIn, pick }: SeededRandom): string {
  if (oneIn(80)) return "TRUNCATE TABLE pair";
  return pick([
    () => `UPDATE contact SET name = CONCAT(name, '!') WHERE id % ${20 + number(100)} = ${number(20)}`,
    () => `DELETE FROM contact WHERE id % 97 = ${number(97)}`,
    () =>
      `INSERT INTO contact (name, note, at) SELECT CONCAT('new\\t', seq), CONCAT('\\\\ \\n\\r 合同 😀', seq), '2026-03-29 02:30:00.00000${number(10)}' FROM seq_1_to_${1 + number(40)}`,
    () => `INSERT INTO contact (name, note) SELECT 'large', GROUP_CONCAT(MD5(seq)) FROM seq_1_to_${500 + number(500)}`,
    () =>
      `UPDATE contact SET amount = ${number(1000)} / 7, ratio = RAND() WHERE name = 'large' OR id % 31 = ${number(31)}`,
    () => `UPDATE contact SET id = id + 1000000 + ${number(1e6)} WHERE id < 1000000 ORDER BY id LIMIT 1`,
    () => `UPDATE IGNORE pair SET b = CONCAT(b, 'x') WHERE a = ${number(7)} AND LENGTH(b) < 90`,
    () => `UPDATE pair SET b = UPPER(b) WHERE a = ${number(7)}`,
    () =>
      `DELETE FROM pair WHERE b LIKE 'b1%' AND a = ${number(7)}; INSERT IGNORE INTO pair VALUES (${number(7)}, 'ä ${number(1e6)}', NULL)`,
    () => `REPLACE INTO pair VALUES (${number(7)}, 'B${number(200)}', X'00095C0A0D')`,
    () =>
      `SAVEPOINT s; DELETE FROM contact; ROLLBACK TO s; UPDATE pair SET v = NULL WHERE a = ${number(7)} AND v IS NOT NULL LIMIT 3; INSERT INTO contact (name) VALUES ('kept')`,
  ])();
}

export const campaign: Campaign = {
  name: "mariadb-moments",
  about:
    "A writer on MariaDB whose whole database is hashed after every commit, many of them in one second, which is the smallest step of its log, is followed; follow is " +
    "ended, and killed at some operation of its storage, its server is killed, tables are altered, backups are made beside it; then moments at random are opened and hash as they did.",
  rounds: 300,
  async run(options) {
    const { signal } = new AbortController();
    using folder = temporaryFolder();
    await using server = await startMariadb([
      "--log-bin",
      "--server-id=7",
      "--binlog-format=ROW",
      "--binlog-row-metadata=FULL",
      "--sync-binlog=1",
      // Else what the log tells of the last second is lost to the tables when the server is killed.
      "--innodb-flush-log-at-trx-commit=1",
    ]);
    await server.sql(tables);
    const url = server.url("crm");
    const crm = await smallCrm(folder.path, { url, engine: mysqlEngine });
    const openWriter = async (): Promise<Writer> => {
      const session = await Session.open(await targetOf({ url }), "crm", signal);
      const clock = async (): Promise<string> => {
        const [row] = await session.query("SELECT UTC_TIMESTAMP()");
        return `${(row?.[0] ?? "").replace(" ", "T")}.000Z`;
      };
      let number = "";
      const commit = async (text: string): Promise<StateAfter> => {
        const sql = server.dialect(text);
        let from: string;
        if (/^(?:ALTER|TRUNCATE)/.test(sql)) {
          from = await clock();
          await session.run(sql);
        } else {
          await session.run("BEGIN");
          for (const one of sql.split("; ")) await session.run(one);
          from = await clock();
          await session.run("COMMIT");
        }
        const [row] = await session.query(server.dialect("SELECT @@last_gtid"));
        const transaction = row?.[0] ?? "";
        // Nothing was changed: then there is no transaction in the log.
        if (transaction === number) return await commit("INSERT INTO contact (name) VALUES ('one more')");
        number = transaction;
        return { transaction, from, to: await clock(), hash: await hashOfLive(mysqlEngine, url) };
      };
      return { commit, [Symbol.asyncDispose]: () => session[Symbol.asyncDispose]() };
    };
    const cutOff = async (): Promise<void> => {
      await server.kill();
      await server.start();
    };
    const alteration = (count: number) =>
      count % 2 === 0
        ? `ALTER TABLE pair MODIFY b varchar(${100 + count}) COLLATE utf8mb4_unicode_ci`
        : `ALTER TABLE contact ADD COLUMN c${count} varchar(20) DEFAULT 'everywhere'`;
    return await momentsRounds({ crm, openWriter, statement, alteration, cutOff, log: "told", stepMs: 1000 }, options);
  },
};
