import type { Socket } from "node:net";

import type { Connection, Submittable } from "pg";
import type { RowBatch } from "../database.ts";
import { LineEnds } from "../line-ends.ts";
import { lendReads, readBytes } from "../lent-socket.ts";

/** Batches that wait for their reader; above, the server is made to wait. */
const mostWaiting = 2;
/** What is more than this is not kept for later. */
const mostSpare = 24;

/**
 * `COPY … TO STDOUT`, read from the socket itself: the driver would make an object of each row. A row comes as a message
 * of five bytes and a line; the lines are moved together into batches, and none is looked at. Whatever is no row is
 * handed to the driver, with all that follows it.
 */
export class CopyOut implements Submittable {
  readonly #sql: string;
  readonly #targetBytes: number;
  readonly #batches: RowBatch[] = [];
  /** Of the batch at hand; none as long as it has no bytes, so that none is left over when the last row has come. */
  #buffer: Buffer | undefined;
  #filled = 0;
  readonly #ends = new LineEnds();
  /** Bytes of the message at hand that are still to come, and what becomes of them. */
  #left = 0;
  #message: "row" | "opening" = "opening";
  readonly #header = Buffer.alloc(headerBytes);
  #headerFilled = 0;
  #stream: Socket | undefined;
  #driver: ((chunk: Buffer) => void)[] = [];
  #state: "running" | "ended" | "failed" = "running";
  #failed: unknown;
  #wake: (() => void) | undefined;

  /** Memory that was given back, shared by the copies of one session: it is not left to the garbage collector. */
  readonly #spare: Buffer[];

  constructor(sql: string, targetBytes: number, spare: Buffer[] = []) {
    this.#sql = sql;
    this.#targetBytes = targetBytes;
    this.#spare = spare;
  }

  submit(connection: Connection): void {
    connection.query(this.#sql);
    const { stream } = connection as unknown as { readonly stream: Socket };
    this.#stream = stream;
    this.#driver = stream.listeners("data") as ((chunk: Buffer) => void)[];
    stream.removeAllListeners("data");
    stream.on("data", this.#take);
    lendReads(stream, "lent");
  }

  /** Whole lines, until the server says that there are no more; throws what it says instead. */
  async *batches(): AsyncGenerator<RowBatch, void> {
    for (;;) {
      const batch = this.#batches.shift();
      if (batch) {
        if (this.#batches.length < mostWaiting) this.#stream?.resume();
        yield batch;
      } else if (this.#state === "failed") {
        throw this.#failed;
      } else if (this.#state === "ended") {
        return;
      } else {
        await new Promise<void>((wake) => (this.#wake = wake));
      }
    }
  }

  handleReadyForQuery(): void {
    this.#flush();
    if (this.#state === "running") this.#state = "ended";
    this.#awaken();
  }

  handleError(error: Error): void {
    this.#giveBack();
    this.#failed = error;
    this.#state = "failed";
    this.#awaken();
  }

  handleCommandComplete(): void {}

  /** A row after something that was none: a notice in the middle of the copy. */
  handleCopyData({ chunk }: { readonly chunk: Buffer }): void {
    this.#add(chunk, 0, chunk.length);
    this.#ends.add(this.#filled);
    if (this.#filled >= this.#targetBytes) this.#flush();
  }

  readonly #take = (chunk: Buffer): void => {
    // Rows are moved together within what was read, which is nobody else's, and then all at once into the batch.
    let moved = 0;
    let whole = 0;
    let at = 0;
    while (at < chunk.length) {
      if (this.#left > 0) {
        const end = Math.min(at + this.#left, chunk.length);
        if (this.#message === "row") {
          chunk.copyWithin(moved, at, end);
          moved += end - at;
        }
        this.#left -= end - at;
        at = end;
        if (this.#left === 0 && this.#message === "row") {
          whole = moved;
          this.#ends.add(this.#filled + moved);
        }
        continue;
      }
      if (this.#headerFilled === 0 && chunk[at] !== row && chunk[at] !== opening) break;
      if (this.#headerFilled === 0 && chunk.length - at >= headerBytes) {
        this.#begin(chunk, at);
        at += headerBytes;
        continue;
      }
      this.#header[this.#headerFilled++] = chunk[at++] ?? 0;
      if (this.#headerFilled < headerBytes) continue;
      this.#headerFilled = 0;
      this.#begin(this.#header, 0);
    }
    if (whole > 0) {
      this.#add(chunk, 0, whole);
      if (this.#filled >= this.#targetBytes) this.#flush();
    }
    this.#add(chunk, whole, moved);
    if (at < chunk.length) this.#handOver(chunk.subarray(at));
    else if (this.#batches.length >= mostWaiting) this.#stream?.pause();
  };

  #begin(bytes: Buffer, at: number): void {
    this.#message = bytes[at] === row ? "row" : "opening";
    // The length counts its own four bytes.
    this.#left = bytes.readInt32BE(at + 1) - 4;
  }

  #add(chunk: Buffer, start: number, end: number): void {
    if (start === end) return;
    const filled = this.#filled + end - start;
    let buffer = (this.#buffer ??= this.#memory());
    if (filled > buffer.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(buffer.length * 2, filled));
      buffer.copy(grown, 0, 0, this.#filled);
      this.#buffer = buffer = grown;
    }
    chunk.copy(buffer, this.#filled, start, end);
    this.#filled = filled;
  }

  #flush(): void {
    const memory = this.#buffer;
    if (memory === undefined || this.#ends.count === 0) return;
    const release = () => {
      if (this.#spare.length < mostSpare) this.#spare.push(memory);
    };
    const ends = this.#ends.take();
    this.#batches.push({ lines: memory.subarray(0, this.#filled), rows: ends.length, ends, release });
    this.#buffer = undefined;
    this.#filled = 0;
    this.#awaken();
  }

  #memory(): Buffer {
    // What makes a batch full comes at once with more.
    const size = this.#targetBytes + readBytes;
    const spare = this.#spare.pop();
    return spare !== undefined && spare.length >= size ? spare : Buffer.allocUnsafeSlow(size);
  }

  #handOver(rest: Buffer): void {
    const driver = this.#driver;
    this.#giveBack();
    const kept = Buffer.from(rest);
    for (const listener of driver) listener.call(this.#stream, kept);
  }

  #giveBack(): void {
    this.#stream?.removeListener("data", this.#take);
    for (const listener of this.#driver) this.#stream?.on("data", listener);
    this.#driver = [];
    if (this.#stream) lendReads(this.#stream, "copied");
    this.#stream?.resume();
  }

  #awaken(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }
}

const row = 0x64; // d
const opening = 0x48; // H
const headerBytes = 5;
