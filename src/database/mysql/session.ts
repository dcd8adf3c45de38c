import type { Connection, ResultSetHeader } from "mysql2";
import { EventEmitter } from "node:events";
import { Readable } from "node:stream";
import { HoldfastError } from "../../lib/errors.ts";
import type { RowBatch } from "../database.ts";
import { ConnectionLoss } from "./connection-loss.ts";
import { connect, connectionFailure, cutOff } from "./connection.ts";
import { type DriverPacket, eachRow } from "./driver-rows.ts";
import { mysqlFailure } from "./failure.ts";
import type { Target } from "./location.ts";

/** One row of a small answer, texts in UTF-8. */
export type Row = readonly (string | null)[];

/** Sees each row in turn. */
export interface RowSink {
  /**
   * A row as the server's text protocol sends it: each field as its length and its bytes. The bytes are only valid meanwhile.
   * `full`: hand over what is there before more is read.
   */
  row(bytes: Buffer, start: number, end: number): "more" | "full";
  take(): RowBatch;
}

/** How long a lock is waited for. */
export const sessionLockWaitSeconds = 60;

/** The same for every session, whatever the server's defaults: what texts, times and statements mean. */
const settings = [
  "SET NAMES utf8mb4",
  "SET SESSION time_zone='+00:00'",
  "SET SESSION sql_mode='ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO,NO_ENGINE_SUBSTITUTION'",
  // We read as fast as we can store; the server must wait as long as that takes.
  `SET SESSION net_write_timeout=3600,net_read_timeout=3600,wait_timeout=28800,lock_wait_timeout=${sessionLockWaitSeconds}`,
];

const ownSettings: Readonly<Record<Server["flavour"], readonly string[]>> = {
  mariadb: ["SET max_statement_time=0"],
  // MySQL tells of its tables what was true up to a day ago, unless it is asked not to remember.
  mysql: ["SET max_execution_time=0", "SET SESSION information_schema_stats_expiry=0"],
};

/** Statements that this program sent to each server: what is left of the server's own count was sent by others. */
const sent = new Map<string, number>();

const serverOfTarget = ({ socket, host, port }: Target): string => socket ?? `${host}:${port}`;

export function statementsSent(target: Target): number {
  return sent.get(serverOfTarget(target)) ?? 0;
}

function countStatement(target: Target): void {
  sent.set(serverOfTarget(target), statementsSent(target) + 1);
}

/** What a session is made of. */
interface Opened {
  readonly connection: Connection;
  readonly target: Target;
  readonly server: Server;
  readonly signal: AbortSignal;
  /** The driver tells it to statements with a callback only, and to none when it is us who cut. */
  readonly loss: ConnectionLoss;
  readonly release: () => void;
}

/** One connection to a server. */
export class Session implements AsyncDisposable {
  readonly #opened: Opened;

  private constructor(opened: Opened) {
    this.#opened = opened;
  }

  /**
   * @param database the default one; absent: none
   * @param signal cuts the connection
   */
  static async open(target: Target, database: string | undefined, signal: AbortSignal): Promise<Session> {
    if (signal.aborted) throw new HoldfastError("cancelled", {});
    const connection = await connect(target, database);
    // While it was being made: nobody would tell of that any more.
    if (signal.aborted) {
      cutOff(connection);
      throw new HoldfastError("cancelled", {});
    }
    const loss = new ConnectionLoss();
    connection.on("error", (error) => loss.tell(error));
    const cut = (): void => {
      loss.tell(signal.reason);
      cutOff(connection);
    };
    signal.addEventListener("abort", cut, { once: true });
    const release = (): void => signal.removeEventListener("abort", cut);
    try {
      const asked = (sql: string): Promise<readonly Row[]> => {
        countStatement(target);
        return loss.answer(ask(connection, sql));
      };
      const [row] = await asked("SELECT VERSION(), CONNECTION_ID(), CURRENT_USER()");
      const server = serverOf(row?.[0] ?? "", Number(row?.[1]), row?.[2] ?? "", target);
      for (const statement of settings) await asked(statement);
      for (const statement of ownSettings[server.flavour]) await asked(statement);
      return new Session({ connection, target, server, signal, loss, release });
    } catch (error) {
      release();
      cutOff(connection);
      throw connectionFailure(error, target, signal);
    }
  }

  get server(): Server {
    return this.#opened.server;
  }

  /** Rows of a small answer. */
  async query(sql: string): Promise<readonly Row[]> {
    try {
      const { connection, target, loss } = this.#opened;
      countStatement(target);
      return await loss.answer(ask(connection, sql));
    } catch (error) {
      throw this.#failed(error);
    }
  }

  /** A statement whose answer nobody needs. */
  async run(sql: string): Promise<void> {
    await this.query(sql);
  }

  /** How many rows a statement was for: of an `UPDATE`, those too that are as they should be. */
  async changed(sql: string): Promise<number> {
    const { connection, target, loss } = this.#opened;
    countStatement(target);
    const answer = new Promise<number>((resolve, reject) => {
      connection.query<ResultSetHeader>(sql, (error, header) => (error ? reject(error) : resolve(header.affectedRows)));
    });
    try {
      return await loss.answer(answer);
    } catch (error) {
      throw this.#failed(error);
    }
  }

  /** Reads a large answer through a sink, stopping the server when what was read is not taken yet. */
  async *stream(sql: string, sink: RowSink): AsyncGenerator<RowBatch, void> {
    const { connection, loss, target, signal } = this.#opened;
    const ready: RowBatch[] = [];
    let state: "reading" | "stopped" | "done" | "failed" = "reading";
    let failure: unknown;
    let wake = (): void => {};
    countStatement(target);
    const query = connection.query({ sql, rowsAsArray: true });
    using _rows = eachRow(connection, query, (packet) => {
      // It was on its way when its reader stopped: were it kept, the socket would be stopped before the end.
      if (state === "stopped") return;
      if (sink.row(packet.buffer, packet.offset, packet.end) === "more") return;
      ready.push(sink.take());
      if (ready.length >= 2) connection.pause();
      wake();
    });
    const fail = (error: unknown): void => {
      if (state !== "reading") return;
      state = "failed";
      failure = error;
      wake();
    };
    query.on("error", fail);
    using _lost = loss.watch(fail);
    query.on("end", () => {
      if (state === "reading") state = "done";
      wake();
    });
    try {
      for (;;) {
        const batch = ready.shift();
        if (batch) {
          yield batch;
          if (ready.length < 2) connection.resume();
          continue;
        }
        if (state !== "reading") break;
        await new Promise<void>((resolve) => (wake = resolve));
      }
      if (state === "failed") throw this.#failed(failure);
      const rest = sink.take();
      if (rest.rows > 0) yield rest;
      state = "done";
    } finally {
      // Somebody stopped reading early: the rest of the answer must not come, and the session's moment must stay.
      if (state === "reading" && !signal.aborted) {
        state = "stopped";
        const ended = new Promise<void>((resolve) => query.once("error", () => resolve()).once("end", resolve));
        await using other = await Session.open(target, undefined, signal);
        await other.run(`KILL QUERY ${this.server.connection}`);
        connection.resume();
        await loss.answer(ended);
      }
    }
  }

  /** `LOAD DATA LOCAL INFILE` from lines in memory, of which so many bytes are read ahead. Gives what the server says of it. */
  async load(sql: string, lines: AsyncIterable<Buffer>, aheadBytes: number): Promise<LoadResult> {
    let fed: unknown;
    const source = Readable.from(
      (async function* () {
        try {
          yield* lines;
        } catch (error) {
          fed = error;
          throw error;
        }
      })(),
      { objectMode: false, highWaterMark: aheadBytes },
    );
    try {
      const { connection, target, loss } = this.#opened;
      countStatement(target);
      const loaded = new Promise<LoadResult>((resolve, reject) => {
        connection.query({ sql, infileStreamFactory: () => source }, (error, result) => {
          if (error) reject(error);
          else resolve(loadResult(result as ResultSetHeader));
        });
      });
      return await loss.answer(loaded);
    } catch (error) {
      throw fed ?? this.#failed(error);
    } finally {
      source.destroy();
    }
  }

  /**
   * Asks for the binary log from a place on; each event comes without the byte before its header, and is only valid meanwhile.
   * The session is of no other use any more.
   */
  dumpLog({ file, offset, server, onEvent, onEnd }: LogDump): {
    readonly pause: () => void;
    readonly resume: () => void;
  } {
    const { connection, loss, target } = this.#opened;
    const request = Buffer.alloc(15 + Buffer.byteLength(file));
    request.writeUInt32LE(request.length - 4, 0);
    request[4] = dumpCommand;
    request.writeUInt32LE(offset, 5);
    request.writeUInt32LE(server, 11);
    request.write(file, 15);
    let state: "new" | "sent" = "new";
    // The driver knows this command, and drops what is in the events.
    const dump: DriverCommand = Object.assign(new EventEmitter(), {
      execute(packet: DriverPacket | undefined, through: DriverConnection): boolean {
        if (state === "new") {
          state = "sent";
          through._resetSequenceId();
          through.write(request);
          through._bumpSequenceId(1);
          return false;
        }
        if (!packet) return false;
        const bytes = packet.buffer.subarray(packet.offset, packet.end);
        if (bytes[0] === 0) {
          onEvent(bytes.subarray(1));
          return false;
        }
        const refused = bytes[0] === 0xff ? { number: bytes.readUInt16LE(1) } : {};
        const reason = bytes[0] === 0xff ? bytes.toString("utf8", 9) : "end of log";
        onEnd(new HoldfastError("database-unreachable", { path: target.location, reason, ...refused }));
        return true;
      },
    });
    dump.on("error", (error) => onEnd(this.#failed(error)));
    loss.watch((error) => onEnd(this.#failed(error)));
    (connection as unknown as DriverConnection).addCommand(dump);
    return { pause: () => connection.pause(), resume: () => connection.resume() };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#opened.release();
    cutOff(this.#opened.connection);
  }

  #failed(error: unknown): HoldfastError {
    const { signal, target } = this.#opened;
    if (signal.aborted) return new HoldfastError("cancelled", {}, error);
    return mysqlFailure("database-unreadable", { path: target.location, user: target.user }, error);
  }
}

export interface LogDump {
  readonly file: string;
  readonly offset: number;
  readonly server: number;
  readonly onEvent: (payload: Buffer) => void;
  readonly onEnd: (error: unknown) => void;
}

const dumpCommand = 0x12;

/** The driver's inside, of which its types say nothing. */
interface DriverConnection {
  _resetSequenceId(): void;
  _bumpSequenceId(by: number): void;
  write(bytes: Buffer): void;
  addCommand(command: DriverCommand): void;
}

/** `execute` says whether it is over. */
interface DriverCommand {
  execute(packet: DriverPacket | undefined, through: DriverConnection): boolean;
  on(name: "error", listener: (error: Error) => void): void;
}

export interface LoadResult {
  readonly rows: number;
  readonly skipped: number;
  readonly warnings: number;
}

export interface Server {
  readonly flavour: "mariadb" | "mysql";
  /** `10.11.19` */
  readonly version: string;
  /** Major × 10,000 + minor × 100 + patch. */
  readonly number: number;
  readonly connection: number;
  /** `user@host` as the server knows us. */
  readonly user: string;
}

function serverOf(text: string, connection: number, user: string, target: Target): Server {
  const match = /^(?:5\.5\.5-)?(\d+)\.(\d+)\.(\d+)/.exec(text);
  const [major, minor, patch] = [Number(match?.[1]), Number(match?.[2]), Number(match?.[3])];
  const flavour = /mariadb/i.test(text) ? "mariadb" : "mysql";
  const number = major * 10_000 + minor * 100 + patch;
  const needed =
    flavour === "mariadb" ? { number: 100_600, text: "MariaDB 10.6" } : { number: 80_000, text: "MySQL 8.0" };
  if (!(number >= needed.number)) {
    throw new HoldfastError("database-too-old", { version: text, needed: needed.text, path: target.location });
  }
  return { flavour, version: `${major}.${minor}.${patch}`, number, connection, user };
}

function ask(connection: Connection, sql: string): Promise<readonly Row[]> {
  return new Promise((resolve, reject) => {
    const typeCast = (field: { buffer(): Buffer | null }): string | null => field.buffer()?.toString("utf8") ?? null;
    connection.query({ sql, rowsAsArray: true, typeCast }, (error, rows) => {
      if (error) reject(error);
      else resolve(Array.isArray(rows) ? (rows as unknown as readonly Row[]) : []);
    });
  });
}

/** `Records: 3  Deleted: 0  Skipped: 0  Warnings: 0` */
function loadResult(header: ResultSetHeader): LoadResult {
  const number = (name: string): number => Number(new RegExp(`${name}: (\\d+)`).exec(header.info)?.[1] ?? 0);
  return { rows: number("Records"), skipped: number("Skipped"), warnings: header.warningStatus };
}
