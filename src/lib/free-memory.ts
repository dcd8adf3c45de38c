const worthIt = 64 << 10;

/**
 * Gives the memory of bytes that nobody needs any more back at once. Left to the garbage collector, buffers of a
 * megabyte make it look through the whole heap every few of them. Bytes that share their memory, and small ones, are
 * left to it.
 */
export function freeMemory(bytes: Uint8Array): void {
  const { buffer } = bytes;
  const alone = bytes.byteLength === buffer.byteLength && bytes.byteLength >= worthIt;
  if (alone && buffer instanceof ArrayBuffer) buffer.transfer(0);
}
