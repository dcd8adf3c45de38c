import type { TableSchema } from "../database.ts";
import type { PostgresConnection } from "./connection.ts";
import { quoteName, quoteQualified, quoteText } from "./identifier.ts";
import { isLargeObjects } from "./large-objects.ts";
import type { TableSize } from "./table-sizes.ts";

/** A part of a table by the values of its key's first column, from `from` to before `to`. */
export interface Stretch {
  /** Quoted. */
  readonly column: string;
  /** SQL of the values; absent: from the first, to the last. */
  readonly from?: string;
  readonly to?: string;
}

/** About what a session reads at a time, and what is held for each session besides the first. */
export const stretchBytes = 4 << 20;
const sampledPages = 200;
/** Of nearly every server; of another one, the sample is larger or smaller. */
const pageBytes = 8192;

/**
 * Cuts a table into stretches of about equal size, by a sample of its pages. They are in the order of the key's
 * index, whatever that order is; a table that is small has one.
 */
export async function stretchesOf(
  table: TableSchema,
  { bytes, rowBytes }: TableSize,
  connection: PostgresConnection,
  eachBytes = stretchBytes,
): Promise<readonly Stretch[]> {
  const [first] = table.columns;
  if (table.keyLength === 0 || !first || isLargeObjects(table)) return [];
  const count = Math.floor(bytes / eachBytes);
  if (count < 2) return [];
  const [name, column] = [quoteQualified(table), quoteName(first.name)];
  const percent = Math.min(100, (sampledPages * pageBytes * 100) / Math.max(rowBytes, pageBytes));
  // In the order of the values: `ORDER BY` would take a column's own name for the text that it is given out as.
  const sample = await connection.rows(
    `SELECT bound::text FROM (SELECT DISTINCT ${column} AS bound FROM ONLY ${name} TABLESAMPLE SYSTEM (${percent}) REPEATABLE (1)) AS sample
     ORDER BY sample.bound`,
  );
  const bounds: string[] = [];
  for (let at = 1; at < count; at++) {
    const value = sample[Math.floor((at * sample.length) / count)]?.[0];
    if (value === null || value === undefined) continue;
    const bound = `${quoteText(value)}::${first.type}`;
    if (bound !== bounds.at(-1)) bounds.push(bound);
  }
  if (bounds.length === 0) return [];
  return [undefined, ...bounds].map((from, at) => {
    const to = bounds[at];
    return { column, ...(from !== undefined && { from }), ...(to !== undefined && { to }) };
  });
}
