import { hash } from "node:crypto";
import type { JournalDatabase } from "../contents/journal/journal-file.ts";
import type { SealedSegment } from "../contents/journal/journal-writer.ts";
import { SegmentBuilder, segmentLength } from "../contents/journal/segment.ts";
import type { ChangeFeed, Change, FeedPlace, GapReason, LogPoint, LogPosition } from "../database/change-feed.ts";
import type { Id } from "../format/tree.ts";

/** A segment is cut at this size at the latest. */
const segmentBytes = 4 << 20;
/** So much waits in memory; then the log is read no further, and the server keeps it. */
const mostWaitingBytes = 64 << 20;

/** What is read from one database's log and not yet in the repository. */
export class FollowStream {
  readonly crm: string;
  readonly database: string;
  #builder = new SegmentBuilder();
  #waiting: SealedSegment[] = [];
  #waitingBytes = 0;
  #head: JournalDatabase["head"];
  #history: string | undefined;
  /** Where the segment that is being built begins. */
  #from: LogPoint | undefined;
  #last: LogPoint | undefined;
  #tables: string | undefined;
  #anew: GapReason | undefined;
  #room: PromiseWithResolvers<void> | undefined;
  #first = 0;
  transactions = 0;
  rows = 0;

  constructor(crm: string, { name, head, spans, tables }: JournalDatabase) {
    this.crm = crm;
    this.database = name;
    this.#head = head;
    this.#tables = tables;
    const span = spans.at(-1);
    this.#history = span?.history;
    this.#last = span?.to;
    this.#from = span?.to;
  }

  /** Behind what the log is wanted; absent: from now on. */
  get from(): FeedPlace | undefined {
    if (this.#history === undefined || this.#last === undefined) return undefined;
    return { history: this.#history, ...this.#last, tables: this.#tables };
  }

  get last(): LogPoint | undefined {
    return this.#last;
  }

  /** Up to where all is in the segments that were sealed; of what began anew nothing is before its first one is, which names the gap. */
  get reached(): LogPoint | undefined {
    return this.#anew === undefined ? this.#last : undefined;
  }

  /** The segment that was sealed last. */
  get head(): Id | undefined {
    return this.#head?.id;
  }

  /** Number of the first segment of what is read now: of those before, the server that is read knows nothing. */
  get first(): number {
    return this.#first;
  }

  get waitingBytes(): number {
    return this.#waitingBytes + this.#builder.bytes;
  }

  /** A feed begins. `begun`: it does not go on where this stream was. */
  begin({ history, start, startedAnew }: ChangeFeed): "goes-on" | "begun" {
    if (this.#history !== undefined && startedAnew === undefined) return "goes-on";
    this.seal();
    this.#anew = startedAnew ?? "begun";
    this.#first = (this.#head?.number ?? 0) + 1;
    this.#history = history;
    this.#from = start;
    this.#last = start;
    return "begun";
  }

  /** Waits while too much is waiting. */
  async add(changes: readonly Change[], signal: AbortSignal): Promise<void> {
    for (const change of changes) {
      if (this.#builder.wouldForget(change)) this.seal();
      this.#builder.add(change);
      if (change.type === "commit") {
        this.#last = change.point;
        this.transactions++;
      } else if (change.type === "reached") this.#last = change.point;
      else if (change.type === "tables") this.#tables = change.digest;
      else if (change.type === "write" || change.type === "delete") this.rows++;
      if (this.#builder.bytes >= segmentBytes) this.seal();
    }
    const wake = (): void => this.#room?.resolve();
    signal.addEventListener("abort", wake);
    try {
      while (this.#waitingBytes > mostWaitingBytes) {
        signal.throwIfAborted();
        this.#room ??= Promise.withResolvers<void>();
        await this.#room.promise;
      }
    } finally {
      signal.removeEventListener("abort", wake);
    }
  }

  /** Ends the segment that is being built, unless there is nothing in it. `wanted`: where others wait for the journal to get to. */
  seal(wanted?: LogPosition): void {
    const [history, from, to] = [this.#history, this.#from, this.#last];
    if (history === undefined || !from || !to) return;
    const isWanted = wanted !== undefined && from.position < wanted && wanted <= to.position;
    if (this.#builder.isEmpty && !isWanted) return;
    const number = (this.#head?.number ?? 0) + 1;
    const built = this.#builder.take({
      crm: this.crm,
      database: this.database,
      history,
      number,
      ...(this.#head && { previous: this.#head.id }),
      from,
      to,
      ...(this.#anew !== undefined && { anew: this.#anew }),
    });
    const segment = { ...built, id: hash("sha256", built.bytes, "hex") };
    this.#anew = undefined;
    this.#head = { id: segment.id, number };
    this.#from = to;
    this.#waiting.push(segment);
    this.#waitingBytes += segmentLength(segment);
  }

  /** Segments that are to be stored, oldest first; they stay until `stored` is called. */
  get waiting(): readonly SealedSegment[] {
    return this.#waiting;
  }

  stored(count: number): void {
    for (const segment of this.#waiting.splice(0, count)) this.#waitingBytes -= segmentLength(segment);
    this.#room?.resolve();
    this.#room = undefined;
  }
}
