import type { RowBatch, TableSchema } from "../database.ts";
import { LineEnds } from "../line-ends.ts";
import { viewOf } from "../rows.ts";
import { columnKind } from "./column-kind.ts";
import type { RowSink } from "./session.ts";

/** What stands in place of the length of a field that is NULL. */
const nullField = 0xfb;
const malformed = "malformed row";
const noMemory = Buffer.alloc(0);
const hexDigits = Buffer.from("0123456789ABCDEF", "latin1");

/** Batches whose memory is kept for later ones. */
const mostSpare = 4;

/** Writes rows, as they arrive in the server's text protocol, as lines. */
export class LineEncoder implements RowSink {
  readonly #modes: readonly ("copy" | "escape" | "hex")[];
  readonly #targetBytes: number;
  #buffer: Buffer = noMemory;
  /** The same memory. */
  #into = viewOf(noMemory);
  #at = 0;
  readonly #ends = new LineEnds();
  readonly #spare: Buffer[] = [];
  /** What rows come in, many in one. */
  #read: Buffer = noMemory;
  #view = viewOf(noMemory);

  constructor({ columns }: TableSchema, targetBytes: number) {
    this.#modes = columns.map((column) => {
      const kind = columnKind(column);
      return kind === "hex" ? "hex" : kind === "text" || kind === "enum" ? "escape" : "copy";
    });
    this.#targetBytes = targetBytes;
  }

  row(bytes: Buffer, start: number, end: number): "more" | "full" {
    const modes = this.#modes;
    // At most two bytes for one, and two more for a NULL.
    this.#reserve((end - start) * 2 + modes.length * 2 + 1);
    let from = start;
    for (const mode of modes) {
      const length = bytes[from] ?? nullField;
      if (length === nullField) {
        from++;
        this.#buffer[this.#at++] = 0x5c;
        this.#buffer[this.#at++] = 0x4e;
      } else {
        // A field of more than 250 bytes has its length in 2, 3 or 8 bytes.
        const size = length < nullField ? 0 : length === 0xfc ? 2 : length === 0xfd ? 3 : 8;
        from += 1 + size;
        if (from > end) throw new Error(malformed);
        const stop = from + (size === 0 ? length : bytes.readUIntLE(from - size, Math.min(size, 6)));
        if (stop > end) throw new Error(malformed);
        if (mode === "escape") this.#escape(bytes, from, stop);
        else if (mode === "hex") this.#hex(bytes, from, stop);
        else this.#copy(bytes, from, stop);
        from = stop;
      }
      this.#buffer[this.#at++] = 0x09;
    }
    if (from !== end) throw new Error(malformed);
    if (modes.length === 0) this.#buffer[this.#at++] = 0x0a;
    else this.#buffer[this.#at - 1] = 0x0a; // in place of the last TAB
    this.#ends.add(this.#at);
    return this.#at < this.#targetBytes ? "more" : "full";
  }

  take(): RowBatch {
    const memory = this.#buffer;
    const release = () => {
      if (this.#spare.length < mostSpare) this.#spare.push(memory);
    };
    const ends = this.#ends.take();
    const batch = { lines: memory.subarray(0, this.#at), rows: ends.length, ends, release };
    this.#buffer = noMemory;
    this.#at = 0;
    return batch;
  }

  #copy(bytes: Buffer, start: number, end: number): void {
    if (end - start > 48) {
      this.#at += bytes.copy(this.#buffer, this.#at, start, end);
      return;
    }
    // Numbers and dates: a call out of JavaScript costs more than these few bytes.
    const into = this.#into;
    const last = end - 4;
    const by = this.#at - start;
    if (last >= start) {
      const view = this.#viewed(bytes);
      for (let at = start; at < last; at += 4) into.setInt32(at + by, view.getInt32(at, true), true);
      into.setInt32(last + by, view.getInt32(last, true), true); // some of it once more
    } else {
      for (let at = start; at < end; at++) into.setUint8(at + by, bytes[at] ?? 0);
    }
    this.#at += end - start;
  }

  #escape(bytes: Buffer, start: number, end: number): void {
    for (let from = start; from < end;) {
      from = this.#copyPlain(bytes, from, end);
      const buffer = this.#buffer;
      let at = this.#at;
      for (const stop = Math.min(from + 4, end); from < stop; from++) {
        const byte = bytes[from] ?? 0;
        const letter = byte > 0x0d && byte !== 0x5c ? 0 : escapeLetter(byte);
        if (letter !== 0) buffer[at++] = 0x5c;
        buffer[at++] = letter === 0 ? byte : letter;
      }
      this.#at = at;
    }
  }

  /**
   * Copies by four bytes what has nothing to escape: https://graphics.stanford.edu/~seander/bithacks.html#HasLessInWord
   * Gives where the next four stand, of which one may have to be, or fewer than four.
   */
  #copyPlain(bytes: Buffer, start: number, end: number): number {
    const last = end - 4;
    const view = this.#viewed(bytes);
    const into = this.#into;
    const by = this.#at - start;
    let at = start;
    while (at < end && last >= start) {
      // The last four bytes may have been copied in part.
      const place = at < last ? at : last;
      const word = view.getInt32(place, true);
      const backslash = word ^ 0x5c5c5c5c;
      const found = ((word - 0x0e0e0e0e) & ~word) | ((backslash - 0x01010101) & ~backslash);
      if ((found & 0x80808080) !== 0) break;
      into.setInt32(place + by, word, true);
      at = place + 4;
    }
    this.#at = at + by;
    return at;
  }

  #viewed(bytes: Buffer): DataView {
    if (bytes !== this.#read) {
      this.#read = bytes;
      this.#view = viewOf(bytes);
    }
    return this.#view;
  }

  #hex(bytes: Buffer, start: number, end: number): void {
    if (end - start > 64) {
      this.#at += this.#buffer.write(bytes.toString("hex", start, end).toUpperCase(), this.#at, "latin1");
      return;
    }
    for (let from = start; from < end; from++) {
      const byte = bytes[from] ?? 0;
      this.#buffer[this.#at++] = hexDigits[byte >> 4] ?? 0;
      this.#buffer[this.#at++] = hexDigits[byte & 15] ?? 0;
    }
  }

  #reserve(bytes: number): void {
    const needed = this.#at + bytes;
    if (needed <= this.#buffer.length) return;
    const spare = this.#at === 0 ? this.#spare.pop() : undefined;
    if (spare !== undefined && spare.length >= needed) {
      this.#use(spare);
      return;
    }
    // A little more than a batch, so that its last row finds room.
    const usual = this.#targetBytes + (this.#targetBytes >> 3) + 256;
    const larger = Buffer.allocUnsafeSlow(Math.max(this.#buffer.length * 2, needed, usual));
    larger.set(this.#buffer.subarray(0, this.#at));
    this.#use(larger);
  }

  #use(memory: Buffer): void {
    this.#buffer = memory;
    this.#into = viewOf(memory);
  }
}

function escapeLetter(byte: number): number {
  switch (byte) {
    case 0x5c:
      return 0x5c;
    case 0x00:
      return 0x30; // 0
    case 0x09:
      return 0x74; // t
    case 0x0a:
      return 0x6e; // n
    case 0x0d:
      return 0x72; // r
    default:
      return 0;
  }
}
