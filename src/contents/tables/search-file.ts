import type { Id } from "../../format/tree.ts";
import {
  bitsOfNumber,
  bitsOfText,
  columnSigns,
  type ColumnSigns,
  hasBits,
  signatureBytes,
} from "../../lib/row-signature.ts";
import type { Probe } from "./probe.ts";
import type { BlobSink } from "./rows-writer.ts";

/**
 * `search`, beside the `rows` that it is about: for each chunk of them a signature, in order, so that whoever searches
 * need not read chunks that cannot have what is looked for. The first line says what of each column was signed:
 *
 *     holdfast search 1 TAB a digit a column
 *
 * It only saves reading: without it, or where it makes no sense, everything is read. Stretches of few chunks have none.
 */
const firstWords = "holdfast search 1\t";
const fewestChunks = 4;
const mostInPiece = 256;

/** A chunk's first blob and its signature. */
export interface SignedChunk {
  readonly id: Id;
  readonly signature: Uint8Array;
}

/** Stores the file in pieces that end at chunks which their ids choose, so that a changed chunk changes one piece. */
export async function storeSearch(
  sink: BlobSink,
  signs: ColumnSigns | undefined,
  signed: readonly SignedChunk[],
): Promise<{ readonly content: readonly Id[]; readonly bytes: number } | undefined> {
  if (!signs || signed.length < fewestChunks) return undefined;
  const content: Id[] = [];
  let bytes = 0;
  const store = async (piece: Uint8Array): Promise<void> => {
    await sink.store.ready();
    bytes += piece.length;
    const saved = await sink.store.blob("data", piece, "hot");
    sink.storedBytes += saved.storedBytes;
    content.push(saved.id);
  };
  await store(ownBytes(Buffer.from(`${firstWords}${[...signs].join("")}\n`)));
  let first = 0;
  for (const [index, { id }] of signed.entries()) {
    const isLast = index + 1 === signed.length;
    if (!isLast && index + 1 - first < mostInPiece && Number.parseInt(id.slice(0, 2), 16) % 64 !== 0) continue;
    const piece = new Uint8Array((index + 1 - first) * signatureBytes);
    for (let at = first; at <= index; at++) {
      const one = signed[at];
      if (one) piece.set(one.signature, (at - first) * signatureBytes);
    }
    await store(piece);
    first = index + 1;
  }
  return { content, bytes };
}

/** In memory of its own, which can be handed over. */
function ownBytes(bytes: Buffer): Uint8Array {
  return Uint8Array.from(bytes);
}

/** The signature of a row that spans blobs, which nobody shall pass over. */
export function everything(): Uint8Array {
  return new Uint8Array(signatureBytes).fill(255);
}

/** What was signed, and where the signatures begin. `undefined`: the file makes no sense. */
export function parseSearch(
  file: Buffer,
  chunks: number,
): { readonly signs: ColumnSigns; readonly start: number } | undefined {
  const end = file.indexOf(10);
  const line = end < 0 ? "" : file.toString("latin1", 0, end);
  const digits = line.startsWith(firstWords) ? line.slice(firstWords.length) : "";
  if (!/^[0-3]+$/.test(digits) || file.length !== end + 1 + chunks * signatureBytes) return undefined;
  return { signs: Uint8Array.from(digits, Number), start: end + 1 };
}

/** Tells of each chunk, by its number, whether it may have what is looked for. `undefined`: the file makes no sense. */
export function candidates(file: Buffer, chunks: number, probe: Probe): ((chunk: number) => boolean) | undefined {
  const found = parseSearch(file, chunks);
  if (!found) return undefined;
  const { signs } = found;
  const texts = probe.pieces.flatMap(bitsOfText);
  const values = probe.values.map(({ column, field }) =>
    bitsOfField(signs[column] ?? columnSigns.nothing, column, field),
  );
  return (chunk) => {
    const start = found.start + chunk * signatureBytes;
    return hasBits(file, start, texts) && (values.length === 0 || values.some((bits) => hasBits(file, start, bits)));
  };
}

/** Bits that a row with this field sets; empty: it cannot be told. */
function bitsOfField(sign: number, column: number, field: string): readonly number[] {
  const isText = sign === columnSigns.text || (sign === columnSigns.mixed && field.startsWith('"'));
  if (isText) return bitsOfText(field.replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase()));
  if (sign === columnSigns.number || (sign === columnSigns.mixed && field.startsWith("i"))) {
    return bitsOfNumber(column, field);
  }
  return [];
}
