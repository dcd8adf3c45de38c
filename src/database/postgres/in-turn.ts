import type { RowBatch } from "../database.ts";
import { stretchBytes } from "./stretches.ts";

/**
 * Reads pieces of work with several readers at once and gives out what they read in the order of the pieces. What is
 * read before its turn is stored, for one piece more than there are readers, each up to `mostBytes`; then readers wait.
 */
export async function* inTurn<Piece, Reader>(
  pieces: readonly Piece[],
  readers: readonly Reader[],
  read: (piece: Piece, reader: Reader) => AsyncIterable<RowBatch>,
  mostBytes = stretchBytes,
): AsyncGenerator<RowBatch, void> {
  const running: { readonly store: Store; readonly done: Promise<void> }[] = [];
  const free = [...readers];
  let next = 0;
  const start = (): void => {
    while (free.length > 0 && next < pieces.length && running.length <= readers.length) {
      const [reader, piece] = [free.shift(), pieces[next++]];
      if (reader === undefined || piece === undefined) return;
      const store = new Store(mostBytes);
      const done = store.fill(read(piece, reader)).then(() => {
        free.push(reader);
        start();
      });
      running.push({ store, done });
    }
  };
  start();
  try {
    for (let first = running[0]; first; first = running[0]) {
      yield* first.store.batches();
      running.shift();
      start();
    }
  } finally {
    for (const { store } of running) store.stop();
    next = pieces.length;
    await Promise.all(running.map(({ done }) => done));
  }
}

/** Batches between one reader and whoever takes them. */
class Store {
  readonly #mostBytes: number;
  readonly #batches: RowBatch[] = [];
  #bytes = 0;
  #state: "filling" | "filled" | "failed" | "stopped" = "filling";
  #failed: unknown;
  #changed = Promise.withResolvers<void>();

  constructor(mostBytes: number) {
    this.#mostBytes = mostBytes;
  }

  async fill(source: AsyncIterable<RowBatch>): Promise<void> {
    try {
      for await (const batch of source) {
        this.#batches.push(batch);
        this.#bytes += batch.lines.length;
        this.#tell();
        while (this.#bytes >= this.#mostBytes && this.#state === "filling") await this.#changed.promise;
        if (this.#state === "stopped") return;
      }
      this.#state = "filled";
    } catch (error) {
      this.#failed = error;
      this.#state = "failed";
    }
    this.#tell();
  }

  async *batches(): AsyncGenerator<RowBatch, void> {
    for (;;) {
      const batch = this.#batches.shift();
      if (batch) {
        this.#bytes -= batch.lines.length;
        this.#tell();
        yield batch;
      } else if (this.#state === "failed") {
        throw this.#failed;
      } else if (this.#state !== "filling") {
        return;
      } else {
        await this.#changed.promise;
      }
    }
  }

  /** Whoever fills it gives up with the next batch. */
  stop(): void {
    if (this.#state === "filling") this.#state = "stopped";
    this.#tell();
  }

  #tell(): void {
    const told = this.#changed;
    this.#changed = Promise.withResolvers<void>();
    told.resolve();
  }
}
