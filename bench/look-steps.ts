/**
 * Looks into a repository as a program does that keeps it open: one process, the index loaded, each step twice, the second
 * of which counts. `look-steps.ts FOLDER ROWS POINTS` makes a table of so many rows and so many recovery points 100 changes
 * apart, and prints a line of JSON a step.
 */
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { storedChanges } from "../src/contents/compare/stored-changes.ts";
import { textQuery } from "../src/contents/search/text-query.ts";
import { schemaReader } from "../src/contents/stored-database.ts";
import { sqliteEngine } from "../src/database/sqlite/sqlite.ts";
import { openFor } from "../src/engine/access.ts";
import { browseRecords, listEntities } from "../src/engine/browse-records.ts";
import { erasureReader } from "../src/engine/erasures.ts";
import { historyFrom } from "../src/engine/history.ts";
import { openPoint, type OpenedPoint } from "../src/engine/open-point.ts";
import { foundThere } from "../src/engine/search.ts";
import { smallCrm } from "../test/support/small-crm.ts";

const [folder = "", rows = "1000000", points = "100"] = process.argv.slice(2);
const file = join(folder, "look.db");
using live = new DatabaseSync(file);
live.exec(`
  PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA foreign_keys = OFF;
  CREATE TABLE owner (id INTEGER PRIMARY KEY, name TEXT);
  CREATE TABLE party (id INTEGER PRIMARY KEY, name TEXT, email TEXT, phone TEXT, owner INTEGER NOT NULL REFERENCES owner, note TEXT);
  INSERT INTO owner VALUES (4711, 'one of many');
  WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${Number(rows)})
    INSERT INTO party SELECT i, substr('张王李赵刘陈杨黄周吴', 1 + i * 7919 % 10, 1) || '有限公司 ' || i, 'user' || i || '@example.org',
      '+86 ' || (i * 104729 % 1000000007), i % 50021, 'remark ' || (i * 31 % 9973) FROM n;
  UPDATE party SET name = '孙悟空有限公司' WHERE id % ${Math.ceil(Number(rows) / 5)} = 3;`);
const crm = await smallCrm(folder, { url: `sqlite:${file}`, engine: sqliteEngine });
const description = { ...crm.description, attachments: [], files: [] };
const take = async () => (await crm.backup(undefined, { crm: description })).snapshot;
let first = await take();
let second = first;
for (let at = 1; at < Number(points); at++) {
  // One record changes each time, the others are elsewhere in the table.
  live.exec(`UPDATE party SET note = 'changed ${at}' WHERE id = 7 OR id % ${Math.ceil(Number(rows) / 99)} = ${7 + at}`);
  [first, second] = [second, await take()];
}

await using repository = await openFor(crm.engine, crm.access, crm.run);
const { signal } = crm.run;
const snapshots = await repository.snapshots(signal);
const reader = await repository.index(signal);
const source = { engine: crm.engine, reader, snapshots, run: crm.run };
const point = (id: string): Promise<OpenedPoint> => openPoint(source, undefined, { kind: "id", prefix: id });
const partyOf = async ({ databases: [database] }: OpenedPoint) => {
  const table = database?.schema.tables.find(({ name }) => name === "party");
  if (!database || !table) throw new Error("there is no table");
  return { database, table: await database.open(table) };
};

async function step(name: string, work: () => Promise<number>): Promise<void> {
  let found = 0;
  let started = performance.now();
  let cpu = process.cpuUsage();
  for (let times = 0; times < 2; times++) {
    started = performance.now();
    cpu = process.cpuUsage();
    found = await work();
  }
  const { user, system } = process.cpuUsage(cpu);
  const seconds = { wallSeconds: (performance.now() - started) / 1000, cpuSeconds: (user + system) / 1e6 };
  console.log(JSON.stringify({ name, found, ...seconds, peakBytes: process.memoryUsage.rss() }));
}

await step("compare two points, 100 changes", async () => {
  const [from, to] = [await partyOf(await point(first)), await partyOf(await point(second))];
  if (!from.table.stored || !to.table.stored) return 0;
  const unknown = async () => undefined;
  return (await Array.fromAsync(storedChanges(reader, from.table.stored, to.table.stored, unknown, signal))).length;
});
await step("one record by its key", async () => {
  const { table } = await partyOf(await point(second));
  return (await table.get(`i${Math.floor(Number(rows) / 2)}`, signal)) ? 1 : 0;
});
const browsed = async (name: string, after?: string): Promise<number> => {
  await using opened = await point(second);
  const answer = await browseRecords(opened, name, { limit: 50, ...(after !== undefined && { after }) }, signal);
  return answer.type === "record" ? answer.related.length : (await Array.fromAsync(answer.records)).length;
};
await step("browse: what there is", async () => (await listEntities(await point(second), signal)).length);
await step("browse: a page of 50 records from the middle", () =>
  browsed("party", `party/${Math.floor(Number(rows) / 2)}`),
);
await step("browse: a record with the 20 that name it", () => browsed("owner/4711"));
await step("search for a name that 5 rows have", async () => {
  const hits = foundThere(source, await point(second), { only: [] }, textQuery("孙悟空"));
  return (await Array.fromAsync(hits)).length;
});
await step(`history of a record that changed in each of ${points} recovery points`, async () => {
  const looking = { ...source, schemas: schemaReader(), erasures: erasureReader() };
  return (await historyFrom(looking, { record: "party/7", live: "without" })).versions.length;
});
