import { openJournal } from "../contents/journal/open-journal.ts";
import { segmentsSince } from "../contents/journal/span-segments.ts";
import { type JournalTransaction, keysOf, type RowChange, transactionsOf } from "../contents/journal/transactions.ts";
import { heldRows } from "../contents/records/held-rows.ts";
import { keyOfLine } from "../contents/journal/replay.ts";
import { sameTable } from "../contents/records/relations.ts";
import { placeTimeSlackMs, type TableId } from "../database/change-feed.ts";
import type { DatabaseEngine, RowKey, TableSchema } from "../database/database.ts";
import { compareTimes } from "../format/time.ts";
import { databaseEngineFor } from "./engine.ts";
import { readErasures } from "./erasures.ts";
import type { OpenedPoint, PointSource } from "./open-point.ts";

/** Whose transactions are wanted: the record's own row and those that hold more of it, all of one key. */
export interface WantedRows {
  readonly crm: string;
  readonly database: string;
  readonly engine: DatabaseEngine;
  /** The tables that there are. */
  readonly tables: readonly TableSchema[];
  readonly wanted: readonly TableId[];
  readonly key: RowKey;
  /** RFC 3339: of the oldest recovery point. */
  readonly since: string;
}

/** Transactions of the journal that touched these rows, in the order of their commits, each with what it did to them. */
export async function recordTransactions(
  source: PointSource,
  { crm, database, engine, tables, wanted, key, since }: WantedRows,
): Promise<readonly JournalTransaction[]> {
  const { reader, snapshots, run } = source;
  const { signal } = run;
  const journal = await openJournal(reader, snapshots, crm, signal);
  if (!journal?.databases.some(({ name }) => name === database)) return [];
  const erasures = await (source.erasures ?? readErasures)(reader, snapshots, crm, signal);
  const found: JournalTransaction[] = [];
  for await (const one of transactionsOf(segmentsSince(journal, database, since, signal))) {
    signal.throwIfAborted();
    const own = one.changes.filter(
      (change) =>
        wanted.some((table) => sameTable(table, change.table)) &&
        (change.type === "truncate" || keysOf(change).includes(key)),
    );
    if (own.length === 0) continue;
    const changes: RowChange[] = [];
    for (const change of own) {
      // What was erased is not told here either.
      if (erasures.length > 0 && change.type === "write") {
        const get = async (table: TableSchema, asked: RowKey) =>
          sameTable(table, change.table) && asked === keyOfLine(change.after, table.keyLength)
            ? Buffer.from(change.after, "latin1")
            : undefined;
        const scene = { erasures, database, tables, rules: engine, time: one.time, get };
        const held = await heldRows(scene, change.table);
        if (held?.isHeld(change.after) === true) continue;
        const { before: _before, ...rest } = change;
        changes.push({ ...rest, after: held?.cleared(change.after) ?? change.after });
      } else changes.push(change);
    }
    if (changes.length > 0) found.push({ ...one, changes });
  }
  return found;
}

/** Whether a recovery point has what a transaction did. */
export function heldBy(
  source: PointSource,
  point: OpenedPoint,
  database: string,
): (one: JournalTransaction) => boolean {
  const manifest = point.snapshot?.manifest.databases.find(({ name }) => name === database);
  const at = manifest && databaseEngineFor(source.engine, manifest.location).log?.pointOf(manifest.position);
  return (one) => {
    if (at?.history !== one.history) return compareTimes(one.time, point.snapshot?.stored.snapshot.time ?? "") <= 0;
    // A log that was made anew has the positions of the one before it.
    return at.holds(one) && Date.parse(one.time) - placeTimeSlackMs <= Date.parse(at.time);
  };
}
