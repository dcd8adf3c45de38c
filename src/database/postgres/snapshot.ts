import { HoldfastError, isHoldfastError } from "../../lib/errors.ts";
import type {
  ConnectOptions,
  DatabaseAddress,
  DatabaseSchema,
  DatabaseSnapshot,
  SnapshotOf,
  TableReader,
  TableSchema,
} from "../database.ts";
import type { Environment } from "./address.ts";
import { snapshotMark, type SnapshotMark, writingSql } from "./changes.ts";
import { lockTimeoutMs, PostgresConnection, stallMs } from "./connection.ts";
import { noDefinitions, readDefinitions } from "./definitions.ts";
import { quoteQualified } from "./identifier.ts";
import { inspectSchema } from "./inspect.ts";
import { isLargeObjects } from "./large-objects.ts";
import { parsePlace, positionOf } from "./log-position.ts";
import { MarkSource } from "./mark-source.ts";
import { PostgresTableReader } from "./reader.ts";
import { TableSizes } from "./table-sizes.ts";
import { tablesThatCall } from "./daily-path.ts";
import { readTables } from "./tables.ts";
import { WalSummaries } from "./wal-summaries.ts";

const begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
/** Waits for who has locked a table that are not told. */
const silentMs = 1000;
/** Two keep both sides of a small machine busy; more take from the CRM. */
const defaultConnections = 2;
/** Reading in the order of the index costs less than sorting, and needs no room on the server's disk. */
const byIndex = "SET enable_seqscan=off; SET enable_sort=off; SET enable_bitmapscan=off; SET cursor_tuple_fraction=1";

export interface SnapshotInput {
  readonly address: DatabaseAddress;
  readonly environment: Environment;
  /** Absent: everything. `rows`: no definitions are read before one needs them, which takes longer than all else before the first row. */
  readonly what?: SnapshotOf;
  /** Sessions that read rows; 0: for who only looks at the schema. */
  readonly connections?: number;
  readonly unread?: ConnectOptions["unread"];
  /** How long to wait for who has locked a table; absent: 10 s. */
  readonly lockWaitMs?: number;
  readonly onWait?: ConnectOptions["onWait"];
  readonly signal: AbortSignal;
}

/** What a moment is made of once every session that needs it holds its tables. */
interface Taken {
  readonly id: string;
  readonly schema: DatabaseSchema;
  readonly position: string;
  readonly mark: SnapshotMark | MarkSource;
  readonly workers: readonly PostgresConnection[];
}

/**
 * One moment of a database, seen by several sessions: a keeper holds the transaction open, and the others take over its
 * snapshot. The tables are locked as any reader locks them *before* the moment is taken: a table that is truncated or
 * rewritten after a snapshot looks empty to it. And by all sessions at once: who came later would queue behind a TRUNCATE
 * that waits for those who came first, and they for him, which no server sees as a deadlock.
 */
export class PostgresSnapshot implements DatabaseSnapshot {
  readonly schema: DatabaseSchema;
  readonly position: string;
  readonly #keeper: PostgresConnection;
  readonly #input: SnapshotInput;
  readonly #id: string;
  readonly #mark: SnapshotMark | MarkSource;
  readonly #summaries: WalSummaries;
  readonly #sizes: TableSizes;
  #calling: Promise<ReadonlySet<string>> | undefined;
  #workers: Promise<readonly PostgresConnection[]>;

  private constructor(input: SnapshotInput, keeper: PostgresConnection, taken: Taken) {
    this.#mark = taken.mark;
    this.#input = input;
    this.#keeper = keeper;
    this.#summaries = new WalSummaries(keeper);
    this.#sizes = new TableSizes(
      keeper,
      taken.schema.tables.filter((table) => isHeld(table, input)),
    );
    this.#id = taken.id;
    this.#workers = Promise.resolve(taken.workers);
    this.schema = taken.schema;
    this.position = taken.position;
  }

  static async take(input: SnapshotInput): Promise<PostgresSnapshot> {
    const { address, environment, signal } = input;
    const keeper = await PostgresConnection.open(address, { environment, signal });
    try {
      return new PostgresSnapshot(input, keeper, await lockedMoment(keeper, input));
    } catch (error) {
      await keeper[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** The log now, so behind what the snapshot holds. */
  async logEnd(): Promise<string | undefined> {
    const { lsn } = await logPosition(this.#keeper, "written");
    const place = parsePlace(lsn);
    return place === undefined ? undefined : positionOf(place);
  }

  reader(table: TableSchema): TableReader {
    return new PostgresTableReader(table, {
      keeper: this.#keeper,
      workers: () => this.#freshWorkers(),
      mark: this.#mark,
      summaries: this.#summaries,
      sizes: this.#sizes,
      calling: () => (this.#calling ??= tablesThatCall(this.#keeper)),
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const workers = await this.#workers.catch(() => []);
    await Promise.all([this.#keeper, ...workers].map((session) => session[Symbol.asyncDispose]()));
  }

  /** A session whose reader stopped half-way is gone; another one takes its place, and locks what it reads. */
  async #freshWorkers(): Promise<readonly PostgresConnection[]> {
    const workers = await this.#workers;
    if (workers.every(({ state }) => state === "open")) return workers;
    await Promise.all(workers.map((session) => session[Symbol.asyncDispose]()));
    return await (this.#workers = openWorkers(this.#keeper, this.#input, this.#id, []));
  }
}

/** Begins the transaction, in which every session holds its tables; who waits says for whom, before and after. */
async function lockedMoment(keeper: PostgresConnection, input: SnapshotInput): Promise<Taken> {
  const { lockWaitMs = 10_000, onWait } = input;
  const began = performance.now();
  let told = false;
  for (let first = true; ; first = false) {
    const leftMs = began + lockWaitMs - performance.now();
    const waitMs = Math.ceil(first ? Math.min(silentMs, lockWaitMs) : Math.max(leftMs, 1));
    try {
      return await momentOf(keeper, input, waitMs);
    } catch (error) {
      if (!isHoldfastError(error, "database-busy")) throw error;
      const facts = await inTheWay(keeper);
      await keeper.run("ROLLBACK");
      const waitedMs = performance.now() - began;
      if (waitedMs >= lockWaitMs) throw new HoldfastError("database-busy", { path: keeper.path, ...facts }, error);
      if (waitedMs < silentMs || told) continue;
      told = true;
      onWait?.(facts);
    }
  }
}

async function momentOf(keeper: PostgresConnection, input: SnapshotInput, waitMs: number): Promise<Taken> {
  const { address, environment, signal } = input;
  const { role, ...lsn } = await logPosition(keeper);
  const writing = (await keeper.rows(writingSql)).flatMap(([xid]) => xid ?? []);
  // Before the transaction begins, whose moment is that of its first query.
  const names = (await readTables(keeper)).flatMap(({ table }) => (isHeld(table, input) ? quoteQualified(table) : []));
  await keeper.run(
    `${begin}; SET LOCAL lock_timeout = ${waitMs}${lockTables(names)}; SET LOCAL lock_timeout = ${stallMs}`,
  );
  // Not `now()`, which is when the transaction began: what was committed while it waited for a lock is in the snapshot too.
  const [row = []] = await keeper.rows(
    `SELECT pg_export_snapshot(), pg_current_snapshot()::text, clock_timestamp()::text, pg_snapshot_xmin(pg_current_snapshot())::text,
       CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_insert_lsn() END`,
  );
  const [id = "", visible, time, xmin, until] = row.map((cell) => cell ?? "");
  await using opened = new AsyncDisposableStack();
  const opening = openWorkers(keeper, input, id, names).then((workers) => workers.map((one) => opened.use(one)));
  opening.catch(() => {}); // told below
  try {
    const read = () => readDefinitions({ address, connection: keeper, snapshot: id, environment, signal });
    const definitions = input.what === "rows" ? undefined : await read();
    const schema = await inspectSchema(keeper, definitions ?? noDefinitions);
    // Made between the list and the moment: nobody holds it.
    const held = new Set(names);
    const missed = schema.tables.find((table) => isHeld(table, input) && !held.has(quoteQualified(table)));
    if (missed) throw new HoldfastError("database-busy", { path: keeper.path, subject: missed.name });
    const moment = { role, xmin: xmin ?? "", until: until ?? "", writing };
    const markBy = ({ before }: Pick<DatabaseSchema, "before">) =>
      snapshotMark(lsn, moment, [keeper.versionText, ...before]);
    const workers = await opening;
    await keeper.run(`SET LOCAL lock_timeout = ${lockTimeoutMs}`);
    opened.move();
    return {
      id,
      schema,
      position: JSON.stringify({ ...lsn, snapshot: visible, time }),
      mark: definitions ? markBy(schema) : new MarkSource(async () => markBy(await read())),
      workers,
    };
  } finally {
    await opening.catch(() => {});
  }
}

/** Sessions at the keeper's moment, as many as the server gives of those that were asked for, with all tables locked. */
async function openWorkers(
  keeper: PostgresConnection,
  { address, environment, signal, connections = defaultConnections }: SnapshotInput,
  id: string,
  names: readonly string[],
): Promise<readonly PostgresConnection[]> {
  const open = async (): Promise<PostgresConnection> => {
    await using opened = new AsyncDisposableStack();
    const worker = opened.use(await PostgresConnection.open(address, { environment, signal }));
    await worker.run(`${byIndex}; ${begin}; SET TRANSACTION SNAPSHOT '${id}'`);
    await worker.run(
      `SET LOCAL lock_timeout = ${stallMs}${lockTables(names)}; SET LOCAL lock_timeout = ${lockTimeoutMs}`,
    );
    opened.move();
    return worker;
  };
  const opened = await Promise.allSettled(Array.from({ length: connections }, open));
  const workers = opened.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
  const failures = opened.flatMap((one) => (one.status === "rejected" ? [one.reason as unknown] : []));
  const busy = failures.find((error) => isHoldfastError(error, "database-busy"));
  // A server with few free sessions is read by those that it gives.
  if (failures.length === 0 || (workers.length > 0 && busy === undefined)) return workers;
  await Promise.all(workers.map((session) => session[Symbol.asyncDispose]()));
  // Nobody can take over the moment of a session that the server has ended, which knows why.
  await keeper.run("SELECT");
  throw busy ?? failures[0];
}

/** `pg_control` knows of a new timeline from the next checkpoint on only. */
export const timelineNow = `CASE WHEN pg_is_in_recovery() THEN c.timeline_id
  ELSE ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::int END`;

/** Where the log was before the snapshot, which system and which of its histories it is: `pg_control`'s words. */
async function logPosition(
  keeper: PostgresConnection,
  what: "flushed" | "written" = "flushed",
): Promise<Readonly<Record<"lsn" | "system" | "timeline", string>> & { readonly role: "primary" | "standby" }> {
  const current = what === "written" ? "pg_current_wal_insert_lsn()" : "pg_current_wal_lsn()";
  const [row = []] = await keeper.rows(
    `SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE ${current} END,
       s.system_identifier, ${timelineNow}, pg_is_in_recovery() FROM pg_control_system() AS s CROSS JOIN pg_control_checkpoint() AS c`,
  );
  const [lsn, system, timeline, recovers] = row.map((cell) => cell ?? "");
  const role = recovers === "t" ? "standby" : "primary";
  return { lsn: lsn ?? "", system: system ?? "", timeline: timeline ?? "", role };
}

/** Whether the sessions hold a table, so that nobody alters or empties it. */
function isHeld(table: TableSchema, { unread }: SnapshotInput): boolean {
  return !isLargeObjects(table) && !unread?.includes(table.name);
}

function lockTables(names: readonly string[]): string {
  return names.length === 0 ? "" : `; LOCK TABLE ONLY ${names.join(", ONLY ")} IN ACCESS SHARE MODE`;
}

/** Who has or wants a lock that not even a reader passes. */
async function inTheWay(keeper: PostgresConnection): Promise<{ readonly subject?: string; readonly reason?: string }> {
  const ask = () => keeper.rows(blockers);
  const [blocker = []] = await ask().catch(async () => {
    // A transaction that has failed answers nothing.
    await keeper.run("ROLLBACK");
    return ask();
  });
  const [table, pid] = blocker.map((cell) => cell ?? undefined);
  return { ...(table !== undefined && { subject: table }), ...(pid !== undefined && { reason: `session ${pid}` }) };
}

const blockers = `SELECT l.relation::regclass::text, l.pid FROM pg_locks l
  WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock' AND l.relation >= 16384
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) ORDER BY l.granted DESC, l.pid LIMIT 1`;
