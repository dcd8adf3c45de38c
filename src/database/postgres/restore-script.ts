import { HoldfastError } from "../../lib/errors.ts";
import type { DatabaseSchema, StoredTableLayout } from "../database.ts";
import { ofThisDatabase } from "./database-grants.ts";
import { quoteName, quoteQualified } from "./identifier.ts";
import { isLargeObjects, largeObjectColumns, largeObjectsFrom } from "./large-objects.ts";
import { columnList, loadingSession, sequenceSql } from "./load.ts";
import { createDatabaseSql, dailyPath, dailyPathSql, readSettings, settingSql } from "./settings.ts";

/**
 * `restore.sql` for psql: `psql -d new -f restore.sql`, in the folder that holds it. Rows are what COPY reads. Runs are
 * applied oldest first: keys in `deleted` and keys of `rows` leave, then `rows` come.
 */
export function restoreScript(schema: DatabaseSchema, tables: readonly StoredTableLayout[]): string {
  const settings = readSettings(schema);
  const path = dailyPathSql(dailyPath(settings));
  return [
    header(oneLine(createDatabaseSql("crm", settings))),
    `SET client_encoding='${settings.encoding === "SQL_ASCII" ? "SQL_ASCII" : "UTF8"}';`,
    "SET search_path='';",
    ...loadingSession.split("; ").map((statement) => `${statement};`),
    ...definitions(schema.before, path),
    "-- Checks and generated columns call functions that were written for daily work.",
    `${path};`,
    ...tables.flatMap(restoreTable),
    searchNothing,
    ...schema.sequences.map((sequence) => `${sequenceSql(sequence)};`),
    ...definitions(schema.after, path),
    ...settings.own.map(([name, value]) => `${ofThisDatabase("ALTER DATABASE ", ` ${settingSql(name, value)}`)};`),
    "-- Owners and rights. A role that is not there is told, and costs nothing else.",
    "\\set ON_ERROR_STOP off",
    ...(schema.grants ?? []).map((statement) => `${statement};`),
    "\\o",
    "\\echo ok",
    "",
  ].join("\n");
}

/**
 * What fills or compares rows names everything with its schema, and is run as in daily work. What makes an index or a generated column is
 * tried so where it cannot be made otherwise: names without a schema are the server's own there.
 */
function definitions(statements: readonly string[], path: string): readonly string[] {
  const lines: string[] = [];
  let searched: "nothing" | "daily" = "nothing";
  const search = (where: typeof searched): void => {
    if (where !== searched) lines.push(where === "daily" ? `${path};` : searchNothing);
    searched = where;
  };
  for (const statement of statements) {
    search(readsRows.test(statement) ? "daily" : "nothing");
    if (!callsFunctions.test(statement)) lines.push(`${statement};`);
    else {
      const again = [`${path};`, "\\set ON_ERROR_STOP on", `${statement};`, searchNothing];
      lines.push(
        "\\set ON_ERROR_STOP off",
        `${statement};`,
        "\\if :ERROR",
        ...again,
        "\\endif",
        "\\set ON_ERROR_STOP on",
      );
    }
  }
  search("nothing");
  return lines;
}

const searchNothing = "SET search_path='';";
const readsRows = /^REFRESH |^ALTER TABLE .*\sADD CONSTRAINT .* FOREIGN KEY \(/s;
const callsFunctions =
  /^(?:CREATE (?:UNIQUE )?INDEX |ALTER TABLE .* EXCLUDE |CREATE (?:UNLOGGED )?TABLE .* GENERATED ALWAYS AS \().*["\w]\.["\w]+\(/s;

const header = (create: string) => `-- Restores this database with PostgreSQL's own psql, without Holdfast.
-- Make an empty database first, with a name of your choice for "crm":
--   ${create}
-- Then, in the folder that holds this file:
--   psql -X -d crm -f restore.sql
-- The last line printed is "ok" when all went well.
\\set ON_ERROR_STOP on
\\set QUIET on
\\o /dev/null`;

function restoreTable({ table, base, runs }: StoredTableLayout): readonly string[] {
  if (isLargeObjects(table)) {
    const pages = "pg_temp.holdfast_pages";
    return [
      `CREATE TEMP TABLE holdfast_pages (${largeObjectColumns});`,
      ...restoreRows({ table, base, runs }, pages, "loid,pageno,data"),
      ...largeObjectsFrom(pages).map((statement) => `${statement};`),
      `DROP TABLE ${pages};`,
    ];
  }
  const name = quoteQualified(table);
  const columns = table.columns.map((column) => quoteName(column.name)).join(",");
  return [`TRUNCATE ONLY ${name};`, ...restoreRows({ table, base, runs }, name, columns)];
}

function restoreRows({ table, base, runs }: StoredTableLayout, name: string, columns: string): readonly string[] {
  const list = columnList(table);
  const key = table.columns.slice(0, table.keyLength).map((column) => quoteName(column.name));
  // What compares values of a type of an extension may lie in a schema that is not searched; their text is the key's.
  const same = table.columns.slice(0, table.keyLength).map(({ name: one, type }) => {
    const cast = type.includes(".") ? "::text" : "";
    return `t.${quoteName(one)}${cast} = g.${quoteName(one)}${cast}`;
  });
  const gone = (from: string) =>
    `DELETE FROM ONLY ${name} AS t USING pg_temp.${from} AS g WHERE ${same.join(" AND ")};`;
  return [
    ...base.flatMap((file) => copyBase(name, list, columns, file)),
    ...runs.flatMap((run) => [
      `CREATE TEMP TABLE holdfast_deleted AS SELECT ${key.join(",")} FROM ONLY ${name} WITH NO DATA;`,
      `CREATE TEMP TABLE holdfast_rows AS SELECT ${columns} FROM ONLY ${name} WITH NO DATA;`,
      copy("pg_temp.holdfast_deleted", run.deleted),
      copy("pg_temp.holdfast_rows", run.rows),
      gone("holdfast_deleted"),
      gone("holdfast_rows"),
      `INSERT INTO ${name}${list} OVERRIDING SYSTEM VALUE SELECT ${columns} FROM pg_temp.holdfast_rows;`,
      "DROP TABLE pg_temp.holdfast_deleted, pg_temp.holdfast_rows;",
    ]),
  ];
}

/** psql's `\copy` ends with its line: a name that does not stand on one is written in SQL alone. */
function copyBase(name: string, list: string, columns: string, file: string): readonly string[] {
  if (!/[\r\n]/.test(name + list)) return [copy(`${name}${list}`, file)];
  return [
    `CREATE TEMP TABLE holdfast_base AS SELECT ${columns} FROM ONLY ${name} WITH NO DATA;`,
    copy("pg_temp.holdfast_base", file),
    `INSERT INTO ${name}${list} OVERRIDING SYSTEM VALUE SELECT ${columns} FROM pg_temp.holdfast_base;`,
    "DROP TABLE pg_temp.holdfast_base;",
  ];
}

function copy(into: string, file: string): string {
  // Folder names are escaped to these characters; anything else would be psql's business.
  if (!/^[A-Za-z0-9._/-]+$/.test(file)) throw new HoldfastError("internal", { subject: file });
  return `\\copy ${into} from '${file}'`;
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, " ");
}
