import type { RowKey } from "../../database/database.ts";
import { damaged } from "../checked.ts";
import type { KeysFile } from "./keys-file.ts";
import { LineCursor } from "./line-cursor.ts";
import type { TableFolder } from "./stored-parts.ts";

/** Walks one run in key order: `rows` and `deleted` together. */
class RunCursor {
  readonly #folder: TableFolder;
  readonly #rows: LineCursor;
  readonly #deleted: LineCursor;
  key: RowKey | undefined;
  /** `undefined`: deleted. */
  line: Buffer | undefined;

  private constructor(folder: TableFolder, rows: LineCursor, deleted: LineCursor) {
    this.#folder = folder;
    this.#rows = rows;
    this.#deleted = deleted;
    this.#choose();
  }

  static async open(folder: TableFolder, run: KeysFile, from?: RowKey): Promise<RunCursor> {
    const rows = await LineCursor.open(folder, run.rows, from);
    return new RunCursor(folder, rows, await LineCursor.open(folder, run.deleted, from));
  }

  advance(): Promise<void> | undefined {
    const waiting = (this.line ? this.#rows : this.#deleted).advance();
    if (waiting) return waiting.then(() => this.#choose());
    this.#choose();
    return undefined;
  }

  #choose(): void {
    const row = this.#rows.key;
    const deleted = this.#deleted.key;
    if (row === undefined || deleted === undefined) {
      this.key = row ?? deleted;
      this.line = row === undefined ? undefined : this.#rows.line;
      return;
    }
    const step = this.#folder.order.compare(row, deleted);
    if (step === 0) throw damaged(this.#folder.subject, "a key in rows and deleted");
    this.key = step < 0 ? row : deleted;
    this.line = step < 0 ? this.#rows.line : undefined;
  }
}

/** Walks all runs of a table as one: for each key what the newest run says of it. Memory: two chunks a run. */
export class Overlay {
  readonly #folder: TableFolder;
  /** Newest first. */
  readonly #runs: readonly RunCursor[];
  key: RowKey | undefined;
  /** The row as the newest run has it; `undefined`: deleted. */
  line: Buffer | undefined;

  private constructor(folder: TableFolder, runs: readonly RunCursor[]) {
    this.#folder = folder;
    this.#runs = runs;
    this.#choose();
  }

  /** `runs` oldest first. */
  static async open(folder: TableFolder, runs: readonly KeysFile[], from?: RowKey): Promise<Overlay> {
    const cursors: RunCursor[] = [];
    for (const run of runs) cursors.unshift(await RunCursor.open(folder, run, from));
    return new Overlay(folder, cursors);
  }

  /** Whether there is something to say before `end` (`undefined`: before the end of the table). */
  before(end: RowKey | undefined): boolean {
    return this.key !== undefined && (end === undefined || this.#folder.order.compare(this.key, end) < 0);
  }

  advance(): Promise<void> | undefined {
    let waiting: Promise<void>[] | undefined;
    for (const run of this.#runs) {
      if (run.key !== this.key) continue;
      const wait = run.advance();
      if (wait) (waiting ??= []).push(wait);
    }
    if (waiting) return Promise.all(waiting).then(() => this.#choose());
    this.#choose();
    return undefined;
  }

  #choose(): void {
    let newest: RunCursor | undefined;
    for (const run of this.#runs) {
      if (run.key === undefined) continue;
      if (newest?.key === undefined || this.#folder.order.compare(run.key, newest.key) < 0) newest = run;
    }
    this.key = newest?.key;
    this.line = newest?.line;
  }
}
