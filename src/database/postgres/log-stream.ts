import type { Socket } from "node:net";

import type pg from "pg";
import type { DatabaseAddress } from "../database.ts";
import { logInForLog, type OpenOptions } from "./connection.ts";
import { postgresFailure } from "./failure.ts";
import type { SilenceWatch } from "../silence-watch.ts";
import { placeText } from "./log-position.ts";

/** A piece of the log as the server sends it, or a sign of life. `place`: where it has got to. */
export type LogPiece =
  | { readonly type: "data"; readonly bytes: Buffer }
  | { readonly type: "alive"; readonly place: bigint };

/** What is read ahead before the socket is stopped: the server then keeps the rest. */
const mostWaitingBytes = 8 << 20;
/** Well below `wal_sender_timeout`, 60 s by default. */
const statusEveryMs = 5000;

interface LogOptions extends OpenOptions {
  readonly slot: string;
  readonly publication: string;
  readonly position: string;
  /** At or before `position`: as far as the server was told already that all is safe. */
  readonly acknowledged: string;
  readonly watch: SilenceWatch;
}

/**
 * The log of one slot, by streaming replication. What was read is told to be safe only when the caller says so: the driver
 * itself never does. https://www.postgresql.org/docs/current/protocol-replication.html
 */
export class LogStream implements AsyncDisposable {
  readonly #client: pg.Client;
  readonly #connection: ReplicationConnection;
  readonly #path: string;
  readonly #signal: AbortSignal;
  readonly #watch: SilenceWatch;
  readonly #timer: NodeJS.Timeout;
  #waiting: LogPiece[] = [];
  #waitingBytes = 0;
  #wake: (() => void) | undefined;
  #failure: { readonly error: unknown } | undefined;
  #safe: bigint;

  private constructor(client: pg.Client, path: string, { signal, watch, acknowledged }: LogOptions) {
    this.#client = client;
    this.#connection = (client as unknown as { readonly connection: ReplicationConnection }).connection;
    this.#path = path;
    this.#signal = signal;
    this.#watch = watch;
    this.#safe = BigInt(`0x${acknowledged}`);
    this.#connection.on("copyData", ({ chunk }) => this.#take(chunk));
    client.on("error", (error) => this.#fail(error));
    client.on("end", () => this.#fail(new Error("the server ended the connection")));
    signal.addEventListener("abort", this.#abort, { once: true });
    this.#timer = setInterval(() => this.#tellStatus("answer"), statusEveryMs).unref();
  }

  static async open(address: DatabaseAddress, options: LogOptions): Promise<LogStream> {
    const { client, login } = await logInForLog(address, options);
    const { slot, publication, position, signal } = options;
    const stream = new LogStream(client, address.url, options);
    try {
      const started = new Promise<void>((resolve, reject) => {
        stream.#connection.once("replicationStart", () => resolve());
        const query = client.query(
          `START_REPLICATION SLOT ${slot} LOGICAL ${placeText(position)} (proto_version '1', publication_names '${publication}')`,
        );
        // It answers only when it is over.
        query.then(
          () => stream.#fail(new Error("the server ended the log")),
          (error: unknown) => {
            stream.#fail(error);
            reject(error);
          },
        );
      });
      await started;
      return stream;
    } catch (error) {
      await stream[Symbol.asyncDispose]();
      signal.throwIfAborted();
      throw postgresFailure(error, address.url, login.user);
    }
  }

  /** What has come, as much as there is; waits for the first, at most so long. */
  async take(mostMs: number): Promise<readonly LogPiece[]> {
    if (this.#waiting.length === 0 && !this.#failure) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      const asking = setTimeout(() => this.#tellStatus("answer"), mostMs / 2);
      const timer = setTimeout(resolve, mostMs);
      await promise;
      clearTimeout(asking);
      clearTimeout(timer);
      this.#wake = undefined;
    }
    if (this.#waiting.length === 0 && this.#failure) {
      this.#signal.throwIfAborted();
      throw postgresFailure(this.#failure.error, this.#path, undefined);
    }
    const pieces = this.#waiting;
    this.#waiting = [];
    this.#waitingBytes = 0;
    if (this.#connection.stream.isPaused()) this.#watch.heard("listening");
    this.#connection.stream.resume();
    return pieces;
  }

  /** Up to here the server may forget. */
  acknowledge(place: bigint): void {
    if (place <= this.#safe) return;
    this.#safe = place;
    this.#tellStatus("no-answer");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    this.#signal.removeEventListener("abort", this.#abort);
    this.#fail(new Error("closed"));
    // An orderly end waits for the server to have sent all it wants to.
    this.#connection.stream.destroy();
    await this.#client.end().catch(() => {});
  }

  #take(chunk: Buffer): void {
    // The driver may use its buffer again.
    if (chunk[0] === letterW) this.#waiting.push({ type: "data", bytes: Buffer.from(chunk.subarray(25)) });
    else if (chunk[0] === letterK) {
      this.#waiting.push({ type: "alive", place: chunk.readBigUInt64BE(1) });
      // Being alive is the answer; that nothing is safe which is not stays true.
      if (chunk[17] === 1) this.#tellStatus("no-answer");
    }
    this.#waitingBytes += chunk.length;
    const isFull = this.#waitingBytes > mostWaitingBytes;
    if (isFull) this.#connection.stream.pause();
    this.#watch.heard(isFull ? "paused" : "listening");
    this.#wake?.();
  }

  /** `answer`: the server shall say where it has got to. */
  #tellStatus(wanted: "answer" | "no-answer"): void {
    if (this.#failure) return;
    const message = Buffer.alloc(34);
    message[0] = letterR;
    for (const at of [1, 9, 17]) message.writeBigUInt64BE(this.#safe, at);
    message.writeBigInt64BE(BigInt(Date.now()) * 1000n - 946_684_800_000_000n, 25);
    message[33] = wanted === "answer" ? 1 : 0;
    this.#connection.sendCopyFromChunk(message);
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    this.#wake?.();
  }

  readonly #abort = (): void => {
    this.#fail(this.#signal.reason);
    this.#connection.stream.destroy();
  };
}

/** The driver's inside: it knows these messages, and says nothing of them in its types. */
interface ReplicationConnection {
  readonly stream: Socket;
  on(name: "copyData", listener: (message: { readonly chunk: Buffer }) => void): void;
  once(name: "replicationStart", listener: () => void): void;
  sendCopyFromChunk(bytes: Buffer): void;
}

const letterW = "w".charCodeAt(0);
const letterK = "k".charCodeAt(0);
const letterR = "r".charCodeAt(0);
