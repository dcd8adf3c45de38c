import { setTimeout as delay } from "node:timers/promises";
import type { ServerLoad } from "../database/database.ts";
import { Throttle, throttleBytes } from "../repository/throttle.ts";

export interface PaceOptions {
  /** Most that is read (or written, in a restore) a second; absent: no limit. */
  readonly bytesPerSecond?: number | undefined;
  readonly rowsPerSecond?: number | undefined;
  /** Asks the server how it is; absent: it is not yielded to. */
  readonly load?: ((signal: AbortSignal) => Promise<ServerLoad | undefined>) | undefined;
  /** Told when it begins to yield to others, and at most once. */
  readonly onYield?: (() => void) | undefined;
  /** Milliseconds of a clock that only goes forward. */
  readonly now?: () => number;
  readonly sleep?: (ms: number, signal: AbortSignal) => Promise<void>;
}

/** How often the server is asked while rows are read. */
const askEveryMs = 250;
/** Work that is done before there is a pause for it. */
const turnMs = 60;
/** So many statements or transactions of others a second, and the server is in use. */
const othersPerSecond = 5;
/** It is not read for less than this share of the time, so that a backup still ends. */
const leastShare = 0.25;
/** The server answers so much more slowly while we read than while we pause: we read less. */
const slower = 1.25;
const remembered = 5;

/**
 * How fast rows may pass. Rates hold always. While others use the server, rows pass for a share of the time only, which
 * goes down while its answers take longer beside us than in our pauses, and up again while they do not.
 */
export class Pace {
  readonly #options: PaceOptions;
  readonly #now: () => number;
  readonly #sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly #bytes: Throttle;
  readonly #rows: Throttle;
  #share = 1;
  #worked = 0;
  #turn: number | undefined;
  #asked: { readonly at: number; readonly others: number } | undefined;
  #askedAt = Number.NEGATIVE_INFINITY;
  #busyAnswers: number[] = [];
  #calmAnswers: number[] = [];
  #told = 0;

  constructor(options: PaceOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
    this.#sleep = options.sleep ?? ((ms, signal) => delay(ms, undefined, { signal }));
    this.#bytes = new Throttle(new SharedArrayBuffer(throttleBytes), options.bytesPerSecond);
    this.#rows = new Throttle(new SharedArrayBuffer(throttleBytes), options.rowsPerSecond);
  }

  /** The share of the time for which rows pass now. */
  get share(): number {
    return this.#share;
  }

  /** Called for each batch, and after a statement that kept the server at work: waits as long as must be waited. */
  async take(rows: number, bytes: number, signal: AbortSignal): Promise<void> {
    await this.#bytes.take(bytes, signal);
    await this.#rows.take(rows, signal);
    if (!this.#options.load) return;
    const now = this.#now();
    if (this.#turn !== undefined) this.#worked += now - this.#turn;
    if (now - this.#askedAt >= askEveryMs) await this.#ask(this.#busyAnswers, signal);
    if (this.#share < 1 && this.#worked >= turnMs) await this.#pause(signal);
    if (this.#share === 1) this.#worked = 0;
    this.#turn = this.#now();
  }

  async #pause(signal: AbortSignal): Promise<void> {
    const ms = this.#worked * (1 / this.#share - 1);
    this.#worked = 0;
    await this.#sleep(ms / 2, signal);
    await this.#ask(this.#calmAnswers, signal);
    await this.#sleep(ms / 2, signal);
    this.#decide();
  }

  async #ask(answers: number[], signal: AbortSignal): Promise<void> {
    const at = this.#now();
    this.#askedAt = at;
    const load = await this.#options.load?.(signal);
    if (!load) return;
    answers.push(load.answerMs);
    if (answers.length > remembered) answers.shift();
    if (this.#asked && at - this.#asked.at < 1000) return;
    const others = this.#asked && ((load.others - this.#asked.others) * 1000) / (at - this.#asked.at);
    this.#asked = { at, others: load.others };
    if (others === undefined) return;
    if (others < othersPerSecond) this.#share = 1;
    else if (this.#share === 1) {
      this.#share = 0.5;
      if (this.#told++ === 0) this.#options.onYield?.();
    }
  }

  #decide(): void {
    const [busy, calm] = [median(this.#busyAnswers), median(this.#calmAnswers)];
    if (this.#share === 1 || busy === undefined || calm === undefined) return;
    this.#share = busy > calm * slower ? Math.max(leastShare, this.#share * 0.8) : Math.min(0.9, this.#share * 1.1);
  }
}

function median(values: readonly number[]): number | undefined {
  return values.toSorted((a, b) => a - b)[values.length >> 1];
}
