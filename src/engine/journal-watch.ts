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
    const count = (table: string, what: "created" | "updated" | "deleted", rows: number): void => {
      const counted = this.#countedOf(table);
      if (!counted) return;
      counted[what] += rows;
      if (what === "created") counted.rows += rows;
      if (what === "deleted") counted.rows -= rows;
      touched.add(counted);
    };
    for (const change of changes) {
      if (change.type === "write") count(change.table.name, change.row === "new" ? "created" : "updated", 1);
      else if (change.type === "delete") count(change.table.name, "deleted", 1);
      else if (change.type === "truncate") {
        const { name } = change.table;
        count(name, "deleted", this.#countedOf(name)?.rows ?? 0);
      }
    }
    const found = findAnomalies({ changes: [...touched] }, this.#past);
    return found.filter(({ kind, subject }) => {
      const what = `${kind} ${subject}`;
      const isWanted = (kind === "mass-delete" || kind === "mass-update") && !this.#told.has(what);
      if (isWanted) this.#told.add(what);
      return isWanted;
    });
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
