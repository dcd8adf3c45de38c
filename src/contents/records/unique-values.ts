import type { TableSchema } from "../../database/database.ts";
import type { ComparedColumns } from "../../database/row-transaction.ts";
import { type CheckInput, replaced } from "./check-rows.ts";
import { RowMap } from "./closure.ts";
import { asConflict, isChange, type PlannedRow, rowLeft } from "./planned-row.ts";
import { handleOf } from "./record-handle.ts";
import { entityOf, recordRow, type RecordRow } from "./record-row.ts";

/** A row that is to get a value which no two rows may share, and a row that has to let go of it first. */
export interface ValueWait {
  readonly taker: PlannedRow;
  readonly holder: PlannedRow;
  /** Places of the columns that make the value. */
  readonly columns: readonly number[];
  /** What a row has for a while that gives way: NULL in all of the columns, or another value in one of them. */
  readonly meanwhile: "null" | "other";
}

/** A value that no two rows may share, and that another row has that stays, or gets as well. */
export async function checkUnique(rows: readonly PlannedRow[], input: CheckInput): Promise<readonly PlannedRow[]> {
  const { relations, rules } = input;
  const wrong = new Map<PlannedRow, PlannedRow>();
  for (const { taker, unique, value, held, holder } of await takenValues(rows, input)) {
    if (holder || wrong.has(taker)) continue;
    const { table } = taker;
    const entity = entityOf(relations.entitiesOf(table), held, rules);
    const types = unique.computed?.by ?? unique.columns.flatMap((name) => columnNamed(table, name) ?? []);
    const texts = value.split("\t").map((field, at) => {
      const { name = "", type = "" } = types[at] ?? {};
      return rules.readable(field, { name, type, nullable: true }) ?? "NULL";
    });
    const detail = `${unique.columns.join(", ")} ${texts.join(", ")}: ${handleOf(relations, held, entity, rules)}`;
    wrong.set(taker, asConflict(taker, "unique-taken", detail));
  }
  return replaced(rows, wrong);
}

function columnNamed({ columns }: TableSchema, name: string) {
  return columns.find((column) => column.name === name);
}

/** Which of the rows, once all are decided, have to let go of a value before others can take it. */
export async function valueWaits(rows: readonly PlannedRow[], input: CheckInput): Promise<readonly ValueWait[]> {
  const taken = await takenValues(rows, input);
  return taken.flatMap(({ taker, unique, holder }) => {
    if (!holder) return [];
    const names = unique.computed?.uses ?? unique.columns;
    const columns = names.map((name) => taker.table.columns.findIndex((column) => column.name === name));
    const meanwhile = unique.computed || unique.nulls ? ("other" as const) : ("null" as const);
    return [{ taker, holder, meanwhile, columns: columns.filter((at) => at >= 0) }];
  });
}

interface TakenValue {
  readonly taker: PlannedRow;
  readonly unique: ComparedColumns;
  readonly value: string;
  /** The row that has the value now, or one that the database takes for equal; or another one that is to get it. */
  readonly held: RecordRow;
  /** What becomes of that row, where it lets go of the value; absent: it stays. */
  readonly holder?: PlannedRow;
}

async function takenValues(rows: readonly PlannedRow[], { live }: CheckInput): Promise<readonly TakenValue[]> {
  const byKey = new RowMap<PlannedRow>();
  for (const row of rows) byKey.set(row.table, row.key, row);
  const taken: TakenValue[] = [];
  for (const [table, ofTable] of Map.groupBy(rows.filter(isChange), (row) => row.table)) {
    for (const unique of (await live.facts(table)).unique) {
      if (!unique.computed && unique.columns.some((name) => !columnNamed(table, name))) continue;
      const images = ofTable.map((planned) => ({
        planned,
        before: planned.before === undefined ? undefined : recordRow(table, planned.before),
        after: rowLeft(planned),
      }));
      const both = images.flatMap(({ before, after }) => [before, after].filter((row) => row !== undefined));
      const values = await live.valuesOf(table, unique, both);
      const valueOf = (row: RecordRow | undefined): string | undefined => {
        const value = row && values.get(row);
        return unique.nulls || !value?.split("\t").includes("\\N") ? value : undefined;
      };
      const left = new Map(images.map(({ planned, after }) => [planned, valueOf(after)]));
      const takers = images.flatMap(({ planned, before, after }) => {
        const value = left.get(planned);
        return value === undefined || value === valueOf(before) || !after ? [] : [{ planned, value, after }];
      });
      if (takers.length === 0) continue;
      const asked = takers.map(({ value }) => value);
      const found = Map.groupBy(await live.findFor(table, unique, asked), ({ value }) => value);
      const has = await live.valuesOf(
        table,
        unique,
        [...found.values()].flatMap((some) => some.map(({ row }) => row)),
      );
      const given = new Map<string, RecordRow>();
      for (const { planned: taker, value, after } of takers) {
        const one = { taker, unique, value };
        for (const { row: held } of found.get(value) ?? []) {
          if (held.key === taker.key) continue;
          const holder = byKey.get(table, held.key);
          const letsGo = holder !== undefined && isChange(holder) && left.get(holder) !== has.get(held);
          taken.push({ ...one, held, ...(letsGo && { holder }) });
        }
        // Of two that are to get it, as before an index was made, the first does.
        const first = given.get(value);
        if (first) taken.push({ ...one, held: first });
        else given.set(value, after);
      }
    }
  }
  return taken;
}
