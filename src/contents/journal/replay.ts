import {
  type Change,
  type LogPoint,
  type SequenceState,
  tableName,
  unchangedField,
} from "../../database/change-feed.ts";
import type { RowKey, TableSchema } from "../../database/database.ts";
import type { OpenedSegment } from "./open-journal.ts";

/** A table as committed transactions left it, as far as they touched it. */
export interface ReplayedTable {
  readonly table: TableSchema;
  /** Rows by their keys; `undefined`: gone. Fields may be `unchangedField`: as the row was before, under `source`. */
  readonly rows: Map<RowKey, string | undefined>;
  /** Under which key the row was before, where that was another one. */
  readonly sources: Map<RowKey, RowKey>;
  /** All rows that there were before are gone. */
  truncated: "yes" | "no";
}

export interface Replayed {
  readonly tables: ReadonlyMap<string, ReplayedTable>;
  /** Tables that changed their columns on the way: their rows cannot be told. */
  readonly altered: readonly TableSchema[];
  readonly sequences: ReadonlyMap<string, string>;
  /** The last transaction that is in it. */
  readonly last?: ReplayedTransaction;
  readonly transactions: number;
}

export interface ReplayedTransaction extends LogPoint {
  readonly transaction: string;
}

export interface ReplayOptions {
  /** Whether what it is replayed on has this transaction already. */
  readonly holds: (transaction: ReplayedTransaction) => boolean;
  /** Which transaction is the first that is left out. */
  readonly isBeyond: (transaction: ReplayedTransaction) => boolean;
  readonly signal: AbortSignal;
}

/** Segments behind the last transaction that are looked at for where sequences are. */
const segmentsForSequences = 3;

/** What transactions left behind, in memory: one line for each row that they touched. */
export async function replay(segments: AsyncIterable<OpenedSegment>, options: ReplayOptions): Promise<Replayed> {
  const state = new ReplayState();
  const sequences = new Map<string, string>();
  let open: { readonly transaction: string; readonly rows: RowOrTable[] } | undefined;
  let beyond: "no" | "yes" = "no";
  let left = segmentsForSequences;
  for await (const segment of segments) {
    options.signal.throwIfAborted();
    if (beyond === "yes" && left-- === 0) break;
    let found: readonly SequenceState[] | undefined;
    for (const change of segment.changes()) {
      if (change.type === "sequences") {
        for (const { name, value } of change.sequences) sequences.set(name, value);
        found = change.sequences;
        if (beyond === "yes") break;
      } else if (change.type === "begin") open = { transaction: change.transaction, rows: [] };
      else if (change.type === "commit") {
        const transaction = { ...change.point, transaction: open?.transaction ?? "" };
        if (beyond === "yes" || options.isBeyond(transaction)) beyond = "yes";
        else if (open && !options.holds(transaction)) state.apply(open.rows, transaction);
        open = undefined;
      } else if (isRowOrTable(change) && beyond === "no") open?.rows.push(change);
    }
    if (beyond === "yes" && found) break;
  }
  return { ...state.result(), sequences };
}

type RowOrTable = Extract<Change, { type: "write" | "delete" | "truncate" }>;

function isRowOrTable(change: Change): change is RowOrTable {
  return change.type === "write" || change.type === "delete" || change.type === "truncate";
}

class ReplayState {
  readonly #tables = new Map<string, ReplayedTable>();
  readonly #altered = new Map<string, TableSchema>();
  #last: ReplayedTransaction | undefined;
  #transactions = 0;

  apply(rows: readonly RowOrTable[], transaction: ReplayedTransaction): void {
    this.#transactions++;
    this.#last = transaction;
    for (const change of rows) {
      const state = this.#state(change.table);
      if (change.type === "write") write(state, change);
      else if (change.type === "delete") remove(state, change.key);
      else {
        state.rows.clear();
        state.sources.clear();
        state.truncated = "yes";
      }
    }
  }

  result(): Omit<Replayed, "sequences"> {
    return {
      tables: this.#tables,
      altered: [...this.#altered.values()],
      ...(this.#last && { last: this.#last }),
      transactions: this.#transactions,
    };
  }

  #state(table: TableSchema): ReplayedTable {
    const name = tableName(table);
    const known = this.#tables.get(name);
    if (known && known.table.fingerprint !== table.fingerprint) this.#altered.set(name, table);
    const state = known ?? { table, rows: new Map(), sources: new Map(), truncated: "no" };
    this.#tables.set(name, state);
    return state;
  }
}

function write(state: ReplayedTable, { table, after, oldKey }: Extract<Change, { type: "write" }>): void {
  const key = keyOfLine(after, table.keyLength);
  const from = oldKey ?? key;
  const known = state.rows.get(from);
  const source = state.sources.get(from) ?? from;
  const line = after.includes(unchangedField) ? filledIn(after, known) : after;
  if (oldKey !== undefined) remove(state, oldKey);
  state.rows.set(key, line);
  if (source !== key && line.includes(unchangedField)) state.sources.set(key, source);
  else state.sources.delete(key);
}

function remove(state: ReplayedTable, key: RowKey): void {
  state.rows.set(key, undefined);
  state.sources.delete(key);
}

/** Fields that were not told are those of `before`, if that is known. */
export function filledIn(line: string, before: string | undefined): string {
  if (before === undefined) return line;
  const fields = before.split("\t");
  return line
    .split("\t")
    .map((field, at) => (field === unchangedField ? (fields[at] ?? field) : field))
    .join("\t");
}

/** The key of a line, without or with its other fields. */
export function keyOfLine(line: string, keyLength: number): RowKey {
  let at = -1;
  for (let field = 0; field < keyLength; field++) {
    at = line.indexOf("\t", at + 1);
    if (at < 0) return line;
  }
  return line.slice(0, at);
}
