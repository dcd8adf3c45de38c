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

/** How often the server is asked while rows pass. */
const askEveryMs = 250;
/** And in pauses. */
const askCalmEveryMs = 1000;
/** Work that is done before there is a pause for it. */
const turnMs = 60;
/** So many statements or transactions of others a second, and the server is in use. */
const othersPerSecond = 5;
/** Nothing is heard of them for so long, and they are gone: PostgreSQL tells once a second what its sessions have done, all of it at once. */
const goneSeconds = 3;
/** It is not read for less than this share of the time, so that a backup still ends. */
const leastShare = 0.25;
/** While others use the server, a little is always left to them. */
const mostShare = 0.9;
/** An answer takes so many times as long as the quickest: the server's processors are all in use. */
const slower = 1.25;
/** Of so many answers, the slowest is passed over: it may have been held up by anything. */
const remembered = 5;

/**
 * How fast rows may pass. Rates hold always. While others use the server, rows pass for a share of the time only: for little of it at first,
 * for more while the server answers as quickly as it can, and for less again while it does not.
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
  #counted: { readonly at: number; readonly others: number } | undefined;
  #askedAt = Number.NEGATIVE_INFINITY;
  #calmAskedAt = Number.NEGATIVE_INFINITY;
  readonly #answers: number[] = [];
  #quickest = Number.POSITIVE_INFINITY;
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
    if (now - this.#askedAt >= askEveryMs) await this.#ask(signal);
    if (this.#share < 1 && this.#worked >= turnMs) await this.#pause(signal);
    if (this.#share === 1) this.#worked = 0;
    this.#turn = this.#now();
  }

  async #pause(signal: AbortSignal): Promise<void> {
    const ms = this.#worked * (1 / this.#share - 1);
    this.#worked = 0;
    await this.#sleep(ms / 2, signal);
    if (this.#now() - this.#calmAskedAt >= askCalmEveryMs) {
      // How quick it can be shows while nothing is read.
      this.#calmAskedAt = this.#now();
      const load = await this.#options.load?.(signal);
      if (load) this.#quickest = Math.min(this.#quickest, load.answerMs);
    }
    await this.#sleep(ms / 2, signal);
  }

  async #ask(signal: AbortSignal): Promise<void> {
    const at = this.#now();
    this.#askedAt = at;
    const load = await this.#options.load?.(signal);
    if (!load) return;
    this.#answers.push(load.answerMs);
    if (this.#answers.length > remembered) this.#answers.shift();
    this.#quickest = Math.min(this.#quickest, load.answerMs);
    this.#adapt();
    this.#count(at, load.others);
  }

  #adapt(): void {
    if (this.#share === 1) return;
    const isSlow = this.#answers.filter((answer) => answer > this.#quickest * slower).length > 1;
    this.#share = isSlow ? Math.max(leastShare, this.#share * 0.8) : Math.min(mostShare, this.#share * 1.1);
  }

  /** Whether others are there: as soon as they are heard of; that they are not, after a while. */
  #count(at: number, others: number): void {
    const { at: from, others: before } = (this.#counted ??= { at, others });
    const [seconds, more] = [(at - from) / 1000, others - before];
    if (more >= othersPerSecond * Math.max(1, seconds)) {
      if (this.#share === 1) this.#share = leastShare;
      if (this.#told++ === 0) this.#options.onYield?.();
    } else if (seconds < goneSeconds) return;
    else this.#share = 1;
    this.#counted = { at, others };
  }
}
