import { columnSigns, type ColumnSigns, signatureBytes, signRows } from "../../lib/row-signature.ts";
import type { StoredChunk } from "./keys-file.ts";
import { everything, parseSearch } from "./search-file.ts";

/**
 * Compares the signatures that stand in `search` with those of the rows, as these are read: a wrong one hides rows from a
 * search. A file that makes no sense is believed by nobody, and hides none.
 */
export class SignatureCheck {
  readonly #signs: ColumnSigns;
  /** By the list of a chunk's blobs, which each has as an object of its own; of chunks that were not read yet. */
  readonly #expected = new Map<StoredChunk["blobs"], { readonly signs: ColumnSigns; readonly signature: Uint8Array }>();
  /** Chunks with a signature, and those whose signature is wrong. */
  chunks = 0;
  wrong = 0;

  /** `signs`: what of each column a search believes to be signed. */
  constructor(signs: ColumnSigns) {
    this.#signs = signs;
  }

  /** The `search` of a part or a run, whose chunks are read after this. */
  ofPart(file: Buffer, chunks: readonly StoredChunk[]): void {
    const found = parseSearch(file, chunks.length);
    if (!found) return;
    for (const [at, { blobs }] of chunks.entries()) {
      const start = found.start + at * signatureBytes;
      this.#expected.set(blobs, { signs: found.signs, signature: file.subarray(start, start + signatureBytes) });
    }
  }

  ofChunk({ blobs }: StoredChunk, lines: Buffer): void {
    const expected = this.#expected.get(blobs);
    if (!expected) return;
    this.#expected.delete(blobs);
    this.chunks++;
    const { signs, signature } = expected;
    const is = blobs.length > 1 ? everything() : signRows(lines, signs);
    if (!this.#signsTexts(signs) || Buffer.compare(is, signature) !== 0) this.wrong++;
  }

  /** Texts are looked for in all columns; a number in a column that was not signed is looked for in every chunk. */
  #signsTexts(signs: ColumnSigns): boolean {
    return this.#signs.every((sign, column) => {
      return (sign !== columnSigns.text && sign !== columnSigns.mixed) || signs[column] === sign;
    });
  }
}
