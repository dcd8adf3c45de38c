import type { TableChange } from "../contents/databases.ts";
import type { DatabaseManifest } from "../contents/manifest.ts";
import type { Change } from "../database/change-feed.ts";
import { type Anomaly, findAnomalies, type Observed } from "./anomalies.ts";

/** So long is looked at together. */
const windowMs = 60_000;
/** The newest so many minutes in which anything changed are its own past. */
const mostPast = 30;

/**
 * Looks at what a journal tells of one database for rows that are deleted or changed in bulk, minute by minute, by the rules for
 * backups. Each is told once a minute, while it still goes on. All times are milliseconds of a clock that only goes forward.
 */
export class JournalWatch {
  /** Rows of a table, as the newest backup says, and what came and went since. */
  readonly #rows = new Map<string, number>();
  #window = new Map<string, TableChange>();
  #endsAt = 0;
  readonly #told = new Set<string>();
  readonly #past: Observed[] = [];

  /** How many rows each table had when it was backed up. */
  learn({ tables }: DatabaseManifest): void {
    this.#rows.clear();
    for (const { name, rows } of tables) this.#rows.set(name, rows);
  }

  /** What is out of the ordinary with these, and was not yet without them. */
  add(changes: readonly Change[], nowMs: number): readonly Anomaly[] {
    if (nowMs >= this.#endsAt) this.#turn(nowMs);
    for (const change of changes) {
      if (change.type === "write") this.#count(change.table.name, change.row === "new" ? "created" : "updated", 1);
      else if (change.type === "delete") this.#count(change.table.name, "deleted", 1);
      else if (change.type === "truncate") {
        const { name } = change.table;
        this.#count(name, "deleted", this.#window.get(name)?.rows ?? this.#rows.get(name) ?? 0);
      }
    }
    const found = findAnomalies({ changes: [...this.#window.values()] }, this.#past);
    return found.filter(({ kind, subject }) => {
      const what = `${kind} ${subject}`;
      const isWanted = (kind === "mass-delete" || kind === "mass-update") && !this.#told.has(what);
      if (isWanted) this.#told.add(what);
      return isWanted;
    });
  }

  #count(table: string, what: "created" | "updated" | "deleted", count: number): void {
    const known = this.#rows.get(table);
    // Of a table that no backup knows nobody can say what much is.
    if (known === undefined) return;
    const was = this.#window.get(table) ?? {
      table,
      rows: known,
      rowsBefore: known,
      created: 0,
      updated: 0,
      deleted: 0,
    };
    const rows = was.rows + (what === "created" ? count : what === "deleted" ? -count : 0);
    this.#window.set(table, { ...was, rows, [what]: was[what] + count });
  }

  #turn(nowMs: number): void {
    if (this.#window.size > 0) this.#past.push({ changes: [...this.#window.values()] });
    if (this.#past.length > mostPast) this.#past.shift();
    for (const { table, rows } of this.#window.values()) this.#rows.set(table, Math.max(0, rows));
    this.#window = new Map();
    this.#told.clear();
    this.#endsAt = nowMs + windowMs;
  }
}
