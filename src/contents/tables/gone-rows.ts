import type { RowSums } from "../../database/database.ts";
import { type ChangedRow, type ChangedRowsInput, mostChangedBytes } from "./changed-rows.ts";
import { LineWalk } from "./line-walk.ts";
import type { RangeSums } from "./ranges-file.ts";
import type { RowOrder } from "./row-order.ts";
import { sortedRows } from "./sorted-rows.ts";
import { lackingStretches } from "./lacking-stretches.ts";
import { startsOf, type StoredRow, storedRanges, wholeRanges } from "./stored-ranges.ts";

export interface KnownRanges {
  /** How many rows each range has now. */
  readonly counts: readonly RowSums[];
  /** What the ranges would be if nothing was gone. */
  readonly sums: readonly RangeSums[];
  readonly written: readonly ChangedRow[];
}

/** Rows of the snapshot that are gone from ranges that have fewer than they would have, in no order. */
export async function goneRows(
  input: ChangedRowsInput,
  { counts, sums, written }: KnownRanges,
): Promise<readonly ChangedRow[] | undefined> {
  const { folder, before, reader } = input;
  const { order, signal } = folder;
  const lacks = new Map<number, number>();
  for (const [index, { rows }] of sums.entries()) {
    const now = counts[index]?.rows;
    if (now === undefined || rows < now) return undefined;
    if (rows !== now) lacks.set(index, rows - now);
  }
  if (lacks.size === 0) return [];
  const isNew = new Set(written.flatMap(({ key, before: was }) => (was ? [] : [key])));
  const lacking = await lackingStretches(input, lacks, [...isNew]);
  if (!lacking || !reader.rowsIn) return undefined;
  const gone: ChangedRow[] = [];
  const unsolved: number[] = [];
  let bytes = 0;
  const take = (rows: readonly StoredRow[]): void => {
    for (const { key, line } of rows) {
      bytes += line.length;
      gone.push({ key, before: Buffer.from(line) });
    }
  };
  for await (const { index, rows } of storedRanges(folder, before, lacking.stretches)) {
    const sum = BigInt.asUintN(64, (sums[index]?.keySum ?? 0n) - (lacking.keySums.get(index) ?? 0n));
    const lack = subsetOf(order, rows, lacks.get(index) ?? 0, sum);
    if (lack) take(lack);
    else unsolved.push(index);
    if (bytes > mostChangedBytes) return undefined;
  }
  if (unsolved.length === 0) return gone;
  // Many are gone from one place: the keys that are there have to be asked for.
  const starts = startsOf(before.ranges);
  const keys = sortedRows(reader.rowsIn({ starts, only: unsolved }, "keys", signal), order, signal);
  await using present = new LineWalk(order, keys);
  for await (const { rows } of storedRanges(folder, before, wholeRanges(before.ranges, unsolved))) {
    const lost: StoredRow[] = [];
    for (const row of rows) {
      const { key } = row;
      while ((await present.below(key)) !== undefined) {
        if (!isNew.has(present.key)) return undefined;
        present.step();
      }
      if (present.isAt(key)) present.step();
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
  rows: readonly StoredRow[],
  count: number,
  sum: bigint,
): readonly StoredRow[] | undefined {
  if (count === rows.length) return sumOfHashes(order, rows) === sum ? rows : undefined;
  if (count < 1 || count > 3 || (count === 3 && rows.length > mostForThree)) return undefined;
  if (count === 1) {
    const found = rowWithHash(order, rows, sum);
    return found && [found];
  }
  const hashed = rows.map((row) => ({ row, hash: row.keyHash(order) }));
  const byHash = new Map(hashed.map(({ row, hash }) => [hash, row]));
  const lastOf = (chosen: readonly StoredRow[], left: bigint) => {
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

/** By numbers: of every chunk that lacks one row, half of the keys are hashed. */
function rowWithHash(order: RowOrder, rows: readonly StoredRow[], wanted: bigint): StoredRow | undefined {
  const [low, high] = [Number(wanted & 0xffff_ffffn), Number(wanted >> 32n)];
  const hash = { low: 0, high: 0 };
  return rows.find((row) => {
    hash.low = hash.high = 0;
    row.addKeyHash(order, hash);
    return hash.low === low && hash.high === high;
  });
}

function sumOfHashes(order: RowOrder, rows: readonly StoredRow[]): bigint {
  let sum = 0n;
  for (const row of rows) sum += row.keyHash(order);
  return BigInt.asUintN(64, sum);
}
