import type { RowSums } from "../../database/database.ts";
import { type ChangedRow, type ChangedRowsInput, mostChangedBytes } from "./changed-rows.ts";
import { LineWalk } from "./line-walk.ts";
import type { RangeSums } from "./ranges-file.ts";
import type { RowOrder } from "./row-order.ts";
import { sortedRows } from "./sorted-rows.ts";
import { type KeyedRow, startsOf, storedRanges } from "./stored-ranges.ts";

export interface KnownRanges {
  /** How many rows each range has now. */
  readonly counts: readonly RowSums[];
  /** What the ranges would be if nothing was gone. */
  readonly sums: readonly RangeSums[];
  readonly written: readonly ChangedRow[];
}

/** Rows of the snapshot that are gone from ranges that have fewer than they would have, in no order. */
export async function goneRows(
  { folder, before, reader }: ChangedRowsInput,
  { counts, sums, written }: KnownRanges,
): Promise<readonly ChangedRow[] | undefined> {
  const { order, signal } = folder;
  const lacking: number[] = [];
  for (const [index, { rows }] of sums.entries()) {
    const now = counts[index]?.rows;
    if (now === undefined || rows < now) return undefined;
    if (rows !== now) lacking.push(index);
  }
  if (lacking.length === 0) return [];
  const starts = startsOf(before.ranges);
  const keySums = await reader.sums?.({ starts, only: lacking }, "keys", signal);
  if (!keySums || !reader.rowsIn) return undefined;
  const isNew = new Set(written.flatMap(({ key, before: was }) => (was ? [] : [key])));
  const gone: ChangedRow[] = [];
  const unsolved: number[] = [];
  let bytes = 0;
  const take = (rows: readonly KeyedRow[]): void => {
    for (const { key, line } of rows) {
      bytes += line.length;
      gone.push({ key, before: Buffer.from(line) });
    }
  };
  const sumOf = new Map(lacking.map((index, at) => [index, keySums[at]?.keySum ?? 0n]));
  for await (const { index, rows } of storedRanges(folder, before, lacking)) {
    const range = sums[index];
    const now = counts[index]?.rows ?? 0;
    const sum = BigInt.asUintN(64, (range?.keySum ?? 0n) - (sumOf.get(index) ?? 0n));
    const lack = range && subsetOf(order, rows, range.rows - now, sum);
    if (lack) take(lack);
    else unsolved.push(index);
    if (bytes > mostChangedBytes) return undefined;
  }
  if (unsolved.length === 0) return gone;
  // Many are gone from one place: the keys that are there have to be asked for.
  const keys = sortedRows(reader.rowsIn({ starts, only: unsolved }, "keys", signal), order, signal);
  const present = new LineWalk(order, keys);
  for await (const { rows } of storedRanges(folder, before, unsolved)) {
    const lost: KeyedRow[] = [];
    for (const row of rows) {
      while ((await present.below(row.key)) !== undefined) {
        if (!isNew.has(present.key)) return undefined;
        present.step();
      }
      if (present.isAt(row.key)) present.step();
      else lost.push(row);
    }
    take(lost);
    if (bytes > mostChangedBytes) return undefined;
  }
  return gone;
}

/** Three are looked for among no more rows than these: the time grows with their square. */
const mostForThree = 1500;

/** `count` rows the hashes of whose keys add up to `sum` modulo 2^64; tried for up to three, or for all of them. */
function subsetOf(
  order: RowOrder,
  rows: readonly KeyedRow[],
  count: number,
  sum: bigint,
): readonly KeyedRow[] | undefined {
  if (count === rows.length) return rows;
  if (count < 1 || count > 3 || (count === 3 && rows.length > mostForThree)) return undefined;
  const hashOf = ({ key, line }: KeyedRow) => order.hash(line, 0, key.length);
  if (count === 1) {
    const found = rows.find((row) => hashOf(row) === sum);
    return found && [found];
  }
  const hashed = rows.map((row) => ({ row, hash: hashOf(row) }));
  const byHash = new Map(hashed.map(({ row, hash }) => [hash, row]));
  const lastOf = (chosen: readonly KeyedRow[], left: bigint) => {
    const row = byHash.get(BigInt.asUintN(64, left));
    return row && !chosen.includes(row) ? [...chosen, row] : undefined;
  };
  for (const [index, first] of hashed.entries()) {
    if (count === 2) {
      const found = lastOf([first.row], sum - first.hash);
      if (found) return found;
      continue;
    }
    for (let next = index + 1; next < hashed.length; next++) {
      const second = hashed[next];
      const found = second && lastOf([first.row, second.row], sum - first.hash - second.hash);
      if (found) return found;
    }
  }
  return undefined;
}
