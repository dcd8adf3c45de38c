/**
 * Memory of large pieces, taken and given back. A page that is touched for the first time costs the system many times
 * what it costs again, and V8 looks through the whole heap the sooner, the more memory buffers have been taken: so what
 * is given back is lent again.
 */
const smallest = 256 << 10;
const largest = 8 << 20;
/** Kept for the next who needs some, and for how long at the most. */
const keptBytes = 32 << 20;
const keptMs = 5000;
/** Below this, giving back costs more than leaving it to the garbage collector. */
const worthIt = 8 << 10;

const kept: ArrayBuffer[] = [];
/** How much of each was asked for. */
const lent = new WeakMap<ArrayBufferLike, number>();
let emptying: NodeJS.Timeout | undefined;

/** Memory with anything in it, for whoever gives it back with `freeMemory` in the end, or leaves it to the garbage collector. */
export function takeMemory(length: number): Buffer {
  if (length < smallest || length > largest) return Buffer.allocUnsafeSlow(length);
  const size = 2 ** Math.ceil(Math.log2(length));
  const at = kept.findIndex((one) => one.byteLength === size);
  const [buffer = Buffer.allocUnsafeSlow(size).buffer] = at < 0 ? [] : kept.splice(at, 1);
  lent.set(buffer, length);
  return Buffer.from(buffer, 0, length);
}

/**
 * Gives the memory of bytes back that nobody needs any more: whoever uses them all the same finds them empty. Bytes that
 * share their memory, and small ones, are left to the garbage collector.
 */
export function freeMemory(bytes: Uint8Array): void {
  const { buffer } = bytes;
  if (!(buffer instanceof ArrayBuffer) || !isAlone(bytes) || bytes.byteLength < worthIt) return;
  if (!isKeptSize(buffer.byteLength)) {
    buffer.transfer(0);
    return;
  }
  kept.push(buffer.transfer());
  let bytesKept = kept.reduce((sum, one) => sum + one.byteLength, 0);
  while (bytesKept > keptBytes) {
    bytesKept -= kept[0]?.byteLength ?? 0;
    kept.shift()?.transfer(0);
  }
  emptying ??= setTimeout(() => {
    emptying = undefined;
    kept.length = 0;
  }, keptMs).unref();
}

/** Whether nobody else's bytes lie in the same memory. */
export function isAlone({ byteOffset, byteLength, buffer }: Uint8Array): boolean {
  return byteLength === (lent.get(buffer) ?? buffer.byteLength) && byteOffset === 0;
}

function isKeptSize(size: number): boolean {
  return size >= smallest && size <= largest && Number.isInteger(Math.log2(size));
}
