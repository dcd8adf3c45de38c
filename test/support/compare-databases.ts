/**
 * Compares two SQLite databases value by value without any code of `src/`: schema objects, settings, counters, and per
 * value its storage class and its exact bytes.
 */
import { DatabaseSync, type SQLOutputValue } from "node:sqlite";

/** Differences in words for a failing test; empty when equal. */
export function compareDatabases(expectedPath: string, actualPath: string): readonly string[] {
  const expected = new DatabaseSync(expectedPath, { readOnly: true });
  const actual = new DatabaseSync(actualPath, { readOnly: true });
  try {
    const differences: string[] = [];
    for (const pragma of ["encoding", "page_size", "auto_vacuum", "user_version", "application_id", "journal_mode"]) {
      note(differences, `PRAGMA ${pragma}`, pragmaValue(expected, pragma), pragmaValue(actual, pragma));
    }
    note(differences, "schema", describeSchema(expected), describeSchema(actual));
    note(differences, "counters", describeCounters(expected), describeCounters(actual));
    for (const table of tableNames(expected)) {
      note(differences, `table ${table}`, describeTable(expected, table), describeTable(actual, table));
    }
    const integrity = pragmaValue(actual, "integrity_check");
    if (integrity !== "ok") differences.push(`integrity_check: ${integrity}`);
    return differences;
  } finally {
    expected.close();
    actual.close();
  }
}

function note(differences: string[], subject: string, expected: unknown, actual: unknown): void {
  const left = JSON.stringify(expected);
  const right = JSON.stringify(actual);
  if (left !== right)
    differences.push(`${subject}:\n  expected ${left.slice(0, 2000)}\n  actual   ${right.slice(0, 2000)}`);
}

function pragmaValue(database: DatabaseSync, pragma: string): string {
  return String(Object.values(database.prepare(`PRAGMA ${pragma}`).get() ?? {})[0]);
}

function describeSchema(database: DatabaseSync): readonly string[] {
  const rows = database
    .prepare(
      "SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE name NOT IN ('sqlite_sequence', 'sqlite_stat4')",
    )
    .all();
  return rows.map((row) => JSON.stringify(row)).toSorted();
}

function describeCounters(database: DatabaseSync): readonly string[] {
  const has = database.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_sequence'").get();
  if (has === undefined) return [];
  const rows = database.prepare("SELECT name, CAST(seq AS TEXT) AS seq FROM sqlite_sequence").all();
  return rows.map((row) => JSON.stringify(row)).toSorted();
}

function tableNames(database: DatabaseSync): readonly string[] {
  const rows = database
    .prepare(
      "SELECT name FROM sqlite_schema WHERE type = 'table' AND rootpage > 0 AND name NOT IN ('sqlite_sequence', 'sqlite_stat4')",
    )
    .all();
  return rows.map((row) => String(row["name"]));
}

/** Every row as text, sorted: rows have no order of their own. */
function describeTable(database: DatabaseSync, table: string): readonly string[] {
  const quote = (name: string): string => `"${name.replaceAll('"', '""')}"`;
  const columns = database
    .prepare("SELECT name FROM pragma_table_xinfo(?) WHERE hidden <> 1 ORDER BY cid")
    .all(table)
    .map((row) => quote(String(row["name"])));
  const values = columns.map(
    (column) =>
      `typeof(${column}), CASE WHEN typeof(${column}) IN ('text','blob') THEN hex(CAST(${column} AS BLOB)) ELSE ${column} END`,
  );
  const statement = database.prepare(`SELECT ${values.join(", ")} FROM ${quote(table)}`);
  statement.setReadBigInts(true);
  statement.setReturnArrays(true);
  // With arrays asked for, each row is one; the types of Node do not follow.
  const rows = statement.all() as unknown as readonly (readonly SQLOutputValue[])[];
  return rows.map((row) => row.map(describeValue).join(" ")).toSorted();
}

function describeValue(value: SQLOutputValue): string {
  if (typeof value !== "number") return String(value);
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value);
  return view.getBigUint64(0).toString(16);
}
