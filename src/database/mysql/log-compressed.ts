import { Readable } from "node:stream";
import { createZstdDecompress, inflateSync } from "node:zlib";
import { HoldfastError } from "../../lib/errors.ts";
import { eventTypes, parsePayload, rowsEvent, rowsStart } from "./log-events.ts";
import { headerBytes, type LogEvent, readEvent } from "./log-stream.ts";

/** Each event as if nothing had been compressed. */
export async function* plainEvents(events: readonly LogEvent[]): AsyncGenerator<LogEvent, void> {
  for (const event of events) {
    if (event.type === eventTypes.payload) yield* inPayload(event);
    else yield uncompressed(event);
  }
}

/**
 * With `binlog_transaction_compression` MySQL compresses a transaction as a whole, and its events have no place of their
 * own: here each has its part of where the whole stands, so that what comes later is further on, and the last ends where it does.
 */
async function* inPayload(whole: LogEvent): AsyncGenerator<LogEvent, void> {
  const { how, bytes: size, packed } = parsePayload(whole.body);
  if (how !== "zstd" && how !== "none")
    throw new HoldfastError("follow-unsupported", { path: `log compression ${how}` });
  const start = whole.end - whole.body.length;
  const source = Readable.from([packed]);
  let waiting: Buffer = Buffer.alloc(0);
  let done = 0;
  for await (const chunk of how === "zstd" ? source.pipe(createZstdDecompress()) : source) {
    waiting = Buffer.concat([waiting, chunk as Buffer]);
    let at = 0;
    for (let length = lengthOf(waiting, at); at + length <= waiting.length; length = lengthOf(waiting, at)) {
      const event = readEvent(waiting.subarray(at, at + length), 0);
      at += length;
      done += length;
      yield { ...event, end: start + whole.body.length * (done / size) };
    }
    waiting = waiting.subarray(at);
  }
}

/** Of the event that begins there; more than there is while it is not said yet. */
function lengthOf(bytes: Buffer, at: number): number {
  return at + headerBytes > bytes.length ? Infinity : bytes.readUInt32LE(at + 9);
}

/** With `log_bin_compress` MariaDB compresses statements and rows, each by itself; what stands before them it leaves as it is. */
function uncompressed(event: LogEvent): LogEvent {
  const { type, body } = event;
  if (type === eventTypes.compressedQuery) return opened(event, eventTypes.query, statementStart(body));
  // Rows of versions 1 and 2, in the order of the plain ones.
  const plain = type >= 166 && type <= 168 ? type - 143 : type >= 169 && type <= 171 ? type - 139 : undefined;
  const found = plain === undefined ? undefined : rowsEvent(plain);
  return plain === undefined || !found ? event : opened(event, plain, rowsStart(body, found));
}

function statementStart(body: Buffer): number {
  return 13 + body.readUInt16LE(11) + (body[8] ?? 0) + 1;
}

/** One byte says how (zlib is all there is) and how long the length is that follows. */
function opened(event: LogEvent, type: number, start: number): LogEvent {
  const head = event.body[start] ?? 0;
  if ((head & 0x70) !== 0) throw new HoldfastError("follow-unsupported", { path: `log compression ${head}` });
  const bytes = inflateSync(event.body.subarray(start + 1 + (head & 7)));
  return { ...event, type, body: Buffer.concat([event.body.subarray(0, start), bytes]) };
}
