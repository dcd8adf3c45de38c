import { type LogPoint, placeTimeSlackMs, type SnapshotPoint, tableName } from "../../database/change-feed.ts";
import type { RowKey, TableSchema } from "../../database/database.ts";
import type { Journal } from "./open-journal.ts";
import { type JournalSpan, outsideBehind } from "./journal-file.ts";
import { reachFrom } from "./reach.ts";
import { keyOfLine } from "./replay.ts";
import { segmentsBehind } from "./span-segments.ts";
import { type RowChange, transactionsOf } from "./transactions.ts";

/** Which rows of a database were touched between two of its moments. */
export interface TouchedRows {
  /** Every row that may differ, and maybe others; `undefined`: that is not known of this table. */
  keysOf(table: TableSchema): readonly RowKey[] | undefined;
}

/** Keys of a table are held in memory; of one with more than these another way is quicker anyway. */
const mostKeys = 100_000;

/** How far a database's journal has to lead. */
export interface TouchedBetween {
  readonly database: string;
  readonly from: SnapshotPoint;
  /** Everything that the later moment holds was committed up to here; its time, by the server's clock. */
  readonly to: LogPoint;
}

/**
 * What the journal says was touched from one moment of a database on. What was committed behind the later one is among it too, so
 * rows are to be read there. `undefined`: it does not lead that far, or not yet.
 */
export async function touchedBetween(
  journal: Pick<Journal, "databases" | "segments">,
  { database: name, from, to }: TouchedBetween,
  signal: AbortSignal,
): Promise<TouchedRows | undefined> {
  const database = journal.databases.find((one) => one.name === name);
  const reach = database && reachFrom(database, from);
  if (!database || reach?.state !== "until") return undefined;
  const { span } = reach;
  if (span !== database.spans.at(-1) || !leadsTo(span, from, to)) return undefined;
  const untold = new Set([
    ...outsideBehind(database, span, from.position).map(tableName),
    ...span.gaps.filter((gap) => gap.to.position > from.position).flatMap(({ tables }) => tables.map(tableName)),
  ]);
  const touched = new Map<string, TouchedTable>();
  for await (const { changes, ...transaction } of transactionsOf(segmentsBehind(journal, name, span, from, signal))) {
    if (!from.holds(transaction)) for (const change of changes) note(touched, change);
  }
  return {
    keysOf(table) {
      if (untold.has(tableName(table))) return undefined;
      const found = touched.get(tableName(table));
      if (!found) return [];
      const isTold = found.state === "told" && found.fingerprint === table.fingerprint && found.keys.size <= mostKeys;
      return isTold ? [...found.keys] : undefined;
    },
  };
}

/** A log that was made anew since counts from the beginning again: what is later there may lie before what the journal has. */
function leadsTo({ to: end }: JournalSpan, from: SnapshotPoint, to: LogPoint): boolean {
  if (end.position < to.position || to.position < from.position) return false;
  return end.position === to.position || Date.parse(to.time) <= Date.parse(end.time) + placeTimeSlackMs;
}

interface TouchedTable {
  readonly fingerprint: string;
  readonly keys: Set<RowKey>;
  state: "told" | "untold";
}

function note(touched: Map<string, TouchedTable>, change: RowChange): void {
  const { table } = change;
  const name = tableName(table);
  const { fingerprint } = table;
  const found = touched.get(name) ?? { fingerprint, keys: new Set<RowKey>(), state: "told" };
  touched.set(name, found);
  if (change.type === "truncate" || found.fingerprint !== fingerprint) found.state = "untold";
  else if (found.keys.size > mostKeys) return;
  else if (change.type === "delete") found.keys.add(change.key);
  else {
    found.keys.add(keyOfLine(change.after, table.keyLength));
    if (change.oldKey !== undefined) found.keys.add(change.oldKey);
  }
}
