import type { BlobType, Id, Tree } from "../format/tree.ts";
import { freeMemory } from "../lib/memory-pool.ts";
import type { ByteRange } from "../storage/storage.ts";
import type { BlobLocation } from "./blob-index.ts";
import type { OpenedTree } from "./opened-tree.ts";
import type { BlobReader, ReaderAhead } from "./repository.ts";
import type { OpenedAnswer, SealedParts } from "./upload-messages.ts";

export interface ReadAheadParts {
  /** Gives what was not read ahead. */
  readonly reader: BlobReader;
  /** Where a data blob stands; `undefined`: not in a pack, or nowhere. */
  readonly locate: (id: Id) => BlobLocation | undefined;
  readonly read: (pack: number, range: ByteRange, signal: AbortSignal) => Promise<Buffer>;
  /** Opens blobs in another thread. */
  readonly open: (sealed: SealedParts) => Promise<OpenedAnswer>;
}

/** Plaintext that is on its way or waits for its reader. */
const mostBytes = 12 << 20;
/** So much is looked for at once: what stands near each other in a pack is read with one request. */
const groupBytes = 4 << 20;
/**
 * Blobs are read together with what lies between them, up to so much: a request and a message to a thread for each cost a
 * processor more than reading what nobody wants, and a storage far away more time.
 */
const gapBytes = 256 << 10;
/** What is read with one request, unless one blob is larger. */
const spanBytes = 2 << 20;
const readsAtOnce = 4;

interface Wanted extends BlobLocation {
  readonly id: Id;
  readonly settle: (bytes: Buffer | undefined) => void;
}

interface Coming {
  readonly bytes: Promise<Buffer | undefined>;
  readonly size: number;
}

/**
 * Reads data blobs before they are asked for, for whoever knows in which order he will: they are read several with one
 * request, and opened and compared with their ids in other threads, while he looks at those before. Whatever fails is read
 * again when it is asked for, which says what is wrong with it.
 */
export class ReadAhead implements ReaderAhead {
  readonly #parts: ReadAheadParts;
  readonly #ids: AsyncIterator<Id, void>;
  readonly #signal: AbortSignal;
  /** In the order in which they will be asked for. */
  readonly #coming = new Map<Id, Coming>();
  readonly #waiting: (readonly Wanted[])[] = [];
  #reads = 0;
  #bytes = 0;
  #filling: Promise<void> | undefined;
  #state: "more" | "all" = "more";

  constructor(parts: ReadAheadParts, ids: AsyncIterable<Id, void>, signal: AbortSignal) {
    this.#parts = parts;
    this.#ids = ids[Symbol.asyncIterator]();
    this.#signal = signal;
    this.#fill();
  }

  has(type: BlobType, id: Id): boolean {
    return this.#parts.reader.has(type, id);
  }

  size(type: BlobType, id: Id): number | undefined {
    return this.#parts.reader.size(type, id);
  }

  loadTree(id: Id, signal: AbortSignal): Promise<Tree> {
    return this.#parts.reader.loadTree(id, signal);
  }

  openTree(id: Id, signal: AbortSignal): Promise<OpenedTree> {
    return this.#parts.reader.openTree(id, signal);
  }

  async load(type: BlobType, id: Id, signal: AbortSignal): Promise<Buffer> {
    while (type === "data" && !this.#coming.has(id) && this.#filling) await this.#filling;
    const found = type === "data" ? this.#coming.get(id) : undefined;
    if (!found) return this.#parts.reader.load(type, id, signal);
    this.#take(id);
    this.#fill();
    return (await found.bytes) ?? this.#parts.reader.load(type, id, signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#state = "all";
    await this.#filling;
    await this.#ids.return?.();
    for (const span of this.#waiting.splice(0)) giveUp(span);
    for (const { bytes } of this.#coming.values()) free(bytes);
    this.#coming.clear();
  }

  /** Those before it are not asked for any more. */
  #take(id: Id): void {
    for (const [other, { bytes, size }] of this.#coming) {
      this.#coming.delete(other);
      this.#bytes -= size;
      if (other === id) return;
      free(bytes);
    }
  }

  #fill(): void {
    if (this.#filling || this.#state === "all" || this.#bytes + groupBytes > mostBytes) return;
    this.#filling = this.#gather().then((wanted) => {
      this.#fetch(wanted);
      this.#filling = undefined;
      this.#fill();
    });
  }

  async #gather(): Promise<readonly Wanted[]> {
    const wanted: Wanted[] = [];
    for (let bytes = 0; bytes < groupBytes;) {
      // Whoever asks for what could not be listed is told why.
      const step = await this.#ids.next().catch(() => undefined);
      if (!step || step.done || this.#signal.aborted) {
        this.#state = "all";
        break;
      }
      const location = this.#parts.locate(step.value);
      if (!location || this.#coming.has(step.value)) continue;
      const size = location.uncompressedLength || location.length;
      const { promise, resolve } = Promise.withResolvers<Buffer | undefined>();
      this.#coming.set(step.value, { bytes: promise, size });
      wanted.push({ ...location, id: step.value, settle: resolve });
      this.#bytes += size;
      bytes += size;
    }
    return wanted;
  }

  #fetch(wanted: readonly Wanted[]): void {
    this.#waiting.push(...spansOf(wanted));
    this.#readNext();
  }

  #readNext(): void {
    while (this.#reads < readsAtOnce) {
      const span = this.#waiting.shift();
      if (!span) return;
      this.#reads++;
      void this.#readSpan(span).then(() => {
        this.#reads--;
        this.#readNext();
      });
    }
  }

  async #readSpan(span: readonly Wanted[]): Promise<void> {
    const [first] = span;
    if (!first) return;
    const { pack, offset: start } = first;
    const end = endOf(span);
    try {
      const bytes = await this.#parts.read(pack, { offset: start, length: end - start }, this.#signal);
      const places = Float64Array.from(
        span.flatMap(({ offset, length, uncompressedLength }) => [offset - start, length, uncompressedLength]),
      );
      const ids = Uint8Array.from(Buffer.from(span.map(({ id }) => id).join(""), "hex"));
      // Not waited for: the next is read while these are opened.
      this.#parts.open({ bytes, places, ids }).then(
        (answer) => {
          freeMemory(new Uint8Array(answer.bytes.buffer));
          for (const [index, { settle }] of span.entries()) {
            const blob = answer.blobs[index];
            settle(blob && Buffer.from(blob.buffer, blob.byteOffset, blob.length));
          }
        },
        () => giveUp(span),
      );
    } catch {
      giveUp(span);
    }
  }
}

function giveUp(span: readonly Wanted[]): void {
  for (const { settle } of span) settle(undefined);
}

function free(bytes: Promise<Buffer | undefined>): void {
  void bytes.then((one) => one && freeMemory(one));
}

/** What is read together. */
function spansOf(wanted: readonly Wanted[]): readonly (readonly Wanted[])[] {
  const spans: Wanted[][] = [];
  for (const one of wanted.toSorted((a, b) => a.pack - b.pack || a.offset - b.offset)) {
    const span = spans.at(-1);
    const isNear =
      span?.[0]?.pack === one.pack &&
      one.offset - endOf(span) <= gapBytes &&
      one.offset + one.length - span[0].offset <= spanBytes;
    if (span && isNear) span.push(one);
    else spans.push([one]);
  }
  return spans;
}

function endOf(span: readonly BlobLocation[]): number {
  const last = span.at(-1);
  return last ? last.offset + last.length : 0;
}
