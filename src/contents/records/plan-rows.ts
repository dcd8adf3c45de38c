import { createHash } from "node:crypto";
import type { TableSchema } from "../../database/database.ts";
import type { ComparedColumns, RowTransaction, TableFacts } from "../../database/row-transaction.ts";
import { RowMap } from "./closure.ts";
import type { MergeSwitches } from "../merge-rows.ts";
import { type PlannedRow, type WantedRow } from "./planned-row.ts";
import { decideRow, type DecideRules } from "./decide-row.ts";
import { type CheckInput, checkParents, checkReferences } from "./check-rows.ts";
import { namedAgain } from "./named-again.ts";
import type { HandleRules } from "./record-handle.ts";
import { type RecordRow, recordRow } from "./record-row.ts";
import type { Relations } from "./relations.ts";
import { checkUnique, type ValueWait, valueWaits } from "./unique-values.ts";
import { addAll } from "../../lib/add-all.ts";

export interface PlanRowsInput {
  /** Of the tables where the rows go. */
  readonly relations: Relations;
  readonly rows: RowTransaction;
  readonly rules: HandleRules;
  readonly switches: MergeSwitches;
  readonly past?: NonNullable<CheckInput["past"]>;
  /** Names of columns that alone are put back; absent: all. */
  readonly fields?: readonly string[];
  /** Columns that a CRM writes by itself, by table: no difference in them is one. */
  readonly noise: (table: TableSchema) => ReadonlySet<string>;
  readonly signal: AbortSignal;
}

export interface RowsPlan {
  readonly rows: readonly PlannedRow[];
  /** What the order of the changes has to heed beside the relations. */
  readonly waits: readonly ValueWait[];
  /** Digest of all that was looked at: it changes when anything that the plan rests on does. */
  readonly seen: string;
}

/**
 * Decides for each row, from how it was, how it is, and where that is known how it was right after what is to be taken
 * back. Then all rows are looked at together: a row cannot come back while another one has its unique value, or
 * what it names is gone. A row in conflict may put others in conflict, so this goes on until nothing changes.
 */
export async function planRows(wanted: readonly WantedRow[], input: PlanRowsInput): Promise<RowsPlan> {
  const live = new LiveRows(input);
  const decided = new RowMap<PlannedRow>();
  const { entitiesOf, flagOf } = input.relations;
  const rules: DecideRules = { ...input, entitiesOf, flagOf };
  const placeless = wanted.filter((one) => isPlaceless(one));
  for (const one of placeless) decided.set(one.table, one.key, asRefused(one));
  const placed = wanted.filter((one) => !isPlaceless(one));
  for (const [table, ofTable] of Map.groupBy(placed, (one) => one.table)) {
    const facts = await live.facts(table);
    const now = await live.byKey(
      table,
      ofTable.map(({ key }) => key),
    );
    for (const one of ofTable) {
      input.signal.throwIfAborted();
      decided.set(table, one.key, decideRow(one, now.get(one.key), facts, rules));
    }
  }
  if (input.switches.createMissing && !input.fields) namedAgain(placed, decided, input);
  let rows: readonly PlannedRow[] = [...decided.values()];
  for (let before: readonly PlannedRow[] = []; before !== rows;) {
    before = rows;
    for (const check of [checkParents, checkUnique, checkReferences]) {
      input.signal.throwIfAborted();
      rows = await check(rows, { ...input, live });
    }
  }
  return { rows, waits: await valueWaits(rows, { ...input, live }), seen: live.digest() };
}

/** Where it should go is no table, or one in which a row cannot be told from another. */
function isPlaceless({ refused }: WantedRow): boolean {
  return refused?.reason === "table-gone" || refused?.reason === "no-key";
}

function asRefused({ table, key, why, refused }: WantedRow): PlannedRow {
  const about = { table, key, why, before: undefined, after: undefined, columns: table.columns, changed: [] };
  return { ...about, action: "conflict", ...(refused && { reason: refused.reason }) };
}

export interface FoundFor {
  readonly value: string;
  readonly row: RecordRow;
}

/** Rows where they go to, each asked for once. */
export class LiveRows {
  readonly #input: Pick<PlanRowsInput, "rows" | "rules">;
  readonly #facts = new Map<TableSchema, TableFacts>();
  readonly #found = new Map<string, readonly RecordRow[]>();
  readonly #equals = new Map<string, readonly string[]>();
  readonly #values = new Map<string, Map<string, string | undefined>>();

  constructor(input: Pick<PlanRowsInput, "rows" | "rules">) {
    this.#input = input;
  }

  async facts(table: TableSchema): Promise<TableFacts> {
    const known = this.#facts.get(table) ?? (await this.#input.rows.facts(table));
    this.#facts.set(table, known);
    return known;
  }

  /** Rows by the very bytes of their keys. */
  async byKey(table: TableSchema, keys: readonly string[]): Promise<ReadonlyMap<string, RecordRow>> {
    if (table.keyLength === 0) return this.#byLine(table, keys);
    const names = table.columns.slice(0, table.keyLength).map(({ name }) => name);
    const found = names.length === 0 ? [] : await this.find(table, { columns: names }, keys);
    const asked = new Set(keys);
    return new Map(found.flatMap((row) => (asked.has(row.key) ? [[row.key, row]] : [])));
  }

  /** Of a table without a key, rows that are just so: looked up by a column in which they hold something. */
  async #byLine(table: TableSchema, lines: readonly string[]): Promise<ReadonlyMap<string, RecordRow>> {
    const found = new Map<string, RecordRow>();
    const asked = new Set(lines);
    const rows = lines.map((line) => recordRow(table, line));
    for (const [at, some] of Map.groupBy(rows, ({ fields }) => lookupColumn(table, fields))) {
      const column = table.columns[at];
      if (!column) continue;
      const values = some.map(({ fields }) => fields[at] ?? "");
      for (const row of await this.find(table, { columns: [column.name] }, values)) {
        if (asked.has(row.line)) found.set(row.line, row);
      }
    }
    return found;
  }

  async find(table: TableSchema, by: ComparedColumns, values: readonly string[]): Promise<readonly RecordRow[]> {
    const name = JSON.stringify([table.schema, table.name, by]);
    const asked = [...new Set(values)];
    const unknown = asked.filter((value) => !this.#found.has(`${name}\0${value}`));
    if (unknown.length > 0) {
      const rows = (await this.#input.rows.find(table, by, unknown)).map((line) => recordRow(table, line));
      const valueOf = await this.valuesOf(table, by, rows);
      const byValue = Map.groupBy(rows, (row) => valueOf.get(row) ?? "");
      for (const value of unknown) this.#found.set(`${name}\0${value}`, byValue.get(value) ?? []);
      // The database takes more for equal than we do: a blank at the end, another case.
      const asking = new Set(unknown);
      const others = [...byValue].filter(([value]) => !asking.has(value)).flatMap(([, some]) => some);
      if (others.length > 0)
        this.#found.set(`${name}\0\0others`, [...(this.#found.get(`${name}\0\0others`) ?? []), ...others]);
    }
    const exact = asked.flatMap((value) => this.#found.get(`${name}\0${value}`) ?? []);
    return [...exact, ...(this.#found.get(`${name}\0\0others`) ?? [])];
  }

  /** The same, each row beside a value that the database takes for equal to what it holds. */
  async findFor(table: TableSchema, by: ComparedColumns, values: readonly string[]): Promise<readonly FoundFor[]> {
    const exact = new Set(values);
    const found: FoundFor[] = [];
    const others = new Map<string, RecordRow>();
    const rows = await this.find(table, by, values);
    const valueOf = await this.valuesOf(table, by, rows);
    for (const row of rows) {
      const value = valueOf.get(row) ?? "";
      if (exact.has(value)) found.push({ value, row });
      else others.set(row.line, row);
    }
    // Which value it was that they came for only the database can tell.
    // By halves: a few of thousands are found in few questions.
    let parts: readonly (readonly string[])[] = others.size === 0 ? [] : halves([...exact]);
    while (parts.length > 0) {
      const next: (readonly string[])[] = [];
      for (const part of parts) {
        const equal = (await this.#equal(table, by, part)).flatMap((line) => others.get(line) ?? []);
        const [value = "", ...more] = part;
        if (more.length === 0)
          addAll(
            found,
            equal.map((row) => ({ value, row })),
          );
        else if (equal.length > 0) next.push(...halves(part));
      }
      parts = next;
    }
    return found;
  }

  async #equal(table: TableSchema, by: ComparedColumns, values: readonly string[]): Promise<readonly string[]> {
    const name = JSON.stringify([table.schema, table.name, by, values]);
    const known = this.#equals.get(name) ?? (await this.#input.rows.find(table, by, values));
    this.#equals.set(name, known);
    return known;
  }

  /** Of rows as they are or may become, the value by which each is found; `undefined`: it counts for nothing. */
  async valuesOf(
    table: TableSchema,
    by: ComparedColumns,
    rows: readonly RecordRow[],
  ): Promise<ReadonlyMap<RecordRow, string | undefined>> {
    if (!by.computed && by.where === undefined) {
      const places = by.columns.map((column) => table.columns.findIndex((one) => one.name === column));
      return new Map(rows.map((row) => [row, places.map((at) => row.fields[at] ?? "").join("\t")]));
    }
    const name = JSON.stringify([table.schema, table.name, by]);
    const known = this.#values.get(name) ?? new Map<string, string | undefined>();
    this.#values.set(name, known);
    const unknown = [...new Set(rows.map(({ line }) => line))].filter((line) => !known.has(line));
    const values = unknown.length === 0 ? [] : await this.#input.rows.valuesOf(table, by, unknown);
    for (const [at, line] of unknown.entries()) known.set(line, values[at]);
    return new Map(rows.map((row) => [row, known.get(row.line)]));
  }

  digest(): string {
    const hash = createHash("sha256");
    for (const name of [...this.#found.keys()].toSorted()) {
      hash.update(`${name}\n`, "latin1");
      const lines = (this.#found.get(name) ?? []).map(({ line }) => line);
      for (const line of lines.toSorted()) hash.update(`${line}\n`, "latin1");
    }
    return hash.digest("hex");
  }
}

/** Numbers and short texts first: what names another row is one. */
function lookupColumn({ columns }: TableSchema, fields: readonly string[]): number {
  const has = (at: number): boolean => fields[at] !== "\\N";
  const short = columns.findIndex(({ type }, at) => has(at) && /int|char|uuid|decimal|numeric/i.test(type));
  return short >= 0 ? short : columns.findIndex((_, at) => has(at));
}

function halves<T>(all: readonly T[]): readonly (readonly T[])[] {
  const middle = all.length >> 1;
  return [all.slice(0, middle), all.slice(middle)].filter((part) => part.length > 0);
}
