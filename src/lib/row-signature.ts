/**
 * A signature says of a chunk of rows what they cannot contain, so that a search need not read it: a bitmap in which each
 * three bytes of a text, and each whole number, set bits. It never says that something is not there which is; how often it
 * is wrong the other way depends on how full it is. `docs/format.md` §3 describes it for other readers.
 */
const signatureBits = 1 << 15;
export const signatureBytes = signatureBits / 8;

/** What a column's fields add: texts their bytes by three; numbers themselves; `mixed`: what each field begins with says. */
export const columnSigns = { nothing: 0, text: 1, number: 2, mixed: 3 } as const;

/** One of `columnSigns` for each column. */
export type ColumnSigns = Uint8Array;

const shift = 32 - 15;
const factor = 0x9e3779b1;
const gramFactor = factor << 8;
const numberFactor = 0x85ebca6b;
const secondFactor = 0xc2b2ae35;
const tab = 9;
const lineFeed = 10;
const quote = 0x22;
const integer = 0x69;

const lower = Uint8Array.from({ length: 256 }, (_, byte) => (byte >= 0x41 && byte <= 0x5a ? byte + 32 : byte));
/** What a byte as the last of three adds to their product with `factor`, which the next byte moves up by eight bits. */
const products = Int32Array.from(lower, (byte) => Math.imul(byte << 8, factor));

/** A byte for each bit, since setting a bit means reading its word first, and the words are few. Zeros between two calls. */
const marks = new Uint8Array(signatureBits);
const fourMarks = new Uint32Array(marks.buffer);

/** The signature of whole lines. Bits are numbered from the lowest of the first byte. */
export function signRows(lines: Uint8Array, signs: ColumnSigns): Uint8Array {
  const { length } = lines;
  const view = new DataView(lines.buffer, lines.byteOffset, length);
  // What belongs to the module is looked up at each byte.
  const set = marks;
  const productOf = products;
  let column = 0;
  let byte = 0;
  // Field by field, each kind in a loop of its own, texts by four bytes as long as none of them may end the field: this
  // looks at every byte of every row, and is more than twice as fast so.
  for (let at = 0; at < length; at++) {
    let sign = signs[column] ?? 0;
    if (sign === columnSigns.mixed) sign = signOf(lines[at] ?? 0);
    if (sign === columnSigns.text) {
      let before = 0;
      for (; at + 4 <= length; at += 4) {
        const word = view.getInt32(at);
        const plain = ~word & highBits;
        if (((word - 0x0b0b0b0b) & plain) !== 0) break;
        const four = word | (capitals(word, plain) >>> 2);
        set[bitOfGram((before << 8) | (four >>> 24))] = 1;
        set[bitOfGram((before << 16) | (four >>> 16))] = 1;
        set[bitOfGram(four >>> 8)] = 1;
        set[bitOfGram(four)] = 1;
        before = four;
      }
      // What is left of the field.
      let product = Math.imul(before << 8, factor);
      for (; at < length; at++) {
        byte = lines[at] ?? 0;
        if (byte <= lineFeed && byte >= tab) break;
        product = ((product << 8) + (productOf[byte] ?? 0)) | 0;
        set[product >>> shift] = 1;
      }
    } else if (sign === columnSigns.number) {
      let number = numberSeed(column);
      for (; at < length; at++) {
        byte = lines[at] ?? 0;
        if (byte <= lineFeed && byte >= tab) break;
        number = Math.imul(number ^ byte, 0x01000193);
      }
      if (at < length) {
        set[firstBit(number)] = 1;
        set[secondBit(number)] = 1;
      }
    } else {
      for (; at < length; at++) {
        byte = lines[at] ?? 0;
        if (byte <= lineFeed && byte >= tab) break;
      }
    }
    column = byte === tab ? column + 1 : 0;
  }
  return takeMarks();
}

/** The bit of the three lower bytes of a word: the upper one is multiplied out of it. */
function bitOfGram(word: number): number {
  return Math.imul(word, gramFactor) >>> shift;
}

/** The highest bit of each of four bytes that is a letter from A to Z; `plain` has it for each that is ASCII. */
function capitals(word: number, plain: number): number {
  const low = word & 0x7f7f7f7f;
  return ((low + 0x3f3f3f3f) ^ (low + 0x25252525)) & plain;
}

const highBits = 0x80808080;

/** The marks as bits; none is left. */
function takeMarks(): Uint8Array {
  const signature = new Uint8Array(signatureBytes);
  for (let at = 0; at < signatureBytes; at++) {
    const low = fourMarks[at * 2] ?? 0;
    const high = fourMarks[at * 2 + 1] ?? 0;
    signature[at] = bitsOf(low) | (bitsOf(high) << 4);
  }
  marks.fill(0);
  return signature;
}

/** Four bytes, each 0 or 1, as four bits: the product brings them together in its highest bits. */
function bitsOf(bytes: number): number {
  return Math.imul(bytes, 0x10204080) >>> 28;
}

/** What a field of a `mixed` column adds, by the byte that it begins with. */
function signOf(first: number): number {
  return first === quote ? columnSigns.text : first === integer ? columnSigns.number : columnSigns.nothing;
}

function numberSeed(column: number): number {
  return Math.imul(column + 1, numberFactor) ^ 0x811c9dc5;
}

function firstBit(number: number): number {
  return Math.imul(number, factor) >>> shift;
}

function secondBit(number: number): number {
  return Math.imul(number, secondFactor) >>> shift;
}

/** Bits that rows with this piece of a text set; empty where it is shorter than three bytes. Latin1, lower case in ASCII. */
export function bitsOfText(piece: string): readonly number[] {
  const bits: number[] = [];
  for (let at = 2; at < piece.length; at++) {
    const gram = (piece.charCodeAt(at - 2) << 16) | (piece.charCodeAt(at - 1) << 8) | piece.charCodeAt(at);
    bits.push(Math.imul(gram << 8, factor) >>> shift);
  }
  return bits;
}

/** Bits that rows with this number in this column set: the field as it stands in a line. */
export function bitsOfNumber(column: number, field: string): readonly number[] {
  let number = numberSeed(column);
  for (let at = 0; at < field.length; at++) number = Math.imul(number ^ field.charCodeAt(at), 0x01000193);
  return [firstBit(number), secondBit(number)];
}

/** Whether all these bits are set in the signature that begins at `start`. */
export function hasBits(signatures: Uint8Array, start: number, bits: readonly number[]): boolean {
  return bits.every((bit) => ((signatures[start + (bit >>> 3)] ?? 0) & (1 << (bit & 7))) !== 0);
}
