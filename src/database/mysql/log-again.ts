import { HoldfastError } from "../../lib/errors.ts";
import type { SilenceWatch } from "../silence-watch.ts";
import { plainEvents } from "./log-compressed.ts";
import { eventTypes, isMysqlGtid, parseGtid, parsePrepared, parseQuery, parseRotate } from "./log-events.ts";
import { logFiles } from "./log-server.ts";
import { logStatement } from "./log-statement.ts";
import { type LogEvent, LogStream } from "./log-stream.ts";
import { type LogStretch, LogTransaction } from "./log-transaction.ts";
import type { Target } from "./location.ts";
import { Session } from "./session.ts";

/** Where the first event of each file is. */
const fileStart = 4;

/** Reads stretches of the log once more, beside the feed that is further on in it. */
export class LogAgain {
  readonly #target: Target;
  readonly #number: number;
  readonly #watch: SilenceWatch;

  /** `number`: one that no replica of the server has, nor the feed. */
  constructor(target: Target, number: number, watch: SilenceWatch) {
    this.#target = target;
    this.#number = number;
    this.#watch = watch;
  }

  /** Up to and with the event that ends at `to`, or to the end of the file. */
  async *events({ file, from, to }: Pick<LogStretch, "file" | "from" | "to">): AsyncGenerator<LogEvent, void> {
    await using session = await Session.open(this.#target, undefined, this.#watch.signal);
    const stream = await LogStream.open(session, { file, offset: from }, this.#number, this.#watch);
    if (!stream) throw new HoldfastError("database-unreachable", { path: this.#target.location, reason: `no ${file}` });
    for (;;) {
      for await (const event of plainEvents(await stream.take(500))) {
        if (event.type === eventTypes.rotate && parseRotate(event.body).file !== file) return;
        if (event.end > to) return;
        yield event;
        if (event.end === to) return;
      }
    }
  }

  /**
   * Where the rows are of a transaction that somebody prepared, before this place. `undefined`: the server has that log no more.
   *
   * @param session to ask the server for its files
   */
  async prepared(session: Session, xid: string, before: { file: string; to: number }): Promise<LogStretch | undefined> {
    const files = (await logFiles(session)).toReversed();
    for (const file of files.slice(files.indexOf(before.file))) {
      const to = file === before.file ? before.to : Infinity;
      let found: LogStretch | undefined;
      for await (const one of this.#preparedIn(file, to)) if (one.xid === xid) found = one.stretch;
      if (found) return found;
    }
    return undefined;
  }

  async *#preparedIn(file: string, to: number): AsyncGenerator<{ xid: string; stretch: LogStretch }, void> {
    let at = fileStart;
    let open: LogTransaction | undefined;
    for await (const event of this.events({ file, from: fileStart, to })) {
      const [from, end] = [at, event.end];
      if (end > 0) at = end;
      const { type, body } = event;
      if (type === eventTypes.gtidMariadb) {
        open = new LogTransaction("", "", parseGtid(body, event.server).how, { file, from });
      } else if (isMysqlGtid(type)) {
        open = new LogTransaction("", "", "alone", { file, from });
      } else if (type === eventTypes.query) {
        open?.statement(logStatement(parseQuery(body).sql), { from, to: end });
      } else if (type === eventTypes.prepared && open) {
        yield { xid: parsePrepared(body).xid, stretch: open.stretch(end) };
        open = undefined;
      }
    }
  }
}
