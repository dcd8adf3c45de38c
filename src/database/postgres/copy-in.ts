import type { Socket } from "node:net";

import type { Connection, Submittable } from "pg";
import type { RowBatch } from "../database.ts";

/** `COPY … FROM STDIN`: whole lines go out as they are, as fast as the server takes them. */
export class CopyIn implements Submittable {
  readonly #sql: string;
  readonly #batches: AsyncIterable<Pick<RowBatch, "lines" | "release">>;
  /** How many rows the table took. */
  readonly done: Promise<number>;
  #rows = 0;
  #settle: { readonly resolve: (rows: number) => void; readonly reject: (error: unknown) => void };
  #failed: unknown;

  constructor(sql: string, batches: AsyncIterable<Pick<RowBatch, "lines" | "release">>) {
    this.#sql = sql;
    this.#batches = batches;
    const { promise, resolve, reject } = Promise.withResolvers<number>();
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

  /** `COPY 12` */
  handleCommandComplete({ text }: { readonly text: string }): void {
    this.#rows = Number(text.split(" ")[1]);
  }

  handleReadyForQuery(): void {
    this.#settle.resolve(this.#rows);
  }

  handleError(error: Error): void {
    this.#settle.reject(this.#failed ?? error);
  }

  async #send(connection: CopyConnection): Promise<void> {
    const { stream } = connection;
    for await (const { lines, release } of this.#batches) {
      if (lines.length > 0) await written(stream, lines);
      release?.();
      if (stream.destroyed) return; // which was told already
    }
    connection.endCopyFrom();
  }
}

/** What the driver's types leave out. */
interface CopyConnection extends Connection {
  readonly stream: Socket;
  endCopyFrom(): void;
  sendCopyFail(reason: string): void;
}

/** One message with these lines, which the driver would copy twice; their memory is free again when it is written. */
function written(stream: Socket, lines: Buffer): Promise<void> {
  const header = Buffer.allocUnsafe(5);
  header[0] = copyData;
  // The length counts its own four bytes.
  header.writeInt32BE(lines.length + 4, 1);
  return new Promise((resolve) => {
    stream.cork();
    stream.write(header);
    stream.write(lines, () => resolve());
    stream.uncork();
  });
}

const copyData = 0x64; // d
