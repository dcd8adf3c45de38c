import {
  type Change,
  type ChangeFeed,
  commitMarginMs,
  type FeedOptions,
  type GapReason,
  type LogPoint,
  type LogPosition,
  type OutsideTable,
} from "../change-feed.ts";
import type { TableSchema } from "../database.ts";
import { HoldfastError } from "../../lib/errors.ts";
import type { PostgresConnection } from "./connection.ts";
import { quoteQualified } from "./identifier.ts";
import type { SilenceWatch } from "../silence-watch.ts";
import { knownOf, type TableDefinitions, tableDefinitions } from "./log-definitions.ts";
import { placeOf, positionOf, wholeXid } from "./log-position.ts";
import { type FollowedTable, followableTables, lacksTable, publishTables } from "./log-publication.ts";
import { type MappedTable, mapTable, rowChange } from "./log-rows.ts";
import { endOfLog, slotLag, writtenEndOfLog } from "./log-slot.ts";
import type { LogStream } from "./log-stream.ts";
import { type LogRelation, parseMessage } from "./pgoutput.ts";

/** How often it is looked whether tables have changed, at least, and while nothing comes. Of the time, no more than a fiftieth is spent looking. */
const lookEveryMs = 2000;
const idleLookMs = 500;
const lookShare = 50;
/** How often it is asked how far the log is, while nothing comes. */
const markEveryMs = 500;
/** An empty log ends where a page does, and the next record begins behind the page's head, of at most so many bytes. */
const logPageHeadBytes = 40n;
const leastLogPageBytes = 1024n;

/**
 * The changes of one database by logical decoding. Two sessions: one that the log comes on, one that is asked what tables
 * there are; the log says nothing of tables that are made or altered until a row of theirs changes.
 */
export class PostgresFeed implements ChangeFeed {
  readonly history: string;
  readonly start: LogPoint;
  readonly startedAnew?: GapReason;
  readonly #session: PostgresConnection;
  readonly #stream: LogStream;
  readonly #options: FeedOptions;
  readonly #watch: SilenceWatch;
  #tables: readonly FollowedTable[];
  #outside: readonly OutsideTable[];
  /** As the last look found them: a row of an altered table may have `#tables` read anew before the next look. */
  #looked: readonly FollowedTable[];
  #definitions: TableDefinitions;
  /** By the relation's number; `undefined`: it cannot be followed any more. */
  readonly #mapped = new Map<number, MappedTable | undefined>();
  readonly #relations = new Map<number, LogRelation>();
  /** Tables of which the transaction that is open has changes that cannot be told, by their numbers. */
  readonly #unfit = new Map<string, TableSchema>();
  /** Up to where a gap was told of them. */
  readonly #untoldTo = new Map<string, LogPosition>();
  /** Where the tables were last seen to be as `#tables` says. */
  #seen: LogPoint;
  /** How far the log was read without anything in it, behind `#last`; told when the tables were looked at. */
  #passed: LogPoint | undefined;
  #lookedAt = performance.now();
  #lookMs = 0;
  #nearXid: bigint;
  #last: LogPoint;
  #acknowledged: bigint;
  /** Where the log was, and when: once that has come, so has all that was committed before. */
  #mark: LogPoint | undefined;
  #markedAt = -Infinity;
  #sequences = new Map<string, string>();
  readonly #lagTimer: NodeJS.Timeout;
  #lagLook: Promise<void> | undefined;
  #gaveUp: HoldfastError | undefined;

  constructor(parts: FeedParts) {
    const { session, stream, options, watch, tables, outside, definitions, history, start, startedAnew, nearXid } =
      parts;
    this.#session = session;
    this.#watch = watch;
    this.#outside = outside;
    this.#stream = stream;
    this.#options = options;
    this.#tables = tables;
    this.#looked = tables;
    this.#definitions = definitions;
    this.history = history;
    this.start = start;
    if (startedAnew !== undefined) this.startedAnew = startedAnew;
    this.#seen = start;
    this.#last = start;
    this.#acknowledged = placeOf(parts.acknowledged);
    this.#nearXid = nearXid;
    // Also while nobody reads on, since nothing can be stored: that is when the server's log grows.
    this.#lagTimer = setInterval(() => {
      this.#lagLook ??= this.#lookAtLag().finally(() => (this.#lagLook = undefined));
    }, lookEveryMs).unref();
  }

  async *changes(): AsyncGenerator<readonly Change[], void> {
    let failure: unknown;
    try {
      yield* this.#told();
    } catch (error) {
      failure = error;
    }
    await this.#lagLook;
    throw this.#gaveUp ?? this.#watch.failure(failure);
  }

  async *#told(): AsyncGenerator<readonly Change[], void> {
    yield [{ type: "tables", ...knownOf(this.#definitions, this.#outside) }];
    let state: "between" | "within" = "between";
    while (!this.#gaveUp) {
      const changes: Change[] = [];
      let commits = 0;
      await this.#setMark();
      for (const piece of await this.#stream.take(state === "within" ? 10_000 : 500)) {
        if (piece.type === "alive") {
          if (state === "between") this.#reached(piece.place);
          continue;
        }
        const message = parseMessage(piece.bytes);
        switch (message.type) {
          case "begin": {
            state = "within";
            this.#nearXid = wholeXid(message.xid, this.#nearXid);
            changes.push({ type: "begin", transaction: String(this.#nearXid), time: message.time });
            break;
          }
          case "commit": {
            state = "between";
            commits++;
            const point = { position: positionOf(message.end), time: message.time, seen: this.#seen.time };
            // The gap first: one that is not stored must be found again.
            changes.push(...(await this.#toldOtherwise(point)));
            this.#last = point;
            changes.push({ type: "commit", point });
            break;
          }
          case "relation":
            // Told once more, it is maybe another one by now, which is to be known with its rows.
            if (this.#relations.has(message.relation.oid)) this.#lookedAt = -Infinity;
            this.#relations.set(message.relation.oid, message.relation);
            this.#mapped.delete(message.relation.oid);
            break;
          case "truncate":
            for (const oid of message.oids) {
              const mapped = await this.#table(oid);
              if (mapped) changes.push({ type: "truncate", table: mapped.table });
              else this.#untold(oid);
            }
            break;
          case "other":
            break;
          default: {
            const mapped = this.#mapped.get(message.oid) ?? (await this.#table(message.oid));
            if (mapped) changes.push(rowChange(mapped, message));
            else this.#untold(message.oid);
          }
        }
      }
      if (commits > 0) changes.push(...(await this.#movedSequences()));
      if (state === "between" && performance.now() - this.#lookedAt > this.#lookPauseMs) {
        this.#lookedAt = performance.now();
        changes.push(...(await this.#look()));
        this.#lookMs = performance.now() - this.#lookedAt;
      }
      if (changes.length > 0) yield changes;
    }
  }

  get heldBytes(): number {
    return Number(placeOf(this.#last.position) - this.#acknowledged);
  }

  async acknowledge(position: string): Promise<void> {
    this.#acknowledged = placeOf(position);
    this.#stream.acknowledge(this.#acknowledged);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#lagTimer);
    this.#watch[Symbol.dispose]();
    await this.#stream[Symbol.asyncDispose]();
    await this.#session[Symbol.asyncDispose]();
  }

  async #setMark(): Promise<void> {
    if (this.#mark || performance.now() - this.#markedAt < markEveryMs) return;
    this.#markedAt = performance.now();
    this.#mark = await endOfLog(this.#session);
  }

  /**
   * A commit has its time before it is flushed, which takes as long as the disk likes, and is sent only then. So that the server has
   * sent all it has says nothing of now, but of when the log was asked for its end, if that was passed.
   */
  #reached(place: bigint): void {
    if (!this.#mark) return;
    const marked = placeOf(this.#mark.position);
    const isAtPageEnd = place % leastLogPageBytes === 0n && marked - place <= logPageHeadBytes;
    if (place < marked && !isAtPageEnd) return;
    const position = positionOf(place);
    const time = new Date(Date.parse(this.#mark.time) - commitMarginMs).toISOString();
    this.#mark = undefined;
    if (position < this.#last.position || Date.parse(time) <= Date.parse(this.#last.time)) return;
    this.#passed = { position, time };
  }

  get #lookPauseMs(): number {
    return Math.max(this.#passed ? idleLookMs : lookEveryMs, this.#lookMs * lookShare);
  }

  /** The table that a relation of the log is, as far as its rows can be told. */
  async #table(oid: number): Promise<MappedTable | undefined> {
    if (this.#mapped.has(oid)) return this.#mapped.get(oid);
    const relation = this.#relations.get(oid);
    let mapped = relation && this.#known(relation);
    if (relation && !mapped) {
      // Altered since the last look. `#look` tells of the gap.
      this.#tables = await followableTables(this.#session);
      mapped = this.#known(relation);
    }
    this.#mapped.set(oid, mapped);
    return mapped;
  }

  /** A change that the open transaction has of this relation cannot be told. What is no table any more is a gap anyway. */
  #untold(oid: number): void {
    const found = this.#tables.find((one) => one.oid === String(oid));
    if (found && found.outside === undefined) this.#unfit.set(found.oid, found.table);
  }

  /** A table that had other columns meanwhile, and is as it was by now, shows in nothing else. */
  async #toldOtherwise(end: LogPoint): Promise<readonly Change[]> {
    const unfit = [...this.#unfit].filter(([oid]) => (this.#untoldTo.get(oid) ?? "") < end.position);
    this.#unfit.clear();
    if (unfit.length === 0) return [];
    const to = await writtenEndOfLog(this.#session);
    for (const [oid] of unfit) this.#untoldTo.set(oid, to.position);
    return [{ type: "gap", tables: unfit.map(([, table]) => idOf(table)), reason: "schema", from: this.#seen, to }];
  }

  #known(relation: LogRelation): MappedTable | undefined {
    const found = this.#tables.find(({ oid, outside }) => oid === String(relation.oid) && outside === undefined)?.table;
    return found && sameTypes(relation, found) ? mapTable(relation, found) : undefined;
  }

  /**
   * Looks whether tables were made or altered, of which the log does not tell: then what is known of them begins anew, from the look before.
   * Else all is known up to where the log had been read by then.
   */
  async #look(): Promise<readonly Change[]> {
    const { name } = this.#options;
    const passed =
      this.#passed !== undefined && this.#passed.position >= this.#last.position ? this.#passed : undefined;
    this.#passed = undefined;
    const { position, time } = passed ?? this.#last;
    const definitions = await tableDefinitions(this.#session);
    const seen = this.#seen;
    this.#seen = { position, time };
    const same = (): readonly Change[] => {
      if (seen.position === position && seen.time === time) return [];
      this.#last = this.#seen;
      return [{ type: "reached", point: this.#seen }];
    };
    const lacks = await lacksTable(this.#session, name, this.#tables, this.#outside);
    const isSame = definitions.digest === this.#definitions.digest && !lacks;
    const wasOutside = JSON.stringify(this.#outside);
    if (isSame && !this.#outside.some(({ reason }) => reason === "busy")) return same();
    const before = new Map(this.#looked.map((one) => [one.oid, one.table]));
    this.#tables = await followableTables(this.#session);
    this.#looked = this.#tables;
    this.#mapped.clear();
    const { added, outside } = await publishTables(this.#session, name, this.#tables);
    if (isSame && JSON.stringify(outside) === wasOutside) return same();
    this.#outside = outside;
    const defined = this.#definitions.tables;
    this.#definitions = definitions;
    const now = await writtenEndOfLog(this.#session);
    const altered = this.#tables.filter(
      ({ oid, table }) =>
        before.get(oid)?.fingerprint !== table.fingerprint || defined.get(oid) !== definitions.tables.get(oid),
    );
    const gone = [...before].filter(([oid]) => !this.#tables.some((one) => one.oid === oid));
    const tables = [
      ...altered.map(({ table }) => idOf(table)),
      ...gone.map(([, table]) => idOf(table)),
      ...added.filter((table) => !altered.some((one) => one.table === table)).map(idOf),
    ];
    const known: Change = { type: "tables", ...knownOf(definitions, outside) };
    // The gap first: one that is not stored must be found again.
    return tables.length > 0 ? [{ type: "gap", tables, reason: "schema", from: seen, to: now }, known] : [known];
  }

  async #lookAtLag(): Promise<void> {
    if (this.#gaveUp) return;
    try {
      const lag = await slotLag(this.#session, this.#options.name);
      if (lag !== undefined && lag > this.#options.mostLagBytes) await this.#giveUp(lag);
    } catch {
      // Whoever reads on hears of it.
    }
  }

  /** Rather a gap in the journal than a disk of the CRM that is full of log. */
  async #giveUp(lagBytes: number): Promise<void> {
    this.#gaveUp = new HoldfastError("follow-lag", { path: this.#session.path, bytes: lagBytes });
    await this.#stream[Symbol.asyncDispose]();
    const { name, signal } = this.#options;
    for (let attempt = 0; attempt < 50; attempt++) {
      signal.throwIfAborted();
      const pid = await this.#session.value("SELECT active_pid FROM pg_replication_slots WHERE slot_name = $1", [name]);
      if (pid === null) break;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    await this.#session.rows("SELECT pg_drop_replication_slot($1)", [name]);
  }

  async #movedSequences(): Promise<readonly Change[]> {
    const rows = await this.#session.rows(
      "SELECT schemaname, sequencename, last_value FROM pg_sequences WHERE last_value IS NOT NULL",
    );
    const moved: { name: string; value: string }[] = [];
    for (const [schema, name, value] of rows) {
      const quoted = quoteQualified({ schema: schema ?? "", name: name ?? "" });
      if (this.#sequences.get(quoted) === value) continue;
      this.#sequences.set(quoted, value ?? "");
      moved.push({ name: quoted, value: value ?? "" });
    }
    return moved.length > 0 ? [{ type: "sequences", sequences: moved }] : [];
  }
}

/** What a feed is made of (`log-open.ts`). */
export interface FeedParts {
  readonly session: PostgresConnection;
  readonly stream: LogStream;
  readonly options: FeedOptions;
  readonly watch: SilenceWatch;
  readonly outside: readonly OutsideTable[];
  readonly tables: readonly FollowedTable[];
  readonly definitions: TableDefinitions;
  readonly history: string;
  readonly start: LogPoint;
  readonly acknowledged: LogPosition;
  readonly startedAnew: GapReason | undefined;
  readonly nearXid: bigint;
}

function idOf({ schema, name }: TableSchema): { readonly schema: string; readonly name: string } {
  return { schema, name };
}

/** Types by which a value could be written otherwise; names of columns are compared where rows are mapped. */
function sameTypes(relation: LogRelation, table: TableSchema): boolean {
  return relation.columns.length === table.columns.length;
}
