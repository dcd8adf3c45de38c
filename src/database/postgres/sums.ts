import type { LoadedSums, RowBatch, RowKey, RowSums, Stretches, SumsOf, TableSchema } from "../database.ts";
import type { PostgresConnection, Row } from "./connection.ts";
import { withDailyPath } from "./daily-path.ts";
import { unescaped } from "./field.ts";
import { quoteName, quoteQualified, quoteText } from "./identifier.ts";
import { isLargeObjects } from "./large-objects.ts";
import { type Backslashes, hashSql, keyLineSql, lineSql } from "./line-sql.ts";

/** Stretches that one statement asks for: so that sessions share the work, and what is cancelled ends soon. */
const mostAtOnce = 500;

/**
 * Sums over stretches of a table, each found through the key's index: so only what is asked for is read. The stretches are
 * the database's own, in its order of keys; `undefined` when their starts do not ascend in it.
 */
export async function stretchSums(
  table: TableSchema,
  sessions: readonly PostgresConnection[],
  { starts, only, pause }: Stretches,
  what: SumsOf,
): Promise<readonly RowSums[] | undefined> {
  const [first] = sessions;
  if (!first || first.serverEncoding !== "UTF8" || isLargeObjects(table)) return undefined;
  if (starts.length > 0 && (table.keyLength === 0 || !(await ascends(table, first, starts)))) return undefined;
  const wanted = only ?? Array.from({ length: starts.length + 1 }, (_, index) => index);
  const pieces: number[][] = [];
  const each = Math.max(1, Math.min(mostAtOnce, Math.ceil(wanted.length / sessions.length)));
  for (let at = 0; at < wanted.length; at += each) pieces.push(wanted.slice(at, at + each));
  // What was restored is summed up as it lies, by as many of the server's processes as there are sessions otherwise.
  if (starts.length === 0) await first.run("SET max_parallel_workers_per_gather = 1");
  const found = new Map<number, RowSums>();
  const given = Promise.withResolvers<void>();
  if (pieces.length === 0) given.resolve();
  const work = async (session: PostgresConnection): Promise<void> => {
    for (;;) {
      // A session that is at something else, such as looking through the table, leaves the pieces to the others.
      await Promise.race([session.free, given.promise]);
      const piece = pieces.shift();
      if (pieces.length === 0) given.resolve();
      if (!piece) return;
      for (const [index, sums] of await sumsOf(table, session, starts, piece, what)) found.set(index, sums);
      await pause?.();
    }
  };
  await Promise.all(sessions.map(work));
  return wanted.map((index) => found.get(index) ?? { rows: 0, keySum: 0n, rowSum: 0n });
}

/** What all rows of a table that was just filled sum up to; `undefined`: the server cannot tell. */
export async function loadedSums(
  table: TableSchema,
  session: PostgresConnection,
  backslashes: Backslashes,
): Promise<LoadedSums | undefined> {
  if (session.serverEncoding !== "UTF8" || isLargeObjects(table)) return undefined;
  const sum = `SELECT count(*), sum(${hashSql(lineSql(table.columns, backslashes))}) FROM ONLY ${quoteQualified(table)}`;
  const [[rows, rowSum] = []] = await withDailyPath(session, () => session.rows(sum, [], table.name), "daily to plan");
  return { rows: Number(rows), rowSum: sumOf(rowSum) };
}

/** Rows of stretches, or their keys, in any order. */
export async function* stretchRows(
  table: TableSchema,
  session: PostgresConnection,
  { starts, only }: Stretches,
  what: "rows" | "keys",
): AsyncGenerator<RowBatch, void> {
  const columns = (what === "rows" ? table.columns : table.columns.slice(0, table.keyLength)).map(
    ({ name }) => `one.${quoteName(name)}`,
  );
  const wanted = only ?? Array.from({ length: starts.length + 1 }, (_, index) => index);
  for (const { inner, edge } of groups(starts, wanted)) {
    const from = edge === undefined ? `${spans(table, starts, inner)} JOIN ` : "";
    const where = edge === undefined ? `ON ${inSpan(table)}` : whereEdge(table, starts, edge);
    const sql = `COPY (SELECT ${columns.join(",")} FROM ${from}ONLY ${quoteQualified(table)} AS one ${where}) TO STDOUT`;
    yield* session.copyOut(sql, 1 << 20, table.name);
  }
}

async function sumsOf(
  table: TableSchema,
  session: PostgresConnection,
  starts: readonly RowKey[],
  wanted: readonly number[],
  what: SumsOf,
): Promise<ReadonlyMap<number, RowSums>> {
  const sumsBy = new Map<number, RowSums>();
  const add = ([index, rows, keySum, rowSum]: Row): void => {
    sumsBy.set(Number(index), { rows: Number(rows), keySum: sumOf(keySum), rowSum: sumOf(rowSum) });
  };
  const keyless = table.keyLength === 0;
  const line = what === "rows" || keyless ? lineSql(table.columns) : keyLineSql(table);
  const sum = (isAsked: boolean) => (isAsked ? "sum(hashed.hash)" : "0");
  const keySum = sum(what === "keys" || (what === "rows" && keyless));
  const sums = `count(*), ${keySum} AS key_sum, ${sum(what === "rows")} AS row_sum`;
  const hashed = (where: string) =>
    `(SELECT ${what === "counts" ? "" : `${hashSql(line)} AS hash`} FROM ONLY ${quoteQualified(table)} AS one ${where}) AS hashed`;
  for (const { inner, edge } of groups(starts, wanted)) {
    const sql =
      edge === undefined
        ? `SELECT span.number, sums.* FROM ${spans(table, starts, inner)}
             CROSS JOIN LATERAL (SELECT ${sums} FROM ${hashed(`WHERE ${inSpan(table)}`)}) AS sums`
        : `SELECT ${edge}, ${sums} FROM ${hashed(whereEdge(table, starts, edge))}`;
    for (const found of await session.rows(sql, [], table.name)) add(found);
  }
  return sumsBy;
}

function sumOf(text: string | null | undefined): bigint {
  return BigInt.asUintN(64, BigInt(text ?? 0));
}

/** The first and the last stretch are open at one end: each is asked for by itself. */
function groups(
  starts: readonly RowKey[],
  wanted: readonly number[],
): readonly { readonly inner: readonly number[]; readonly edge?: number }[] {
  const isEdge = (index: number) => index === 0 || index === starts.length;
  const inner = wanted.filter((index) => !isEdge(index));
  return [...(inner.length === 0 ? [] : [{ inner }]), ...wanted.filter(isEdge).map((edge) => ({ inner: [], edge }))];
}

/** A relation of stretches: their numbers, the values that they begin with (`f0`, `f1`, …) and end before (`t0`, …). */
function spans(table: TableSchema, starts: readonly RowKey[], wanted: readonly number[]): string {
  const key = table.columns.slice(0, table.keyLength);
  const froms = wanted.map((index) => valuesOf(starts[index - 1] ?? ""));
  const ends = wanted.map((index) => valuesOf(starts[index] ?? ""));
  const arrays = [
    `ARRAY[${wanted.join(",")}]`,
    ...[froms, ends].flatMap((bounds) =>
      key.map(({ type }, at) => `ARRAY[${bounds.map((values) => quoteText(values[at] ?? "")).join(",")}]::${type}[]`),
    ),
  ];
  const names = ["number", ...key.map((_, at) => `f${at}`), ...key.map((_, at) => `t${at}`)];
  return `unnest(${arrays.join(",")}) AS span(${names.join(",")})`;
}

function inSpan({ columns, keyLength }: TableSchema): string {
  const key = columns.slice(0, keyLength);
  const names = row(key.map(({ name }) => `one.${quoteName(name)}`));
  return `${names} >= ${row(key.map((_, at) => `span.f${at}`))} AND ${names} < ${row(key.map((_, at) => `span.t${at}`))}`;
}

function whereEdge({ columns, keyLength }: TableSchema, starts: readonly RowKey[], index: number): string {
  const key = columns.slice(0, keyLength);
  const names = row(key.map(({ name }) => `one.${quoteName(name)}`));
  const bound = (start: RowKey) => row(valuesOf(start).map((value, at) => `${quoteText(value)}::${key[at]?.type}`));
  const [from, to] = [starts[index - 1], starts[index]];
  const conditions = [
    ...(from === undefined ? [] : [`${names} >= ${bound(from)}`]),
    ...(to === undefined ? [] : [`${names} < ${bound(to)}`]),
  ];
  return conditions.length === 0 ? "" : `WHERE ${conditions.join(" AND ")}`;
}

function row(values: readonly string[]): string {
  return values.length === 1 ? values.join() : `(${values.join(",")})`;
}

/** Whether the stretches' starts ascend as the database orders keys, by the columns' own collations. */
async function ascends(table: TableSchema, session: PostgresConnection, starts: readonly RowKey[]): Promise<boolean> {
  const key = table.columns.slice(0, table.keyLength);
  if (key.every(({ type }) => /^(smallint|integer|bigint|oid|uuid)$/.test(type))) return true;
  const arrays = key.map(
    ({ type }, at) => `ARRAY[${starts.map((start) => quoteText(valuesOf(start)[at] ?? "")).join(",")}]::${type}[]`,
  );
  const names = key.map((_, at) => `k${at}`);
  // A join with no row of the table gives each value the collation of its column.
  const collated = key.map(
    ({ name }, at) => `CASE WHEN start.place < 0 THEN one.${quoteName(name)} ELSE start.k${at} END AS k${at}`,
  );
  const answer = await session.value(
    `SELECT bool_and(ascending) FROM (SELECT (${names.join(",")}) > (${names.map((name) => `lag(${name}) OVER (ORDER BY place)`).join(",")}) AS ascending
       FROM (SELECT start.place, ${collated.join(",")} FROM unnest(${arrays.join(",")}) WITH ORDINALITY AS start(${names.join(",")},place)
         LEFT JOIN ONLY ${quoteQualified(table)} AS one ON false) AS starts) AS steps`,
    [],
    table.name,
  );
  return answer !== "f";
}

/** The fields of a key as text of the database. */
function valuesOf(key: RowKey): readonly string[] {
  return key.split("\t").map((field) => Buffer.from(unescaped(field), "latin1").toString("utf8"));
}
