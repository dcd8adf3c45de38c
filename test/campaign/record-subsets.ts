import assert from "node:assert/strict";
import { handleOf } from "../../src/contents/records/record-handle.ts";
import { fieldText, type RecordRow } from "../../src/contents/records/record-row.ts";
import { noFiles } from "../../src/crm/crm-files.ts";
import { dolibarr } from "../../src/crm/dolibarr.ts";
import { dolibarrModel } from "../../src/crm/dolibarr-model.ts";
import type { ColumnSchema, DatabaseEngine, TableSchema } from "../../src/database/database.ts";
import { mysqlEngine } from "../../src/database/mysql/mysql.ts";
import { PostgresConnection } from "../../src/database/postgres/connection.ts";
import { postgresEngine } from "../../src/database/postgres/postgres.ts";
import type { RecordSelection } from "../../src/engine/record-selection.ts";
import type { RestorePlan } from "../../src/engine/restore-plan.ts";
import { type DolibarrCrm, makeDolibarr, makeDolibarrOnPostgres } from "../dolibarr/dolibarr-crm.ts";
import type { Campaign, CampaignOptions } from "../support/campaign.ts";
import { startMariadb } from "../support/mariadb-server.ts";
import { startPostgres } from "../support/postgres-server.ts";
import { type AllRecords, allRecords, chosenRecords } from "../support/record-subsets.ts";
import { platformCrm } from "../support/records-crm.ts";
import { giveBackMemory } from "../support/repository-copy.ts";
import { type SeededRandom, seededRandom } from "../support/seeded-random.ts";
import { temporaryFolder } from "../support/temp-folder.ts";

/** Dolibarr on one engine; scripts are run by its superuser, restores by the CRM's own user. */
interface World {
  readonly made: DolibarrCrm;
  readonly engine: DatabaseEngine;
  readonly url: string;
  /** Runs statements. */
  change(script: string): Promise<void>;
  /** One line about the rows of each of these tables, by one statement. */
  hashes(tables: readonly string[]): Promise<readonly string[]>;
  /** Keys are not looked at from here to the end of the transaction, or of the script. */
  readonly unchecked: string;
  readonly quoted: (name: string) => string;
}

export const campaign: Campaign = {
  name: "record-subsets",
  about:
    "Random subsets of the records of Dolibarr's demo database, on PostgreSQL and on MariaDB, are deleted, alone or with what hangs on them, and " +
    "sometimes others are changed. The preview counts just these; after the restore all 392 tables hash as before, after its undo as after the deletion.",
  rounds: 1000,
  async run({ rounds, seed, report }) {
    const data = process.env["HOLDFAST_TEST_DATA"];
    if (data === undefined) throw new Error("HOLDFAST_TEST_DATA names no folder with Dolibarr's demo data");
    const half = Math.ceil(rounds / 2);
    // At once: while one server works, this process works for the other.
    const [postgres, mariadb] = await Promise.all([
      onPostgres(data, { rounds: half, seed, report }),
      onMariadb(data, { rounds: rounds - half, seed: seed + 1, report }),
    ]);
    return Object.fromEntries(
      [...postgres].map(([what, count]) => [what, what === "tables" ? count : count + (mariadb.get(what) ?? 0)]),
    );
  },
};

type Facts = ReadonlyMap<string, number>;

export async function onPostgres(data: string, options: CampaignOptions): Promise<Facts> {
  using root = temporaryFolder();
  await using server = await startPostgres();
  const made = await makeDolibarrOnPostgres(root.path, data, server);
  const { signal } = new AbortController();
  // One session for all rounds, which keeps its plan: a new one takes longer to plan hashing 392 tables than to do it.
  await using session = await PostgresConnection.open({ url: server.url(made.database) }, { environment: {}, signal });
  await session.run("SET search_path = public");
  let prepared = false;
  const world: World = {
    ...{ made, engine: postgresEngine({}), url: server.url(made.database, made.user) },
    change: (script) => session.run(script),
    async hashes(tables) {
      if (!prepared) await session.run(`PREPARE hashes AS ${tables.map(hashOf).join(" UNION ALL ")}`);
      prepared = true;
      return (await session.rows("EXECUTE hashes")).map(([line]) => line ?? "");
    },
    unchecked: "SET LOCAL session_replication_role = replica;",
    quoted: (name) => `"${name}"`,
  };
  return await subsets(root.path, world, options);
}

/** The same for the same rows in whatever order. */
function hashOf(table: string): string {
  return `SELECT concat_ws(' ', '${table}', count(*), sum(hashtextextended(t::text, 0))) FROM "${table}" AS t`;
}

async function onMariadb(data: string, options: CampaignOptions): Promise<Facts> {
  using root = temporaryFolder();
  await using server = await startMariadb();
  const made = await makeDolibarr(root.path, data, server);
  // The only table without transactions, whose rows no restore touches.
  await server.sql("ALTER TABLE llx_c_input_reason ENGINE = InnoDB", made.database);
  const world: World = {
    ...{ made, engine: mysqlEngine, url: server.url(made.database) },
    change: async (script) => void (await server.sql(script, made.database)),
    hashes: async (tables) => (await server.sql(`CHECKSUM TABLE ${tables.join(", ")}`, made.database)).split("\n"),
    unchecked: "SET foreign_key_checks = 0;",
    quoted: (name) => `\`${name}\``,
  };
  return await subsets(root.path, world, options);
}

/** What differs from the recovery point: it may add up over rounds, since an undo leaves it so. */
interface Damage {
  readonly gone: ReadonlySet<RecordRow>;
  readonly changed: ReadonlySet<RecordRow>;
}

const none: Damage = { gone: new Set(), changed: new Set() };

async function subsets(root: string, world: World, { rounds, seed, report }: CampaignOptions): Promise<Facts> {
  const { engine, url, made } = world;
  const crm = await platformCrm(root, {
    ...{ platform: dolibarr, engine, url },
    ...{ configuration: made.configuration, files: made.documents },
  });
  await crm.backup();
  const all = await allRecords(engine, url, (tables) => dolibarrModel({ tables, files: noFiles, async *rows() {} }));
  const names = [...all.rows.keys()].map(({ name }) => name);
  const hashed = () => world.hashes(names);
  const clean = await hashed();
  const counts = new Map<string, number>();
  const add = (what: string, count = 1) => counts.set(what, (counts.get(what) ?? 0) + count);
  let damage = none;
  for (let round = 0; round < rounds; round++) {
    const random = seededRandom(seed * 100_000 + round);
    const before = damage;
    const { roots, gone } = chosenRecords(all, random, before.gone);
    const fresh = random.oneIn(3) ? someToChange(all, random, gone) : [];
    damage = { gone, changed: new Set([...before.changed, ...fresh].filter((row) => !gone.has(row))) };
    await world.change(
      [
        "BEGIN;",
        ...fresh.map((row) => changeOf(row, round, world)),
        world.unchecked,
        ...[...gone].filter((row) => !before.gone.has(row)).map((row) => deleteOf(row, world)),
        "COMMIT;",
      ].join("\n"),
    );
    // What is chosen alone brings what belongs to it; what else went with it comes by the comparison.
    const inSteps = before === none && random.oneIn(4);
    const undone = !inSteps && random.oneIn(2);
    const deleted = undone ? await hashed() : [];
    const where = `round ${round} of seed ${seed} on ${engine.name}`;
    const switches = { updateChanged: true };
    if (inSteps) {
      const some = await crm.plan({ handles: handlesOf(all, roots, engine) });
      assert.deepEqual((await crm.apply(some)).failed, [], where);
      const came = sumOf(some, "insert");
      assert.ok(came >= roots.size && came <= gone.size, `${came} of ${gone.size} came: ${where}`);
      const rest = await crm.plan({ compared: ["deleted", "changed"] }, { switches });
      assert.equal(came + sumOf(rest, "insert"), gone.size, where);
      assert.equal(sumOf(rest, "update"), damage.changed.size, where);
      if (sumOf(rest, "insert") + sumOf(rest, "update") > 0)
        assert.deepEqual((await crm.apply(rest)).failed, [], where);
    } else {
      const selection = selectionOf(all, random, damage, engine);
      const plan = await crm.plan(selection, { switches });
      assert.deepEqual(planned(plan), expected(all, damage), `${where}: ${JSON.stringify(selection).slice(0, 2000)}`);
      assert.deepEqual((await crm.apply(plan)).failed, [], where);
    }
    assert.deepEqual(differing(clean, await hashed()), [], where);
    add("subsets");
    add("records deleted and restored", gone.size);
    add("records changed and restored", damage.changed.size);
    if (undone) {
      assert.deepEqual((await crm.undo()).failed, [], where);
      assert.deepEqual(differing(deleted, await hashed()), [], `after the undo: ${where}`);
      add("restores undone");
    } else damage = none;
    if ((round + 1) % 10 === 0) giveBackMemory();
    if ((round + 1) % 25 === 0) report(`${engine.name}: ${round + 1} of ${rounds}`);
  }
  return new Map([...counts, ["tables", names.length]]);
}

function sumOf(plan: RestorePlan, action: "insert" | "update"): number {
  return (plan.records?.groups ?? []).reduce((sum, { counts }) => sum + counts[action], 0);
}

/** By entity or table: what is to be done, but for what is as it should be. */
function planned(plan: RestorePlan): ReadonlyMap<string, string> {
  const groups = (plan.records?.groups ?? []).flatMap(({ name, counts }) => {
    const done = Object.entries(counts).filter(([action, count]) => action !== "skip" && count > 0);
    return done.length === 0 ? [] : [[name, done.map(([action, count]) => `${action} ${count}`).join()] as const];
  });
  return new Map(groups.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

function expected(all: AllRecords, { gone, changed }: Damage): ReadonlyMap<string, string> {
  const name = ({ table }: RecordRow) => all.relations.entitiesOf(table)[0]?.entity.name ?? table.name;
  const parts = [
    ["insert", Map.groupBy(gone, name)],
    ["update", Map.groupBy(changed, name)],
  ] as const;
  const groups = new Set(parts.flatMap(([, rows]) => [...rows.keys()]));
  return new Map(
    [...groups]
      .toSorted()
      .map((group) => [
        group,
        parts.flatMap(([action, rows]) => (rows.has(group) ? [`${action} ${rows.get(group)?.length}`] : [])).join(),
      ]),
  );
}

/** One of the ways to say which records: by comparison, in some tables or all; by names; by lists. */
function selectionOf(
  all: AllRecords,
  random: SeededRandom,
  { gone, changed }: Damage,
  rules: DatabaseEngine,
): Partial<RecordSelection> {
  const rows = [...gone, ...changed];
  const tables = Map.groupBy(rows, ({ table }) => table);
  if (random.oneIn(2)) {
    const somewhere = random.oneIn(4) ? [] : [...tables.keys()].map(({ name }) => name);
    return { compared: ["deleted", "changed"], in: somewhere };
  }
  const related = random.pick(["all", "none"] as const);
  if (rows.length <= 20) return { handles: handlesOf(all, rows, rules), related };
  const keyOf = (row: RecordRow) =>
    row.table.columns.slice(0, row.table.keyLength).map((_, at) => fieldText(row, at, rules) ?? "");
  return { keys: [...tables].map(([{ name }, ofTable]) => ({ name, keys: ofTable.map(keyOf) })), related };
}

function handlesOf(all: AllRecords, rows: Iterable<RecordRow>, rules: DatabaseEngine): readonly string[] {
  return [...rows].map((row) => handleOf(all.relations, row, all.relations.entitiesOf(row.table)[0], rules));
}

function someToChange(all: AllRecords, random: SeededRandom, gone: ReadonlySet<RecordRow>): readonly RecordRow[] {
  const tables = [...all.rows].filter(([table]) => table.keyLength > 0 && changeable(table) !== undefined);
  const [, rows] = random.pick(tables);
  const count = 1 + random.below(Math.min(rows.length, 30));
  return rows.length === 0
    ? []
    : [...new Set(Array.from({ length: count }, () => random.pick(rows)))].filter((row) => !gone.has(row));
}

/** A text that names nothing. */
function changeable({ columns, keyLength, foreignKeys }: TableSchema): ColumnSchema | undefined {
  const isLong = ({ type }: ColumnSchema) =>
    type === "text" || Number(/char\w*(?: varying)?\((\d+)\)/.exec(type)?.[1] ?? 0) >= 64;
  return columns
    .slice(keyLength)
    .find((column) => isLong(column) && !foreignKeys.some((key) => key.columns.includes(column.name)));
}

function changeOf(row: RecordRow, round: number, world: World): string {
  const column = changeable(row.table)?.name ?? "";
  const text = `changed ${round} ${row.key.replaceAll(/\W/g, " ")}`.slice(0, 60);
  return `UPDATE ${world.quoted(row.table.name)} SET ${world.quoted(column)} = '${text}' WHERE ${isRow(row, world)};`;
}

function deleteOf(row: RecordRow, world: World): string {
  return `DELETE FROM ${world.quoted(row.table.name)} WHERE ${isRow(row, world)};`;
}

function isRow(row: RecordRow, { engine, quoted }: World): string {
  return row.table.columns
    .slice(0, row.table.keyLength)
    .map(({ name }, at) => `${quoted(name)} = '${(fieldText(row, at, engine) ?? "").replaceAll("'", "''")}'`)
    .join(" AND ");
}

/** Lines that only one of two lists of hashes has. */
function differing(a: readonly string[], b: readonly string[]): readonly string[] {
  const [left, right] = [new Set(a), new Set(b)];
  return [...left.symmetricDifference(right)].toSorted();
}
