import type { TableSchema } from "../database.ts";
import { columnKind } from "./column-kind.ts";
import type { FieldSink } from "./session.ts";

const hexDigits = Buffer.from("0123456789ABCDEF", "latin1");

/** Writes rows, field by field as they arrive, as lines. */
export class LineEncoder implements FieldSink {
  readonly #modes: readonly ("copy" | "escape" | "hex")[];
  readonly #targetBytes: number;
  #buffer: Buffer;
  #at = 0;
  #rows = 0;
  #column = 0;

  constructor({ columns }: TableSchema, targetBytes: number) {
    this.#modes = columns.map((column) => {
      const kind = columnKind(column);
      return kind === "hex" ? "hex" : kind === "text" || kind === "enum" ? "escape" : "copy";
    });
    this.#targetBytes = targetBytes;
    this.#buffer = Buffer.allocUnsafe(this.#size());
  }

  field(bytes: Buffer | null): void {
    const mode = this.#modes[this.#column++];
    if (bytes === null) {
      this.#reserve(3);
      this.#buffer[this.#at++] = 0x5c;
      this.#buffer[this.#at++] = 0x4e;
    } else if (mode === "escape") {
      this.#escape(bytes);
    } else if (mode === "hex") {
      this.#hex(bytes);
    } else {
      this.#copy(bytes);
    }
    this.#buffer[this.#at++] = 0x09;
  }

  endRow(): "more" | "full" {
    if (this.#column === 0) this.#buffer[this.#at++] = 0x0a;
    else this.#buffer[this.#at - 1] = 0x0a; // in place of the last TAB
    this.#column = 0;
    this.#rows++;
    return this.#at < this.#targetBytes ? "more" : "full";
  }

  take(): { readonly lines: Buffer; readonly rows: number } {
    const batch = { lines: this.#buffer.subarray(0, this.#at), rows: this.#rows };
    this.#buffer = Buffer.allocUnsafe(this.#size());
    this.#at = 0;
    this.#rows = 0;
    return batch;
  }

  #copy(bytes: Buffer): void {
    const { length } = bytes;
    this.#reserve(length + 1);
    if (length > 48) {
      this.#buffer.set(bytes, this.#at);
      this.#at += length;
      return;
    }
    // Numbers and dates: a call out of JavaScript costs more than these few bytes.
    const buffer = this.#buffer;
    let at = this.#at;
    for (let from = 0; from < length; from++) buffer[at++] = bytes[from] ?? 0;
    this.#at = at;
  }

  #escape(bytes: Buffer): void {
    const { length } = bytes;
    this.#reserve(length * 2 + 1);
    const buffer = this.#buffer;
    let at = this.#at;
    for (let from = 0; from < length; from++) {
      const byte = bytes[from] ?? 0;
      if (byte > 0x0d && byte !== 0x5c) {
        buffer[at++] = byte;
        continue;
      }
      const letter = escapeLetter(byte);
      if (letter !== 0) buffer[at++] = 0x5c;
      buffer[at++] = letter === 0 ? byte : letter;
    }
    this.#at = at;
  }

  #hex(bytes: Buffer): void {
    const { length } = bytes;
    this.#reserve(length * 2 + 1);
    if (length > 64) {
      this.#at += this.#buffer.write(bytes.toString("hex").toUpperCase(), this.#at, "latin1");
      return;
    }
    for (const byte of bytes) {
      this.#buffer[this.#at++] = hexDigits[byte >> 4] ?? 0;
      this.#buffer[this.#at++] = hexDigits[byte & 15] ?? 0;
    }
  }

  #reserve(bytes: number): void {
    if (this.#at + bytes <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#at + bytes));
    larger.set(this.#buffer.subarray(0, this.#at));
    this.#buffer = larger;
  }

  #size(): number {
    return this.#targetBytes + (this.#targetBytes >> 3) + 256;
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
