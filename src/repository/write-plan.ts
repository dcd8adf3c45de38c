import type { BlobIndex } from "./blob-index.ts";
import type { FileToWrite } from "./repository.ts";

/** A place of one file that one blob goes to. */
export interface Piece {
  readonly file: PlannedFile;
  readonly entry: number;
  readonly position: number;
  readonly pack: number;
  readonly offset: number;
  readonly length: number;
  readonly uncompressedLength: number;
}

export interface PlannedFile {
  readonly file: FileToWrite;
  readonly pieces: number;
}

/** Neighbouring blobs of one pack, read with one request, and all that becomes of them. Ordered by offset. */
export interface Run {
  readonly pack: number;
  readonly start: number;
  readonly end: number;
  readonly pieces: readonly Piece[];
}

export interface WritePlan {
  readonly runs: readonly Run[];
  /** Files with no contents. */
  readonly empty: readonly PlannedFile[];
  /** Files whose blobs the index does not know, or whose size is not that of their blobs. */
  readonly impossible: readonly { readonly file: FileToWrite; readonly reason: string; readonly blob?: string }[];
}

/** A run is not begun anew for a gap up to this long: reading it costs less than another request. */
const maxGap = 128 << 10;
const maxRunBytes = 4 << 20;
const maxRunPieces = 256;

/** Orders the work by pack, so that each blob is read and opened once, however many files want it. */
export function planWrites(files: readonly FileToWrite[], index: BlobIndex): WritePlan {
  const pieces: Piece[] = [];
  const empty: PlannedFile[] = [];
  const impossible: { file: FileToWrite; reason: string; blob?: string }[] = [];
  for (const file of files) {
    const planned: PlannedFile = { file, pieces: file.content.length };
    const own: Piece[] = [];
    let position = 0;
    let missing: string | undefined;
    for (const id of file.content) {
      const entry = index.find("data", id);
      const location = entry < 0 ? undefined : index.location(entry);
      if (location === undefined) {
        missing = id;
        break;
      }
      own.push({ file: planned, entry, position, ...location });
      position += index.size(entry);
    }
    if (missing !== undefined) impossible.push({ file, reason: "blob missing", blob: missing });
    else if (position !== file.size) impossible.push({ file, reason: "size is not that of the blobs" });
    else if (own.length === 0) empty.push(planned);
    else for (const piece of own) pieces.push(piece);
  }
  pieces.sort((a, b) => a.pack - b.pack || a.offset - b.offset);
  return { runs: runsOf(pieces), empty, impossible };
}

function runsOf(pieces: readonly Piece[]): Run[] {
  const runs: Run[] = [];
  let current: { pack: number; start: number; end: number; pieces: Piece[] } | undefined;
  for (const piece of pieces) {
    const end = piece.offset + piece.length;
    const goesOn =
      current !== undefined &&
      current.pack === piece.pack &&
      piece.offset - current.end <= maxGap &&
      end - current.start <= maxRunBytes &&
      current.pieces.length < maxRunPieces;
    if (current === undefined || !goesOn) {
      current = { pack: piece.pack, start: piece.offset, end, pieces: [] };
      runs.push(current);
    }
    current.end = Math.max(current.end, end);
    current.pieces.push(piece);
  }
  return runs;
}
