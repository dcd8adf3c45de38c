import { Readable } from "node:stream";

/** Large enough that pieces cost nothing, small enough that those on their way are no memory worth counting. */
const pieceBytes = 256 * 1024;

/**
 * Bytes in shared memory as the body of a request: sockets refuse such memory, and a copy of each pack that is on its
 * way would be as much memory again as the packs themselves. A stream of its own for each try.
 */
export function unsharedBody(bytes: Uint8Array): Readable {
  return Readable.from(pieces(bytes), { objectMode: false, highWaterMark: pieceBytes });
}

function* pieces(bytes: Uint8Array): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += pieceBytes) yield Buffer.from(bytes.subarray(at, at + pieceBytes));
}

export function isShared(bytes: Uint8Array): boolean {
  return bytes.buffer instanceof SharedArrayBuffer;
}
