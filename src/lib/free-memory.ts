const worthIt = 16 << 10;

/**
 * Gives the memory of bytes that nobody needs any more back at once. Left to the garbage collector, many large buffers
 * make it look through the whole heap again and again: V8 goes by the memory that they hold. Bytes that share their
 * memory, and small ones, are left to it.
 */
export function freeMemory(bytes: Uint8Array): void {
  const { buffer } = bytes;
  const alone = bytes.byteLength === buffer.byteLength && bytes.byteLength >= worthIt;
  if (alone && buffer instanceof ArrayBuffer) buffer.transfer(0);
}
