/**
 * Shared memory, though only one thread at a time uses it: each time that 25 MB of a thread's own memory arrive in
 * another thread, V8 takes them for new garbage to come and collects, dozens of times in a backup.
 */
export type PackBuffer = SharedArrayBuffer;

/** A pack is closed when it is at least this long, as restic's. */
export const targetPackBytes = 16 << 20;
/** A pack's buffer: the target, one blob of 8 MiB more, and the header. Only what is written becomes memory. */
export const packBufferBytes = targetPackBytes + (9 << 20);

/** At the end of each buffer: whether anybody may have it. */
const mark = Int32Array.BYTES_PER_ELEMENT;
const offered = 1;
const taken = 0;

/** Where the pack itself goes. */
export function packRoom(buffer: PackBuffer): Buffer {
  return Buffer.from(buffer, 0, buffer.byteLength - mark);
}

/** Long enough for a pack of so many bytes. */
export function makePackBuffer(length: number): PackBuffer {
  return new SharedArrayBuffer(Math.max(packBufferBytes, Math.ceil((length + mark) / mark) * mark));
}

/**
 * A buffer whose pack is stored is for whichever thread needs one next: `tell` tells it to all of them. If each went back to the thread that
 * filled it, they would lie idle with one while another makes new ones, up to half as many again.
 */
export function offerPackBuffer(buffer: PackBuffer, tell: (buffer: PackBuffer) => void): void {
  // Others, made for one huge tree, are left to the garbage collector.
  if (buffer.byteLength !== packBufferBytes) return;
  Atomics.store(markOf(buffer), 0, offered);
  tell(buffer);
}

/** One that nobody else has taken, of those that this thread was told of. */
export function takePackBuffer(next: () => PackBuffer | undefined): PackBuffer | undefined {
  for (let told = next(); told !== undefined; told = next()) {
    if (Atomics.compareExchange(markOf(told), 0, offered, taken) === offered) return told;
  }
  return undefined;
}

function markOf(buffer: PackBuffer): Int32Array {
  return new Int32Array(buffer, buffer.byteLength - mark, 1);
}
