import { HoldfastError, isHoldfastError } from "../../lib/errors.ts";
import type { ConnectOptions, DatabaseSnapshot, RowBatch, SnapshotOf, TableReader } from "../database.ts";
import { grantsOf, hasRight } from "./grants.ts";
import { holdTables } from "./hold.ts";
import { inspectDatabase } from "./inspect.ts";
import { lockWatch, type LockWatch } from "./lock-watch.ts";
import type { Target } from "./location.ts";
import { MysqlTableReader, type Sessions } from "./reader.ts";
import { Session, sessionLockWaitSeconds, type Row, type RowSink } from "./session.ts";

/** MariaDB knows `CRC32C` from here on. */
const hashesFrom = 100_800;

/**
 * One moment of a database, seen by several connections. All of them begin their transaction while nobody can commit: a
 * moment of some 15 ms, which ends before the first row is read. From then on nobody alters or empties a table, until the snapshot is over.
 */
export async function takeSnapshot(options: SnapshotOptions): Promise<DatabaseSnapshot> {
  const { target, onWait, signal } = options;
  const watch = lockWatch(target, onWait, signal);
  return watch(() => settled(options, watch));
}

/** Takes a new moment where somebody altered a table meanwhile, or waits to, as long as a lock would be waited for. */
async function settled(options: SnapshotOptions, watch: LockWatch): Promise<DatabaseSnapshot> {
  const until = performance.now() + (options.lockWaitSeconds ?? sessionLockWaitSeconds) * 1000;
  for (;;) {
    try {
      return await taken(options, watch);
    } catch (error) {
      if (!isHoldfastError(error, "database-busy") || performance.now() >= until) throw error;
    }
  }
}

interface SnapshotOptions {
  readonly target: Target;
  readonly connections: number;
  readonly onWait: ConnectOptions["onWait"];
  readonly signal: AbortSignal;
  readonly what: SnapshotOf | undefined;
  readonly unread: readonly string[];
  /** How long a table that somebody else has locked is waited for; absent: as long as sessions do. */
  readonly lockWaitSeconds?: number;
}

async function taken(
  { target, connections, signal, what, unread, lockWaitSeconds }: SnapshotOptions,
  watch: LockWatch,
): Promise<DatabaseSnapshot> {
  await using opened = new AsyncDisposableStack();
  const open = async (): Promise<Session> => {
    const session = await Session.open(target, target.database, signal);
    if (lockWaitSeconds !== undefined) await session.run(`SET SESSION lock_wait_timeout=${lockWaitSeconds}`);
    return opened.use(session);
  };
  const keeper = await open();
  const workers: Session[] = [];
  const gate = await openGate(keeper, open);
  if (gate) for (let count = 0; count < connections; count++) workers.push(await open());
  const all = [keeper, ...workers];
  for (const session of all) await session.run("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ");
  const position = await alignedMoment(gate, all);
  await holdTables(all, unread, lockWaitSeconds ?? sessionLockWaitSeconds);
  const { schema, indexes } = await inspectDatabase(keeper, what);
  // Texts as they are kept; where the server is to convert them, the statement says so.
  for (const session of all) await session.run("SET character_set_results=NULL");
  const sessions = new SessionPool(keeper, workers.length === 0 ? [keeper] : workers);
  const readers = new Map<string, TableReader>();
  const held = opened.move();
  return {
    schema,
    position,
    reader(table) {
      const known = readers.get(table.name) ?? new MysqlTableReader(table, indexes.get(table.name), sessions, watch);
      readers.set(table.name, known);
      return known;
    },
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

/** Keeps everybody from committing while it is closed. */
interface Gate extends AsyncDisposable {
  readonly session: Session;
  close(): Promise<void>;
  open(): Promise<void>;
}

/** `undefined` when this user may close none: then one connection must do, whose transaction is a moment by itself. */
async function openGate(keeper: Session, open: () => Promise<Session>): Promise<Gate | undefined> {
  if (!hasRight(await grantsOf(keeper), "RELOAD")) return undefined;
  const session = await open();
  const mariadb = session.server.flavour === "mariadb";
  // Unlike `FLUSH TABLES`, MariaDB's stages wait for no long query.
  const close = mariadb
    ? ["BACKUP STAGE START", "BACKUP STAGE BLOCK_COMMIT"]
    : // Without a word in the server's log, where it would be a transaction.
      ["FLUSH LOCAL TABLES", "FLUSH TABLES WITH READ LOCK"];
  return {
    session,
    close: async () => {
      for (const statement of close) await session.run(statement);
    },
    open: () => session.run(mariadb ? "BACKUP STAGE END" : "UNLOCK TABLES"),
    [Symbol.asyncDispose]: () => session[Symbol.asyncDispose](),
  };
}

/** Begins the same moment on all sessions, and tells where in the server's log it is. */
async function alignedMoment(gate: Gate | undefined, all: readonly Session[]): Promise<string> {
  const begin = async (): Promise<void> => {
    await Promise.all(all.map((session) => session.run("START TRANSACTION WITH CONSISTENT SNAPSHOT")));
  };
  const [keeper] = all;
  if (!keeper) throw new HoldfastError("internal", {});
  if (!gate) {
    await begin();
    return positionOf(keeper, keeper);
  }
  await using closing = gate;
  await closing.close();
  let position: string;
  try {
    await begin();
    position = await positionOf(closing.session, keeper);
  } finally {
    await closing.open();
  }
  if (keeper.server.flavour === "mariadb") await proveAligned(all);
  return position;
}

/** With a binary log, MariaDB tells each session's place in it. */
async function proveAligned(all: readonly Session[]): Promise<void> {
  const places = new Set<string>();
  for (const session of all) {
    const rows = await session.query("SHOW STATUS LIKE 'binlog_snapshot%'");
    places.add(JSON.stringify(rows));
  }
  if (places.size > 1) throw new HoldfastError("database-unreadable", { reason: "connections see different moments" });
}

/** File and offset in the binary log and the GTID, as far as there is one and this user may see it. */
async function positionOf(session: Session, keeper: Session): Promise<string> {
  const attempt = async (sql: string): Promise<Row | undefined> => {
    try {
      return (await session.query(sql))[0];
    } catch (error) {
      if (error instanceof HoldfastError && error.code !== "database-unreachable") return undefined;
      throw error;
    }
  };
  const newer = session.server.flavour === "mysql" && session.server.number >= 80_200;
  // MariaDB tells where in the log a snapshot is, whoever commits meanwhile.
  const own = session.server.flavour === "mariadb" ? await keeper.query("SHOW STATUS LIKE 'binlog_snapshot_%'") : [];
  const place = Object.fromEntries(own.map(([name, value]) => [(name ?? "").toLowerCase(), value]));
  const log = place["binlog_snapshot_file"]
    ? [place["binlog_snapshot_file"], place["binlog_snapshot_position"] ?? ""]
    : await attempt(newer ? "SHOW BINARY LOG STATUS" : "SHOW MASTER STATUS");
  const gtid = await attempt(
    session.server.flavour === "mariadb" ? "SELECT @@gtid_binlog_pos" : "SELECT @@global.gtid_executed",
  );
  const [row] = await session.query("SELECT UTC_TIMESTAMP(6), @@server_id");
  return [
    ...(log?.[0] ? [`file=${log[0]} position=${log[1]}`] : []),
    ...(gtid?.[0] ? [`gtid=${gtid[0].replaceAll(/\s+/g, "")}`] : []),
    `server=${row?.[1]}`,
    `time=${row?.[0]?.replace(" ", "T")}Z`,
  ].join(" ");
}

/** Whether the server has both halves of the row hash. */
export function computesHashes({ flavour, number }: Session["server"]): boolean {
  return flavour === "mariadb" && number >= hashesFrom;
}

/** Workers read rows in turn; whoever comes when all are busy waits. */
class SessionPool implements Sessions {
  readonly hashes: boolean;
  readonly atOnce: number;
  readonly #keeper: Session;
  readonly #free: Session[];
  readonly #waiting: ((session: Session) => void)[] = [];
  #asked: Promise<unknown> = Promise.resolve();
  #asking = 0;

  constructor(keeper: Session, workers: readonly Session[]) {
    this.#keeper = keeper;
    this.#free = [...workers];
    this.atOnce = new Set([keeper, ...workers]).size;
    this.hashes = computesHashes(keeper.server);
  }

  /** A second question at the same time goes to a worker that is free. */
  async ask(sql: string): Promise<readonly Row[]> {
    const worker = this.#asking > 0 && this.#free.at(-1) !== this.#keeper ? this.#free.pop() : undefined;
    if (worker) {
      try {
        return await worker.query(sql);
      } finally {
        this.#giveBack(worker);
      }
    }
    this.#asking++;
    const answer = this.#asked.then(() => this.#keeper.query(sql));
    this.#asked = answer.catch(() => {}).finally(() => this.#asking--);
    return answer;
  }

  async *stream(sql: string, sink: RowSink): AsyncGenerator<RowBatch, void> {
    const session = this.#free.pop() ?? (await new Promise<Session>((resolve) => this.#waiting.push(resolve)));
    try {
      yield* session.stream(sql, sink);
    } finally {
      this.#giveBack(session);
    }
  }

  #giveBack(worker: Session): void {
    const next = this.#waiting.shift();
    if (next) next(worker);
    else this.#free.push(worker);
  }
}
