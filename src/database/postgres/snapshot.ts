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
import { PostgresConnection } from "./connection.ts";
import { noDefinitions, readDefinitions } from "./definitions.ts";
import { quoteQualified } from "./identifier.ts";
import { inspectSchema } from "./inspect.ts";
import { isLargeObjects } from "./large-objects.ts";
import { parsePlace, positionOf } from "./log-position.ts";
import { MarkSource } from "./mark-source.ts";
import { PostgresTableReader } from "./reader.ts";
import { readTables } from "./tables.ts";
import { WalSummaries } from "./wal-summaries.ts";

const begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
/** Two keep both sides of a small machine busy; more take from the CRM. */
const defaultConnections = 2;
/** Reading in the order of the index costs less than sorting, and needs no room on the server's disk. */
const byIndex = "SET enable_seqscan=off; SET enable_sort=off; SET enable_bitmapscan=off; SET cursor_tuple_fraction=1";

export interface SnapshotInput {
  readonly address: DatabaseAddress;
  readonly environment: Environment;
  /** Absent: everything. `rows`: no definitions are read before one needs them, which takes longer than all else before the first row. */
  readonly what?: SnapshotOf;
  readonly connections?: number;
  /** How long to wait for who has locked a table; absent: 10 s. */
  readonly lockWaitMs?: number;
  readonly onWait?: ConnectOptions["onWait"];
  readonly signal: AbortSignal;
}

/**
 * One moment of a database, seen by several sessions: a keeper holds the transaction open, and the others take over its
 * snapshot. The tables are locked as any reader locks them *before* the moment is taken: a table that is truncated or
 * rewritten after a snapshot looks empty to it.
 */
export class PostgresSnapshot implements DatabaseSnapshot {
  readonly schema: DatabaseSchema;
  readonly position: string;
  readonly #keeper: PostgresConnection;
  readonly #input: SnapshotInput;
  readonly #id: string;
  readonly #mark: SnapshotMark | MarkSource;
  readonly #summaries: WalSummaries;
  #workers: Promise<readonly PostgresConnection[]> | undefined;

  private constructor(
    input: SnapshotInput,
    keeper: PostgresConnection,
    id: string,
    schema: DatabaseSchema,
    position: string,
    mark: SnapshotMark | MarkSource,
  ) {
    this.#mark = mark;
    this.#input = input;
    this.#keeper = keeper;
    this.#summaries = new WalSummaries(keeper);
    this.#id = id;
    this.schema = schema;
    this.position = position;
  }

  static async take(input: SnapshotInput): Promise<PostgresSnapshot> {
    const { address, environment, signal } = input;
    const keeper = await PostgresConnection.open(address, { environment, signal });
    try {
      const { role, ...lsn } = await logPosition(keeper);
      const writing = (await keeper.rows(writingSql)).flatMap(([xid]) => xid ?? []);
      await lockTables(keeper, input);
      const [row = []] = await keeper.rows(
        `SELECT pg_export_snapshot(), pg_current_snapshot()::text, now()::text, pg_snapshot_xmin(pg_current_snapshot())::text,
           CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_insert_lsn() END`,
      );
      const [id, visible, time, xmin, until] = row.map((cell) => cell ?? "");
      const read = () => readDefinitions({ address, connection: keeper, snapshot: id ?? "", environment, signal });
      const definitions = input.what === "rows" ? undefined : await read();
      const schema = await inspectSchema(keeper, definitions ?? noDefinitions);
      const position = JSON.stringify({ ...lsn, snapshot: visible, time });
      const moment = { role, xmin: xmin ?? "", until: until ?? "", writing };
      const markBy = ({ before }: Pick<DatabaseSchema, "before">) =>
        snapshotMark(lsn, moment, [keeper.versionText, ...before]);
      const mark = definitions ? markBy(schema) : new MarkSource(async () => markBy(await read()));
      return new PostgresSnapshot(input, keeper, id ?? "", schema, position, mark);
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
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const workers = await this.#workers?.catch(() => []);
    await Promise.all([this.#keeper, ...(workers ?? [])].map((session) => session[Symbol.asyncDispose]()));
  }

  /** A session whose reader stopped half-way is gone; another one takes its place. */
  async #freshWorkers(): Promise<readonly PostgresConnection[]> {
    const workers = await (this.#workers ??= this.#openWorkers());
    if (workers.every(({ state }) => state === "open")) return workers;
    await Promise.all(workers.map((session) => session[Symbol.asyncDispose]()));
    return await (this.#workers = this.#openWorkers());
  }

  async #openWorkers(): Promise<readonly PostgresConnection[]> {
    const { address, environment, signal, connections = defaultConnections } = this.#input;
    const opened = await Promise.allSettled(
      Array.from({ length: Math.max(1, connections) }, async () => {
        const worker = await PostgresConnection.open(address, { environment, signal });
        await worker.run(`${byIndex}; ${begin}; SET TRANSACTION SNAPSHOT '${this.#id}'`);
        return worker;
      }),
    );
    const workers = opened.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
    const failed = opened.find((one) => one.status === "rejected");
    // A server with few free sessions is read by those that it gives.
    if (failed && workers.length === 0) {
      // Nobody can take over the moment of a session that the server has ended, which knows why.
      await this.#keeper.run("SELECT");
      throw failed.reason;
    }
    return workers;
  }
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

/** Begins the transaction and locks its tables; who waits says for whom, before and after. */
async function lockTables(keeper: PostgresConnection, { lockWaitMs = 10_000, onWait }: SnapshotInput): Promise<void> {
  const silentMs = Math.min(1000, lockWaitMs);
  const waits = [silentMs, Math.max(lockWaitMs - silentMs, 1)];
  for (const [turn, waitMs] of waits.entries()) {
    // Before the transaction begins, whose moment is that of its first query.
    const names = (await readTables(keeper)).flatMap(({ table }) =>
      isLargeObjects(table) ? [] : [quoteQualified(table)],
    );
    await keeper.run(`SET lock_timeout = ${waitMs}; ${begin}`);
    if (names.length === 0) return;
    try {
      return await keeper.run(`LOCK TABLE ONLY ${names.join(", ONLY ")} IN ACCESS SHARE MODE`);
    } catch (error) {
      if (!isHoldfastError(error, "database-busy")) throw error;
      await keeper.run("ROLLBACK");
      const [blocker = []] = await keeper.rows(blockers);
      const [table, pid] = blocker.map((cell) => cell ?? undefined);
      const facts = {
        ...(table !== undefined && { subject: table }),
        ...(pid !== undefined && { reason: `session ${pid}` }),
      };
      if (turn > 0) throw new HoldfastError("database-busy", { path: keeper.path, ...facts }, error);
      onWait?.(facts);
    }
  }
}

/** Who holds a lock that not even a reader passes. */
const blockers = `SELECT l.relation::regclass::text, l.pid FROM pg_locks l
  WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock' AND l.granted AND l.relation >= 16384
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) ORDER BY l.pid LIMIT 1`;
