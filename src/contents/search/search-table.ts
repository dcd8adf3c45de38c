import type { FieldRules } from "../../crm/column-texts.ts";
import type { DatabaseEngine, RowBatch } from "../../database/database.ts";
import { recordRow, type RecordRow } from "../records/record-row.ts";
import type { ReadableTable } from "../tables/stored-table.ts";
import { matchTexts, type TextQuery } from "./text-query.ts";

export interface FoundRow {
  readonly row: RecordRow;
  /** Places of the columns whose texts have any of the words. */
  readonly columns: readonly number[];
}

/** Rows of a table that have all words of the query in their texts. Chunks that cannot have them are not read. */
export async function* searchTable(
  table: ReadableTable,
  asked: TextQuery,
  rules: FieldRules & Pick<DatabaseEngine, "searchable">,
  signal: AbortSignal,
): AsyncGenerator<FoundRow, void> {
  // A word may stand in a column whose bytes are others: then each row is looked at, as it reads.
  const isCoded = table.table.columns.some((column) => rules.searchable(column) === "coded");
  const query = isCoded ? { ...asked, pieces: [], needle: undefined } : asked;
  const batches = table.rowsWith?.({ pieces: query.pieces, values: [] }, signal) ?? table.rows({}, signal);
  for await (const batch of batches) {
    signal.throwIfAborted();
    yield* searchBatch(table, query, rules, batch);
  }
}

function* searchBatch(
  table: ReadableTable,
  query: TextQuery,
  rules: FieldRules,
  { lines, release }: RowBatch,
): Generator<FoundRow> {
  const text = lines.toString("latin1");
  release?.();
  // Bytes of other characters change in the same way in both, so what is equal is still found.
  const folded = query.needle === undefined ? "" : text.toLowerCase();
  const needle = query.needle?.toLowerCase() ?? "";
  for (let at = 0; at < text.length;) {
    const hit = query.needle === undefined ? at : folded.indexOf(needle, at);
    if (hit < 0) return;
    const start = text.lastIndexOf("\n", hit - 1) + 1;
    const newline = text.indexOf("\n", hit);
    const end = newline < 0 ? text.length : newline;
    const found = searchRow(recordRow(table.table, text.slice(start, end)), query, rules);
    if (found) yield found;
    at = end + 1;
  }
}

/** A row, if it has all words. */
export function searchRow(row: RecordRow, query: TextQuery, rules: FieldRules): FoundRow | undefined {
  const texts = row.table.columns.map((column, at) => rules.textOf(row.fields[at] ?? "\\N", column));
  const columns = matchTexts(query, texts);
  return columns && { row, columns };
}
