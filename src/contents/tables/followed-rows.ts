import type { FollowedRows, RowBatch, RowKey, TableReader } from "../../database/database.ts";
import { keyAt, lineEnd, type RowOrder } from "./row-order.ts";

const batchRows = 1000;

/** Rows that the journal says were touched, as they are at the moment of a reader; `undefined`: it cannot be asked for them. */
export function followedRows(
  reader: TableReader,
  order: RowOrder,
  keys: readonly RowKey[],
  signal: AbortSignal,
): FollowedRows | undefined {
  const { rowsOf } = reader;
  if (!rowsOf) return undefined;
  const left = new Set(keys);
  const seen = new Set<RowKey>();
  return {
    async *rows() {
      if (keys.length === 0) return;
      for await (const batch of rowsOf.call(reader, keys, signal)) yield onceEach(batch, order, seen, left);
    },
    async *gone() {
      const gone = [...left];
      for (let at = 0; at < gone.length; at += batchRows) {
        const some = gone.slice(at, at + batchRows);
        yield { lines: Buffer.from(`${some.join("\n")}\n`, "latin1"), rows: some.length };
      }
    },
  };
}

/** Without rows that came before: keys that are equal to the database have the same rows. */
function onceEach({ lines }: RowBatch, order: RowOrder, seen: Set<RowKey>, left: Set<RowKey>): RowBatch {
  const kept: Buffer[] = [];
  for (let at = 0; at < lines.length;) {
    const end = lineEnd(lines, at, lines.length);
    const key = keyAt(order, lines, at, end);
    if (!seen.has(key)) {
      seen.add(key);
      left.delete(key);
      kept.push(lines.subarray(at, end + 1));
    }
    at = end + 1;
  }
  return { lines: Buffer.concat(kept), rows: kept.length };
}
