import {
  mergeRows,
  noCounts,
  type MergeCounts,
  type MergeOptions,
  type MergeSwitches,
} from "../contents/merge-rows.ts";
import { compareLoaded, compareWithRanges, readDatabase, type StoredDatabase } from "../contents/databases.ts";
import type { Anonymiser } from "../contents/anonymise/anonymised.ts";
import type { DatabaseManifest } from "../contents/manifest.ts";
import { withoutHeld } from "../contents/records/held-rows.ts";
import { addLines, emptyRange } from "../contents/tables/ranges-file.ts";
import type { StoredTable } from "../contents/tables/stored-table.ts";
import { tableName } from "../database/change-feed.ts";
import type {
  DatabaseAddress,
  DatabaseEngine,
  DatabaseSnapshot,
  DatabaseSource,
  LoadOptions,
  LoadedSums,
  RowBatch,
  TableRows,
  DatabaseSchema,
  TableSchema,
} from "../database/database.ts";
import type { Id } from "../format/tree.ts";
import type { Pace } from "../contents/pace.ts";
import { addAll } from "../lib/add-all.ts";
import { HoldfastError, isHoldfastError } from "../lib/errors.ts";
import type { Limits } from "../lib/limits.ts";
import { type AlikeByTable, AlikeFinder } from "./alike-keys.ts";
import type { PointErasures } from "./erasures.ts";
import { refuseLeaks } from "./anonymise.ts";
import { paceOf } from "./pace-of.ts";
import type { Run } from "../lib/run.ts";
import type { BlobReader } from "../repository/repository.ts";
import type { Anonymised } from "./restore-plan.ts";

/** One database of a snapshot, and how it is to be put back. */
export interface DatabaseWork {
  readonly name: string;
  readonly engine: DatabaseEngine;
  /** Tree of `databases/<name>` in the snapshot. */
  readonly tree: Id;
  /** Where it goes. */
  readonly address: DatabaseAddress;
  /** The same as a person reads it: a path, or a URL. */
  readonly shown: string;
  /** `exact`: the snapshot's rows. `merge`: the live rows, changed as the switches say. */
  readonly how: "exact" | "merge";
  /** Of a merge: rows that are one, though their keys are written otherwise, by `tableName`. */
  readonly alike?: AlikeByTable;
  /** What is held back of its rows. */
  readonly erased: PointErasures;
  readonly anonymised?: { readonly anonymiser: Anonymiser; readonly files: Anonymised["files"] };
  /** Absent: it is on a server. `owner`: of the file that was backed up. */
  readonly file?: { readonly path: string; readonly owner: DatabaseManifest["file"] };
}

/** Counts what a merge would do, and finds which rows are one. `undefined` with the reason when the two cannot be merged. */
export async function countMerge(
  work: DatabaseWork,
  reader: BlobReader,
  switches: MergeSwitches,
  run: Run,
): Promise<{ readonly counts: MergeCounts; readonly alike: AlikeByTable } | "live-unreadable" | "schema-differs"> {
  const { engine, address } = work;
  const { signal } = run;
  const stored = await givenDatabase(work, reader, signal);
  try {
    await using source = await engine.connect(address, { signal });
    await using live = await source.snapshot(signal);
    if (!sameTables(stored, live)) return "schema-differs";
    const finder = new AlikeFinder(engine, address, signal);
    const counted = async (options: MergeOptionsOf): Promise<MergeCounts> => {
      const counts = noCounts();
      for await (const { batches } of mergedTables(stored, live, switches, counts, run, options)) {
        for await (const _ of batches) signal.throwIfAborted();
      }
      return counts;
    };
    const counts = await counted((table) => ({ onMissing: finder.listener(table) }));
    const alike = await finder.found();
    return { counts: alike.size === 0 ? counts : await counted(alikeIn(alike)), alike };
  } catch (error) {
    const isBroken = isHoldfastError(error, "database-unreadable") || isHoldfastError(error, "database-not-sqlite");
    if (isBroken) return "live-unreadable";
    throw error;
  }
}

type MergeOptionsOf = (table: TableSchema) => MergeOptions;

function alikeIn(alike: AlikeByTable | undefined): MergeOptionsOf {
  return (table) => ({ alike: alike?.get(tableName(table)) });
}

/** Builds the database at `address`, which is not there yet, and proves that it is what it should be. */
export async function buildDatabase(
  work: DatabaseWork,
  address: DatabaseAddress,
  reader: BlobReader,
  switches: MergeSwitches,
  { limits, ...options }: Omit<LoadOptions, "signal"> & { readonly limits: Limits },
  run: Run,
): Promise<{ readonly rows: number }> {
  const { signal } = run;
  const stored = await givenDatabase(work, reader, run.signal);
  run.report({ type: "phase", phase: "restore", subject: work.shown });
  await using beside = await serverOf(work, signal);
  const pace = paceOf(limits, "write", beside, run);
  const told: ToldSums = new Map();
  if (work.how === "exact") {
    const tables = paced(storedTables(stored, run), pace, signal);
    const onSums = (table: TableSchema, sums: LoadedSums) => void told.set(table, sums);
    await work.engine.load(address, stored.schema, tables, { ...options, signal, onSums });
  } else {
    await using source = await work.engine.connect(work.address, { signal: run.signal });
    await using live = await source.snapshot(run.signal);
    if (!sameTables(stored, live)) throw new HoldfastError("plan-outdated", { path: work.shown });
    const tables = paced(mergedTables(stored, live, switches, noCounts(), run, alikeIn(work.alike)), pace, signal);
    await work.engine.load(address, live.schema, tables, { ...options, signal, counters: "onward" });
  }
  run.report({ type: "phase", phase: "verify", subject: work.shown });
  await prove(work, address, stored, told, run);
  if (work.anonymised) await refuseLeaks(work, work.anonymised.anonymiser, address, run);
  return { rows: stored.tables.reduce((total, table) => total + table.rowCount, 0) };
}

/** The database as the recovery point gives it back: without what was erased. */
async function givenDatabase(work: DatabaseWork, reader: BlobReader, signal: AbortSignal): Promise<StoredDatabase> {
  const { name, engine, erased, anonymised } = work;
  const stored = await readDatabase(reader, work.tree, engine, signal);
  const { schema } = stored;
  const open = async (table: TableSchema): Promise<StoredTable> => {
    const found = stored.tables.find(({ table: one }) => one === table);
    if (!found) throw new HoldfastError("internal", { table: table.name });
    return found;
  };
  if (anonymised) {
    for (const { table } of stored.tables) await anonymised.anonymiser.learn(name, table, () => open(table), signal);
  }
  const tables: StoredTable[] = [];
  for (const one of stored.tables) {
    const held = await erased.of(name, one.table, engine, schema.tables, open, signal);
    const given = held ? withoutHeld(one, held, (line) => erased.note(name, one.table, line)) : one;
    const made = anonymised ? anonymisedTable(name, given, anonymised) : given;
    tables.push(made === one ? one : summedUp(made));
  }
  return { schema: withoutOldWords(work, schema), tables };
}

/** Indexes of words would tell what the rows do not any more. */
function withoutOldWords({ engine, erased, anonymised }: DatabaseWork, schema: DatabaseSchema): DatabaseSchema {
  if (!engine.computingAnew || (!anonymised && erased.state === "none")) return schema;
  return engine.computingAnew(schema, anonymised ? "always" : "ifPossible");
}

/** Files that a database holds itself (PostgreSQL's large objects) are files. */
function anonymisedTable(
  database: string,
  table: StoredTable,
  { anonymiser, files }: NonNullable<DatabaseWork["anonymised"]>,
): StoredTable {
  if (files === "left-out" && table.table.schema === "pg_catalog") return { ...table, async *rows() {} };
  return anonymiser.table(database, table);
}

/** With sums of what it gives, once all of it was read: those that are stored are of all there was. */
function summedUp(table: StoredTable): StoredTable {
  const { order } = table;
  let given = emptyRange(undefined);
  return {
    ...table,
    get rowCount() {
      return given.rows;
    },
    get bytes() {
      return given.bytes;
    },
    get ranges() {
      return [given];
    },
    async *rows(range, signal) {
      given = emptyRange(undefined);
      for await (const batch of table.rows(range, signal)) {
        addLines(given, order, batch.lines, 0, batch.lines.length);
        yield batch;
      }
    },
  };
}

type ToldSums = Map<TableSchema, LoadedSums>;

async function prove(
  work: DatabaseWork,
  address: DatabaseAddress,
  stored: StoredDatabase,
  told: ToldSums,
  run: Run,
): Promise<void> {
  const findings = await work.engine.check(address, run.signal, "loaded");
  const problems = [...findings.damage];
  if (work.how === "merge") {
    const before = byRelation((await work.engine.check(work.address, run.signal)).orphans);
    for (const [relation, count] of byRelation(findings.orphans)) {
      if (count > (before.get(relation) ?? 0)) problems.push(`${relation}: ${count}`);
    }
  } else {
    // Proved below to be the snapshot's rows, so it had them too: nothing went wrong, but whoever restores should know.
    for (const relation of findings.orphans) {
      run.report({ type: "note", code: "rows-without-parent", facts: { path: work.shown, relation } });
    }
    const computed = work.engine.computedTables?.(stored.schema);
    const wanted = stored.tables.filter(({ table }) => computed?.has(table.name) !== true);
    for (const table of wanted) {
      const sums = told.get(table.table);
      if (sums) addAll(problems, compareLoaded(sums, table));
    }
    const rest = wanted.filter(({ table }) => !told.has(table));
    if (rest.length > 0) addAll(problems, await readAgain(work, address, rest, run));
  }
  const [first] = problems;
  if (first !== undefined) throw new HoldfastError("restore-mismatch", { path: work.shown, detail: first });
}

/** `deal -> contact: 3`; a table may have several relations to another one. */
function byRelation(orphans: readonly string[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const orphan of orphans) {
    const at = orphan.lastIndexOf(": ");
    const relation = orphan.slice(0, at);
    counts.set(relation, (counts.get(relation) ?? 0) + Number(orphan.slice(at + 2)));
  }
  return counts;
}

/** Tables of which the engine told nothing while it loaded them. */
async function readAgain(
  { engine }: DatabaseWork,
  address: DatabaseAddress,
  tables: readonly StoredTable[],
  { signal }: Run,
): Promise<readonly string[]> {
  await using source = await engine.connect(address, { signal });
  await using built = await source.snapshot(signal, "rows");
  const problems: string[] = [];
  for (const table of tables) {
    const same = built.schema.tables.find(({ schema, name }) => isNamed(table.table, schema, name));
    if (!same) problems.push(table.table.name);
    else addAll(problems, await compareWithRanges(built.reader(same), table, signal));
  }
  return problems;
}

/** The server that is restored to, where its live database is there: so that it can be asked how it is. */
async function serverOf({ engine, address }: DatabaseWork, signal: AbortSignal): Promise<DatabaseSource | undefined> {
  if (engine.home.kind === "file") return undefined;
  try {
    return await engine.connect(address, { signal });
  } catch (error) {
    signal.throwIfAborted();
    if (!isHoldfastError(error)) throw error;
    return undefined; // it is not there: nobody has to be spared
  }
}

async function* paced(tables: AsyncIterable<TableRows>, pace: Pace, signal: AbortSignal): AsyncGenerator<TableRows> {
  for await (const { table, batches } of tables) {
    const slowly = async function* (): AsyncGenerator<RowBatch> {
      for await (const batch of batches) {
        await pace.take(Math.max(batch.rows, 0), batch.lines.length, signal);
        yield batch;
      }
    };
    yield { table, batches: slowly() };
  }
}

async function* storedTables(stored: StoredDatabase, run: Run): AsyncGenerator<TableRows> {
  let doneItems = 0;
  // The largest first: while one session is still at it, others do all the rest.
  for (const table of stored.tables.toSorted((a, b) => b.bytes - a.bytes)) {
    run.report({ type: "progress", phase: "restore", doneBytes: 0, doneItems, subject: table.table.name });
    yield { table: table.table, batches: table.rows({}, run.signal) };
    doneItems += table.rowCount;
  }
}

async function* mergedTables(
  stored: StoredDatabase,
  live: DatabaseSnapshot,
  switches: MergeSwitches,
  counts: MergeCounts,
  run: Run,
  options: MergeOptionsOf,
): AsyncGenerator<TableRows> {
  for (const table of live.schema.tables) {
    const then = stored.tables.find(({ table: { schema, name } }) => isNamed(table, schema, name));
    if (!then) throw new HoldfastError("internal", { table: table.name });
    yield { table, batches: mergeRows(live.reader(table), then, switches, counts, run.signal, options(table)) };
  }
}

/** Rows can be merged only when both sides have the same tables with the same columns. */
function sameTables(stored: StoredDatabase, live: DatabaseSnapshot): boolean {
  return (
    stored.tables.length === live.schema.tables.length &&
    live.schema.tables.every((table) =>
      stored.tables.some(
        ({ table: then }) => isNamed(then, table.schema, table.name) && then.fingerprint === table.fingerprint,
      ),
    )
  );
}

function isNamed(table: { readonly schema: string; readonly name: string }, schema: string, name: string): boolean {
  return table.schema === schema && table.name === name;
}
