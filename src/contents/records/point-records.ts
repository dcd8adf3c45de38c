import { rowValues, type FieldRules } from "../../crm/column-texts.ts";
import type { CrmFiles } from "../../crm/crm-files.ts";
import type { ModelSource } from "../../crm/model.ts";
import type { RowBatch, RowKey, TableSchema } from "../../database/database.ts";
import type { Probe } from "../tables/probe.ts";
import type { ReadableTable } from "../tables/stored-table.ts";
import { foldedName, nameIn, recordRow, recordRows, type RecordRow } from "./record-row.ts";
import { keyFrom, type HandleRules } from "./record-handle.ts";
import { type Relation, sameTable } from "./relations.ts";

/** Rows of one recovery point, by key and by what they name. */
export interface PointRecords {
  /** `undefined`: not in this point, or a table without a key. */
  get(table: TableSchema, key: RowKey): Promise<RecordRow | undefined>;
  /** Those of the table whose row is found, in the order of the keys. */
  getAll(table: TableSchema, keys: readonly RowKey[]): Promise<readonly RecordRow[]>;
  /** The rows that these rows name: parents. */
  named(relation: Relation, rows: readonly RecordRow[]): Promise<readonly RecordRow[]>;
  /** The rows that have one of these names in a relation to their table. */
  called(relation: Relation, names: Iterable<string>): Promise<readonly RecordRow[]>;
  /** The rows that name one of these rows: children. All relations are from one table, which is read once. */
  naming(relations: readonly Relation[], rows: readonly RecordRow[]): Promise<readonly RelatedRow[]>;
  /** All rows of a table, in the order of their keys. */
  all(table: TableSchema): AsyncIterable<RecordRow>;
}

export interface RelatedRow {
  readonly relation: Relation;
  readonly row: RecordRow;
}

/** Where the rows are: `engine/open-point.ts` gives such, for what is stored and what is live. */
export interface RecordSource {
  readonly schema: { readonly tables: readonly TableSchema[] };
  open(table: TableSchema): Promise<ReadableTable & { countRows(): Promise<number> }>;
}

/** Looking rows up one by one beats reading the table as long as they are fewer than this part of it. */
const lookupShare = 100;

export function pointRecords(source: RecordSource, rules: HandleRules, signal: AbortSignal): PointRecords {
  const opened = async (table: TableSchema) => {
    const own = source.schema.tables.find((one) => sameTable(one, table));
    return own && source.open(own);
  };

  async function get(table: TableSchema, key: RowKey): Promise<RecordRow | undefined> {
    const found = await opened(table);
    if (!found || table.keyLength === 0) return undefined;
    const line = await found.get(key, signal);
    return line && recordRow(found.table, line.toString("latin1"));
  }

  async function* all(table: TableSchema): AsyncGenerator<RecordRow> {
    const found = await opened(table);
    if (!found) return;
    for await (const batch of found.rows({}, signal)) yield* recordRows(found.table, batch);
  }

  async function getAll(table: TableSchema, keys: readonly RowKey[]): Promise<readonly RecordRow[]> {
    const rows: RecordRow[] = [];
    const rowCount = keys.length < 16 ? Infinity : ((await (await opened(table))?.countRows()) ?? 0);
    if (keys.length < rowCount / lookupShare) {
      for (const key of keys) {
        const row = await get(table, key);
        if (row) rows.push(row);
      }
      return rows;
    }
    const wanted = new Set(keys);
    for await (const row of all(table)) if (wanted.has(row.key)) rows.push(row);
    return rows;
  }

  const named: PointRecords["named"] = (relation, rows) =>
    called(
      relation,
      rows.flatMap((row) => nameIn(relation, "from", row, rules) ?? []),
    );

  async function called(relation: Relation, names: Iterable<string>): Promise<readonly RecordRow[]> {
    const wanted = new Set(names);
    if (wanted.size === 0) return [];
    const keys = keysNamed(relation, wanted, rules);
    const found: RecordRow[] = keys ? [...(await getAll(relation.to, keys))] : [];
    for (const row of found) wanted.delete(nameIn(relation, "to", row, rules) ?? "");
    const folded = new Set(mayBeFolded(relation) ? [...wanted].filter(hasLetter).map(foldedName) : []);
    if (keys && folded.size === 0) return found;
    for await (const row of all(relation.to)) {
      const name = nameIn(relation, "to", row, rules);
      if (name !== undefined && (wanted.has(name) || folded.has(foldedName(name)))) found.push(row);
    }
    return found;
  }

  async function naming(relations: readonly Relation[], rows: readonly RecordRow[]): Promise<readonly RelatedRow[]> {
    const wanted = relations.map((relation) => {
      const theirs = rows.filter(({ table }) => sameTable(table, relation.to));
      return { relation, names: new Set(theirs.flatMap((row) => nameIn(relation, "to", row, rules) ?? [])) };
    });
    const [first] = relations;
    const found: RelatedRow[] = [];
    if (!first || wanted.every(({ names }) => names.size === 0)) return found;
    const values = wanted.flatMap(({ relation, names }) =>
      [...names].flatMap((name) => fieldsNaming(relation, name, rules)),
    );
    for await (const row of values.length > mostValues ? all(first.from) : withValues(first.from, values)) {
      for (const { relation, names } of wanted) {
        const name = nameIn(relation, "from", row, rules);
        if (name !== undefined && names.has(name)) found.push({ relation, row });
      }
    }
    return found;
  }

  /** Rows that may have one of these fields: chunks that cannot have any are not read. */
  async function* withValues(table: TableSchema, values: Probe["values"]): AsyncGenerator<RecordRow> {
    const found = await opened(table);
    if (!found) return;
    const batches = found.rowsWith?.({ pieces: [], values }, signal) ?? found.rows({}, signal);
    for await (const batch of batches) yield* rowsWithFields(found.table, batch, values);
  }

  return { get, getAll, named, called, naming, all };
}

/**
 * Whether what a name leads to is there, if not by the same bytes: where the database holds to it, unless it is in another
 * partition. A UUID is always written the same.
 */
function mayBeFolded({ origin, partitioned, to, referenced }: Relation): boolean {
  const isUuid = referenced.every((at) => /^uuid$/i.test(to.columns[at]?.type ?? ""));
  return origin === "declared" && partitioned === undefined && !isUuid;
}

function hasLetter(name: string): boolean {
  return /\p{L}/u.test(name);
}

/** Rows of a batch that have one of these fields in any column: found by their bytes, so that others are not taken apart. */
function* rowsWithFields(table: TableSchema, batch: RowBatch, values: Probe["values"]): Generator<RecordRow, void> {
  const fields = values.map(({ field }) => field);
  if (fields.includes("")) {
    yield* recordRows(table, batch);
    return;
  }
  const text = batch.lines.toString("latin1");
  batch.release?.();
  const starts = new Set<number>();
  const ends = (at: number): boolean => at < 0 || at >= text.length || text[at] === "\t" || text[at] === "\n";
  for (const field of fields) {
    for (let at = text.indexOf(field); at >= 0; at = text.indexOf(field, at + field.length)) {
      if (ends(at - 1) && ends(at + field.length)) starts.add(at === 0 ? 0 : text.lastIndexOf("\n", at - 1) + 1);
    }
  }
  for (const start of [...starts].toSorted((a, b) => a - b)) {
    const end = text.indexOf("\n", start);
    yield recordRow(table, text.slice(start, end < 0 ? text.length : end));
  }
}

/** More than so many and most chunks have one of them. */
const mostValues = 64;

/** The first field with which a row names this, as it may stand in the line: SQLite may have a number as a text. */
export function fieldsNaming(
  { from, columns, prefix = "" }: Relation,
  name: string,
  rules: HandleRules,
): Probe["values"] {
  const column = columns[0] ?? 0;
  const schema = from.columns[column];
  const text = prefix + (name.split("\0")[0] ?? "");
  const field = schema ? rules.lineField(text, schema) : "";
  return field === `i${text}` ? [field, `"${text}"`].map((one) => ({ column, field: one })) : [{ column, field }];
}

/** The keys of what is named, where it is named by its key. */
function keysNamed(
  { to, referenced }: Relation,
  names: Iterable<string>,
  rules: HandleRules,
): readonly RowKey[] | undefined {
  const places = to.columns.slice(0, to.keyLength).map((_, at) => referenced.indexOf(at));
  if (to.keyLength === 0 || referenced.length !== to.keyLength || places.includes(-1)) return undefined;
  return [...names].flatMap((name) => {
    const texts = name.split("\0");
    return (
      keyFrom(
        to,
        places.map((place) => texts[place] ?? ""),
        rules,
      ) ?? []
    );
  });
}

/** What a platform's model is worked out from. */
export function modelSource(
  source: RecordSource,
  files: CrmFiles,
  rules: FieldRules,
  signal: AbortSignal,
): ModelSource {
  const { tables } = source.schema;
  return {
    tables,
    files,
    async *rows({ schema, name }, columns) {
      const table = tables.find((one) => one.name === name && (schema ?? one.schema) === one.schema);
      if (!table) return;
      for await (const batch of (await source.open(table)).rows({}, signal)) {
        for (const { texts } of rowValues(rules, table, batch, columns)) yield texts.map((text) => text || undefined);
      }
    },
  };
}
