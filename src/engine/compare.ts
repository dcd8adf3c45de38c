import { storedChanges } from "../contents/compare/stored-changes.ts";
import { liveChanges } from "../contents/compare/live-changes.ts";
import { type RecordChange, recordChange, type TableView } from "../contents/compare/record-changes.ts";
import { columnChanges, type ColumnChanges, reshapedChanges } from "../contents/compare/reshaped-changes.ts";
import type { FileChange } from "../contents/compare/file-changes.ts";
import { labelled } from "../contents/records/column-labels.ts";
import { entityFacts } from "../contents/records/record-details.ts";
import { sameTable, type TableEntity } from "../contents/records/relations.ts";
import { schemaReader } from "../contents/stored-database.ts";
import type { ChangedRow } from "../contents/tables/changed-rows.ts";
import type { CrmDescription } from "../crm/platform.ts";
import type { TableSchema } from "../database/database.ts";
import { compareTimes } from "../format/time.ts";
import type { Id } from "../format/tree.ts";
import { HoldfastError } from "../lib/errors.ts";
import type { Run } from "../lib/run.ts";
import { openFor } from "./access.ts";
import type { Engine, RepositoryAccess } from "./engine.ts";
import { erasureReader } from "./erasures.ts";
import { changedFiles } from "./compare-files.ts";
import { type OpenedPoint, openPoint, type PointSource, type PointTable } from "./open-point.ts";
import { type PointFacts, pointFacts } from "./point-facts.ts";
import { type DatabaseView, viewOf } from "./point-model.ts";
import { treesBetween } from "./points-between.ts";
import type { PointName } from "./snapshots.ts";

export interface CompareInput {
  readonly repository: RepositoryAccess;
  readonly crm?: string;
  /** What the configuration here knows: for `live`. */
  readonly crms?: readonly CrmDescription[];
  readonly from: PointName;
  readonly to: PointName;
  /** Names of entities or tables, `files`; empty: everything. */
  readonly only: readonly string[];
}

/** What differs, as it is found: records table by table, after each table its sums; then schemas and files. */
export type Difference =
  | ({ readonly type: "change" } & RecordDifference)
  | ({ readonly type: "table" } & TableDifference)
  | ({ readonly type: "schema" } & SchemaDifference)
  | ({ readonly type: "file" } & FileChange);

export interface RecordDifference extends Pick<RecordChange, "action" | "handle" | "title" | "fields" | "noise"> {
  readonly database: string;
  readonly table: string;
  readonly entity?: string;
  /** Key of `words` under `entities`. */
  readonly label?: string;
}

export interface TableDifference {
  readonly database: string;
  readonly table: string;
  /** Name of the entity whose records are counted; absent: rows of the table. */
  readonly entity?: string;
  /** Key of `words` under `entities`. */
  readonly label?: string;
  readonly created: number;
  readonly changed: number;
  readonly deleted: number;
  /** Records in which nothing changed but what a CRM writes by itself. */
  readonly noise: number;
}

export interface SchemaDifference {
  readonly database: string;
  readonly table: string;
  readonly what: "table-added" | "table-removed" | "columns";
  /** Of `columns`. `sameKey` is false where the rows could not be compared. */
  readonly columns?: ColumnChanges;
  /** Of a table that came or went. */
  readonly rows?: number;
}

export interface Comparison {
  readonly from: PointFacts;
  readonly to: PointFacts;
  /** Names of the CRM's databases. */
  readonly databases: readonly string[];
  readonly differences: AsyncIterable<Difference>;
}

/** Calls `use` with what differs while the repository is open. */
export async function compare<T>(
  engine: Engine,
  input: CompareInput,
  run: Run,
  use: (comparison: Comparison) => Promise<T>,
): Promise<T> {
  if (input.from.kind === "live" && input.to.kind === "live") throw new HoldfastError("point-live", {});
  await using repository = await openFor(engine, input.repository, run);
  const snapshots = await repository.snapshots(run.signal);
  const reader = await repository.index(run.signal);
  const source = {
    engine,
    reader,
    snapshots,
    crms: input.crms,
    run,
    schemas: schemaReader(),
    erasures: erasureReader(),
  };
  await using from = await openPoint(source, input.crm, input.from);
  await using to = await openPoint(source, input.crm ?? from.crm, input.to);
  if (from.crm !== to.crm) throw new HoldfastError("crm-ambiguous", { known: `${from.crm}, ${to.crm}` });
  const differences = findDifferences({ source, from, to, input });
  const databases = [...new Set([...from.databases, ...to.databases].map(({ name }) => name))];
  return await use({ from: pointFacts(from), to: pointFacts(to), databases, differences });
}

interface Work {
  readonly source: PointSource;
  readonly from: OpenedPoint;
  readonly to: OpenedPoint;
  readonly input: CompareInput;
}

async function* findDifferences(work: Work): AsyncGenerator<Difference, void> {
  const { source, from, to, input } = work;
  const { signal } = source.run;
  const schemas: Difference[] = [];
  const named = new Set<string>();
  const isWanted = (view: DatabaseView, table: TableSchema): boolean => {
    const names = view.namesOf(table);
    for (const name of names) named.add(name);
    return input.only.length === 0 || names.some((name) => input.only.includes(name));
  };
  // One that only one of the two has: each of its tables came or went.
  for (const name of new Set([...to.databases, ...from.databases].map((database) => database.name))) {
    const [was, is] = [from, to].map(({ databases }) => databases.find((one) => one.name === name));
    const before = was && (await viewOf(from, was, signal));
    const now = is && (await viewOf(to, is, signal));
    for (const table of is?.schema.tables ?? []) {
      if (!now || !isWanted(now, table)) continue;
      const old = was?.schema.tables.find((one) => sameTable(one, table));
      if (before && old) yield* tableDifferences(work, { from: before, to: now }, old, table, schemas);
      else schemas.push(await cameOrWent("table-added", now.database, table));
    }
    for (const table of was?.schema.tables ?? []) {
      if (!before || !isWanted(before, table) || is?.schema.tables.some((one) => sameTable(one, table))) continue;
      schemas.push(await cameOrWent("table-removed", before.database, table));
    }
  }
  const unknown = input.only.find((name) => name !== "files" && !named.has(name));
  if (unknown !== undefined) throw new HoldfastError("nothing-matched", { path: unknown });
  yield* schemas;
  if (input.only.length > 0 && !input.only.includes("files")) return;
  for await (const change of changedFiles(source, from, to)) yield { type: "file", ...change };
}

async function cameOrWent(
  what: "table-added" | "table-removed",
  { name, open }: OpenedPoint["databases"][number],
  table: TableSchema,
): Promise<Difference> {
  return { type: "schema", database: name, table: table.name, what, rows: await (await open(table)).countRows() };
}

async function* tableDifferences(
  work: Work,
  views: { readonly from: DatabaseView; readonly to: DatabaseView },
  was: TableSchema,
  table: TableSchema,
  schemas: Difference[],
): AsyncGenerator<Difference, void> {
  const { database } = views.to;
  const tree = views.from.database.treeOf?.(was);
  if (tree !== undefined && tree === database.treeOf?.(table)) return;
  const before = await views.from.database.open(was);
  const now = await database.open(table);
  const isSame = was.fingerprint === table.fingerprint;
  if (!isSame) {
    const columns = columnChanges(was, table);
    const differ = columns.added.length + columns.removed.length + columns.retyped.length > 0 || !columns.sameKey;
    if (differ) schemas.push({ type: "schema", database: database.name, table: table.name, what: "columns", columns });
    if (!columns.sameKey) return;
  }
  const sides = { from: tableView(views.from, was), to: tableView(views.to, table) };
  const rows = isSame ? changesOf(work, before, now) : reshapedChanges(before, now, work.source.run.signal);
  const counts = new Map<string | undefined, MutableCounts>();
  for await (const row of rows) {
    const change = recordChange(sides.from, sides.to, row);
    // Only columns differ that one of the two does not have.
    if (change.fields.length + change.noise.length === 0 && row.before && row.now) continue;
    const { entity } = change;
    const count = counts.get(entity?.entity.name) ?? { created: 0, changed: 0, deleted: 0, noise: 0, of: entity };
    counts.set(entity?.entity.name, count);
    const { action, handle, title, fields, noise } = change;
    count[action === "changed" && fields.length === 0 ? "noise" : action]++;
    // What is stored can be read meanwhile; a live database gives its rows just now.
    const labelOf = await (work.to.live ? views.from : views.to).labels([table]);
    const place = { database: database.name, table: table.name, ...entityFacts(entity) };
    yield {
      ...{ type: "change", ...place, action, handle, ...(title !== undefined && { title }) },
      fields: labelled(fields, table, labelOf),
      noise: labelled(noise, table, labelOf),
    };
  }
  for (const { of, ...count } of counts.values()) {
    yield { type: "table", database: database.name, table: table.name, ...entityFacts(of), ...count };
  }
}

interface MutableCounts {
  created: number;
  changed: number;
  deleted: number;
  noise: number;
  readonly of: TableEntity | undefined;
}

function tableView({ database, relations, noiseOf }: DatabaseView, table: TableSchema): TableView {
  return { table, relations, noise: noiseOf(table), rules: database.engine };
}

/** Rows that differ, both with the same columns; whichever of the two came first. */
export async function* changesOf(
  { source, from, to }: Pick<Work, "source" | "from" | "to">,
  before: PointTable,
  now: PointTable,
): AsyncGenerator<ChangedRow, void> {
  const { signal } = source.run;
  const isForward = now.reader !== undefined || (before.reader === undefined && compareTimes(from.time, to.time) <= 0);
  const [older, newer] = isForward ? [before, now] : [now, before];
  const [oldPoint, newPoint] = isForward ? [from, to] : [to, from];
  for await (const one of forward()) {
    const row = givenRow(one, older, newer);
    if (!row) continue;
    if (isForward) yield row;
    else yield { key: row.key, ...(row.now && { before: row.now }), ...(row.before && { now: row.before }) };
  }

  function forward(): AsyncIterable<ChangedRow> {
    const { stored } = older;
    if (stored && newer.reader) {
      return liveChanges(source.reader, stored, newer.reader, markOf(oldPoint, stored.table), signal);
    }
    if (stored && newer.stored) {
      const between = (): Promise<readonly Id[] | undefined> => treesBetween(source, oldPoint, newPoint, stored.table);
      return storedChanges(source.reader, stored, newer.stored, between, signal);
    }
    return reshapedChanges(older, newer, signal);
  }
}

/**
 * A row of what is stored as it is told: nothing of one that was erased, or in which nothing differs but what named such a one.
 */
export function givenRow(
  { key, before, now }: ChangedRow,
  older: PointTable,
  newer: PointTable,
): ChangedRow | undefined {
  const [was, is] = [givenLine(older, before), givenLine(newer, now)];
  if (was === "held" || is === "held" || (was && is && was.equals(is))) return undefined;
  return { key, ...(was && { before: was }), ...(is && { now: is }) };
}

function givenLine({ held }: PointTable, line: Buffer | undefined): Buffer | "held" | undefined {
  if (!held || !line) return line;
  const text = line.toString("latin1");
  if (!held.isHeld(text)) return Buffer.from(held.cleared(text), "latin1");
  held.note(text);
  return "held";
}

function markOf({ snapshot }: OpenedPoint, { schema, name }: TableSchema): string | undefined {
  const tables = snapshot?.manifest.databases.flatMap((database) => database.tables) ?? [];
  return tables.find((table) => table.schema === schema && table.name === name)?.mark;
}
