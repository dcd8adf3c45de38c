import { eventTypes, parseRotate } from "./log-events.ts";
import { canBegin, type LogPlace, placeAfter } from "./log-position.ts";
import type { SilenceWatch } from "../silence-watch.ts";
import { isHoldfastError } from "../../lib/errors.ts";
import type { Session } from "./session.ts";

export interface LogEvent {
  readonly type: number;
  /** Seconds since 1970. */
  readonly timestamp: number;
  readonly server: number;
  /** Where it ends in its file. */
  readonly end: number;
  /** A statement that is about temporary tables, which no other session has. */
  readonly about: "temporary" | "shared";
  readonly body: Buffer;
}

export const headerBytes = 19;
/** `LOG_EVENT_THREAD_SPECIFIC_F` */
const temporaryFlag = 4;
/** `LOG_EVENT_ARTIFICIAL_F` */
const artificialFlag = 32;

/** An event without where it ends. `checksum`: bytes of it at its end. */
export function readEvent(payload: Buffer, checksum: number): Omit<LogEvent, "end"> {
  return {
    timestamp: payload.readUInt32LE(0),
    type: payload[4] ?? 0,
    server: payload.readUInt32LE(5),
    about: ((payload[17] ?? 0) & temporaryFlag) === 0 ? "shared" : "temporary",
    body: payload.subarray(headerBytes, payload.length - checksum),
  };
}

/** RFC 3339; whole seconds. */
export function timeOf({ timestamp }: LogEvent): string {
  return new Date(timestamp * 1000).toISOString();
}

/** What is read ahead before the socket is stopped. */
const mostWaitingBytes = 8 << 20;
const { description, rotate } = eventTypes;
/** `ER_MASTER_FATAL_ERROR_READING_BINLOG`: the log is not there, or something else is. */
const logRefused = 1236;

/** The binary log from a place on, as a replica would be sent it. */
export class LogStream {
  #waiting: LogEvent[] = [];
  #waitingBytes = 0;
  #wake: (() => void) | undefined;
  #checksumBytes = 0;
  #failure: { readonly error: unknown } | undefined;
  readonly #resume: () => void;
  readonly #watch: SilenceWatch;
  /** Settled by the first sign that the log goes on from the place that was asked for. */
  readonly #begun = Promise.withResolvers<void>();
  /** Of the event that came last. */
  #end = 0;
  /** Seconds since 1970: when the server began the file. */
  #fileSince = 0;

  private constructor(watch: SilenceWatch, resume: () => void) {
    this.#watch = watch;
    this.#resume = resume;
  }

  /**
   * The session does nothing else from then on. `server`: a number that no replica of the server has. `undefined`: the server has no
   * log there.
   */
  static async open(
    session: Session,
    place: LogPlace,
    server: number,
    watch: SilenceWatch,
  ): Promise<LogStream | undefined> {
    if (!canBegin(place)) return undefined;
    await session.run("SET @master_binlog_checksum='NONE'");
    if (session.server.flavour === "mariadb") await session.run("SET @mariadb_slave_capability=4");
    else await session.run("SET @source_binlog_checksum='NONE'");
    // A sign of life each second, in billionths.
    await session.run("SET @master_heartbeat_period=1000000000");
    const control = session.dumpLog({
      ...place,
      server,
      onEvent: (payload) => stream.#take(payload, control.pause),
      onEnd: (error) => stream.#fail(error),
    });
    const stream: LogStream = new LogStream(watch, () => control.resume());
    try {
      await stream.#begun.promise;
      return stream;
    } catch (error) {
      if (!isHoldfastError(error) || error.facts["number"] !== logRefused) throw error;
      // Another session under our number is no reason to give the log up.
      if (String(error.facts["reason"]).includes("same server")) throw error;
      return undefined;
    }
  }

  /** When the file that it begins in was begun, in seconds since 1970. */
  get fileSince(): number {
    return this.#fileSince;
  }

  /** What has come, as much as there is; waits for the first, at most so long. */
  async take(mostMs: number): Promise<readonly LogEvent[]> {
    if (this.#waiting.length === 0 && !this.#failure) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      const timer = setTimeout(resolve, mostMs);
      await promise;
      clearTimeout(timer);
      this.#wake = undefined;
    }
    if (this.#waiting.length === 0 && this.#failure) throw this.#failure.error;
    const events = this.#waiting;
    this.#waiting = [];
    const wasFull = this.#waitingBytes > mostWaitingBytes;
    // First: the driver gives what it held back while it resumes, and that counts anew.
    this.#waitingBytes = 0;
    if (wasFull) {
      this.#watch.heard("listening");
      this.#resume();
    }
    return events;
  }

  #take(payload: Buffer, pause: () => void): void {
    const type = payload[4] ?? 0;
    const end = this.#endOf(payload, type);
    this.#end = type === rotate ? parseRotate(payload.subarray(headerBytes)).offset : end || this.#end;
    // What a file's description says of all that comes after it, be it in the file or not: a change of files tells its name so.
    if (type === description) {
      this.#checksumBytes = payload.at(-5) === 1 ? 4 : 0;
      this.#fileSince ||= payload.readUInt32LE(0);
    } else if (type !== rotate) this.#begun.resolve();
    // The driver may use its buffer again.
    this.#waiting.push({ ...readEvent(Buffer.from(payload), this.#checksumBytes), end });
    this.#waitingBytes += payload.length;
    const isFull = this.#waitingBytes > mostWaitingBytes;
    if (isFull) pause();
    this.#watch.heard(isFull ? "paused" : "listening");
    this.#wake?.();
  }

  /** From 11 on MariaDB says it of the last event of a transaction alone. Events that stand in no file have none. */
  #endOf(payload: Buffer, type: number): number {
    const low = payload.readUInt32LE(13);
    if (low !== 0) return placeAfter(this.#end, low);
    const isInFile = type !== description && type !== rotate && ((payload[17] ?? 0) & artificialFlag) === 0;
    return isInFile ? this.#end + payload.readUInt32LE(9) : 0;
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    this.#begun.reject(error);
    this.#wake?.();
  }
}
