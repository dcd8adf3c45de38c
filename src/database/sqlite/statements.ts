import { DatabaseSync } from "node:sqlite";
import { fullTextCommand } from "./full-text.ts";

/** Options under which a schema made by any SQLite works: `"text"` in double quotes, own rows of `sqlite_schema`. */
export const schemaOptions = {
  enableForeignKeyConstraints: false,
  enableDoubleQuotedStringLiterals: true,
  defensive: false,
} as const;

const allowed =
  /^(CREATE (UNIQUE |VIRTUAL )?(TABLE|INDEX|TRIGGER|VIEW)\b|ANALYZE sqlite_schema$|INSERT INTO sqlite_(schema|stat1)\(|PRAGMA writable_schema=(ON|RESET)$)/i;

/**
 * Runs one statement of a schema. Schemas come from databases and repositories, which may hold anything under the name of
 * a table's definition: so it must be one statement, and of a kind that only defines something in this database.
 */
export function runSchemaStatement(connection: DatabaseSync, statement: string): void {
  if (!allowed.test(statement) && !fullTextCommand.test(statement))
    throw new Error(`not a schema statement: ${statement.slice(0, 40)}`);
  const prepared = connection.prepare(statement);
  // `sourceSQL` is what SQLite compiled: the first statement only.
  if (prepared.sourceSQL.trim().length !== statement.trim().length) {
    throw new Error(`more than one statement: ${statement.slice(0, 40)}`);
  }
  // `run` also answers with the id of the last row inserted before, whatever its size.
  prepared.setReadBigInts(true);
  prepared.run();
}

export interface Rehearsed {
  readonly sql: string;
  readonly subject: string;
}

export interface Rehearsal {
  /** Statements that failed, with SQLite's reason. */
  readonly failures: ReadonlyMap<Rehearsed, string>;
  /** A table with AUTOINCREMENT is among them, so that there is a `sqlite_sequence`. */
  readonly hasCounters: boolean;
}

/** Tries statements in order on an empty database in memory. */
export function rehearse(statements: readonly Rehearsed[]): Rehearsal {
  const failures = new Map<Rehearsed, string>();
  const scratch = new DatabaseSync(":memory:", schemaOptions);
  try {
    for (const statement of statements) {
      try {
        runSchemaStatement(scratch, statement.sql);
      } catch (error) {
        failures.set(statement, error instanceof Error ? error.message : String(error));
      }
    }
    const counters = scratch.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_sequence'").get();
    return { failures, hasCounters: counters !== undefined };
  } finally {
    scratch.close();
  }
}
