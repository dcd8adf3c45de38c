import { hash } from "node:crypto";
import {
  type Change,
  type ChangeFeed,
  type FeedOptions,
  type GapReason,
  type LogPoint,
  type OutsideTable,
  placeTimeSlackMs,
} from "../change-feed.ts";
import type { DatabaseAddress, TableSchema } from "../database.ts";
import { HoldfastError } from "../../lib/errors.ts";
import {
  eventTypes,
  loadsInto,
  type LogRow,
  type LogTable,
  parseGtid,
  parseQuery,
  parseRotate,
  parseRows,
  parseTableMap,
  rowsEvent,
  tableOfRows,
} from "./log-events.ts";
import { historyOf, type LogPlace, placeOf, positionOf } from "./log-position.ts";
import { SilenceWatch } from "../silence-watch.ts";
import { checkSettings, digestOf, followed, logFiles, pointNow } from "./log-server.ts";
import { type LogEvent, LogStream } from "./log-stream.ts";
import { LogTexts } from "./log-texts.ts";
import type { LogField } from "./log-values.ts";
import { type Target, targetOf } from "./location.ts";
import { Session } from "./session.ts";
import {
  changesRows,
  deletedWhole,
  firstWords,
  statementTables,
  type TableInDatabase,
  touches,
} from "./statement-tables.ts";

/** The changes of one database by the server's binary log. One session reads the log, one is asked what stands where. */
export class MysqlFeed implements ChangeFeed {
  readonly history: string;
  readonly start: LogPoint;
  readonly startedAnew?: GapReason;
  readonly #session: Session;
  readonly #logSession: Session;
  readonly #stream: LogStream;
  readonly #target: Target;
  readonly #watch: SilenceWatch;
  /** The server's clock less ours. */
  readonly #clockMs: number;
  #tables: readonly TableSchema[];
  #outside: readonly OutsideTable[];
  /** Tables of which rows were told by other columns than they have, and behind which point. */
  readonly #unfit = new Map<TableSchema, LogPoint>();
  readonly #maps = new Map<string, LogTable>();
  readonly #texts: LogTexts;
  #file: string;
  #last: LogPoint;
  #open: { transaction: string; alone: boolean } | undefined;
  /** Whether the transaction that is open has rows of ours, and whether one has that was only prepared. */
  #rowsOf: { open: "no" | "yes"; prepared: "no" | "yes" } = { open: "no", prepared: "no" };

  private constructor(parts: FeedParts) {
    this.#session = parts.session;
    this.#texts = new LogTexts(parts.session);
    this.#logSession = parts.logSession;
    this.#stream = parts.stream;
    this.#target = parts.target;
    this.#watch = parts.watch;
    this.#clockMs = parts.clockMs;
    this.#tables = parts.tables;
    this.#outside = parts.outside;
    this.#file = parts.file;
    this.history = parts.history;
    this.start = parts.start;
    this.#last = parts.start;
    if (parts.startedAnew !== undefined) this.startedAnew = parts.startedAnew;
  }

  static async open(address: DatabaseAddress, options: FeedOptions): Promise<MysqlFeed> {
    const target = await targetOf(address);
    await using opening = new AsyncDisposableStack();
    const watch = opening.use(new SilenceWatch(options.signal, options.silenceMs, target.location));
    try {
      return await MysqlFeed.#opened(target, options, watch, opening);
    } catch (error) {
      throw watch.failure(error);
    }
  }

  static async #opened(
    target: Target,
    { from, name }: FeedOptions,
    watch: SilenceWatch,
    opening: AsyncDisposableStack,
  ): Promise<MysqlFeed> {
    const { signal } = watch;
    const session = opening.use(await Session.open(target, target.database, signal));
    // Whatever it answers, it is there.
    watch.heard("listening");
    const now = await checkSettings(session, target);
    const history = historyOf(now.file, now.server);
    const wanted = from?.history === history ? placeOf(from.position, history) : undefined;
    // Above what people give their servers, and its own for each repository.
    const number = 0x4000_0000 + (Number.parseInt(hash("sha256", name).slice(0, 7), 16) & 0x0fff_ffff);
    const opened = async (place: LogPlace) => {
      const logSession = opening.use(await Session.open(target, undefined, signal));
      const stream = await LogStream.open(logSession, place, number, watch);
      // Begun since we were there: a log that was made anew has files of the same names.
      const isOther =
        from && place === wanted && (stream?.fileSince ?? 0) > (Date.parse(from.time) + placeTimeSlackMs) / 1000;
      if (stream && !isOther) return { stream, place, logSession };
      await logSession[Symbol.asyncDispose]();
      return undefined;
    };
    const { tables, outside } = await followed(session);
    watch.heard("listening");
    const isListed = wanted !== undefined && (await logFiles(session)).includes(wanted.file);
    const isThere = isListed && from !== undefined && from.position <= positionOf(now);
    const isAltered = isThere && from.tables !== digestOf(tables, outside);
    let log = isThere && !isAltered ? await opened(wanted) : undefined;
    const goesOn = log !== undefined;
    log ??= await opened(now);
    if (!log) throw new HoldfastError("database-unreachable", { path: target.location, reason: "no log" });
    const { stream, place, logSession } = log;
    const otherwise = from?.history === history ? ("log-purged" as const) : ("other-server" as const);
    opening.move();
    return new MysqlFeed({
      session,
      logSession,
      stream,
      target,
      watch,
      tables,
      outside,
      history,
      file: place.file,
      start: { position: positionOf(place), time: now.time },
      startedAnew: isAltered ? "schema" : from === undefined || goesOn ? undefined : otherwise,
      clockMs: Date.parse(now.time) - Date.now(),
    });
  }

  async *changes(): AsyncGenerator<readonly Change[], void> {
    try {
      yield* this.#told();
    } catch (error) {
      throw this.#watch.failure(error);
    }
  }

  async *#told(): AsyncGenerator<readonly Change[], void> {
    yield [this.#known];
    for (;;) {
      const changes: Change[] = [];
      const rows: PendingRow[] = [];
      for (const event of await this.#stream.take(500)) {
        await this.#event(event, changes, rows);
      }
      await this.#settle(rows);
      if (this.#unfit.size > 0 && !this.#open) changes.push(...(await this.#toldOtherwise()));
      if (changes.length > 0) yield changes;
    }
  }

  /** The server keeps its log as long as it is told to by its own settings, whoever has read it. */
  async acknowledge(): Promise<void> {}

  async [Symbol.asyncDispose](): Promise<void> {
    this.#watch[Symbol.dispose]();
    await this.#logSession[Symbol.asyncDispose]();
    await this.#session[Symbol.asyncDispose]();
  }

  async #event(event: LogEvent, changes: Change[], rows: PendingRow[]): Promise<void> {
    const { type, body } = event;
    switch (type) {
      case eventTypes.rotate:
        this.#file = parseRotate(body).file;
        this.#maps.clear();
        return;
      case eventTypes.heartbeat:
        this.#reached(event, changes);
        return;
      case eventTypes.gtidMariadb: {
        const { gtid, alone } = parseGtid(body, event.server);
        this.#begin(gtid, alone ? "alone" : "more", event, changes);
        return;
      }
      case eventTypes.gtidMysql:
        this.#begin(`${body.toString("hex", 1, 17)}:${body.readBigInt64LE(17)}`, "more", event, changes);
        return;
      case eventTypes.tableMap: {
        // Other databases of the server are in the same log.
        if (databaseOf(body) !== this.#target.database) return;
        const table = parseTableMap(body);
        this.#maps.set(table.id, table);
        return;
      }
      case eventTypes.xid:
        this.#commit(event, changes);
        return;
      case eventTypes.xaPrepare:
        this.#prepare(event, changes);
        return;
      case eventTypes.executeLoad:
        if (loadsInto(body) === this.#target.database) await this.#untold(changes);
        return;
      case eventTypes.query:
        await this.#query(event, changes);
        return;
      case eventTypes.payload:
      case eventTypes.partialUpdate:
      case eventTypes.compressedQuery:
      case 166:
      case 167:
      case 168:
        throw new HoldfastError("follow-settings", { path: this.#target.location, setting: "log_bin_compress = OFF" });
      default: {
        const found = rowsEvent(type);
        if (found) this.#rows(body, found, changes, rows);
      }
    }
  }

  #begin(transaction: string, how: "alone" | "more", event: LogEvent, changes: Change[]): void {
    this.#open = { transaction, alone: how === "alone" };
    this.#rowsOf.open = "no";
    changes.push({ type: "begin", transaction, time: timeOf(event) });
  }

  #commit(event: LogEvent, changes: Change[]): void {
    if (!this.#open) return;
    this.#open = undefined;
    this.#last = { position: positionOf({ file: this.#file, offset: event.end }), time: timeOf(event) };
    changes.push({ type: "commit", point: this.#last });
  }

  #rows(body: Buffer, found: NonNullable<ReturnType<typeof rowsEvent>>, changes: Change[], rows: PendingRow[]): void {
    const log = this.#maps.get(tableOfRows(body));
    const table = log && this.#tables.find(({ name }) => name === log.name);
    if (!log || !table) return;
    this.#rowsOf.open = "yes";
    if (!sameColumns(log, table)) {
      if (!this.#unfit.has(table)) this.#unfit.set(table, this.#last);
      return;
    }
    for (const { before, after } of parseRows(body, found, log, table)) {
      // Its place is kept until the server has said how it writes what only it knows how to.
      const at = changes.push({ type: "truncate", table }) - 1;
      rows.push({ table, before, after, put: (change) => (changes[at] = change) });
    }
  }

  async #query(event: LogEvent, changes: Change[]): Promise<void> {
    const { database, sql } = parseQuery(event.body);
    const { word, next } = firstWords(sql);
    if (word === "BEGIN" || word === "SAVEPOINT" || word === "ROLLBACK" || word === "RELEASE") return;
    if (word === "COMMIT") return this.#commit(event, changes);
    const { database: ours } = this.#target;
    if (word === "XA") {
      if (next !== "COMMIT" && next !== "ROLLBACK") return;
      // Its rows came before it was decided, and those of others between them and this.
      if (next === "COMMIT" && (database === ours || this.#rowsOf.prepared === "yes")) await this.#untold(changes);
    } else if (changesRows(word)) {
      if (touches(sql, database, ours) && !this.#isOfOthers(sql, database)) await this.#untold(changes);
    } else if (database === ours || sql.includes(ours)) await this.#statement(sql, database, changes);
    this.#commit(event, changes);
  }

  /** Prepared is not committed: whether it will be, the log says later. */
  #prepare(event: LogEvent, changes: Change[]): void {
    if (event.body[0] === 1) return this.#commit(event, changes);
    if (this.#rowsOf.open === "yes") this.#rowsOf.prepared = "yes";
    this.#open = undefined;
  }

  /** What a server that was started anew writes of a table that it has in memory, say. */
  #isOfOthers(sql: string, database: string): boolean {
    const emptied = deletedWhole(sql, database);
    return emptied !== undefined && !this.#tables.some(({ name }) => name === emptied.table);
  }

  /** Changes that the log has in another form than as rows: nobody knows which. */
  async #untold(changes: Change[]): Promise<void> {
    // Where that is how the server is set by now, there would be no end of it.
    await checkSettings(this.#session, this.#target);
    const tables = this.#tables.map(({ schema, name }) => ({ schema, name }));
    const to = await pointNow(this.#session);
    if (tables.length > 0) changes.push({ type: "gap", tables, reason: "log-form", from: this.#last, to });
  }

  /** A statement that is in the log as text: tables are emptied, made or altered. */
  async #statement(sql: string, database: string, changes: Change[]): Promise<void> {
    const { emptied, replaced } = statementTables(sql, database);
    // One of that name elsewhere, in a copy of the CRM say, is another one.
    const isOwn = ({ name }: TableSchema, of: readonly TableInDatabase[]): boolean =>
      of.some((one) => one.database === this.#target.database && one.table === name);
    if (emptied.length > 0) {
      for (const table of this.#tables) if (isOwn(table, emptied)) changes.push({ type: "truncate", table });
      return;
    }
    const before = this.#tables;
    const { tables, outside } = await followed(this.#session);
    // What came in between is read by what the tables are now.
    const to = await pointNow(this.#session);
    const altered = tables.filter(
      (table) =>
        isOwn(table, replaced) || before.find(({ name }) => name === table.name)?.fingerprint !== table.fingerprint,
    );
    const gone = before.filter(({ name }) => !tables.some((table) => table.name === name));
    this.#tables = tables;
    this.#outside = outside;
    this.#maps.clear();
    const named = [...altered, ...gone].map(({ schema, name }) => ({ schema, name }));
    // The gap first: one that is not stored must be found again.
    if (named.length > 0) changes.push({ type: "gap", tables: named, reason: "schema", from: this.#last, to });
    changes.push(this.#known);
  }

  get #known(): Change {
    return { type: "tables", digest: digestOf(this.#tables, this.#outside), outside: this.#outside };
  }

  /** Rows that were written before a table was altered, when it is already known as it is now. */
  async #toldOtherwise(): Promise<readonly Change[]> {
    const to = await pointNow(this.#session);
    const gaps = [...this.#unfit].map(([{ schema, name }, from]): Change => ({
      type: "gap",
      tables: [{ schema, name }],
      reason: "schema",
      from,
      to,
    }));
    this.#unfit.clear();
    return gaps;
  }

  #reached(event: LogEvent, changes: Change[]): void {
    if (this.#open) return;
    const position = positionOf({ file: this.#file, offset: event.end });
    // Times in the log are whole seconds: of the one that is not over yet, more may come.
    const second = Math.floor((Date.now() + this.#clockMs - 500) / 1000) * 1000;
    const time = new Date(second - 1).toISOString();
    if (position < this.#last.position || time <= this.#last.time) return;
    this.#last = { position, time };
    changes.push({ type: "reached", point: this.#last });
  }

  async #settle(rows: readonly PendingRow[]): Promise<void> {
    if (rows.length === 0) return;
    const asked = new Set<string>();
    for (const { before, after } of rows) {
      for (const field of [...(before ?? []), ...(after ?? [])]) {
        if (typeof field !== "string") asked.add(field.sql);
      }
    }
    await this.#texts.learn(asked);
    for (const { table, before, after, put } of rows) put(this.#change(table, before, after));
  }

  #change(table: TableSchema, before: LogRow | undefined, after: LogRow | undefined): Change {
    const old = before && this.#line(before);
    const now = after && this.#line(after);
    const keyOf = (line: readonly string[]): string => line.slice(0, table.keyLength).join("\t");
    if (!now) return { type: "delete", table, key: keyOf(old ?? []), ...(old && { before: old.join("\t") }) };
    const oldKey = old && keyOf(old);
    return {
      type: "write",
      table,
      after: now.join("\t"),
      ...(old && { before: old.join("\t") }),
      ...(oldKey !== undefined && oldKey !== keyOf(now) && { oldKey }),
      ...(!old && { row: "new" as const }),
    };
  }

  #line(row: LogRow): readonly string[] {
    return row.map((field: LogField) => (typeof field === "string" ? field : this.#texts.of(field.sql)));
  }
}

interface PendingRow {
  readonly table: TableSchema;
  readonly before: LogRow | undefined;
  readonly after: LogRow | undefined;
  readonly put: (change: Change) => Change;
}

interface FeedParts {
  readonly session: Session;
  readonly logSession: Session;
  readonly stream: LogStream;
  readonly target: Target;
  readonly watch: SilenceWatch;
  readonly tables: readonly TableSchema[];
  readonly outside: readonly OutsideTable[];
  readonly history: string;
  readonly file: string;
  readonly start: LogPoint;
  readonly startedAnew: GapReason | undefined;
  readonly clockMs: number;
}

function timeOf({ timestamp }: LogEvent): string {
  return new Date(timestamp * 1000).toISOString();
}

function databaseOf(tableMap: Buffer): string {
  return tableMap.toString("utf8", 9, 9 + (tableMap[8] ?? 0));
}

function sameColumns({ columns }: LogTable, table: TableSchema): boolean {
  return table.columns.every(({ name }) => columns.some((column) => column.name === name));
}
