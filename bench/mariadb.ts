import { rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { type BenchMariadb, startBenchMariadb } from "./mariadb-server.ts";
import type { Bench } from "./scenarios.ts";
import { backupStep } from "./storing-step.ts";

const rowsAtScaleOne = 2_000_000;

/**
 * MariaDB beside its own clients: `mariadb-dump` piped to `zstd -1`, and `mariadb < dump`. One table of the size that
 * `--scale 1` makes 0.9 GB with 2 million rows. Without a journal what changed is found by hashes in the database.
 */
export function mariadbRound(bench: Bench, round: number): void {
  using server = startBenchMariadb(bench.work);
  const rows = rowsOf(bench);
  makeDatabase(server, rows);
  const source = { folder: bench.work, url: server.url("crm") };
  const tools = bench.tools.filter(({ restoreTo }) => restoreTo);
  for (const tool of tools) {
    tool.create(source);
    backupStep(bench, tool, source, "mariadb: first backup");
  }
  const cost = server.measured(`${dump} | zstd -q -1 -f -o dump.zst`);
  const storedBytes = statSync(join(server.folder, "dump.zst")).size;
  bench.record({ step: "mariadb: first backup", tool: "mariadb-dump, zstd -1", ...cost, storedBytes });
  changeSome(server, rows, round);
  for (const tool of tools) backupStep(bench, tool, source, "mariadb: 0.1 % of the rows changed, inserted and gone");

  const wanted = server.sql(sums, "crm");
  const check = (tool: string) => {
    if (server.sql(sums, "restored") !== wanted) throw new Error(`${tool} restored other rows`);
    server.sql("DROP DATABASE restored");
  };
  for (const tool of tools) {
    if (!tool.restoreTo) continue;
    bench.record({ step: "mariadb: restore", tool: tool.name, ...tool.restoreTo(server.url("restored")) });
    check(tool.name);
  }
  server.measured(`${dump} > dump.sql`);
  server.sql("CREATE DATABASE restored CHARACTER SET utf8mb4");
  bench.record({
    step: "mariadb: restore",
    tool: "mariadb < dump",
    ...server.measured("mariadb $CONNECT restored < dump.sql"),
  });
  check("mariadb");
  rmSync(join(server.folder, "dump.sql"), { force: true });
}

const sums = "SELECT COUNT(*), SUM(CRC32(CONCAT_WS('|', id, name, email, notes, amount, created, kind))) FROM party";

/** The database in text, by the server's own client at its best. */
export const dump = "mariadb-dump $CONNECT --single-transaction --quick crm";

export function rowsOf({ scale }: Bench): number {
  return Math.max(1000, Math.round(rowsAtScaleOne * scale));
}

export function makeDatabase(server: BenchMariadb, rows: number): void {
  server.sql(`DROP DATABASE IF EXISTS crm; DROP DATABASE IF EXISTS restored; CREATE DATABASE crm CHARACTER SET utf8mb4; USE crm;
    CREATE TABLE party (id bigint PRIMARY KEY, name varchar(200) NOT NULL, email varchar(200), phone varchar(30), notes text, amount decimal(12,2),
      created datetime, active tinyint, kind int, KEY (email), KEY (created));
    INSERT INTO party SELECT seq, CONCAT('Company ', MD5(seq)), CONCAT('user', seq, '@example.org'), CONCAT('+49 ', seq * 7919 % 100000000),
      REPEAT(CONCAT(MD5(seq DIV 3), ' '), seq % 14), (seq % 100000) / 7, '2020-01-01' + INTERVAL seq MINUTE, seq % 3 = 0, seq % 17 FROM seq_1_to_${rows};`);
}

function changeSome(server: BenchMariadb, rows: number, round: number): void {
  const many = Math.max(1, Math.round(rows / 3000));
  server.sql(
    `UPDATE party SET name = CONCAT(name, '!') WHERE id % 3000 = ${round};
     DELETE FROM party WHERE id % 3000 = ${1000 + round};
     INSERT INTO party SELECT seq, 'new', 'new', NULL, '', 1, NOW(), 1, 1 FROM seq_${rows + 1}_to_${rows + many};`,
    "crm",
  );
}
