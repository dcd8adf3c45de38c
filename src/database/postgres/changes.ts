import { createHash } from "node:crypto";

import type { RowBatch, TableSchema, WrittenRows } from "../database.ts";
import type { PostgresConnection } from "./connection.ts";
import { quoteName, quoteQualified } from "./identifier.ts";
import { isLargeObjects } from "./large-objects.ts";
import { parsePlace } from "./log-position.ts";
import type { Blocks, WalSummaries } from "./wal-summaries.ts";

/**
 * What changed in a table, by `xmin`: the transaction that wrote a row as it is. Everything written since a snapshot was
 * written by a transaction that was not over then, so by one from the snapshot's own xmin on. What that does not tell is
 * ruled out first: a table that was written anew under the same name (its file has another number), values that changed
 * without their row (a default for a new column, an enum's labels: any other definition in the database), another
 * server or history. Rows that are gone are found by whoever counts stretches (`sums.ts`).
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
  /** Where the log was when nobody had written what the snapshot does not see; absent: somebody had. */
  readonly lsn?: string;
  /** Where the log was once the moment was taken: all that it sees stands before. */
  readonly until?: string;
  /** Of a standby, which may lag behind another server that was read before: how far it was before its moment was taken. */
  readonly replayed?: string;
}

/** Ages of transactions are only ordered within half of their numbers; this is half of that. */
const oldestAge = 2n ** 30n;

/** What all tables of one snapshot share of their marks. */
export type SnapshotMark = Omit<Mark, "file">;

/**
 * Transactions that may have written before now and are not over: each holds its own number locked. Asked for after the place
 * in the log: when all of them are over at the snapshot, whatever it does not see was written behind that place.
 */
export const writingSql =
  "SELECT transactionid::text FROM pg_locks WHERE locktype = 'transactionid' AND mode = 'ExclusiveLock' AND granted";

interface Moment {
  readonly role: "primary" | "standby";
  readonly xmin: string;
  readonly until: string;
  /** What `writingSql` gave before the moment. */
  readonly writing: readonly string[];
}

export function snapshotMark(
  position: Readonly<Record<"lsn" | "system" | "timeline", string>>,
  { role, xmin, until, writing }: Moment,
  definitions: readonly string[],
): SnapshotMark {
  const digest = createHash("sha256").update(definitions.join("\n")).digest("hex").slice(0, 32);
  const { lsn, system, timeline } = position;
  const shared = { system, timeline, definitions: digest, xmin, until };
  // A standby does not know who writes on its primary.
  if (role === "standby") return { ...shared, replayed: lsn };
  const bound = Number(BigInt.asUintN(32, BigInt(xmin)));
  const areOver = writing.every((xid) => (bound - Number(xid)) >>> 0 !== 0 && (bound - Number(xid)) >>> 0 < 2 ** 31);
  return areOver ? { ...shared, lsn } : shared;
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
  readonly summaries: WalSummaries;
}

export async function changesOf(
  { table, mark, keeper, worker, summaries }: ChangesInput,
  since: string,
): Promise<WrittenRows | undefined> {
  const was = parseMark(since);
  const now = parseMark(mark);
  if (!was || !now || keeper.serverEncoding !== "UTF8") return undefined;
  const same = (["system", "timeline", "definitions", "file"] as const).every((name) => was[name] === now[name]);
  if (!same || BigInt(now.xmin) - BigInt(was.xmin) > oldestAge || BigInt(now.xmin) < BigInt(was.xmin)) return undefined;
  // Nor may it have been taken of a server further on: another one, or this one before it was put back to an earlier state.
  if (!isPast(now.replayed ?? now.until, was.until)) return undefined;
  let asked: Promise<readonly Blocks[] | undefined> | undefined;
  const blocks = async () =>
    was.lsn === undefined
      ? undefined
      : await (asked ??= summaries.changedBlocks(quoteQualified(table), now.file, was.lsn));
  return {
    method: async () => ((await blocks()) ? "wal" : "xmin"),
    async *rows() {
      const found = await blocks();
      const session = await worker();
      const select = await selectSince(session, table, was.xmin);
      yield* found ? inBlocks(session, select, found, table) : scan(session, select, table);
    },
  };
}

/** The age of the bound is that of the session's whole transaction: asked for once, a row's is only compared with a number. */
async function selectSince(session: PostgresConnection, table: TableSchema, xmin: string): Promise<string> {
  const columns = table.columns.map((column) => quoteName(column.name)).join(",");
  const age = Number(
    await session.value("SELECT age($1::xid)", [String(BigInt.asUintN(32, BigInt(xmin)))], table.name),
  );
  return `SELECT ${columns} FROM ONLY ${quoteQualified(table)} WHERE age(xmin) <= ${age}`;
}

/** Stretches of blocks that one statement reads: planning takes a server more time for each, the more there are. */
const stretchesAtOnce = 20;

async function* inBlocks(
  session: PostgresConnection,
  select: string,
  blocks: readonly Blocks[],
  { name }: TableSchema,
): AsyncGenerator<RowBatch, void> {
  for (let at = 0; at < blocks.length; at += stretchesAtOnce) {
    const selects = blocks
      .slice(at, at + stretchesAtOnce)
      .map(({ from, to }) => `${select} AND ctid >= '(${from},0)' AND ctid < '(${to},0)'`);
    yield* session.copyOut(`COPY (${selects.join(" UNION ALL ")}) TO STDOUT`, 64 << 10, name);
  }
}

/** Reads in the order that the table lies in: the session is set to prefer indexes. */
async function* scan(
  session: PostgresConnection,
  select: string,
  { name }: TableSchema,
): AsyncGenerator<RowBatch, void> {
  await session.run("SET LOCAL enable_seqscan = on");
  yield* session.copyOut(`COPY (${select}) TO STDOUT`, 1 << 20, name);
  await session.run("SET LOCAL enable_seqscan = off");
}

function isPast(reached: string | undefined, until: string | undefined): boolean {
  const [place, bound] = [parsePlace(reached), parsePlace(until)];
  return place !== undefined && bound !== undefined && place >= bound;
}

/** From a manifest, which may come from anywhere. */
function parseMark(text: string | undefined): Mark | undefined {
  try {
    const parsed = JSON.parse(text ?? "null") as Partial<Record<keyof Mark, unknown>> | null;
    const names = ["system", "timeline", "definitions", "file", "xmin"] as const;
    if (!parsed || names.some((name) => typeof parsed[name] !== "string")) return undefined;
    const places = [parsed.lsn, parsed.until, parsed.replayed].filter((place) => place !== undefined);
    if (places.some((place) => typeof place !== "string" || parsePlace(place) === undefined)) return undefined;
    return /^\d{1,19}$/.test(String(parsed.xmin)) ? (parsed as Mark) : undefined;
  } catch {
    return undefined;
  }
}
