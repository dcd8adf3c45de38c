import { unchangedField } from "../../database/change-feed.ts";
import type { RowBatch, RowKey, TableReader } from "../../database/database.ts";
import { damaged } from "../checked.ts";
import type { RowOrder } from "../tables/row-order.ts";
import type { CaptureTableOptions } from "../tables/capture-table.ts";
import type { StoredTable } from "../tables/stored-table.ts";
import { filledIn, keyOfLine, type ReplayedTable } from "./replay.ts";

const batchRows = 1000;

/**
 * A stored table with what transactions did to it since, as something that a table can be captured from: it tells what changed,
 * or, where all that there was is gone, all that there is.
 */
export async function replayedReader(
  replayed: ReplayedTable,
  stored: StoredTable,
  signal: AbortSignal,
): Promise<Pick<CaptureTableOptions, "reader" | "touched">> {
  const { order, table } = stored;
  const rows = await wholeRows(replayed, stored, signal);
  const written = [...rows].flatMap(([, line]) => line ?? []);
  const gone = [...rows].flatMap(([key, line]) => (line === undefined ? [key] : []));
  const reader: TableReader = {
    table,
    estimatedRows: async () => written.length,
    read: () => inBatches(sortedLines(written, order)),
  };
  if (replayed.truncated === "yes") return { reader };
  return { reader, touched: { rows: () => inBatches(written), gone: () => inBatches(gone) } };
}

/** Rows without a field that was not told: such a one is as it was in the stored table. */
async function wholeRows(
  { rows, sources }: ReplayedTable,
  stored: StoredTable,
  signal: AbortSignal,
): Promise<ReadonlyMap<RowKey, string | undefined>> {
  const whole = new Map<RowKey, string | undefined>();
  for (const [key, line] of rows) {
    if (!line?.split("\t").includes(unchangedField)) {
      whole.set(key, line);
      continue;
    }
    const before = await stored.get(sources.get(key) ?? key, signal);
    if (!before) throw damaged(`journal of ${stored.table.name}`, "a row that is not in the backup");
    whole.set(key, filledIn(line, before.toString("latin1")));
  }
  return whole;
}

function sortedLines(lines: readonly string[], { compare, keyLength }: RowOrder): readonly string[] {
  return lines.toSorted((a, b) => compare(keyOfLine(a, keyLength), keyOfLine(b, keyLength)));
}

async function* inBatches(lines: readonly string[]): AsyncGenerator<RowBatch, void> {
  for (let at = 0; at < lines.length; at += batchRows) {
    const some = lines.slice(at, at + batchRows);
    yield { lines: Buffer.from(`${some.join("\n")}\n`, "latin1"), rows: some.length };
  }
}
