import type { MasterKey } from "../format/crypto.ts";
import { isAlone } from "../lib/memory-pool.ts";

/** A Buffer on the same memory: Buffers arrive in another thread as plain Uint8Arrays. */
export function nodeBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** A key as it arrived from another thread. */
export function receivedKey({ encrypt, macK, macR }: MasterKey): MasterKey {
  return { encrypt: nodeBuffer(encrypt), macK: nodeBuffer(macK), macR: nodeBuffer(macR) };
}

/**
 * The bytes in memory that can be handed to another thread. A buffer that is alone in its memory is taken as it is;
 * small Buffers share theirs with others, and are copied.
 */
export function transferable(pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const [first] = pieces;
  if (pieces.length === 1 && first !== undefined) {
    const { buffer } = first;
    const alone = isAlone(first) && buffer.byteLength !== Buffer.poolSize;
    if (alone && buffer instanceof ArrayBuffer) return first as Uint8Array<ArrayBuffer>;
  }
  const all = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let offset = 0;
  for (const piece of pieces) {
    all.set(piece, offset);
    offset += piece.length;
  }
  return all;
}
