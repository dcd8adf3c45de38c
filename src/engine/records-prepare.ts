import { orderChanges, runSteps, type RowStep } from "../contents/records/order-changes.ts";
import { settleRows } from "../contents/records/settle-rows.ts";
import { isChange, type PlannedRow, type RowAction } from "../contents/records/planned-row.ts";
import { closureOf } from "../contents/records/closure.ts";
import { pointRecords } from "../contents/records/point-records.ts";
import { handleOf, titleOf } from "../contents/records/record-handle.ts";
import { entityOf, recordRow, type RecordRow } from "../contents/records/record-row.ts";
import { sameTable } from "../contents/records/relations.ts";
import type { OwnedFile } from "../crm/platform.ts";
import type { DatabaseAddress, DatabaseEngine, TableSchema } from "../database/database.ts";
import { shownUrl } from "../database/shown-url.ts";
import type { RowTransaction, TableFacts } from "../database/row-transaction.ts";
import { addAll } from "../lib/add-all.ts";
import { HoldfastError, isHoldfastError } from "../lib/errors.ts";
import type { Run } from "../lib/run.ts";
import { type OpenedPoint, openPoint, type PointDatabase, type PointSource } from "./open-point.ts";
import { viewsOf } from "./point-model.ts";
import { filesOfRows } from "./record-files.ts";
import {
  type ChosenRoots,
  databaseNamed,
  type RecordRoots,
  type RecordSelection,
  selectRecords,
} from "./record-selection.ts";
import { type PlannedRecords, planRecords, type RecordsSource } from "./records-plan.ts";
import type { ExportedRecords } from "./records-export.ts";
import type { RestoreSwitches } from "./restore-plan.ts";

/** What a plan for records says, for people and for `apply`. */
export interface RecordsSummary {
  /** Name of the database in the recovery point. */
  readonly database: string;
  /** URL of the database that the records go to. */
  readonly target: string;
  readonly roots: readonly RecordRoots[];
  /** Of each entity, and of each table that is none, how many rows have which part. Parents that are there are not counted. */
  readonly groups: readonly {
    readonly name: string;
    /** Key of `words` under `entities`. */
    readonly label?: string;
    readonly counts: Readonly<Record<RowAction, number>>;
  }[];
  /** The first 1,000 rows, conflicts first; counts are of all. */
  readonly rows: readonly RecordItem[];
  /** Where the columns are not those of the recovery point any more. */
  readonly schema: readonly {
    readonly table: string;
    readonly column?: string;
    readonly how: "new" | "new-required" | "dropped" | "retyped" | "filled" | "renamed" | "refused" | "table-gone";
  }[];
  readonly triggers: readonly { readonly table: string; readonly name: string; readonly how: "aside" | "fires" }[];
}

export interface RecordItem {
  readonly action: RowAction;
  /** As `browse` and `restore plan --record` take it. */
  readonly record: string;
  readonly title?: string;
  readonly why: PlannedRow["why"];
  /** Of a change: the columns. */
  readonly fields?: readonly string[];
  /** Key of `words` under `rowReasons`. */
  readonly reason?: string;
  readonly detail?: string;
}

export interface PreparedRecords {
  readonly engine: DatabaseEngine;
  readonly address: DatabaseAddress;
  readonly source: RecordsSource;
  readonly planned: PlannedRecords;
  readonly summary: RecordsSummary;
  /** Files of the rows that come back. */
  readonly files: readonly OwnedFile[];
}

/** Records that go to files: nothing that is live is looked at but for a comparison. */
export interface PreparedExport extends ExportedRecords {
  readonly summary: RecordsSummary;
  readonly files: readonly OwnedFile[];
}

export interface RecordsInput {
  readonly point: OpenedPoint;
  readonly open: PointSource;
  readonly selection: RecordSelection;
  /** Of a saved plan; absent: the selection is looked up. */
  readonly roots?: ChosenRoots;
  readonly switches: RestoreSwitches;
  /** Where the rows go. */
  readonly addressOf: (url: string) => DatabaseAddress;
  readonly targetDatabase?: string;
}

const shownRows = 1000;

/** The point's own rows, with what belongs to them and all that they name. */
export async function prepareExport(input: RecordsInput, folder: string, run: Run): Promise<PreparedExport> {
  const { point, selection } = input;
  await using found = await sourceOf(input, run);
  const { from, relations, roots } = found.source;
  const records = pointRecords(from, from.engine, run.signal);
  const chosen: RecordRow[] = [];
  for (const { schema, table, keys } of roots) {
    const own = from.schema.tables.find((one) => sameTable(one, { schema, name: table }));
    if (own) addAll(chosen, await records.getAll(own, keys));
  }
  const { related } = selection;
  const areThere = async (): Promise<ReadonlySet<RecordRow>> => new Set();
  const rows = await closureOf(chosen, {
    relations,
    records,
    rules: from.engine,
    related,
    linked: "too",
    parents: "bare",
    areThere,
    signal: run.signal,
  });
  const inserts = rows.map(({ row, why }): PlannedRow => ({
    ...{ action: "insert", table: row.table, key: row.key, why, before: undefined, after: row.line },
    ...{ columns: row.table.columns, changed: [] },
  }));
  const planned = { rows: inserts, relations, waits: [], closure: rows, left: rows, mappings: [], gone: [], seen: "" };
  const summary = summaryOf({ source: found.source, url: folder, planned, facts: new Map() });
  return {
    engine: from.engine,
    relations,
    rows,
    summary,
    files: await filesOfClosure(point, from, planned, run.signal),
  };
}

/** Works out what a restore of records would do, and rehearses it: everything is done, and taken back. */
export async function prepareRecords(input: RecordsInput, run: Run): Promise<PreparedRecords> {
  const { point, targetDatabase } = input;
  await using found = await sourceOf(input, run);
  const { source } = found;
  const { from } = source;
  const url = targetDatabase ?? from.location;
  if (!from.engine.accepts(url)) throw new HoldfastError("database-unsupported", { url: shownUrl(url) });
  const address = input.addressOf(url);
  const { planned, facts } = await from.engine.rows(address, "read", run.signal, async (rows) => {
    const made = await planRecords(source, rows);
    return { planned: made, facts: await factsOf(made.rows, rows) };
  });
  const fires = [...facts.values()].some(({ triggers }) => triggers.some(({ how }) => how === "fires"));
  await rehearse({ engine: from.engine, address, planned, fires }, run);
  return {
    engine: from.engine,
    address,
    source,
    planned,
    summary: summaryOf({ source, url, planned, facts }),
    files: await filesOfClosure(point, from, planned, run.signal),
  };
}

/** From a selection to the rows that it means, with what it is compared with still open. */
async function sourceOf(
  { point, open, selection, roots, switches }: RecordsInput,
  run: Run,
): Promise<AsyncDisposable & { readonly source: RecordsSource }> {
  const views = await viewsOf(point, run.signal);
  await using opening = new AsyncDisposableStack();
  const until = selection.until && opening.use(await openPoint(open, point.crm, selection.until));
  const compareWith = async (): Promise<OpenedPoint> =>
    until ?? opening.use(await openPoint(open, point.crm, { kind: "live" }));
  const selecting = { selection, source: open, points: point, views, until: compareWith };
  const chosen = roots ?? inOneDatabase(await selectRecords(selecting));
  const view = chosen ? views.find(({ database }) => database.name === chosen.database) : views[0];
  if (!view) throw new HoldfastError("nothing-matched", { path: `/databases/${chosen?.database ?? ""}` });
  const { database: from, relations, model, noiseOf } = view;
  const source: RecordsSource = {
    ...{ from, relations, model, selection, switches, signal: run.signal },
    roots: chosen?.roots ?? [],
    noise: (table) => noiseOf(from.schema.tables.find((one) => sameTable(one, table)) ?? table),
    ...(until && { until: databaseNamed(until, from.name) }),
  };
  const opened = opening.move();
  return { source, [Symbol.asyncDispose]: () => opened.disposeAsync() };
}

/** A restore is one transaction, and rows of two databases are in none together. */
function inOneDatabase(chosen: readonly ChosenRoots[]): ChosenRoots | undefined {
  const [only, ...others] = chosen;
  if (others.length === 0) return only;
  throw new HoldfastError("records-databases", { names: chosen.map(({ database }) => database).join(", ") });
}

/** Of each table that gets changes. */
async function factsOf(
  rows: readonly PlannedRow[],
  transaction: RowTransaction,
): Promise<ReadonlyMap<TableSchema, TableFacts>> {
  const facts = new Map<TableSchema, TableFacts>();
  for (const table of new Set(rows.filter(isChange).map((row) => row.table))) {
    facts.set(table, await transaction.facts(table));
  }
  return facts;
}

/** The changes of a plan as steps, in an order in which they hold. */
export function stepsOf(
  { rows, relations, waits }: Pick<PlannedRecords, "rows" | "relations" | "waits">,
  rules: DatabaseEngine,
): readonly RowStep[] {
  return orderChanges(rows.filter(isChange), { relations, rules, waits });
}

async function rehearse(
  {
    engine,
    address,
    planned,
    fires,
  }: Pick<PreparedRecords, "engine" | "address" | "planned"> & {
    /** Whether there are triggers that nobody can stop. */
    readonly fires: boolean;
  },
  run: Run,
): Promise<void> {
  const steps = stepsOf(planned, engine);
  if (steps.length === 0) return;
  try {
    await engine.rows(address, "rehearse", run.signal, async (rows) => {
      await runSteps(rows, steps);
      // Reading all of it again says nothing else that the database would not say.
      if (fires) await settleRows(rows, planned.rows.filter(isChange), engine);
    });
  } catch (error) {
    throw asRefusal(error);
  }
}

/** The database would not take a row: a check of its own, a trigger, a value that does not fit. */
export function asRefusal(error: unknown): unknown {
  if (!isHoldfastError(error, "database-unreadable")) return error;
  return new HoldfastError("rows-refused", { path: error.facts["path"], reason: error.facts["reason"] }, error);
}

async function filesOfClosure(
  point: OpenedPoint,
  from: PointDatabase,
  { left }: PlannedRecords,
  signal: AbortSignal,
): Promise<readonly OwnedFile[]> {
  const wanted = left.filter(({ why }) => why !== "parent").map(({ row }) => row);
  return filesOfRows(point, from, wanted, signal);
}

interface SummaryInput {
  readonly source: Pick<RecordsSource, "from" | "roots" | "relations">;
  readonly url: string;
  readonly planned: PlannedRecords;
  readonly facts: ReadonlyMap<TableSchema, TableFacts>;
}

function summaryOf({ source, url, planned, facts }: SummaryInput): RecordsSummary {
  const { from, roots } = source;
  const { mappings, gone } = planned;
  const rules = from.engine;
  const groups = new Map<string, { name: string; label?: string; counts: Record<RowAction, number> }>();
  const items: RecordItem[] = [];
  // A parent that is there is no part of the restore.
  for (const planned_ of planned.rows.filter(({ why, action }) => why !== "parent" || action !== "skip")) {
    const row = shownRow(planned_);
    // A table that is not there is called what it was.
    const { relations } = gone.includes(row.table) ? source : planned;
    const entity = entityOf(relations.entitiesOf(planned_.table), row, rules);
    const name = entity?.entity.name ?? planned_.table.name;
    const group = groups.get(name) ?? {
      name,
      ...(entity?.entity.label && { label: entity.entity.label }),
      counts: noCounts(),
    };
    groups.set(name, group);
    group.counts[planned_.action]++;
    const title = titleOf(entity, row, rules);
    items.push({
      action: planned_.action,
      record: handleOf(relations, row, entity, rules),
      ...(title !== undefined && { title }),
      why: planned_.why,
      ...(planned_.changed.length > 0 && { fields: planned_.changed }),
      ...(planned_.reason && { reason: planned_.reason }),
      ...(planned_.detail !== undefined && { detail: planned_.detail }),
    });
  }
  const order: readonly RowAction[] = ["conflict", "remove", "insert", "undelete", "update", "skip"];
  const sorted = items.toSorted((a, b) => order.indexOf(a.action) - order.indexOf(b.action));
  return {
    database: from.name,
    target: url,
    roots,
    groups: [...groups.values()],
    rows: sorted.slice(0, shownRows),
    schema: [
      ...gone.map(({ name }) => ({ table: name, how: "table-gone" as const })),
      ...mappings.flatMap((mapping) => {
        const { to, columns, dropped, filled } = mapping;
        return [
          ...columns.flatMap(({ how }, at) =>
            how === "same" ? [] : [{ table: to.name, column: to.columns[at]?.name ?? "", how }],
          ),
          ...filled.map((at) => ({ table: to.name, column: to.columns[at]?.name ?? "", how: "filled" as const })),
          ...dropped.map((at) => ({
            table: to.name,
            column: mapping.from.columns[at]?.name ?? "",
            how: "dropped" as const,
          })),
        ];
      }),
    ],
    triggers: [...facts].flatMap(([table, { triggers }]) => triggers.map((one) => ({ table: table.name, ...one }))),
  };
}

function shownRow({ table, before, after, columns, key }: PlannedRow): RecordRow {
  if (after === undefined) return recordRow(table, before ?? key);
  const fields = after.split("\t");
  return recordRow(table, table.columns.map((column) => fields[columns.indexOf(column)] ?? "\\N").join("\t"));
}

function noCounts(): Record<RowAction, number> {
  return { insert: 0, update: 0, undelete: 0, remove: 0, skip: 0, conflict: 0 };
}
