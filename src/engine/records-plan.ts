import { RowMap, closureOf, type ClosureRow } from "../contents/records/closure.ts";
import {
  type ColumnRename,
  mapRow,
  mappedKey,
  mappedLine,
  mapTable,
  refusedColumns,
  type TableMapping,
} from "../contents/records/map-table.ts";
import { LiveRows, planRows, type RowsPlan } from "../contents/records/plan-rows.ts";
import { isAnother, isMadeAnew } from "../contents/records/decide-row.ts";
import { namingLive } from "../contents/records/check-rows.ts";
import { type PlannedRow, rowLeft, type WantedRow } from "../contents/records/planned-row.ts";
import { pointRecords, type PointRecords } from "../contents/records/point-records.ts";
import { isGone, nameIn, type RecordRow } from "../contents/records/record-row.ts";
import { columnOf, type Relation, type Relations, relationsOf, sameTable } from "../contents/records/relations.ts";
import type { MergeSwitches } from "../contents/merge-rows.ts";
import { tableOrEntity } from "../contents/records/record-handle.ts";
import { addAll } from "../lib/add-all.ts";
import { HoldfastError } from "../lib/errors.ts";
import type { CrmModel } from "../crm/model.ts";
import type { TableSchema } from "../database/database.ts";
import type { RowTransaction } from "../database/row-transaction.ts";
import type { PointDatabase } from "./open-point.ts";
import type { RecordRoots, RecordSelection } from "./record-selection.ts";

/** What planning records needs besides the rows where they go. */
export interface RecordsSource {
  readonly from: PointDatabase;
  readonly relations: Relations;
  readonly model: CrmModel | undefined;
  readonly noise: (table: TableSchema) => ReadonlySet<string>;
  /** The moment right after what is to be taken back, where it is known. */
  readonly until?: PointDatabase;
  readonly roots: readonly RecordRoots[];
  readonly selection: Pick<RecordSelection, "fields" | "related" | "renames">;
  readonly switches: MergeSwitches;
  readonly signal: AbortSignal;
}

export interface PlannedRecords extends RowsPlan {
  /** Of the tables where the rows go. */
  readonly relations: Relations;
  /** All rows of the point that take part, with those that are there anyway left out. */
  readonly closure: readonly ClosureRow[];
  /** Those of them that are there in the end, as they were or otherwise. */
  readonly left: readonly ClosureRow[];
  readonly mappings: readonly TableMapping[];
  /** Tables of the point that are not there any more. */
  readonly gone: readonly TableSchema[];
}

/** Plans the rows of a selection against a database, within a transaction of it. */
export async function planRecords(source: RecordsSource, rows: RowTransaction): Promise<PlannedRecords> {
  return new RecordsPlanning(source, rows).plan();
}

class RecordsPlanning {
  readonly #source: RecordsSource;
  readonly #rows: RowTransaction;
  readonly #records: PointRecords;
  readonly #relations: Relations;
  readonly #live: LiveRows;
  readonly #mappings = new Map<TableSchema, TableMapping | undefined>();
  readonly #renames: readonly ColumnRename[];

  constructor(source: RecordsSource, rows: RowTransaction) {
    this.#source = source;
    this.#rows = rows;
    this.#records = pointRecords(source.from, source.from.engine, source.signal);
    this.#relations = relationsOf(rows.tables, source.model, source.relations.home);
    this.#live = new LiveRows({ rows, rules: source.from.engine });
    this.#renames = source.selection.renames.map((one) => this.#renamed(one));
  }

  /** A rename by the name of the table. One that names nothing is a slip: without it, values would be left behind. */
  #renamed({ table, from, to }: ColumnRename): ColumnRename {
    const { table: was } = tableOrEntity(this.#source.relations, table) ?? {};
    const now = was && this.#rows.tables.find((one) => sameTable(one, was));
    if (was && now && columnOf(was, from) >= 0 && columnOf(now, to) >= 0) return { table: now.name, from, to };
    const columns = (side: TableSchema | undefined) => side?.columns.map(({ name }) => name) ?? [];
    const [gone, made] = [
      columns(was).filter((name) => !columns(now).includes(name)),
      columns(now).filter((name) => !columns(was).includes(name)),
    ];
    const expected = gone.flatMap((old) => made.map((name) => `${table}.${old}=${name}`)).join(", ");
    const value = `${table}.${from}=${to}`;
    throw new HoldfastError("usage", {
      ...{ problem: "bad-value", what: "--rename", value },
      ...(expected !== "" && { expected }),
    });
  }

  async plan(): Promise<PlannedRecords> {
    const { from, selection, switches, noise, roots, signal } = this.#source;
    const chosen: RecordRow[] = [];
    for (const { schema, table, keys } of roots) {
      const found = from.schema.tables.find((one) => sameTable(one, { schema, name: table }));
      if (found) addAll(chosen, await this.#records.getAll(found, keys));
    }
    const closure = await closureOf(chosen, {
      relations: this.#source.relations,
      records: this.#records,
      rules: from.engine,
      related: selection.fields ? "none" : selection.related,
      linked: "if-there",
      parents: "whole",
      areThere: (table, some) => this.#areThere(table, some),
      signal,
    });
    const wanted: WantedRow[] = [];
    for (const one of closure) wanted.push(await this.#wanted(one));
    if (!selection.fields) addAll(wanted, await this.#newer(closure, wanted));
    const plan = await planRows(wanted, {
      relations: this.#relations,
      rows: this.#rows,
      rules: from.engine,
      switches,
      past: {
        dangling: (relations, names) => this.#dangling(relations, names),
        naming: (relation, some) => this.#naming(relation, some),
      },
      ...(selection.fields && { fields: selection.fields }),
      noise,
      signal,
    });
    const planned = new RowMap<PlannedRow>();
    for (const row of plan.rows) planned.set(row.table, row.key, row);
    return {
      ...plan,
      left: closure.filter((_, at) => {
        const row = wanted[at] && planned.get(wanted[at].table, wanted[at].key);
        return row && row.reason !== "key-reused" && rowLeft(row) !== undefined;
      }),
      seen: `${this.#live.digest()} ${plan.seen}`,
      relations: this.#relations,
      closure,
      mappings: [...this.#mappings.values()].filter((mapping) => mapping !== undefined),
      gone: [...this.#mappings].filter(([, mapping]) => mapping === undefined).map(([table]) => table),
    };
  }

  async #dangling(relations: readonly Relation[], names: readonly string[]): Promise<ReadonlySet<string>> {
    const { from } = this.#source;
    const dangling = new Set(names);
    for (const relation of relations) {
      const to = from.schema.tables.find((one) => sameTable(one, relation.to));
      if (!to) continue;
      const referenced = relation.referenced.map((at) => columnOf(to, relation.to.columns[at]?.name ?? ""));
      // By columns that it had not then nobody can tell.
      if (referenced.includes(-1)) return new Set();
      const then = { ...relation, to, referenced };
      for (const row of await this.#records.called(then, dangling)) {
        dangling.delete(nameIn(then, "to", row, from.engine) ?? "");
      }
    }
    return dangling;
  }

  async #naming(relation: Relation, some: readonly RecordRow[]): Promise<ReadonlySet<RecordRow>> {
    const { from, relations } = this.#source;
    const table = from.schema.tables.find((one) => sameTable(one, relation.from));
    const then = table && relations.from(table).find((one) => meansTheSame(one, relation));
    if (!table || !then || table.keyLength === 0) return new Set();
    const rows = await this.#records.getAll(
      table,
      some.map(({ key }) => key),
    );
    const names = new Map(rows.map((row) => [row.key, nameIn(then, "from", row, from.engine)]));
    return new Set(some.filter((row) => names.get(row.key) === nameIn(relation, "from", row, from.engine)));
  }

  async #mapping(table: TableSchema): Promise<TableMapping | undefined> {
    if (this.#mappings.has(table)) return this.#mappings.get(table);
    const to = this.#rows.tables.find((one) => sameTable(one, table));
    const mapping = to && mapTable(table, to, await this.#live.facts(to), this.#renames);
    this.#mappings.set(table, mapping);
    return mapping;
  }

  /** Rows that are there, the same as then, and do not say that they are gone. */
  async #areThere(table: TableSchema, some: readonly RecordRow[]): Promise<ReadonlySet<RecordRow>> {
    const mapping = await this.#mapping(table);
    const there = new Set<RecordRow>();
    if (!mapping) return there;
    const rules = this.#source.from.engine;
    const keyed = some.flatMap((row) => {
      const fields = mapRow(mapping, row, rules);
      const key = mappedKey(mapping, fields);
      return key === undefined ? [] : [{ row, key, fields }];
    });
    const live = await this.#live.byKey(
      mapping.to,
      keyed.map(({ key }) => key),
    );
    const { entitiesOf } = this.#relations;
    for (const { row, key, fields } of keyed) {
      const now = live.get(key);
      if (!now || isMadeAnew(mapping.to, fields, now, { rules, entitiesOf })) continue;
      if (isGone(this.#relations, now, rules) === "no") there.add(row);
    }
    return there;
  }

  async #wanted({ row, why }: ClosureRow): Promise<WantedRow> {
    const rules = this.#source.from.engine;
    const mapping = await this.#mapping(row.table);
    const cannot = (table: TableSchema, reason: "table-gone" | "no-key"): WantedRow => ({
      ...{ table, key: row.key, fields: row.fields, why },
      refused: { reason },
    });
    if (!mapping) return cannot(row.table, "table-gone");
    const fields = mapRow(mapping, row, rules);
    const key = row.table.keyLength === 0 ? mappedLine(mapping, fields) : mappedKey(mapping, fields);
    if (key === undefined) return cannot(mapping.to, "no-key");
    const refused = refusedColumns(mapping, row, rules);
    const base = await this.#base(row, mapping.to);
    return {
      ...{ table: mapping.to, key, fields, why },
      ...(base && { base }),
      ...(refused.length > 0 && { refused: { reason: "column-refused", detail: refused.join(", ") } }),
    };
  }

  /** The row as it was at the moment right after what is to be taken back, in the shape of `to`. */
  async #base(row: RecordRow, to: TableSchema): Promise<WantedRow["base"]> {
    const { until, from } = this.#source;
    const table = until?.schema.tables.find((one) => sameTable(one, row.table));
    if (!until || !table) return undefined;
    const was = await pointRecords(until, until.engine, this.#source.signal).get(table, row.key);
    if (!was) return { fields: undefined };
    return {
      fields: mapRow(mapTable(table, to, await this.#live.facts(to), this.#renames), was, from.engine),
    };
  }

  /** Those whose key another record has now: its parts are not theirs. */
  async #strangers(wanted: readonly WantedRow[]): Promise<ReadonlySet<WantedRow | undefined>> {
    const rules = { rules: this.#source.from.engine, entitiesOf: this.#relations.entitiesOf };
    const found = new Set<WantedRow>();
    for (const [table, ofTable] of Map.groupBy(wanted, (one) => one.table)) {
      if (!this.#rows.tables.includes(table)) continue;
      const live = await this.#live.byKey(
        table,
        ofTable.map(({ key }) => key),
      );
      for (const one of ofTable) {
        const now = live.get(one.key);
        if (now && isAnother(one, now, rules)) found.add(one);
      }
    }
    return found;
  }

  /**
   * Rows that came after the point: those that were found by comparison, and parts of what was chosen.
   * @param wanted of each row of `closure`, in its order, what it is to be
   */
  async #newer(closure: readonly ClosureRow[], wanted: readonly WantedRow[]): Promise<readonly WantedRow[]> {
    const { roots, from, switches, selection } = this.#source;
    const rules = from.engine;
    const found = new RowMap<WantedRow>();
    const known = new RowMap<WantedRow>();
    for (const one of wanted) known.set(one.table, one.key, one);
    let next: RecordRow[] = [];
    const add = async (row: RecordRow, why: WantedRow["why"], base?: WantedRow["base"]): Promise<void> => {
      if (known.get(row.table, row.key) || found.get(row.table, row.key)) return;
      if (await this.#isHeldBack(row)) return;
      found.set(row.table, row.key, { table: row.table, key: row.key, fields: undefined, why, ...(base && { base }) });
      next.push(row);
    };
    for (const { schema, table, newer } of roots) {
      const to = this.#rows.tables.find((one) => sameTable(one, { schema, name: table }));
      if (!to) continue;
      for (const row of (await this.#live.byKey(to, newer)).values()) {
        await add(row, "chosen", await this.#base(row, to));
      }
    }
    if (!switches.removeNewer) return [...found.values()];
    const strangers = await this.#strangers(wanted);
    const whole = closure.filter(
      ({ why }, at) => (why === "chosen" || why === "belongs") && !strangers.has(wanted[at]),
    );
    let rows: readonly RecordRow[] = [...next, ...(selection.related === "all" ? whole.map(({ row }) => row) : [])];
    for (next = []; rows.length > 0; rows = next.splice(0)) {
      for (const [table, ofTable] of Map.groupBy(rows, (row) => row.table)) {
        const to = this.#rows.tables.find((one) => sameTable(one, table));
        for (const relation of to ? this.#relations.to(to) : []) {
          if (relation.kind === "refers") continue;
          const names = ofTable.flatMap((row) => nameIn(inTable(relation, table), "to", row, rules) ?? []);
          for (const { row } of await namingLive(relation, names, this.#live, rules)) {
            if (row.table.keyLength === 0 || (await this.#records.get(row.table, row.key))) continue;
            await add(row, relation.kind === "links" ? "links" : "belongs");
          }
        }
      }
    }
    return [...found.values()];
  }

  /** What was erased the point does not show, though it had it: a row that is still there is none that came after it. */
  async #isHeldBack({ table, line }: RecordRow): Promise<boolean> {
    const { from } = this.#source;
    const was = from.schema.tables.find((one) => sameTable(one, table));
    const held = was && (await from.open(was)).held;
    if (!held?.isHeld(line)) return false;
    held.note(line);
    return true;
  }
}

/** The relation with its places in the columns of the table as it was. */
function inTable(relation: Relation, table: TableSchema): Relation {
  if (table === relation.to) return relation;
  const referenced = relation.referenced.map((at) =>
    table.columns.findIndex(({ name }) => name === relation.to.columns[at]?.name),
  );
  return { ...relation, referenced };
}

/** Whether two relations, of tables as they were and as they are, are one by the names of tables and columns. */
function meansTheSame(a: Relation, b: Relation): boolean {
  const said = ({ from, columns, to, referenced, when, prefix }: Relation): string =>
    JSON.stringify([
      columns.map((at) => from.columns[at]?.name),
      [to.schema, to.name],
      referenced.map((at) => to.columns[at]?.name),
      when && [from.columns[when.column]?.name, when.equals],
      prefix,
    ]);
  return sameTable(a.from, b.from) && said(a) === said(b);
}
