import type { DatabaseSchema, StoredTableLayout, TableSchema } from "../database.ts";
import { columnKind } from "./column-kind.ts";
import { viewOf } from "./broken-view.ts";
import { withoutDefiner } from "./definer.ts";
import { quoteName, quoteText } from "./identifier.ts";
import { counterStatements } from "./load.ts";
import { loadSettings, loadStatement } from "./load-sql.ts";

/** Statements with a body hold semicolons: the client is told of another end. */
const end = "//holdfast//";

/** Where rows are put that a run changes: table and statement are made for each run, and dropped. */
const staging = "holdfast_run";

/**
 * A script for the `mariadb` client, run in the folder that holds it, on an empty database: `mariadb --local-infile
 * name < restore.sql`. Tables, base rows, runs oldest first, counters, then what runs inside the database.
 */
export function restoreScript(schema: DatabaseSchema, tables: readonly StoredTableLayout[]): string {
  const broken = new Set(schema.uncovered.flatMap(({ subject, reason }) => (reason === "mysql-view" ? [subject] : [])));
  const isBroken = (statement: string): boolean => broken.has(viewOf(statement) ?? "");
  const lines = [
    "-- Loads this database with MariaDB's own client, without Holdfast:",
    "--   mariadb --local-infile=1 NAME < restore.sql",
    "-- NAME is an empty database. Run it in the folder of this file. Definers become the user who runs it.",
    "SET NAMES utf8mb4;",
    ...loadSettings.map((statement) => `${statement};`),
    ...(schema.settings["flavour"] === "mariadb" ? ["SET SESSION check_constraint_checks=0;"] : []),
    `DELIMITER ${end}`,
    ...schema.before.map(ended),
    "DELIMITER ;",
    ...tables.flatMap(tableLines),
    ...counterStatements(schema).map((statement) => `${statement};`),
    `DELIMITER ${end}`,
    ...schema.after.map((statement) => (isBroken(statement) ? aside(statement) : ended(withoutDefiner(statement)))),
    "DELIMITER ;",
    "SET NAMES utf8mb4;",
    ...loadSettings.map((statement) => `${statement};`),
    ...tables.map(
      ({ table }) =>
        `SELECT ${quoteText(table.name)} AS \`table\`, COUNT(*) AS \`rows\` FROM ${quoteName(table.name)};`,
    ),
  ];
  return `${lines.join("\n")}\n`;
}

/** On a line of its own: a routine keeps a remark at its end, in which the client would look for none. */
function ended(statement: string): string {
  return `${statement}\n${end}`;
}

/** A view that selects from what is not there: the client would end with it. */
function aside(statement: string): string {
  return `-- left out, since it selects from what is not there: ${withoutDefiner(statement).replaceAll("\n", " ")}`;
}

function tableLines({ table, base, runs }: StoredTableLayout): readonly string[] {
  return [
    ...base.map((path) => `${loadStatement(table, path)};`),
    ...runs.flatMap(({ rows, deleted }) => [
      // Keys that are gone, and the keys of rows that are new or changed: all go, then the new rows come.
      ...removeLines(table, deleted, "keys"),
      ...removeLines(table, rows, "rows"),
      `${loadStatement(table, rows)};`,
    ]),
  ];
}

/**
 * Takes away the rows whose keys stand in a file. Keys are compared byte by byte: for the database's own comparison two of
 * them may be equal.
 */
function removeLines(table: TableSchema, path: string, content: "keys" | "rows"): readonly string[] {
  const keys = table.columns.slice(0, table.keyLength);
  const held = content === "keys" ? { ...table, columns: keys } : table;
  const same = keys.map(({ name }) => {
    const column = quoteName(name);
    return `t.${column}=s.${column}`;
  });
  const exact = keys
    .filter((column) => ["text", "enum"].includes(columnKind(column)))
    .map(({ name }) => `BINARY t.${quoteName(name)}=BINARY s.${quoteName(name)}`);
  const names = held.columns.map(({ name }) => quoteName(name)).join(",");
  return [
    `CREATE TEMPORARY TABLE ${staging} AS SELECT ${names} FROM ${quoteName(table.name)} LIMIT 0;`,
    `${loadStatement(held, path, staging)};`,
    `DELETE t FROM ${quoteName(table.name)} t JOIN ${staging} s ON ${[...same, ...exact].join(" AND ")};`,
    `DROP TEMPORARY TABLE ${staging};`,
  ];
}
