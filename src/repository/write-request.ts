import type { Transferable } from "node:worker_threads";
import type { ByteName } from "../lib/byte-name.ts";
import type { BlobIndex } from "./blob-index.ts";
import type { Placing } from "./repository.ts";
import { transferable } from "./message-bytes.ts";
import { fileNumbers, type BegunFile, type FileAttributes, type WriteRequest } from "./write-messages.ts";
import type { PlannedFile, Run } from "./write-plan.ts";

/** Puts a run, or files without contents, into the form in which it goes to a thread. Takes `sealed` over. */
export function writeRequest(
  run: Run | undefined,
  sealed: Buffer,
  files: readonly PlannedFile[],
  begun: ReadonlyMap<PlannedFile, { readonly temporary: ByteName; readonly inode: number }>,
  index: BlobIndex,
  placing: Placing,
): { readonly request: WriteRequest; readonly transfer: readonly Transferable[] } {
  const numberOf = new Map(files.map((file, number) => [file, number]));
  const pieceCounts = new Array<number>(files.length).fill(0);
  const blobs: number[] = [];
  const ids: number[] = [];
  const pieces: number[] = [];
  let lastOffset = -1;
  for (const piece of run?.pieces ?? []) {
    const file = numberOf.get(piece.file);
    if (file === undefined) continue;
    if (piece.offset !== lastOffset) {
      blobs.push(piece.offset - (run?.start ?? 0), piece.length, piece.uncompressedLength);
      ids.push(piece.entry);
      lastOffset = piece.offset;
    }
    pieces.push(ids.length - 1, file, piece.position);
    pieceCounts[file] = (pieceCounts[file] ?? 0) + 1;
  }
  const numbers = new Float64Array(files.length * fileNumbers);
  const times = new BigInt64Array(files.length * 2);
  const attributes: FileAttributes[] = [];
  const begunFiles: BegunFile[] = [];
  for (const [number, planned] of files.entries()) {
    const { folder, size, metadata } = planned.file;
    const { mode, uid, gid } = metadata;
    numbers.set([folder, size, pieceCounts[number] ?? 0, mode, uid ?? -1, gid ?? -1], number * fileNumbers);
    times[number * 2] = metadata.atimeNs;
    times[number * 2 + 1] = metadata.mtimeNs;
    if (metadata.extendedAttributes.length > 0)
      attributes.push({ file: number, attributes: metadata.extendedAttributes });
    const spread = begun.get(planned);
    if (spread) begunFiles.push({ file: number, temporary: spread.temporary, inode: spread.inode });
  }
  const bytes = transferable([sealed]);
  const request: WriteRequest = {
    sealed: bytes,
    blobs: Float64Array.from(blobs),
    ids: index.idBytes(ids),
    pieces: Float64Array.from(pieces),
    names: files.map(({ file }) => file.name),
    placing,
    files: numbers,
    times,
    attributes,
    begun: begunFiles,
  };
  return { request, transfer: [bytes.buffer] };
}
