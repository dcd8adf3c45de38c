import {
  type Change,
  type ChangeFeed,
  commitMarginMs,
  type GapReason,
  type LogPoint,
  type LogPosition,
  type OutsideTable,
  type SequenceState,
} from "../change-feed.ts";
import type { TableSchema } from "../database.ts";
import type { LogAgain } from "./log-again.ts";
import { plainEvents } from "./log-compressed.ts";
import {
  eventTypes,
  hasColumns,
  type LogTable,
  parseGtid,
  parseMysqlGtid,
  parsePrepared,
  parseQuery,
  parseRotate,
  parseRows,
  parseSequence,
  parseTableMap,
  type RowsEvent,
  rowsEvent,
  tableOfRows,
} from "./log-events.ts";
import type { LogNames } from "./log-names.ts";
import { type LogPlace, positionOf } from "./log-position.ts";
import type { SilenceWatch } from "../silence-watch.ts";
import { queryOf } from "./log-query.ts";
import { ChangeBatch } from "./log-rows.ts";
import { checkSettings, digestOf, followed, pointNow, sequencesOf } from "./log-server.ts";
import { logStatement } from "./log-statement.ts";
import { type LogEvent, type LogStream, timeOf } from "./log-stream.ts";
import { isWithout, type LogStretch, LogTransaction } from "./log-transaction.ts";
import { LogTexts } from "./log-texts.ts";
import type { Target } from "./location.ts";
import type { Session } from "./session.ts";
import { deletedWhole, statementTables } from "./statement-tables.ts";

/** So many changes are told at once, be it of a transaction that was one event. */
const mostToldAtOnce = 10_000;

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
  #tables: readonly TableSchema[];
  #outside: readonly OutsideTable[];
  #sequences: readonly SequenceState[];
  readonly #again: LogAgain;
  readonly #names: LogNames;
  readonly #texts: LogTexts;
  /** Tables of which the transaction that is open has changes that cannot be told, and why. */
  readonly #unfit = new Map<TableSchema, GapReason>();
  /** Up to where a gap was told of them. */
  readonly #untoldTo = new Map<TableSchema, LogPosition>();
  readonly #maps = new Map<string, LogTable>();
  /** Where the rows are of transactions that were prepared, by what they are called; there may be none of ours. */
  readonly #prepared = new Map<string, LogStretch | "nothing">();
  /** Where the log was read to, be it in the midst of a transaction. */
  #file: string;
  #at: number;
  #last: LogPoint;
  /** Where the log was, and when, by the server's clock: once that has come, so has all that was committed before. */
  #mark: LogPoint | undefined;
  #open: LogTransaction | undefined;

  constructor(parts: FeedParts) {
    this.#session = parts.session;
    this.#logSession = parts.logSession;
    this.#stream = parts.stream;
    this.#target = parts.target;
    this.#watch = parts.watch;
    this.#tables = parts.tables;
    this.#outside = parts.outside;
    this.#sequences = parts.sequences;
    this.#again = parts.again;
    this.#names = parts.names;
    this.#texts = new LogTexts(parts.session);
    this.#file = parts.place.file;
    this.#at = parts.place.offset;
    this.history = parts.history;
    this.start = parts.start;
    this.#last = parts.start;
    if (parts.startedAnew !== undefined) this.startedAnew = parts.startedAnew;
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
      let batch = new ChangeBatch();
      for await (const event of plainEvents(await this.#stream.take(500))) {
        const again = await this.#event(event, batch);
        if (!again && batch.changes.length < mostToldAtOnce) continue;
        yield await batch.settled(this.#texts);
        batch = new ChangeBatch();
        if (!again) continue;
        yield* this.#toldAgain(again);
        await this.#commit(event, batch);
      }
      const changes = await batch.settled(this.#texts);
      if (changes.length > 0) yield changes;
    }
  }

  /** What the transaction that is open is to have of a stretch of the log, which may be long. */
  async *#toldAgain(stretch: LogStretch): AsyncGenerator<readonly Change[], void> {
    let batch = new ChangeBatch();
    for await (const event of this.#again.events(stretch)) {
      if (event.end > stretch.from && !isWithout(stretch, event.end)) this.#content(event, batch);
      if (batch.changes.length < mostToldAtOnce) continue;
      yield await batch.settled(this.#texts);
      batch = new ChangeBatch();
    }
    yield await batch.settled(this.#texts);
  }

  /** The server keeps its log as long as it is told to by its own settings, whoever has read it. */
  async acknowledge(): Promise<void> {}

  async [Symbol.asyncDispose](): Promise<void> {
    this.#watch[Symbol.dispose]();
    await this.#logSession[Symbol.asyncDispose]();
    await this.#session[Symbol.asyncDispose]();
  }

  /** A stretch: it is to be told again, and then the transaction is committed. */
  async #event(event: LogEvent, batch: ChangeBatch): Promise<LogStretch | undefined> {
    const { type, body } = event;
    const from = this.#at;
    if (event.end > 0) this.#at = event.end;
    switch (type) {
      case eventTypes.rotate: {
        const { file, offset } = parseRotate(body);
        this.#file = file;
        this.#at = offset;
        this.#maps.clear();
        // A server that was killed left it there.
        this.#open = undefined;
        this.#unfit.clear();
        return undefined;
      }
      case eventTypes.heartbeat:
        await this.#reached(event, batch);
        return undefined;
      case eventTypes.gtidMariadb: {
        const { gtid, how } = parseGtid(body, event.server);
        this.#begin(new LogTransaction(gtid, timeOf(event), how, { file: this.#file, from }), batch);
        return undefined;
      }
      case eventTypes.gtidMysql:
      case eventTypes.gtidTagged:
      case eventTypes.gtidAnonymous: {
        const name = parseMysqlGtid(type, body) ?? positionOf({ file: this.#file, offset: from });
        // What comes next says whether it is more than that.
        this.#begin(new LogTransaction(name, timeOf(event), "alone", { file: this.#file, from }), batch);
        return undefined;
      }
      case eventTypes.xid:
        return this.#end(event, batch);
      case eventTypes.prepared: {
        const { xid, once } = parsePrepared(body);
        if (once) return this.#end(event, batch);
        if (this.#open) this.#prepared.set(xid, this.#open.rows === "some" ? this.#open.stretch(event.end) : "nothing");
        this.#forget(event, batch);
        return undefined;
      }
      case eventTypes.query:
        return this.#query(event, from, batch);
      case eventTypes.partialUpdate:
        this.#untold(this.#tables, "log-form");
        return undefined;
      case eventTypes.incident:
        // The server could not write something, and goes on in another file: no transaction that is told ends with that.
        this.#untold(this.#tables, "log-form");
        await this.#toldOtherwise(this.#pointOf(event), batch);
        return undefined;
      default:
        this.#content(event, batch);
        return undefined;
    }
  }

  /** What a transaction consists of. */
  #content(event: LogEvent, batch: ChangeBatch): void {
    const { type, body } = event;
    if (type === eventTypes.tableMap) {
      const table = parseTableMap(body);
      // Other databases of the server are in the same log.
      if (this.#names.isOurs(table.database)) this.#maps.set(table.id, table);
      else this.#maps.delete(table.id);
    } else if (type === eventTypes.query || type === eventTypes.loadQuery) {
      const { database, sql } = parseQuery(body, type);
      const statement = logStatement(sql);
      if (statement.what === "rows") this.#written(statement.text, database);
    } else {
      const found = rowsEvent(type);
      if (found) this.#rows(body, found, batch);
    }
  }

  /** A statement that writes rows, of whose log the rows are no part. */
  #written(text: string, database: string): void {
    if (!this.#names.writes(text, database)) return;
    // What a server that was started anew writes of a table that it has in memory, say.
    const emptied = deletedWhole(text, database);
    if (emptied && !this.#tables.some((table) => this.#names.is(table, emptied))) return;
    if (this.#open) this.#open.rows = "some";
    this.#untold(this.#tables, "log-form");
  }

  #pointOf(event: LogEvent): LogPoint {
    return { position: positionOf({ file: this.#file, offset: event.end }), time: timeOf(event) };
  }

  #begin(transaction: LogTransaction, batch: ChangeBatch): void {
    this.#open = transaction;
    batch.push({ type: "begin", transaction: transaction.name, time: transaction.time });
  }

  /** The transaction that is open counts. */
  async #end(event: LogEvent, batch: ChangeBatch): Promise<LogStretch | undefined> {
    const open = this.#open;
    if (open && (open.isTakenBack || open.how === "prepared")) {
      this.#begin(open, batch);
      open.how = "open";
      return open.stretch(event.end);
    }
    await this.#commit(event, batch);
    return undefined;
  }

  async #commit(event: LogEvent, batch: ChangeBatch): Promise<void> {
    if (!this.#open) return;
    this.#open = undefined;
    const point = this.#pointOf(event);
    // The gap first: one that is not stored must be found again.
    await this.#toldOtherwise(point, batch);
    this.#last = point;
    batch.push({ type: "commit", point });
  }

  /** The transaction that is open does not count. */
  #forget(event: LogEvent, batch: ChangeBatch): void {
    if (!this.#open) return;
    this.#open = undefined;
    this.#unfit.clear();
    this.#last = this.#pointOf(event);
    batch.push({ type: "reached", point: this.#last });
  }

  #rows(body: Buffer, found: RowsEvent, batch: ChangeBatch): void {
    const log = this.#maps.get(tableOfRows(body));
    if (!log) return;
    const isIt = ({ name }: { readonly name: string }): boolean => this.#names.equal(name, log.name);
    const table = this.#tables.find(isIt);
    const sequence = this.#sequences.find(isIt);
    // It is further on, whether or not a transaction is committed that made it so.
    const value = sequence && parseSequence(body, found, log);
    if (sequence && value !== undefined) batch.push({ type: "sequences", sequences: [{ ...sequence, value }] });
    if (!table) return;
    if (this.#open) this.#open.rows = "some";
    if (this.#open?.how === "prepared") return;
    const { columns } = log;
    if (!columns) return this.#untold([table], "log-form");
    if (!hasColumns(columns, table)) return this.#untold([table], "schema");
    const rows = parseRows(body, found, columns, table);
    if (!rows) return this.#untold([table], "log-form");
    for (const row of rows) batch.row(table, row);
  }

  /** Changes of these tables that are in the transaction cannot be told. */
  #untold(tables: readonly TableSchema[], reason: GapReason): void {
    for (const table of tables) if (!this.#unfit.has(table)) this.#unfit.set(table, reason);
  }

  async #query(event: LogEvent, from: number, batch: ChangeBatch): Promise<LogStretch | undefined> {
    const { database, sql } = await queryOf(this.#session, event.body);
    const statement = logStatement(sql);
    if (this.#open?.statement(statement, { from, to: event.end }) === "unknown") this.#untold(this.#tables, "log-form");
    switch (statement.what) {
      case "commit":
        return this.#end(event, batch);
      case "rollback":
        this.#forget(event, batch);
        return undefined;
      case "commit-prepared": {
        const again = this.#again;
        const found = this.#prepared.get(statement.xid);
        // Who prepared it may have done so before we began to read.
        const rows = found ?? (await again.prepared(this.#session, statement.xid, { file: this.#file, to: from }));
        this.#prepared.delete(statement.xid);
        if (rows !== undefined && rows !== "nothing") return rows;
        if (!rows) this.#untold(this.#tables, "log-purged");
        return this.#end(event, batch);
      }
      case "rollback-prepared":
        this.#prepared.delete(statement.xid);
        this.#forget(event, batch);
        return undefined;
      case "definition":
        if (this.#names.isAbout(statement.text, database))
          await this.#statement(statement.text, database, event, batch);
        break;
      default:
        this.#content(event, batch);
    }
    return this.#open?.how === "alone" ? this.#end(event, batch) : undefined;
  }

  /** A statement that is in the log as text: tables are emptied, made or altered. */
  async #statement(text: string, database: string, { about }: LogEvent, batch: ChangeBatch): Promise<void> {
    const { emptied, replaced, dropped } = statementTables(text, database);
    if (emptied.length > 0) {
      const found = this.#tables.filter((table) => emptied.some((one) => this.#names.is(table, one)));
      return about === "shared"
        ? batch.push(...found.map((table): Change => ({ type: "truncate", table })))
        : undefined;
    }
    const isOther = (table: TableSchema): boolean =>
      (dropped !== undefined && this.#names.isOurs(dropped)) || replaced.some((one) => this.#names.is(table, one));
    const before = this.#tables;
    const { tables, outside } = await followed(this.#session);
    // What came in between is read by what the tables are now.
    const to = await pointNow(this.#session);
    const altered = tables.filter(
      (table) => isOther(table) || before.find(({ name }) => name === table.name)?.fingerprint !== table.fingerprint,
    );
    const gone = before.filter(({ name }) => !tables.some((table) => table.name === name));
    this.#tables = tables;
    this.#outside = outside;
    this.#sequences = await sequencesOf(this.#session);
    this.#maps.clear();
    const named = [...altered, ...gone].map(({ schema, name }) => ({ schema, name }));
    // The gap first: one that is not stored must be found again.
    if (named.length > 0) batch.push({ type: "gap", tables: named, reason: "schema", from: this.#last, to });
    batch.push(this.#known);
    if (this.#sequences.length > 0) batch.push({ type: "sequences", sequences: this.#sequences });
  }

  get #known(): Change {
    return { type: "tables", digest: digestOf(this.#tables, this.#outside), outside: this.#outside };
  }

  /** Changes that are in the log in a form that tells nobody what they are, before the transaction that ends at `end`. */
  async #toldOtherwise(end: LogPoint, batch: ChangeBatch): Promise<void> {
    if (this.#unfit.size === 0) return;
    const reasons = [...this.#unfit.values()];
    // Somebody had other settings for himself; where they are the server's, it would be so for ever.
    if (reasons.includes("log-form")) await checkSettings(this.#session, this.#target);
    const to = await pointNow(this.#session);
    for (const [table, reason] of this.#unfit) {
      if ((this.#untoldTo.get(table) ?? "") >= end.position) continue;
      this.#untoldTo.set(table, to.position);
      const { schema, name } = table;
      batch.push({ type: "gap", tables: [{ schema, name }], reason, from: this.#last, to });
    }
    this.#unfit.clear();
  }

  /** That nothing came says nothing of now, but of when the server was asked where its log is, if that was passed. */
  async #reached(event: LogEvent, batch: ChangeBatch): Promise<void> {
    const position = positionOf({ file: this.#file, offset: event.end });
    const mark = this.#mark;
    if (this.#open || (mark && position < mark.position)) return;
    this.#mark = await pointNow(this.#session);
    if (!mark) return;
    // Times in the log are whole seconds: of the one that was not over yet, more may come.
    const second = Math.floor((Date.parse(mark.time) - commitMarginMs) / 1000) * 1000;
    const time = new Date(second - 1).toISOString();
    if (position < this.#last.position || time <= this.#last.time) return;
    this.#last = { position, time };
    batch.push({ type: "reached", point: this.#last });
  }
}

/** What a feed is made of (`log-open.ts`). */
export interface FeedParts {
  readonly session: Session;
  readonly logSession: Session;
  readonly stream: LogStream;
  readonly target: Target;
  readonly watch: SilenceWatch;
  readonly tables: readonly TableSchema[];
  readonly outside: readonly OutsideTable[];
  readonly history: string;
  readonly place: LogPlace;
  readonly again: LogAgain;
  readonly names: LogNames;
  readonly sequences: readonly SequenceState[];
  readonly start: LogPoint;
  readonly startedAnew: GapReason | undefined;
}
