import type { RowKey, RowSums } from "../../database/database.ts";
import type { ChangedRowsInput } from "./changed-rows.ts";
import { Overlay } from "./overlay.ts";
import type { TableFolder } from "./stored-parts.ts";
import { startsOf, type StoredStretch, wholeRanges } from "./stored-ranges.ts";
import type { TableBefore } from "./table-before.ts";

export interface LackingStretches {
  /** Of each range that lacks rows, where they were, if nothing contradicts it. */
  readonly stretches: readonly StoredStretch[];
  /** By range: what the keys sum up to that the database has in it. */
  readonly keySums: ReadonlyMap<number, bigint>;
}

/** A part of a range: of its chunks, one. */
interface Piece {
  readonly firstKey: RowKey | undefined;
  /** How many rows there would be if none were gone; absent: a run lies over it, and may have changed or added some. */
  readonly rows?: number;
}

/**
 * Where to look for the rows that ranges lack. A range may have several chunks, and a chunk's number of rows is known:
 * where the database has as many, none is gone, and the chunk need not be opened.
 * @param lacks how many rows ranges lack, by their numbers
 * @param added keys of rows that are new, in order
 */
export async function lackingStretches(
  { folder, before, reader, pause }: ChangedRowsInput,
  lacks: ReadonlyMap<number, number>,
  added: readonly RowKey[],
): Promise<LackingStretches | undefined> {
  const { ranges } = before;
  const pieces = await piecesOf(folder, before, new Set(lacks.keys()), added);
  const cut = [...ranges.entries()].flatMap(([index, range]): readonly Piece[] => pieces.get(index) ?? [range]);
  const numberOf = new Map(cut.map((piece, number) => [piece, number]));
  const only = [...pieces.values()].flat().map((piece) => numberOf.get(piece) ?? 0);
  const told = await reader.sums?.({ starts: startsOf(cut), only, pause }, "keys", folder.signal);
  if (!told) return await inWholeRanges({ folder, before, reader, pause }, [...lacks.keys()]);
  const keySums = new Map<number, bigint>();
  const stretches: StoredStretch[] = [];
  let at = 0;
  for (const [index, some] of pieces) {
    const now = told.slice(at, (at += some.length));
    keySums.set(
      index,
      now.reduce((sum, { keySum }) => sum + keySum, 0n),
    );
    const [first, last] = whereLacking(some, now, lacks.get(index) ?? 0);
    const below = some[last + 1]?.firstKey ?? ranges[index + 1]?.firstKey;
    stretches.push({ index, from: some[first]?.firstKey, below });
  }
  return { stretches, keySums };
}

/** The database's order of keys is another one: pieces would not be what they are here. */
async function inWholeRanges(
  { folder, before, reader, pause }: Omit<ChangedRowsInput, "audit" | "followed">,
  only: readonly number[],
): Promise<LackingStretches | undefined> {
  const told = await reader.sums?.({ starts: startsOf(before.ranges), only, pause }, "keys", folder.signal);
  if (!told) return undefined;
  const keySums = new Map(only.map((index, at) => [index, told[at]?.keySum ?? 0n]));
  return { stretches: wholeRanges(before.ranges, only), keySums };
}

/** The ranges with these numbers, each chunk by chunk. */
async function piecesOf(
  folder: TableFolder,
  { base, runFiles, ranges }: Pick<TableBefore, "base" | "runFiles" | "ranges">,
  wanted: ReadonlySet<number>,
  added: readonly RowKey[],
): Promise<ReadonlyMap<number, readonly Piece[]>> {
  const { order } = folder;
  const overlay = await Overlay.open(folder, runFiles);
  const pieces = new Map<number, readonly Piece[]>();
  let next = 0;
  for (const index of wanted) {
    const from = ranges[index]?.firstKey;
    const below = ranges[index + 1]?.firstKey;
    const isBehind = (key: RowKey | undefined, bound: RowKey | undefined): boolean =>
      bound !== undefined && (key === undefined || order.compare(key, bound) >= 0);
    const some: Piece[] = [];
    for await (const { firstKey, nextKey, rows } of base.chunks(from)) {
      if (some.length > 0 && isBehind(firstKey, below)) break;
      const start = some.length === 0 ? from : firstKey;
      const end = isBehind(nextKey, below) ? below : nextKey;
      while (overlay.key !== undefined && start !== undefined && order.compare(overlay.key, start) < 0) {
        const waiting = overlay.advance();
        if (waiting) await waiting;
      }
      while (next < added.length && start !== undefined && order.compare(added[next] ?? "", start) < 0) next++;
      let count = rows;
      for (; next < added.length && !isBehind(added[next], end); next++) count++;
      // Of the base's first chunk and the range's, both begin where all do.
      const isWhole = (start === firstKey || start === undefined) && end === nextKey;
      some.push({ firstKey: start, ...(isWhole && !overlay.before(end) && { rows: count }) });
    }
    pieces.set(index, some.length > 0 ? some : [{ firstKey: from }]);
  }
  return pieces;
}

/** Numbers of the first and the last piece to look in: of those that lack rows, or may, unless it is known of enough rows where they are gone. */
function whereLacking(pieces: readonly Piece[], now: readonly RowSums[], lack: number): readonly [number, number] {
  const gone = pieces.map(({ rows }, at) => rows !== undefined && rows - (now[at]?.rows ?? 0));
  const known = gone.reduce<number>((sum, one) => sum + (one === false ? 0 : one), 0);
  const isSought = (one: number | false): boolean => (one === false ? known < lack : one > 0);
  const makesSense = gone.every((one) => one === false || one >= 0) && gone.some(isSought);
  return makesSense ? [gone.findIndex(isSought), gone.findLastIndex(isSought)] : [0, pieces.length - 1];
}
