import type { TableChange } from "../contents/databases.ts";
import type { DatabaseManifest } from "../contents/manifest.ts";
import type { Change } from "../database/change-feed.ts";
import { type Anomaly, findAnomalies, type Observed, pastAtMost } from "./anomalies.ts";

/** So long is looked at together. */
const windowMs = 60_000;

/**
 * Looks at what a journal tells of one database for rows that are deleted or changed in bulk, minute by minute, by the rules for
 * backups. Each is told once a minute, while it still goes on. All times are milliseconds of a clock that only goes forward.
 */
export class JournalWatch {
  /** Rows of a table, as the newest backup says, and what came and went since. */
  readonly #rows = new Map<string, number>();
  #window = new Map<string, Counted>();
  /** Of the transaction that is being told, by table. */
  readonly #open = new Map<string, { created: number; updated: number; deleted: number }>();
  #endsAt = 0;
  readonly #told = new Set<string>();
  /** The newest minutes in which anything changed. */
  readonly #past: Observed[] = [];

  /** How many rows each table had when it was backed up. */
  learn({ tables }: DatabaseManifest): void {
    this.#rows.clear();
    for (const { name, rows } of tables) this.#rows.set(name, rows);
  }

  /** What is out of the ordinary with these, and was not yet without them. */
  add(changes: readonly Change[], nowMs: number): readonly Anomaly[] {
    if (nowMs >= this.#endsAt) this.#turn(nowMs);
    const touched = new Set<Counted>();
    for (const change of changes) {
      // What was told of a transaction that is told anew, without what a savepoint took back, does not count.
      if (change.type === "begin") this.#open.clear();
      else if (change.type === "commit") for (const counted of this.#commit()) touched.add(counted);
      else if (change.type === "write" || change.type === "delete" || change.type === "truncate") this.#count(change);
    }
    const found = findAnomalies({ changes: [...touched] }, this.#past);
    return found.filter(({ kind, subject }) => {
      const what = `${kind} ${subject}`;
      const isWanted = (kind === "mass-delete" || kind === "mass-update") && !this.#told.has(what);
      if (isWanted) this.#told.add(what);
      return isWanted;
    });
  }

  #count(change: Extract<Change, { readonly table: unknown }>): void {
    const { name } = change.table;
    const open = this.#open.get(name) ?? { created: 0, updated: 0, deleted: 0 };
    this.#open.set(name, open);
    if (change.type === "delete") open.deleted++;
    else if (change.type === "write") open[change.row === "new" ? "created" : "updated"]++;
    else open.deleted = open.created + (this.#window.get(name)?.rows ?? this.#rows.get(name) ?? 0);
  }

  /** The transaction that is open counts. */
  *#commit(): Generator<Counted> {
    for (const [table, { created, updated, deleted }] of this.#open) {
      const counted = this.#countedOf(table);
      if (!counted) continue;
      counted.created += created;
      counted.updated += updated;
      counted.deleted += deleted;
      counted.rows += created - deleted;
      yield counted;
    }
    this.#open.clear();
  }

  /** What came and went of a table in this minute; `undefined`: no backup knows it, and nobody can say what much is. */
  #countedOf(table: string): Counted | undefined {
    const rows = this.#rows.get(table);
    if (rows === undefined) return undefined;
    const counted = this.#window.get(table) ?? { table, rows, rowsBefore: rows, created: 0, updated: 0, deleted: 0 };
    this.#window.set(table, counted);
    return counted;
  }

  #turn(nowMs: number): void {
    if (this.#window.size > 0) this.#past.push({ changes: [...this.#window.values()] });
    if (this.#past.length > pastAtMost) this.#past.shift();
    for (const { table, rows } of this.#window.values()) this.#rows.set(table, Math.max(0, rows));
    this.#window = new Map();
    this.#told.clear();
    this.#endsAt = nowMs + windowMs;
  }
}

/** Counted up row by row. */
type Counted = { -readonly [Name in keyof TableChange]: TableChange[Name] };
