import { inflateSync } from "node:zlib";
import { HoldfastError } from "../../lib/errors.ts";
import { eventTypes, rowsEvent, rowsStart } from "./log-events.ts";
import type { LogEvent } from "./log-stream.ts";

/** With `log_bin_compress` MariaDB compresses statements and rows, each by itself; what stands before them it leaves as it is. */
export function uncompressed(event: LogEvent): LogEvent {
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
