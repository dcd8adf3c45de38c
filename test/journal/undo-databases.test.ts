import assert from "node:assert/strict";
import { test } from "node:test";
import { custom } from "../../src/crm/custom.ts";
import { mysqlEngine } from "../../src/database/mysql/mysql.ts";
import { backup } from "../../src/engine/backup.ts";
import { keeperTiming } from "../../src/engine/journal-keeper.ts";
import { planUndo, type UndoCause } from "../../src/engine/undo-cause.ts";
import { isHoldfastError } from "../../src/lib/errors.ts";
import { following } from "../support/following.ts";
import { startMariadb } from "../support/mariadb-server.ts";
import { limits, smallCrm } from "../support/small-crm.ts";
import { temporaryFolder } from "../support/temp-folder.ts";

/** As CiviCRM has them: its own, and that of the CMS, both with a table of one name. */
const tables = `CREATE TABLE session (id INT PRIMARY KEY, name VARCHAR(40)) ENGINE=InnoDB;
  CREATE TABLE attachment (id INT PRIMARY KEY, path VARCHAR(200)) ENGINE=InnoDB;
  INSERT INTO attachment VALUES (1, '2026/合同.txt'), (2, 'logo.bin');
  INSERT INTO session SELECT seq, CONCAT('name ', seq) FROM seq_1_to_9;`;

test("what is taken back is put back into the database that it was in", async () => {
  using folder = temporaryFolder();
  await using server = await startMariadb([
    "--log-bin",
    "--server-id=7",
    "--binlog-format=ROW",
    "--binlog-row-metadata=FULL",
  ]);
  for (const name of ["civicrm", "cms"]) {
    await server.sql(`CREATE DATABASE ${name} CHARACTER SET utf8mb4`);
    await server.sql(tables, name);
  }
  const urls = { main: server.url("civicrm"), cms: server.url("cms") };
  const one = await smallCrm(folder.path, { url: urls.main, engine: mysqlEngine });
  const databases = [
    { name: "main", url: urls.main },
    { name: "cms", url: urls.cms },
  ];
  const platform = {
    ...custom,
    parts: async (...asked: Parameters<typeof custom.parts>) => ({ ...(await custom.parts(...asked)), databases }),
  };
  const crm = { ...one, engine: { ...one.engine, platforms: [platform] } };
  await using followed = following(crm, { timing: { ...keeperTiming, publishMs: 3_600_000 } });
  await followed.event((event) => event.type === "note" && event.code === "follow-gap");
  await backup(
    crm.engine,
    {
      ...{ crm: crm.description, configFile: crm.configFile, repository: crm.access, limits, waitMs: 0 },
      inconsistencies: "warn",
    },
    crm.run,
  );
  const now = async () =>
    `${(await server.sql("SELECT DATE_FORMAT(UTC_TIMESTAMP(6), '%Y-%m-%dT%H:%i:%s.%f')")).trim()}Z`;
  const rows = async (name: string) =>
    (await server.sql("SELECT id, name FROM session WHERE id < 4 ORDER BY id", name)).trim().replaceAll("\t", " ");
  const gtid = async () => (await server.sql("SELECT @@gtid_current_pos")).trim();
  const whole = await rows("cms");

  await server.sql("UPDATE session SET name = 'spoiled' WHERE id = 1", "cms");
  const inCms = await gtid();
  await server.sql(
    "START TRANSACTION; UPDATE civicrm.session SET name = 'both' WHERE id = 2; UPDATE cms.session SET name = 'both' WHERE id = 3; COMMIT",
  );
  const inBoth = await gtid();
  const time = await now();
  await followed.event(
    () =>
      new Set(
        followed.events.flatMap((event) =>
          event.type === "journal" && (event.durableTo ?? "") >= time ? [event.subject] : [],
        ),
      ).size === 2,
  );
  const plan = (transaction: string, database?: string) => {
    const cause: UndoCause = { kind: "transaction", transaction };
    return planUndo(
      crm.engine,
      { repository: crm.access, cause, ...(database !== undefined && { database }) },
      crm.run,
    );
  };
  const first = await plan(inCms);
  assert.equal(first.records?.database, "cms");
  await crm.apply(first);
  assert.equal(await rows("cms"), whole.replace("name 3", "both"));
  assert.equal(await rows("civicrm"), whole.replace("name 2", "both"));
  await assert.rejects(plan(inBoth), (error: unknown) => isHoldfastError(error, "undo-databases"));
  await assert.rejects(plan(inCms, "main"), (error: unknown) => isHoldfastError(error, "moment-transaction"));
  const isUnknown = (error: unknown) =>
    isHoldfastError(error, "database-unknown") &&
    String(error.facts["known"]).split(", ").toSorted().join() === "cms,main";
  await assert.rejects(plan(inCms, "crm"), isUnknown);
  for (const name of ["cms", "main"]) await crm.apply(await plan(inBoth, name));
  assert.deepEqual([await rows("cms"), await rows("civicrm")], [whole, whole]);
});
