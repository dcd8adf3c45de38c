import { HoldfastError } from "../lib/errors.ts";

/**
 * Headers of tar, as GNU tar writes them: files, the volume's label (`V`), and the rest of a file that began on the
 * volume before (`M`). That is all of tar that volumes need, so there is no library for it.
 */
export interface TarHeader {
  readonly type: "file" | "label" | "rest";
  /** ASCII, at most 99 bytes. */
  readonly name: string;
  /** Bytes that follow; of a `rest` all that are left of the file, on however many volumes. */
  readonly size: number;
  /** Of a `rest`: where in the file it begins. */
  readonly offset?: number;
}

export const recordBytes = 512;
const types = { file: "0", label: "V", rest: "M" } as const;

/** With the padding to whole records. */
export function paddedBytes(size: number): number {
  return Math.ceil(size / recordBytes) * recordBytes;
}

export function tarHeader({ type, name, size, offset = 0 }: TarHeader, time: Date): Buffer {
  const header = Buffer.alloc(recordBytes);
  if (name.length > 99) throw new HoldfastError("internal", { reason: "tar name", name });
  header.write(name, 0, "latin1");
  header.write("0000600\0", 100, "latin1");
  header.write("0000000\0", 108, "latin1");
  header.write("0000000\0", 116, "latin1");
  header.write(octal(size, 11), 124, "latin1");
  header.write(octal(Math.floor(time.getTime() / 1000), 11), 136, "latin1");
  header.write(types[type], 156, "latin1");
  header.write("ustar  \0", 257, "latin1");
  if (type === "rest") {
    header.write(octal(offset, 11), 369, "latin1");
    header.write(octal(offset + size, 11), 483, "latin1");
  }
  header.write(`${octal(sumOf(header), 6)} `, 148, "latin1");
  return header;
}

/** `undefined` for a record of zeros: the end. Anything else that is no header of ours is `volume-damaged`. */
export function parseTarHeader(record: Buffer): TarHeader | undefined {
  if (record.every((byte) => byte === 0)) return undefined;
  const type = (["file", "label", "rest"] as const).find((one) => types[one] === record.toString("latin1", 156, 157));
  const name = record.toString("latin1", 0, 100).replace(/\0.*$/s, "");
  const size = number(record, 124, 12);
  const offset = number(record, 369, 12);
  if (type === undefined || size === undefined || number(record, 148, 8) !== sumOf(record)) {
    throw new HoldfastError("volume-damaged", { reason: "tar" });
  }
  if (type !== "rest") return { type, name, size };
  if (offset === undefined) throw new HoldfastError("volume-damaged", { reason: "tar" });
  return { type, name, size, offset };
}

function octal(value: number, digits: number): string {
  return `${value.toString(8).padStart(digits, "0")}\0`;
}

function number(record: Buffer, at: number, length: number): number | undefined {
  const [digits] = /^[0-7]+/.exec(record.toString("latin1", at, at + length).trimStart()) ?? [];
  const value = digits === undefined ? undefined : Number.parseInt(digits, 8);
  return value !== undefined && Number.isSafeInteger(value) ? value : undefined;
}

/** Of all bytes, those of the sum itself taken for blanks. */
function sumOf(record: Buffer): number {
  let sum = 0;
  for (const [at, byte] of record.entries()) sum += at >= 148 && at < 156 ? 0x20 : byte;
  return sum;
}
