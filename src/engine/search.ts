import { storedChanges } from "../contents/compare/stored-changes.ts";
import { reshapedChanges } from "../contents/compare/reshaped-changes.ts";
import { liveChanges } from "../contents/compare/live-changes.ts";
import { layout } from "../contents/layout.ts";
import { subtreeAt } from "../contents/open-snapshot.ts";
import { labelled } from "../contents/records/column-labels.ts";
import { entityFacts, type FieldValue, namedRecord } from "../contents/records/record-details.ts";
import { entityOf, isGone, recordRow, type RecordRow } from "../contents/records/record-row.ts";
import { sameTable } from "../contents/records/relations.ts";
import { type FoundRow, searchRow, searchTable } from "../contents/search/search-table.ts";
import { searchFiles } from "../contents/search/search-files.ts";
import { type TextQuery, textQuery } from "../contents/search/text-query.ts";
import { schemaReader } from "../contents/stored-database.ts";
import type { CrmDescription } from "../crm/platform.ts";
import type { TableSchema } from "../database/database.ts";
import { compareTimes } from "../format/time.ts";
import type { Id } from "../format/tree.ts";
import { nameFromText } from "../lib/byte-name.ts";
import { HoldfastError } from "../lib/errors.ts";
import type { Run } from "../lib/run.ts";
import { openFor } from "./access.ts";
import { givenRow } from "./compare.ts";
import type { Engine, RepositoryAccess } from "./engine.ts";
import { erasureReader } from "./erasures.ts";
import { type OpenedPoint, openPoint, type PointSource, type PointTable } from "./open-point.ts";
import { type PointFacts, pointFacts } from "./point-facts.ts";
import { type DatabaseView, viewsOf } from "./point-model.ts";
import { backupsOf } from "./points.ts";
import type { PointName } from "./snapshots.ts";

export interface SearchInput {
  readonly repository: RepositoryAccess;
  readonly crm?: string;
  /** What the configuration here knows: for `live`. */
  readonly crms?: readonly CrmDescription[];
  readonly point: PointName;
  /** Words: a record must have each of them in one of its texts. */
  readonly text: string;
  /** `there`: what the point holds; `deleted`: what an older point holds and this one does not. */
  readonly state: "there" | "deleted";
  /** Names of entities or tables, `files`; empty: everywhere. */
  readonly only: readonly string[];
}

export type SearchHit =
  | {
      readonly type: "record";
      readonly database: string;
      readonly table: string;
      readonly entity?: string;
      /** Key of `words` under `entities`. */
      readonly label?: string;
      readonly handle: string;
      readonly title?: string;
      readonly deleted?: true;
      /** Fields that have any of the words. */
      readonly fields: readonly FieldValue[];
      /** Of one that is gone: the first point without it. */
      readonly deletedSince?: PointFacts;
    }
  | { readonly type: "file"; readonly path: string; readonly size?: number };

export interface SearchAnswer {
  readonly point: PointFacts;
  readonly hits: AsyncIterable<SearchHit>;
}

/** Calls `use` with what is found while the repository is open; whoever has enough stops. */
export async function search<T>(
  engine: Engine,
  input: SearchInput,
  run: Run,
  use: (answer: SearchAnswer) => Promise<T>,
): Promise<T> {
  const query = textQuery(input.text);
  if (query.words.length === 0) throw new HoldfastError("usage", { problem: "search-empty" });
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
  await using point = await openPoint(source, input.crm, input.point);
  const hits =
    input.state === "there" ? foundThere(source, point, input, query) : foundDeleted(source, point, input, query);
  return await use({ point: pointFacts(point), hits });
}

/** Records and files of a point that have the words. */
export async function* foundThere(
  source: PointSource,
  point: OpenedPoint,
  input: Pick<SearchInput, "only">,
  query: TextQuery,
): AsyncGenerator<SearchHit, void> {
  const { signal } = source.run;
  const tables = await tablesToSearch(point, input.only, signal);
  for (const { view, table } of tables) {
    const opened = await view.database.open(table);
    for await (const row of searchTable(opened, query, view.database.engine, signal)) yield await hitOf(view, row);
  }
  if (!point.snapshot || (input.only.length > 0 && !input.only.includes(layout.files))) return;
  const reader = point.reader ?? source.reader;
  const tree = await subtreeAt(reader, point.snapshot.tree, [layout.files], signal);
  if (tree === undefined) return;
  const root = nameFromText(`/${layout.files}`);
  for await (const file of searchFiles(reader, tree, root, query, signal)) yield { type: "file", ...file };
}

/** Tables of entities first: what a person looks for mostly is there. */
async function tablesToSearch(
  point: OpenedPoint,
  only: readonly string[],
  signal: AbortSignal,
): Promise<readonly { readonly view: DatabaseView; readonly table: TableSchema }[]> {
  const tables: { readonly view: DatabaseView; readonly table: TableSchema; readonly rank: number }[] = [];
  const known = new Set<string>([layout.files]);
  for (const view of await viewsOf(point, signal)) {
    // Later a live database will be giving rows.
    if (point.live) await view.labels([]);
    for (const table of view.database.schema.tables) {
      const names = view.namesOf(table);
      for (const name of names) known.add(name);
      if (only.length > 0 && !names.some((name) => only.includes(name))) continue;
      tables.push({ view, table, rank: view.relations.entitiesOf(table).length > 0 ? 0 : 1 });
    }
  }
  const unknown = only.find((name) => !known.has(name));
  if (unknown !== undefined) throw new HoldfastError("nothing-matched", { path: unknown });
  return tables.toSorted((a, b) => a.rank - b.rank);
}

async function hitOf(
  { database, relations, labels }: DatabaseView,
  { row, columns }: FoundRow,
): Promise<Extract<SearchHit, { type: "record" }>> {
  const rules = database.engine;
  const entity = entityOf(relations.entitiesOf(row.table), row, rules);
  const fields = columns.flatMap((at) => {
    const column = row.table.columns[at];
    return column ? [{ column: column.name, value: rules.readable(row.fields[at] ?? "\\N", column) }] : [];
  });
  return {
    type: "record",
    database: database.name,
    table: row.table.name,
    ...entityFacts(entity),
    ...namedRecord({ relations, rules }, row),
    fields: labelled(fields, row.table, await labels([row.table])),
  };
}

/**
 * Records that went between one point and the next, newest first, and are not there again. Costs what changed over all
 * points; a record that came and went between two of them was never seen.
 */
async function* foundDeleted(
  source: PointSource,
  end: OpenedPoint,
  input: SearchInput,
  query: TextQuery,
): AsyncGenerator<SearchHit, void> {
  const { signal } = source.run;
  const tables = await tablesToSearch(end, input.only, signal);
  const told = new Set<string>();
  const older = backupsOf(source.snapshots, end.crm).filter(
    ({ snapshot }) => compareTimes(snapshot.time, end.time) < 0,
  );
  await using points = new AsyncDisposableStack();
  let newer = end;
  for (const { id } of older.toReversed()) {
    const point = points.use(await openPoint(source, end.crm, { kind: "id", prefix: id }));
    for (const { view, table } of tables) {
      for await (const { row, columns } of wentBetween(source, point, newer, view, table, query)) {
        const hit = await hitOf(view, { row, columns });
        const name = `${hit.database} ${hit.table} ${hit.handle}`;
        if (told.has(name) || (await isThere(view, row, signal))) continue;
        told.add(name);
        yield { ...hit, deletedSince: pointFacts(newer) };
      }
    }
    newer = point;
  }
}

/** Rows of the older point that match, and that the newer one does not hold or says are gone. */
async function* wentBetween(
  source: PointSource,
  older: OpenedPoint,
  newer: OpenedPoint,
  { database, relations }: DatabaseView,
  table: TableSchema,
  query: TextQuery,
): AsyncGenerator<FoundRow, void> {
  const { reader, run } = source;
  const trees = [treeIn(older, database.name, table), treeIn(newer, database.name, table)];
  if (trees[0] !== undefined && trees[0] === trees[1]) return;
  const [before, now] = [await tableIn(older, database.name, table), await tableIn(newer, database.name, table)];
  if (!before?.stored) return;
  const rules = database.engine;
  const { stored } = before;
  // With other columns a row cannot be told to be the same one.
  if (!now || [now, stored].some((one) => one.table.fingerprint !== table.fingerprint)) return;
  const unknown = async (): Promise<undefined> => undefined;
  const changes = now.reader
    ? liveChanges(reader, stored, now.reader, undefined, run.signal)
    : now.stored
      ? storedChanges(reader, stored, now.stored, unknown, run.signal)
      : reshapedChanges(before, now, run.signal); // a moment between two backups
  for await (const one of changes) {
    const change = givenRow(one, before, now);
    if (!change?.before) continue;
    const row = recordRow(table, change.before.toString("latin1"));
    const is = change.now && recordRow(table, change.now.toString("latin1"));
    const went = is === undefined || (isGone(relations, is, rules) === "yes" && isGone(relations, row, rules) === "no");
    const match = went ? searchRow(row, query, rules) : undefined;
    if (match) yield match;
  }
}

function treeIn({ databases }: OpenedPoint, name: string, table: TableSchema): Id | undefined {
  const database = databases.find((one) => one.name === name);
  const found = database?.schema.tables.find((one) => sameTable(one, table));
  return found && database?.treeOf?.(found);
}

async function tableIn({ databases }: OpenedPoint, name: string, table: TableSchema): Promise<PointTable | undefined> {
  const database = databases.find((one) => one.name === name);
  const found = database?.schema.tables.find((one) => sameTable(one, table));
  return found && database?.open(found);
}

async function isThere({ database, relations }: DatabaseView, row: RecordRow, signal: AbortSignal): Promise<boolean> {
  const table = database.schema.tables.find((one) => sameTable(one, row.table));
  if (!table || table.keyLength === 0) return false;
  const line = await (await database.open(table)).get(row.key, signal);
  if (!line) return false;
  return isGone(relations, recordRow(table, line.toString("latin1")), database.engine) === "no";
}
