import { hash } from "node:crypto";
import type { RowKey } from "../../database/database.ts";
import type { Id } from "../../format/tree.ts";
import type { PackStream, SavedBlob, Upload } from "../../repository/repository.ts";
import { type ColumnSigns, signRows } from "../../lib/row-signature.ts";
import { keysLine } from "./keys-file.ts";
import { everything, type SignedChunk } from "./search-file.ts";

/** Where chunks of rows are stored. */
export interface BlobSink {
  readonly store: Pick<Upload, "blob" | "has" | "ready" | "tree">;
  /** Bytes that blobs took in the repository, of those that were new. */
  storedBytes: number;
}

export interface RowsWriterOptions {
  readonly sink: BlobSink;
  readonly stream: PackStream;
  /** Which file it is in `keys`. */
  readonly file: "r" | "d";
  readonly blobMax: number;
  /** `likely`: chunks may be stored already; then they are hashed here and not handed over. */
  readonly known: "likely" | "unlikely";
  /** What of each column a search finds; absent: chunks are not signed. */
  readonly signs?: ColumnSigns | undefined;
}

/** How many blobs may be on their way before the oldest is awaited. */
const blobsInFlight = 32;

/** Writes one `rows` or `deleted` file, chunk by chunk, with its lines of `keys`. */
export class RowsWriter {
  readonly #options: RowsWriterOptions;
  readonly #content: Id[] = [];
  readonly #inFlight: Promise<SavedBlob>[] = [];
  /** Of each chunk, with its first blob. */
  readonly #signed: SignedChunk[] = [];
  #keys: string[] = [];
  keysBytes = 0;
  bytes = 0;
  rows = 0;

  constructor(options: RowsWriterOptions) {
    this.#options = options;
  }

  /** Once it has ended, the memory of `lines` may be used again. */
  async add(lines: Buffer, rows: number, firstKey: RowKey): Promise<void> {
    const { blobMax } = this.#options;
    this.rows += rows;
    this.bytes += lines.length;
    if (lines.length <= blobMax) {
      this.#key(keysLine(this.#options.file, rows, lines.length, firstKey));
      await this.#store(lines, this.#options.signs);
      return;
    }
    for (let at = 0; at < lines.length; at += blobMax) {
      const piece = lines.subarray(at, at + blobMax);
      const first = at === 0;
      this.#key(keysLine(this.#options.file, first ? rows : 0, piece.length, first ? firstKey : undefined));
      await this.#store(ownCopy(piece), first ? "everything" : undefined);
    }
  }

  async finish(): Promise<{
    readonly content: readonly Id[];
    readonly keys: string;
    readonly signed: readonly SignedChunk[];
  }> {
    while (this.#inFlight.length > 0) await this.#settle();
    return { content: this.#content, keys: this.#keys.join(""), signed: this.#signed };
  }

  /** `everything`: a row that spans blobs, which nobody shall pass over. */
  async #store(bytes: Buffer, signs: ColumnSigns | "everything" | undefined): Promise<void> {
    const { sink, stream, known } = this.#options;
    const full = signs === "everything" && this.#options.signs ? { signature: everything() } : undefined;
    const columns = signs === "everything" ? undefined : signs;
    if (known === "likely") {
      const id = hash("sha256", bytes, "hex");
      if (sink.store.has("data", id)) {
        const signature = columns && { signature: signRows(bytes, columns) };
        this.#push(Promise.resolve({ id, added: false, storedBytes: 0, ...signature, ...full }));
        return;
      }
    }
    await sink.store.ready();
    const stored = sink.store.blob("data", bytes, stream, columns);
    this.#push(full ? stored.then((saved) => ({ ...saved, ...full })) : stored);
    if (this.#inFlight.length > blobsInFlight) await this.#settle();
  }

  #push(blob: Promise<SavedBlob>): void {
    blob.catch(() => {}); // told where it is awaited
    this.#inFlight.push(blob);
  }

  async #settle(): Promise<void> {
    const saved = await this.#inFlight.shift();
    if (!saved) return;
    this.#content.push(saved.id);
    if (saved.signature) this.#signed.push({ id: saved.id, signature: saved.signature });
    this.#options.sink.storedBytes += saved.storedBytes;
  }

  #key(line: string): void {
    this.#keys.push(line);
    this.keysBytes += line.length;
  }
}

const smallFilePiece = 1 << 20;

/** Stores a small file; its blobs in order. */
export async function storeFile(sink: BlobSink, bytes: Buffer, stream: PackStream): Promise<readonly Id[]> {
  const content: Id[] = [];
  for (let at = 0; at < bytes.length; at += smallFilePiece) {
    await sink.store.ready();
    const saved = await sink.store.blob("data", ownCopy(bytes.subarray(at, at + smallFilePiece)), stream);
    sink.storedBytes += saved.storedBytes;
    content.push(saved.id);
  }
  return content;
}

/** A copy in memory of its own, outside of Node's pool, so that it can be handed to another thread. */
function ownCopy(bytes: Buffer): Buffer {
  const copy = Buffer.allocUnsafeSlow(bytes.length);
  bytes.copy(copy);
  return copy;
}
