import { eventTypes } from "./log-events.ts";
import type { LogPlace } from "./log-position.ts";
import type { Session } from "./session.ts";

export interface LogEvent {
  readonly type: number;
  /** Seconds since 1970. */
  readonly timestamp: number;
  readonly server: number;
  /** Where it ends in its file. */
  readonly end: number;
  readonly body: Buffer;
}

/** What is read ahead before the socket is stopped. */
const mostWaitingBytes = 8 << 20;
const headerBytes = 19;
const { description, heartbeat } = eventTypes;

/** The binary log from a place on, as a replica would be sent it. */
export class LogStream {
  #waiting: LogEvent[] = [];
  #waitingBytes = 0;
  #wake: (() => void) | undefined;
  #checksumBytes = 0;
  #failure: { readonly error: unknown } | undefined;
  readonly #resume: () => void;

  private constructor(resume: () => void) {
    this.#resume = resume;
  }

  /** The session does nothing else from then on. `server`: a number that no replica of the server has. */
  static async open(session: Session, place: LogPlace, server: number): Promise<LogStream> {
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
    const stream: LogStream = new LogStream(() => control.resume());
    return stream;
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
    if (this.#waitingBytes > mostWaitingBytes) this.#resume();
    this.#waitingBytes = 0;
    return events;
  }

  #take(payload: Buffer, pause: () => void): void {
    const type = payload[4] ?? 0;
    const end = payload.readUInt32LE(13);
    // What a file's description says of its events: those that are in no file have none.
    if (type === description) this.#checksumBytes = payload.at(-5) === 1 ? 4 : 0;
    const checksum = end === 0 || type === heartbeat ? 0 : this.#checksumBytes;
    this.#waiting.push({
      timestamp: payload.readUInt32LE(0),
      type,
      server: payload.readUInt32LE(5),
      end,
      // The driver may use its buffer again.
      body: Buffer.from(payload.subarray(headerBytes, payload.length - checksum)),
    });
    this.#waitingBytes += payload.length;
    if (this.#waitingBytes > mostWaitingBytes) pause();
    this.#wake?.();
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    this.#wake?.();
  }
}
