import type { Socket } from "node:net";

import type { Connection, Submittable } from "pg";

/** `COPY … FROM STDIN`: whole lines go out as they are, as fast as the server takes them. */
export class CopyIn implements Submittable {
  readonly #sql: string;
  readonly #batches: AsyncIterable<{ readonly lines: Buffer }>;
  readonly done: Promise<void>;
  #settle: { readonly resolve: () => void; readonly reject: (error: unknown) => void };
  #failed: unknown;

  constructor(sql: string, batches: AsyncIterable<{ readonly lines: Buffer }>) {
    this.#sql = sql;
    this.#batches = batches;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.done = promise;
    this.#settle = { resolve, reject };
  }

  submit(connection: Connection): void {
    connection.query(this.#sql);
  }

  handleCopyInResponse(connection: CopyConnection): void {
    this.#send(connection).catch((error: unknown) => {
      this.#failed = error;
      connection.sendCopyFail("the rows cannot be read");
    });
  }

  handleCommandComplete(): void {}

  handleReadyForQuery(): void {
    this.#settle.resolve();
  }

  handleError(error: Error): void {
    this.#settle.reject(this.#failed ?? error);
  }

  async #send(connection: CopyConnection): Promise<void> {
    const { stream } = connection;
    for await (const { lines } of this.#batches) {
      if (lines.length > 0) connection.sendCopyFromChunk(lines);
      while (stream.writableNeedDrain && !stream.destroyed) await drained(stream);
    }
    connection.endCopyFrom();
  }
}

/** What the driver's types leave out. */
interface CopyConnection extends Connection {
  readonly stream: Socket;
  sendCopyFromChunk(chunk: Buffer): void;
  endCopyFrom(): void;
  sendCopyFail(reason: string): void;
}

function drained(stream: Socket): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      stream.removeListener("drain", done);
      stream.removeListener("close", done);
      resolve();
    };
    stream.on("drain", done);
    stream.on("close", done);
  });
}
