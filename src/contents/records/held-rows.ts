import type { RowBatch, RowKey, TableSchema } from "../../database/database.ts";
import { type Erasure, type ErasedReference, type ErasedTable, saltedHash } from "../erasure.ts";
import type { ReadableTable } from "../tables/stored-table.ts";
import type { HandleRules } from "./record-handle.ts";
import { fieldsNaming } from "./point-records.ts";
import { nameIn, recordRow } from "./record-row.ts";
import { columnOf, type Relation, sameTable } from "./relations.ts";

/** What is held back of one table at one point, since it was erased. */
export interface HeldRows {
  isHeld(line: string): boolean;
  /** The line without what it says of rows that are held back. */
  cleared(line: string): string;
  /** How many rows of the table are held back; `table` is as the point has it, with them. */
  count(table: ReadableTable, signal: AbortSignal): Promise<number>;
}

export interface HeldScene {
  readonly erasures: readonly Erasure[];
  /** Name of the database in the backup. */
  readonly database: string;
  readonly tables: readonly TableSchema[];
  readonly rules: HandleRules;
  /** RFC 3339: of the point. */
  readonly time: string;
  /** A row of a table as the point has it. */
  readonly get: (table: TableSchema, key: RowKey) => Promise<Buffer | undefined>;
}

/** `undefined`: nothing of this table is. */
export async function heldRows(scene: HeldScene, table: TableSchema): Promise<HeldRows | undefined> {
  const keys = new Set<RowKey>();
  const references: HeldReference[] = [];
  for (const erasure of scene.erasures) {
    for (const one of erasure.tables) {
      if (!isOf(one, scene.database, table)) continue;
      for (const key of await keysThere(scene, erasure, one, table)) keys.add(key);
    }
    for (const one of erasure.references) {
      if (!isOf(one, scene.database, table)) continue;
      const held = await heldReference(scene, erasure, one, table);
      if (held) references.push(held);
    }
  }
  if (keys.size === 0 && references.length === 0) return undefined;
  const { rules } = scene;
  const naming = (line: string, fate: ErasedReference["fate"]): readonly HeldReference[] => {
    const row = recordRow(table, line);
    return references.filter((one) => {
      const name = one.fate === fate ? nameIn(one.relation, "from", row, rules) : undefined;
      return name !== undefined && one.names.has(name);
    });
  };
  const asks = (fate: ErasedReference["fate"]) => references.some((one) => one.fate === fate);
  const [holds, clears] = [asks("hold-back"), asks("clear")];
  const isHeld = (line: string): boolean =>
    (keys.size > 0 && keys.has(keyIn(table, line))) || (holds && naming(line, "hold-back").length > 0);
  const values = references.flatMap(({ relation, fate, names }) =>
    fate === "hold-back" ? [...names].flatMap((name) => fieldsNaming(relation, name, rules)) : [],
  );
  return {
    isHeld,
    async count(whole, signal) {
      if (table.keyLength === 0) return countIn(whole.rows({}, signal), isHeld);
      const isNaming = (line: string): boolean => !keys.has(keyIn(table, line)) && isHeld(line);
      let held = holds
        ? await countIn(whole.rowsWith?.({ pieces: [], values }, signal) ?? whole.rows({}, signal), isNaming)
        : 0;
      for (const key of keys) if ((await whole.get(key, signal)) !== undefined) held++;
      return held;
    },
    cleared(line) {
      const columns = clears ? naming(line, "clear").flatMap(({ relation }) => relation.columns) : [];
      if (columns.length === 0) return line;
      return line
        .split("\t")
        .map((field, at) => (columns.includes(at) ? "\\N" : field))
        .join("\t");
    },
  };
}

async function countIn(batches: AsyncIterable<RowBatch>, matches: (line: string) => boolean): Promise<number> {
  let count = 0;
  for await (const { lines, release } of batches) {
    const text = lines.toString("latin1");
    release?.();
    for (const line of text.split("\n").slice(0, -1)) if (matches(line)) count++;
  }
  return count;
}

interface HeldReference {
  readonly relation: Relation;
  readonly fate: ErasedReference["fate"];
  readonly names: ReadonlySet<string>;
}

async function heldReference(
  scene: HeldScene,
  erasure: Erasure,
  { columns, when, prefix, fate, to, names }: ErasedReference,
  table: TableSchema,
): Promise<HeldReference | undefined> {
  const places = columns.map((name) => columnOf(table, name));
  const condition = when && { column: columnOf(table, when.column), equals: when.equals };
  const parent = scene.tables.find((one) => sameTable(one, { schema: to.schema, name: to.table }));
  const held = erasure.tables.find(({ schema, table: name }) => schema === to.schema && name === to.table);
  // Another version of the CRM: what is not there names nobody.
  if (places.includes(-1) || (condition && condition.column < 0) || !parent || !held) return undefined;
  const keys = new Set(await keysThere(scene, erasure, held, parent));
  const more = { ...(condition && { when: condition }), ...(prefix !== undefined && { prefix }) };
  const relation: Relation = {
    ...{ from: table, columns: places, to: parent, referenced: [], kind: "refers", origin: "model" },
    ...more,
  };
  return { relation, fate, names: new Set(names.filter(({ key }) => keys.has(key)).map(({ name }) => name)) };
}

/**
 * Up to the erasure all of its keys. Later a key may be another record's: then those whose row was made when the erased one
 * was, or is unchanged.
 */
async function keysThere(
  { time, get }: HeldScene,
  erasure: Erasure,
  { created, rows }: ErasedTable,
  table: TableSchema,
): Promise<readonly RowKey[]> {
  if (Date.parse(time) <= Date.parse(erasure.time)) return rows.map(({ key }) => key);
  const at = created === undefined ? -1 : columnOf(table, created);
  const same: RowKey[] = [];
  for (const row of rows) {
    const line = (await get(table, row.key))?.toString("latin1");
    if (line === undefined) continue;
    const field = at < 0 ? undefined : line.split("\t")[at];
    const isSame =
      field === undefined || field === "\\N" || row.created === undefined
        ? saltedHash(erasure.salt, line) === row.line
        : saltedHash(erasure.salt, field) === row.created;
    if (isSame) same.push(row.key);
  }
  return same;
}

/** The same table without these rows; `onHeld` is told each time when one is passed over. */
export function withoutHeld<T extends ReadableTable>(table: T, held: HeldRows, onHeld?: (line: string) => void): T {
  async function* filtered(batches: AsyncIterable<RowBatch>): AsyncGenerator<RowBatch, void> {
    for await (const { lines, release } of batches) {
      const text = lines.toString("latin1");
      release?.();
      const given: string[] = [];
      for (let start = 0; start < text.length;) {
        const found = text.indexOf("\n", start);
        const end = found < 0 ? text.length : found;
        const line = text.slice(start, end);
        if (held.isHeld(line)) onHeld?.(line);
        else given.push(held.cleared(line), "\n");
        start = end + 1;
      }
      if (given.length > 0) yield { lines: Buffer.from(given.join(""), "latin1"), rows: given.length / 2 };
    }
  }
  const { rowsWith } = table;
  return {
    ...table,
    rows: (range, signal) => filtered(table.rows(range, signal)),
    ...(rowsWith && {
      rowsWith: (probe: Parameters<typeof rowsWith>[0], signal: AbortSignal) => filtered(rowsWith(probe, signal)),
    }),
    async get(key, signal) {
      const line = (await table.get(key, signal))?.toString("latin1");
      if (line === undefined) return undefined;
      if (!held.isHeld(line)) return Buffer.from(held.cleared(line), "latin1");
      onHeld?.(line);
      return undefined;
    },
  };
}

function isOf(one: ErasedTable | ErasedReference, database: string, { schema, name }: TableSchema): boolean {
  return one.database === database && one.schema === schema && one.table === name;
}

function keyIn({ keyLength }: TableSchema, line: string): RowKey {
  return keyLength === 0 ? "" : line.split("\t", keyLength).join("\t");
}
