import type { RowBatch } from "../../database/database.ts";
import { LineSorter } from "./line-sorter.ts";
import { keyAt, lastLineStart, lowerBound, type RowOrder } from "./row-order.ts";
import { SpillFile, type SpilledPart } from "./spill-file.ts";

/** Lines held while they are sorted; of all sorted stretches together, what is read at once. */
export const sortMemory = { sort: 24 << 20, merge: 12 << 20 };
const leastRead = 1024;

/**
 * The same lines in order, whatever order they came in: sorted in stretches, which go to a temporary file that nobody
 * else can open; then what lies lowest in each is sorted together, again and again. Memory is bounded whatever the size
 * of the table. Who sorts again and again gives the sorter, whose memory is then used again.
 */
export async function* sortedRows(
  batches: AsyncIterable<RowBatch>,
  order: RowOrder,
  signal: AbortSignal,
  { sort, merge } = sortMemory,
  sorter = new LineSorter(order),
): AsyncGenerator<RowBatch, void> {
  const stretches: SpilledPart[] = [];
  using spill = new SpillFile();
  for await (const { lines, ends, release } of batches) {
    signal.throwIfAborted();
    sorter.add(lines, 0, lines.length, ends);
    release?.();
    if (sorter.bytes >= sort) stretches.push(spill.write(sorter.sorted()));
  }
  if (stretches.length === 0) {
    yield* sorter.sorted();
    return;
  }
  if (sorter.bytes > 0) stretches.push(spill.write(sorter.sorted()));
  const readBytes = Math.max(leastRead, Math.floor(merge / stretches.length));
  const readers = stretches.map((stretch) => new StretchReader(spill, stretch, readBytes));
  for (let open = filled(readers); open.length > 0; open = filled(readers)) {
    signal.throwIfAborted();
    takeLowest(open, order, sorter);
    yield* sorter.sorted();
  }
}

function filled(readers: readonly StretchReader[]): readonly StretchReader[] {
  return readers.filter((reader) => reader.fill());
}

/** Whatever was not read yet stands behind the last line that was read of its stretch: up to the least of those, all is there. */
function takeLowest(open: readonly StretchReader[], order: RowOrder, sorter: LineSorter): void {
  let least: { readonly reader: StretchReader; readonly key: string } | undefined;
  for (const reader of open) {
    if (reader.isLast) continue;
    const key = reader.lastKey(order);
    if (least === undefined || order.compare(key, least.key) < 0) least = { reader, key };
  }
  for (const reader of open) {
    reader.take(order, least?.reader === reader ? undefined : least?.key, sorter);
  }
}

/** Reads one stretch piece by piece. */
class StretchReader {
  readonly #spill: SpillFile;
  readonly #end: number;
  readonly #size: number;
  #position: number;
  #buffer: Buffer;
  #at = 0;
  #filled = 0;
  /** Behind the last whole line. */
  #whole = 0;

  constructor(spill: SpillFile, stretch: SpilledPart, bufferBytes: number) {
    this.#spill = spill;
    this.#position = stretch.start;
    this.#end = stretch.end;
    this.#size = bufferBytes;
    this.#buffer = Buffer.allocUnsafeSlow(bufferBytes);
  }

  /** All of the stretch has been read. */
  get isLast(): boolean {
    return this.#position >= this.#end;
  }

  lastKey(order: RowOrder): string {
    return keyAt(order, this.#buffer, lastLineStart(this.#buffer, this.#at, this.#whole), this.#whole - 1);
  }

  /** Reads as much as there is room for, one whole line at the least; whether there are lines. */
  fill(): boolean {
    const kept = this.#buffer.subarray(this.#at, this.#filled);
    // A huge line has made it large.
    if (this.#buffer.length > this.#size && kept.length < this.#size) this.#buffer = Buffer.allocUnsafeSlow(this.#size);
    this.#filled = kept.copy(this.#buffer, 0);
    this.#at = 0;
    for (;;) {
      const length = Math.min(this.#buffer.length - this.#filled, this.#end - this.#position);
      if (length > 0) {
        this.#spill.read(this.#buffer, this.#filled, length, this.#position);
        this.#filled += length;
        this.#position += length;
      }
      this.#whole = this.#buffer.subarray(0, this.#filled).lastIndexOf(10) + 1;
      if (this.#whole > 0 || this.isLast) return this.#whole > 0;
      const grown = Buffer.allocUnsafeSlow(this.#buffer.length * 2);
      this.#buffer.copy(grown, 0, 0, this.#filled);
      this.#buffer = grown;
    }
  }

  /** Gives away the lines below this key; without one, all that were read. */
  take(order: RowOrder, below: string | undefined, sorter: LineSorter): void {
    const end = below === undefined ? this.#whole : lowerBound(order, this.#buffer, this.#at, this.#whole, below);
    if (end > this.#at) sorter.add(this.#buffer, this.#at, end);
    this.#at = end;
  }
}
