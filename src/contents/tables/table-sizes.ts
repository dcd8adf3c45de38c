/** How a table's rows are cut up (`docs/format.md` gives the reasons). Bytes, unless named otherwise. */
export interface TableSizes {
  /** A chunk below this joins its neighbour; one above `chunkMax` is split. Single rows may be larger. */
  readonly chunkMin: number;
  readonly chunkMax: number;
  /** A row above this spans blobs. */
  readonly blobMax: number;
  /** A part of a base: a folder of its own, so that its list of chunks is stored once. */
  readonly part: number;
  /** Entries of one `keys` file. */
  readonly keysMax: number;
  readonly range: number;
  /** More runs than this are merged into one. */
  readonly maxRuns: number;
  /** A base is rewritten when its runs exceed a quarter of it, and this. */
  readonly foldAbove: number;
}

export const tableSizes: TableSizes = {
  chunkMin: 16 << 10,
  chunkMax: 128 << 10,
  blobMax: 4 << 20,
  part: 128 << 20,
  keysMax: 4 << 20,
  range: 64 << 10,
  maxRuns: 8,
  foldAbove: 1 << 20,
};

const unscaledBytes = 4 * 2 ** 30;

/**
 * Chunks, parts and ranges double with each fourfold of a table above 4 GiB, so that a repository stays under some 3 million
 * blobs: stock `restic prune` takes about 1 KB of memory for each.
 */
export function sizesFor(sizes: TableSizes, tableBytes: number): TableSizes {
  if (tableBytes <= unscaledBytes) return sizes;
  const factor = 2 ** Math.ceil(Math.log(tableBytes / unscaledBytes) / Math.log(4));
  return {
    ...sizes,
    chunkMin: sizes.chunkMin * factor,
    chunkMax: Math.min(sizes.chunkMax * factor, sizes.blobMax),
    part: sizes.part * factor,
    range: sizes.range * factor,
  };
}

/** Whether runs of so many bytes are too much for their base. */
export function runsOutweigh(sizes: TableSizes, runBytes: number, baseBytes: number): boolean {
  return runBytes > sizes.foldAbove && runBytes * 4 > baseBytes;
}
