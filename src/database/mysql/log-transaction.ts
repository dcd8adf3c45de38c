import type { LogStatement } from "./log-statement.ts";

/** A stretch of one file of the log, but for what was taken back in it. */
export interface LogStretch {
  readonly file: string;
  readonly from: number;
  readonly to: number;
  readonly without: readonly LogRange[];
}

interface LogRange {
  readonly from: number;
  readonly to: number;
}

/** A transaction while it is read: where it stands in the log, and what of it was taken back by then. */
export class LogTransaction {
  readonly name: string;
  readonly time: string;
  /** `alone`: one statement that ends by itself. `prepared`: another transaction says later whether it counts. */
  how: "alone" | "open" | "prepared";
  /** Whether rows of the database are in it. */
  rows: "none" | "some" = "none";
  readonly #file: string;
  readonly #from: number;
  readonly #savepoints: { readonly name: string; readonly at: number }[] = [];
  readonly #without: LogRange[] = [];

  constructor(
    name: string,
    time: string,
    how: LogTransaction["how"],
    at: { readonly file: string; readonly from: number },
  ) {
    this.name = name;
    this.time = time;
    this.how = how;
    this.#file = at.file;
    this.#from = at.from;
  }

  /** A statement that is part of it. `unknown`: it goes back to where nobody knows. */
  statement(statement: LogStatement, { from, to }: LogRange): "known" | "unknown" {
    if (statement.what === "begin") this.how = statement.how;
    else if (statement.what === "savepoint") this.#savepoints.push({ name: statement.savepoint, at: from });
    else if (statement.what === "back-to") {
      const found = this.#savepoints.findLastIndex(({ name }) => name === statement.savepoint);
      const savepoint = this.#savepoints[found];
      if (!savepoint) return "unknown";
      this.#savepoints.splice(found + 1);
      this.#without.push({ from: savepoint.at, to });
    }
    return "known";
  }

  /** What of it was told and does not count. */
  get isTakenBack(): boolean {
    return this.#without.length > 0;
  }

  stretch(to: number): LogStretch {
    return { file: this.#file, from: this.#from, to, without: this.#without };
  }
}

/** Whether an event that ends there was taken back. */
export function isWithout({ without }: LogStretch, end: number): boolean {
  return without.some(({ from, to }) => from < end && end <= to);
}
