import { type CheckInput, replaced } from "./check-rows.ts";
import { RowMap } from "./closure.ts";
import { asConflict, isChange, type PlannedRow, rowLeft } from "./planned-row.ts";
import { handleOf } from "./record-handle.ts";
import { entityOf, recordRow, type RecordRow } from "./record-row.ts";

/** A row that is to get a value which no two rows may share, and a row that has to let go of it first. */
export interface ValueWait {
  readonly taker: PlannedRow;
  readonly holder: PlannedRow;
  /** Places of the columns whose values together are meant. */
  readonly columns: readonly number[];
}

/** A value that no two rows may share, and that another row has that stays. */
export async function checkUnique(rows: readonly PlannedRow[], input: CheckInput): Promise<readonly PlannedRow[]> {
  const { relations, rules } = input;
  const wrong = new Map<PlannedRow, PlannedRow>();
  for (const { taker, columns, held, holder } of await takenValues(rows, input)) {
    if (holder || wrong.has(taker)) continue;
    const { table } = taker;
    const entity = entityOf(relations.entitiesOf(table), held, rules);
    const texts = columns.map((at) => {
      const column = table.columns[at];
      return column ? rules.readable(rowLeft(taker)?.fields[at] ?? "\\N", column) : "";
    });
    const names = columns.map((at) => table.columns[at]?.name ?? "");
    const detail = `${names.join(", ")} ${texts.join(", ")}: ${handleOf(relations, held, entity, rules)}`;
    wrong.set(taker, asConflict(taker, "unique-taken", detail));
  }
  return replaced(rows, wrong);
}

/** Which of the rows, once all are decided, have to let go of a value before others can take it. */
export async function valueWaits(rows: readonly PlannedRow[], input: CheckInput): Promise<readonly ValueWait[]> {
  const taken = await takenValues(rows, input);
  return taken.flatMap(({ taker, columns, holder }) => (holder ? [{ taker, holder, columns }] : []));
}

interface TakenValue {
  readonly taker: PlannedRow;
  readonly columns: readonly number[];
  /** The row that has the value now, or one that the database takes for equal. */
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
      const columns = unique.columns.map((name) => table.columns.findIndex((column) => column.name === name));
      if (columns.includes(-1)) continue;
      const images = ofTable.map((planned) => ({
        planned,
        before: planned.before === undefined ? undefined : recordRow(table, planned.before),
        after: rowLeft(planned),
      }));
      const both = images.flatMap(({ before, after }) => [before, after].filter((row) => row !== undefined));
      const counted = await live.counted(table, unique, both);
      const valueOf = (row: RecordRow | undefined): string | undefined => {
        if (!row || !counted.has(row)) return undefined;
        const fields = columns.map((at) => row.fields[at] ?? "\\N");
        return fields.includes("\\N") ? undefined : fields.join("\t");
      };
      const left = new Map(images.map(({ planned, after }) => [planned, valueOf(after)]));
      const takers = images.flatMap(({ planned, before }) => {
        const value = left.get(planned);
        return value === undefined || value === valueOf(before) ? [] : [{ planned, value }];
      });
      if (takers.length === 0) continue;
      const values = takers.map(({ value }) => value);
      const found = Map.groupBy(await live.findFor(table, unique, values), ({ value }) => value);
      for (const { planned: taker, value } of takers) {
        for (const { row: held } of found.get(value) ?? []) {
          if (held.key === taker.key) continue;
          const holder = byKey.get(table, held.key);
          const has = columns.map((at) => held.fields[at] ?? "").join("\t");
          const letsGo = holder !== undefined && isChange(holder) && left.get(holder) !== has;
          taken.push({ taker, columns, held, ...(letsGo && { holder }) });
        }
      }
    }
  }
  return taken;
}
