import type { BlobIndex } from "./blob-index.ts";
import { placeNumbers, type SealedBlobs } from "./upload-messages.ts";

/** Neighbouring blobs of one pack, to be read with one request. */
export interface EntryRun {
  readonly pack: number;
  readonly start: number;
  readonly end: number;
  /** Numbers in the index, ordered by offset. */
  readonly entries: readonly number[];
}

/** A run is not begun anew for a gap up to this long: reading it costs less than another request. */
const maxGap = 128 << 10;
const maxRunBytes = 4 << 20;
const maxRunBlobs = 512;

/** The blobs of these entries in the order of the packs, as runs. Entries in flight are left out. */
export function runsOfEntries(entries: readonly number[], index: BlobIndex): EntryRun[] {
  // Packs are fewer than 2^21, so pack and offset go exactly into one double, by which millions are sorted fast.
  const keys = new Float64Array(entries.length);
  for (const [position, entry] of entries.entries()) {
    const location = index.location(entry);
    keys[position] = location === undefined ? -1 : location.pack * 2 ** 32 + location.offset;
  }
  const order = Uint32Array.from(entries, (_, position) => position);
  order.sort((left, right) => (keys[left] ?? 0) - (keys[right] ?? 0));
  const runs: EntryRun[] = [];
  let current: { pack: number; start: number; end: number; entries: number[] } | undefined;
  for (const position of order) {
    const entry = entries[position] ?? 0;
    const location = index.location(entry);
    if (location === undefined) continue;
    const { pack, offset, length } = location;
    const end = offset + length;
    const goesOn =
      current !== undefined &&
      current.pack === pack &&
      offset - current.end <= maxGap &&
      end - current.start <= maxRunBytes &&
      current.entries.length < maxRunBlobs;
    if (current === undefined || !goesOn) {
      current = { pack, start: offset, end, entries: [] };
      runs.push(current);
    }
    current.end = Math.max(current.end, end);
    current.entries.push(entry);
  }
  return runs;
}

/** Of entries whose bytes begin at `start` of their pack. */
export function placesOf(
  entries: readonly number[],
  index: BlobIndex,
  start: number,
): Pick<SealedBlobs, "places" | "ids"> {
  const places = new Float64Array(entries.length * placeNumbers);
  for (const [position, entry] of entries.entries()) {
    const location = index.location(entry);
    if (location === undefined) continue;
    const { offset, length, uncompressedLength } = location;
    places.set([offset - start, length, uncompressedLength], position * placeNumbers);
  }
  return { places, ids: index.idBytes(entries) };
}
