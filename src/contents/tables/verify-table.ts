import type { LoadedSums, RowSums, TableReader } from "../../database/database.ts";
import type { ColumnSigns } from "../../lib/row-signature.ts";
import { addLines, emptyRange, type RangeSums, sameRows, totalSums } from "./ranges-file.ts";
import { lowerBound, type RowOrder } from "./row-order.ts";
import { SignatureCheck } from "./signature-check.ts";
import type { StoredTable } from "./stored-table.ts";

/** A table of fewer, of some 100 KiB each, is not worth more than one statement. */
const fewRanges = 64;

export interface TableProblem {
  readonly code: "table-sums" | "table-search";
  readonly detail: string;
}

/**
 * Sums up the stored rows again and compares with `ranges`: a problem for each range that differs, such as
 * `main.contact: 299/300` (rows found and expected). Signs them again as well and compares with `search`: one problem with
 * how many chunks' signatures are wrong, such as `main.contact: 2/57`. Empty when all is well. Keys are left out: they may
 * be anybody's data. `signs`: `signsOf` the table.
 */
export async function verifyTable(
  stored: StoredTable,
  signs: ColumnSigns,
  signal: AbortSignal,
): Promise<readonly TableProblem[]> {
  const found = stored.ranges.map(({ firstKey }) => emptyRange(firstKey));
  const signatures = new SignatureCheck(signs);
  let at = 0;
  for await (const { lines, release } of stored.rowsChecked(signatures, signal)) {
    at = addToRanges(stored.order, found, at, lines);
    release?.();
  }
  const sums = stored.ranges.flatMap((expected, index): readonly TableProblem[] => {
    const is = found[index] ?? emptyRange(undefined);
    if (is.bytes === expected.bytes && is.keySum === expected.keySum && sameRows(expected, is)) return [];
    return [{ code: "table-sums", detail: difference(stored, expected, is) }];
  });
  const { wrong, chunks } = signatures;
  const { schema, name } = stored.table;
  return wrong === 0 ? sums : [...sums, { code: "table-search", detail: `${schema}.${name}: ${wrong}/${chunks}` }];
}

/**
 * The same for a table of a database, a restored one for example: by sums that the database computes where it can, else
 * by its rows, which may come in an order of its own.
 */
export async function compareWithRanges(
  reader: TableReader,
  stored: StoredTable,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const { ranges } = stored;
  const middle = ranges.length < fewRanges ? undefined : ranges[ranges.length >> 1]?.firstKey;
  const [computed] = (await reader.sums?.({ starts: [], ...(middle && { middle }) }, "rows", signal)) ?? [];
  const sums = computed ?? (await sumsOf(reader, stored.order, signal));
  const expected = totalSums(stored.ranges);
  return sameRows(expected, sums) ? [] : [difference(stored, expected, sums)];
}

/** The same by what the database told while it was loaded. */
export function compareLoaded(sums: LoadedSums, stored: StoredTable): readonly string[] {
  const expected = totalSums(stored.ranges);
  return sameRows(expected, sums) ? [] : [difference(stored, expected, sums)];
}

async function sumsOf(reader: TableReader, order: RowOrder, signal: AbortSignal): Promise<RowSums> {
  const all = emptyRange(undefined);
  for await (const { lines, release } of reader.read({}, signal)) {
    addLines(all, order, lines, 0, lines.length);
    release?.();
  }
  return all;
}

/** Adds lines in order to the ranges that they are in, from number `at` on; gives the number of the last. */
function addToRanges(order: RowOrder, ranges: readonly RangeSums[], at: number, lines: Buffer): number {
  let index = at;
  for (let start = 0; start < lines.length;) {
    const next = ranges[index + 1]?.firstKey;
    const end = next === undefined ? lines.length : lowerBound(order, lines, start, lines.length, next);
    const range = ranges[index];
    if (range) addLines(range, order, lines, start, end);
    if (end < lines.length) index++;
    start = end;
  }
  return index;
}

function difference({ table }: StoredTable, expected: Pick<RowSums, "rows">, found: Pick<RowSums, "rows">): string {
  return `${table.schema}.${table.name}: ${found.rows}/${expected.rows}`;
}
