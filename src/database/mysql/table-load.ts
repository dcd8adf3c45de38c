import type { RowBatch, TableRows, TableSchema } from "../database.ts";

/** A table with more than this is worth loading without its indexes, and by more than one session. */
const largeBytes = 512 * 1024;

/**
 * What one statement loads. The server keeps back all of it from others until it is committed: of a whole table its log would be
 * written in one go, while everybody else waits to commit, and a load that is cut off would take as long to be taken back.
 */
export const pieceBytes = 8 << 20;

export interface Piece {
  readonly lines: AsyncIterable<Buffer>;
  /** How many were taken out of `lines` so far. */
  readonly rows: () => number;
  /** Nobody reads on in it: the next one may be taken. Called in any case. */
  readonly end: () => void;
}

/** The rows of a table, which several sessions load, each a piece at a time. */
export class TableLoad {
  readonly table: TableSchema;
  readonly #batches: AsyncIterator<RowBatch>;
  readonly #ahead: RowBatch[] = [];
  readonly #prepared = Promise.withResolvers<"large" | "small">();
  readonly #filled = Promise.withResolvers<"whole" | "not">();
  /** The piece before was read to its end. */
  #read: Promise<void> = Promise.resolve();
  #state: "open" | "stopped" = "open";
  #loading = 0;
  /** The first row of each piece. */
  readonly #starts: Buffer[] = [];
  readonly #idle: (() => void)[] = [];

  constructor({ table, batches }: TableRows) {
    this.table = table;
    this.#batches = batches[Symbol.asyncIterator]();
  }

  /** How large it is, once it is prepared for rows; small, where that failed. */
  get prepared(): Promise<"large" | "small"> {
    return this.#prepared.promise;
  }

  /** Of a large one, whether all rows are in, once `finish` was begun; not, where nothing comes of that. */
  get filled(): Promise<"whole" | "not"> {
    return this.#filled.promise;
  }

  /** The first field of a row in the middle of what was loaded, as it stands in its line; absent: that was one piece. */
  get middle(): string | undefined {
    return this.#starts.length < 2 ? undefined : this.#starts[this.#starts.length >> 1]?.toString("latin1");
  }

  /** Loads all of it by this session and whoever helps; `prepare` and `finish`, of what it gave, are for large tables. */
  async all<Aside>(
    load: (piece: Piece) => Promise<void>,
    prepare: () => Promise<Aside>,
    finish: (aside: Aside) => Promise<void>,
  ): Promise<void> {
    try {
      if ((await this.#readAhead()) === "small") return await this.help(load);
      const aside = await prepare();
      this.#prepared.resolve("large");
      await this.help(load);
      while (this.#loading > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
      if (this.#state !== "open") return;
      const finishing = finish(aside);
      this.#filled.resolve("whole");
      await finishing;
    } finally {
      this.#prepared.resolve("small");
      this.#filled.resolve("not");
    }
  }

  /** Loads pieces until none is left. */
  async help(load: (piece: Piece) => Promise<void>): Promise<void> {
    this.#loading++;
    try {
      for (let piece = await this.#take(); piece; piece = await this.#take()) {
        try {
          await load(piece);
        } finally {
          piece.end();
        }
      }
    } catch (error) {
      this.#state = "stopped"; // for the others too
      throw error;
    } finally {
      this.#loading--;
      for (const wake of this.#idle.splice(0)) wake();
    }
  }

  async #readAhead(): Promise<"large" | "small"> {
    for (let bytes = 0; bytes < largeBytes;) {
      const batch = await this.#next();
      if (!batch) return "small";
      this.#ahead.push(batch);
      bytes += batch.lines.length;
    }
    return "large";
  }

  async #take(): Promise<Piece | undefined> {
    const before = this.#read;
    const { promise, resolve: end } = Promise.withResolvers<void>();
    this.#read = promise;
    await before;
    let first: RowBatch | undefined;
    try {
      first = this.#state === "open" ? await this.#nextOf() : undefined;
    } finally {
      if (!first) end();
    }
    if (!first) return undefined;
    this.#starts.push(firstField(first.lines));
    let rows = 0;
    const readOn = () => this.#nextOf();
    const lines = async function* (batch: RowBatch | undefined): AsyncGenerator<Buffer> {
      for (let bytes = 0; batch;) {
        rows += batch.rows;
        bytes += batch.lines.length;
        const isLast = bytes >= pieceBytes;
        if (isLast) end();
        yield batch.lines;
        if (isLast) return;
        batch = await readOn();
      }
      end();
    };
    return { lines: lines(first), rows: () => rows, end };
  }

  async #nextOf(): Promise<RowBatch | undefined> {
    return this.#ahead.shift() ?? (await this.#next());
  }

  async #next(): Promise<RowBatch | undefined> {
    for (;;) {
      const step = await this.#batches.next();
      if (step.done === true) return undefined;
      if (step.value.rows > 0) return step.value;
    }
  }
}

/** A copy: the memory that lines are in is lent. */
function firstField(lines: Buffer): Buffer {
  const line = lines.subarray(0, lines.indexOf(10));
  const end = line.indexOf(9);
  return Buffer.from(end === -1 ? line : line.subarray(0, end));
}
