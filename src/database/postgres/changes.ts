import { createHash } from "node:crypto";

import {
  auditEvery,
  type ChangesSince,
  keyParts,
  type RowBatch,
  type StretchSums,
  type TableChanges,
  type TableSchema,
} from "../database.ts";
import type { PostgresConnection } from "./connection.ts";
import { unescaped } from "./field.ts";
import { quoteName, quoteQualified } from "./identifier.ts";
import { isLargeObjects } from "./large-objects.ts";
import { hashSql, keyLineSql, lineSql } from "./line-sql.ts";

/**
 * What changed in a table, by `xmin`: the transaction that wrote a row as it is. Everything written since a snapshot was
 * written by a transaction that was not over then, so by one from the snapshot's own xmin on. What that does not tell is
 * ruled out first: a table that was written anew under the same name (its file has another number), values that changed
 * without their row (a default for a new column, an enum's labels: any other definition in the database), another
 * server or history. Rows that are gone are found by sums of keys.
 */
interface Mark {
  readonly system: string;
  readonly timeline: string;
  /** Digest of the database's definitions. */
  readonly definitions: string;
  /** Number of the table's file. */
  readonly file: string;
  /** `pg_snapshot_xmin(pg_current_snapshot())`, 64 bits. */
  readonly xmin: string;
}

/** Ages of transactions are only ordered within half of their numbers; this is half of that. */
const oldestAge = 2n ** 30n;

/** What all tables of one snapshot share of their marks. */
export type SnapshotMark = Omit<Mark, "file">;

export function snapshotMark(
  position: Readonly<Record<string, string>>,
  xmin: string,
  definitions: readonly string[],
): SnapshotMark {
  const digest = createHash("sha256").update(definitions.join("\n")).digest("hex").slice(0, 32);
  return { system: position["system"] ?? "", timeline: position["timeline"] ?? "", definitions: digest, xmin };
}

/** `undefined`: of this table xmin tells nothing. */
export async function tableMark(
  table: TableSchema,
  shared: SnapshotMark,
  connection: PostgresConnection,
): Promise<string | undefined> {
  if (table.keyLength === 0 || isLargeObjects(table)) return undefined;
  const [row = []] = await connection.rows(
    "SELECT pg_relation_filenode(oid), relpersistence FROM pg_class WHERE oid = $1::regclass",
    [quoteQualified(table)],
  );
  const [file, persistence] = row;
  // An unlogged table is emptied by a crash.
  return file && persistence === "p" ? JSON.stringify({ ...shared, file } satisfies Mark) : undefined;
}

export interface ChangesInput {
  readonly table: TableSchema;
  /** Mark of this table at this moment. */
  readonly mark: string | undefined;
  readonly keeper: PostgresConnection;
  readonly worker: () => Promise<PostgresConnection>;
}

export async function changesByXmin(
  { table, mark, keeper, worker }: ChangesInput,
  since: ChangesSince,
): Promise<TableChanges | undefined> {
  const was = parseMark(since.mark);
  const now = parseMark(mark);
  if (!was || !now || keeper.serverEncoding !== "UTF8") return undefined;
  const same = (["system", "timeline", "definitions", "file"] as const).every((name) => was[name] === now[name]);
  if (!same || BigInt(now.xmin) - BigInt(was.xmin) > oldestAge || BigInt(now.xmin) < BigInt(was.xmin)) return undefined;
  const stretch = stretchSql(table, since);
  if (stretch === undefined) return undefined;
  const name = quoteQualified(table);
  const columns = table.columns.map((column) => quoteName(column.name)).join(",");
  const bound = `'${BigInt.asUintN(32, BigInt(was.xmin))}'::xid`;
  return {
    method: "xmin",
    stretches: () => stretchesOf(table, keeper, since, stretch),
    rows: () =>
      scan(worker, `COPY (SELECT ${columns} FROM ONLY ${name} WHERE age(xmin) <= age(${bound})) TO STDOUT`, table),
    keys: () =>
      scan(worker, `COPY (SELECT ${quoteName(table.columns[0]?.name ?? "")} FROM ONLY ${name}) TO STDOUT`, table),
  };
}

/** Reads in the order that the table lies in: the session is set to prefer indexes. */
async function* scan(
  worker: () => Promise<PostgresConnection>,
  sql: string,
  { name }: TableSchema,
): AsyncGenerator<RowBatch, void> {
  const session = await worker();
  await session.run("SET LOCAL enable_seqscan = on");
  yield* session.copyOut(sql, 1 << 20, name);
  await session.run("SET LOCAL enable_seqscan = off");
}

/** SQL for the number of the stretch that a row is in; only where the key is one column. */
function stretchSql({ columns, keyLength }: TableSchema, { starts }: ChangesSince): string | undefined {
  const [key] = columns;
  if (!key || keyLength !== 1) return starts.length === 0 && keyLength > 0 ? "0" : undefined;
  if (starts.length === 0) return "0";
  const isNumber = /^(smallint|integer|bigint)$/.test(key.type);
  const column = quoteName(key.name);
  const bounds =
    "ARRAY(SELECT v FROM jsonb_array_elements_text($1::jsonb) WITH ORDINALITY AS e(v, place) ORDER BY place)";
  return isNumber
    ? `width_bucket(${column}::bigint, (SELECT ${bounds}::bigint[]))`
    : `width_bucket(concat(${column}) COLLATE "C", (SELECT ${bounds}::text[]))`;
}

async function stretchesOf(
  table: TableSchema,
  connection: PostgresConnection,
  { starts, audit }: ChangesSince,
  stretch: string,
): Promise<readonly StretchSums[]> {
  const texts = starts.map((key) => Buffer.from(unescaped(key), "latin1").toString("utf8"));
  const rows = await connection.rows(
    `SELECT stretch, hash & ${keyParts - 1}, count(*), sum(hash), coalesce(sum(row), 0)
     FROM (SELECT stretch, ${hashSql(keyLineSql(table))} AS hash,
         CASE WHEN stretch % ${auditEvery} = ${audit} THEN ${hashSql(lineSql(table.columns))} END AS row
       FROM (SELECT *, ${stretch} AS stretch FROM ONLY ${quoteQualified(table)}) AS rows) AS hashes GROUP BY 1, 2`,
    starts.length === 0 ? [] : [JSON.stringify(texts)],
    table.name,
  );
  const found = Array.from({ length: starts.length + 1 }, () => ({
    rowSum: 0n,
    parts: Array.from({ length: keyParts }, () => ({ keys: 0, sum: 0n })),
  }));
  for (const [at, part, count, sum, rowSum] of rows) {
    const one = found[Number(at)];
    if (!one) continue;
    one.rowSum = BigInt.asUintN(64, one.rowSum + BigInt(rowSum ?? 0));
    one.parts[Number(part)] = { keys: Number(count), sum: BigInt.asUintN(64, BigInt(sum ?? 0)) };
  }
  return found;
}

/** From a manifest, which may come from anywhere. */
function parseMark(text: string | undefined): Mark | undefined {
  try {
    const parsed = JSON.parse(text ?? "null") as Partial<Record<keyof Mark, unknown>> | null;
    const names = ["system", "timeline", "definitions", "file", "xmin"] as const;
    if (!parsed || names.some((name) => typeof parsed[name] !== "string")) return undefined;
    return /^\d{1,19}$/.test(String(parsed.xmin)) ? (parsed as Mark) : undefined;
  } catch {
    return undefined;
  }
}
