import type { ChangeMethod, RowBatch } from "../../database/database.ts";
import type { ChangedRow, ChangedRowsInput } from "./changed-rows.ts";
import { rowsByHash } from "./hashed-rows.ts";
import { rowsByJournal, rowsByWritten } from "./written-rows.ts";

export interface ToldRows {
  /** In key order. */
  readonly rows: readonly ChangedRow[];
  readonly method: Exclude<ChangeMethod, "read">;
}

/**
 * What the database tells of a table's changes, in the best way that it allows; each is checked by the one below it, and left
 * for that when something does not add up. `undefined`: all rows have to be read. `mark`: the table's in the snapshot before.
 */
export async function toldRows(
  input: ChangedRowsInput,
  mark: string | undefined,
  counted = (batches: AsyncIterable<RowBatch>): AsyncIterable<RowBatch> => batches,
): Promise<ToldRows | undefined> {
  const { reader, folder, followed } = input;
  if (reader.table.keyLength === 0) return undefined;
  if (followed) {
    const rows = await rowsByJournal(input, { ...followed, rows: () => counted(followed.rows()) });
    if (rows) return { rows, method: "journal" };
  }
  if (!reader.sums) return undefined;
  const changes = mark === undefined ? undefined : await reader.changes?.(mark, folder.signal);
  if (changes) {
    const rows = await rowsByWritten(input, { ...changes, rows: () => counted(changes.rows()) });
    if (rows) return { rows, method: await changes.method() };
  }
  const rows = await rowsByHash(input, counted);
  return rows && { rows, method: "hash" };
}
