import assert from "node:assert/strict";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { inspect } from "node:util";
import type { DatabaseEngine } from "../../src/database/database.ts";
import { mysqlEngine } from "../../src/database/mysql/mysql.ts";
import { listUndoable, undoRestore } from "../../src/engine/undo.ts";
import { isHoldfastError } from "../../src/lib/errors.ts";
import { startMariadb } from "../support/mariadb-server.ts";
import { postgres } from "../support/postgres-capture.ts";
import { startPostgres } from "../support/postgres-server.ts";
import { smallCrm } from "../support/small-crm.ts";
import { diskLacks, type SmallDisk, smallDisk } from "../support/small-disk.ts";
import { temporaryFolder } from "../support/temp-folder.ts";

interface Scene {
  readonly server: { sql(script: string, database?: string): Promise<string>; url(database: string): string };
  readonly engine: DatabaseEngine;
  readonly disk: SmallDisk;
  /** Lists the names of databases that restores made. */
  readonly beside: string;
  /** Of the table's rows. */
  readonly sum: string;
}

const rows = `CREATE TABLE contact (id integer PRIMARY KEY, name varchar(600));
  CREATE TABLE attachment (id integer PRIMARY KEY, path varchar(100)); INSERT INTO attachment VALUES (1, '2026/合同.txt'), (2, 'logo.bin');`;

/**
 * A restore whose server has no room for it: it says so, leaves the live database as it is, and what it had built can be
 * dropped or, with room, be gone on from.
 */
async function fullDisk({ server, engine, disk, beside, sum }: Scene): Promise<void> {
  using folder = temporaryFolder();
  const crm = await smallCrm(folder.path, { url: server.url("crm"), engine });
  await crm.backup();
  await server.sql("UPDATE contact SET name = 'later' WHERE id < 10", "crm");
  const live = await server.sql(sum, "crm");
  const plan = await crm.plan();
  // Room for an empty database, of which PostgreSQL's takes 8 MB as it is written, and not for the rows.
  disk.fill(14_000_000);
  await assert.rejects(crm.apply(plan), (error) => {
    assert.ok(isHoldfastError(error, "target-full"), inspect(error));
    assert.match(String(error.facts["reason"]), /No space left|is full|could not extend/);
    return true;
  });
  assert.equal(await server.sql(sum, "crm"), live);
  // It was removed at once; where that failed too, it is named, and goes.
  for (const { state, plan: of } of await listUndoable(crm.engine)) {
    assert.deepEqual([state, of], ["half-made", plan.id]);
    disk.free();
    await undoRestore(crm.engine, { id: plan.id }, crm.run);
  }
  assert.equal(await server.sql(beside), "");
  assert.equal(await server.sql(sum, "crm"), live);

  disk.free();
  const again = await crm.apply(await crm.plan());
  assert.deepEqual(again.failed, []);
  assert.notEqual(await server.sql(sum, "crm"), live);
}

const lacks = await diskLacks();
/** A test that is left out says so and why in its title. */
const testOnDisk = (title: string, prove: () => Promise<void>): void =>
  void (lacks === undefined ? test(title, prove) : test(`${title} (left out: ${lacks})`, () => {}));

testOnDisk("the disk of PostgreSQL is full in the middle of a restore", async () => {
  await using disk = await smallDisk(400);
  // On a disk of its own, as a server that has no room for its log ends and starts again.
  await using wal = await smallDisk(400);
  await using server = await startPostgres({ place: disk.path, initdb: [`--waldir=${wal.path}/wal`] });
  await server.sql("CREATE DATABASE crm");
  await server.sql(
    `${rows} INSERT INTO contact SELECT i, repeat(sha256(i::text::bytea)::text, 4) FROM generate_series(1, 40000) AS i`,
    "crm",
  );
  // A new database gets its room with the first checkpoint; one that is in use has had many.
  await server.sql("CHECKPOINT");
  await fullDisk({
    server,
    engine: postgres,
    disk,
    beside: "SELECT datname FROM pg_database WHERE datname LIKE '%holdfast%'",
    sum: "SELECT count(*), sum(hashtextextended(name, id)) FROM contact",
  });
});

testOnDisk("the disk of MariaDB is full in the middle of a restore", async () => {
  await using disk = await smallDisk(400);
  // Statistics that are made anew some time later would be taken for changes since the plan was made.
  await using server = await startMariadb(["--innodb-stats-auto-recalc=0"], disk.path);
  await server.sql("CREATE DATABASE crm CHARACTER SET utf8mb4");
  await server.sql(`${rows} INSERT INTO contact SELECT seq, REPEAT(SHA2(seq, 256), 8) FROM seq_1_to_40000`, "crm");
  await fullDisk({
    server,
    engine: mysqlEngine,
    disk,
    beside: "SHOW DATABASES LIKE '%holdfast%'",
    sum: "CHECKSUM TABLE contact",
  });
});

testOnDisk(
  "too many files for a file system that has room in bytes are told by the plan, and before anything is built",
  async () => {
    using folder = temporaryFolder();
    const crm = await smallCrm(folder.path);
    for (let at = 0; at < 200; at++) writeFileSync(join(crm.attachments, `${at}.txt`), `${at}\n`);
    const { snapshot } = await crm.backup();
    const point = { kind: "id", prefix: snapshot } as const;
    await using disk = await smallDisk(50, 100);
    const target = join(disk.path, "copy");
    const plan = await crm.plan({ point, scope: { kind: "system" }, target, purpose: "replacement" });
    const { neededFiles, freeFiles = 0 } = plan;
    assert.ok(neededFiles > 200 && freeFiles > 50 && freeFiles < 100, inspect([neededFiles, freeFiles]));
    await assert.rejects(crm.apply(plan), (error) => {
      assert.ok(isHoldfastError(error, "target-full"), inspect(error));
      assert.deepEqual(error.facts, { neededFiles, freeFiles });
      return true;
    });
    assert.deepEqual(readdirSync(disk.path), []);
    const small = await crm.plan({ point, scope: { kind: "files", paths: ["/files/attachments/1.txt"] } });
    assert.ok(small.neededFiles <= 1);
  },
);

testOnDisk("a plan for a place that has no room is refused before anything is written there", async () => {
  using folder = temporaryFolder();
  const crm = await smallCrm(folder.path);
  await crm.backup();
  await using disk = await smallDisk(1);
  disk.fill(50_000);
  const plan = await crm.plan({ target: join(disk.path, "new"), purpose: "replacement" });
  assert.ok(plan.neededBytes > plan.freeBytes, `${plan.neededBytes} of ${plan.freeBytes}`);
  await assert.rejects(crm.apply(plan), (error) => {
    assert.ok(isHoldfastError(error, "target-full"), inspect(error));
    assert.deepEqual(error.facts["needed"], plan.neededBytes);
    return true;
  });
  assert.deepEqual(readdirSync(disk.path), ["filler"]);
  disk.free();
  assert.deepEqual((await crm.apply(plan)).failed, []);
});
