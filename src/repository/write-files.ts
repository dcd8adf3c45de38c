import { closeSync, fstatSync, ftruncateSync } from "node:fs";
import { sealOverhead } from "../format/crypto.ts";
import type { ByteName } from "../lib/byte-name.ts";
import { freeMemory } from "../lib/memory-pool.ts";
import { HoldfastError, isHoldfastError } from "../lib/errors.ts";
import type { Storage } from "../storage/storage.ts";
import type { BlobIndex } from "./blob-index.ts";
import type { PackTable } from "./pack-table.ts";
import type { BlobReader, FileToWrite, WriteOptions } from "./repository.ts";
import { beginFile, dropFile, placeFile, reopenFile, setFileMetadata, writePiece } from "./restored-file.ts";
import type { WriteAnswer } from "./write-messages.ts";
import { planWrites, type PlannedFile, type Run } from "./write-plan.ts";
import { writeRequest } from "./write-request.ts";
import type { WorkerPool } from "./worker-pool.ts";

export interface WriteParts {
  readonly storage: Storage;
  readonly index: BlobIndex;
  readonly packs: PackTable;
  /** The slow way, which tries every copy of a blob. */
  readonly reader: BlobReader;
  readonly pool: WorkerPool;
}

/** Files planned together: enough that neighbours in a pack meet, few enough to remember. */
const filesAtOnce = 16_384;
const blobsAtOnce = 200_000;
/** Empty files made in one request. */
const emptyAtOnce = 256;

/**
 * Writes files in the order of the packs: runs of a pack are read here and opened, checked and written by worker
 * threads. A file whose blobs stand together is made and placed by one thread; one that is spread over several runs
 * grows under its temporary name, sparse, and is placed after its last piece.
 *
 * What fails, fails for the files that need it. Those are tried once more, blob by blob, where each other copy of a
 * blob is tried, before they are given up.
 */
export async function writeFiles(
  files: AsyncIterable<FileToWrite> | Iterable<FileToWrite>,
  options: WriteOptions & { readonly parts: WriteParts },
): Promise<void> {
  let batch: FileToWrite[] = [];
  let blobs = 0;
  for await (const file of files) {
    batch.push(file);
    blobs += file.content.length;
    if (batch.length < filesAtOnce && blobs < blobsAtOnce) continue;
    await new Batch(options).write(batch);
    batch = [];
    blobs = 0;
  }
  if (batch.length > 0) await new Batch(options).write(batch);
}

/** A file that several requests write to. */
interface SpreadFile {
  readonly temporary: ByteName;
  readonly inode: number;
  left: number;
  error: Error | undefined;
}

class Batch {
  readonly #options: WriteOptions & { readonly parts: WriteParts };
  readonly #spread = new Map<PlannedFile, SpreadFile>();
  readonly #again: FileToWrite[] = [];
  readonly #active = new Set<Promise<void>>();
  #failure: unknown;

  constructor(options: WriteOptions & { readonly parts: WriteParts }) {
    this.#options = options;
  }

  async write(files: readonly FileToWrite[]): Promise<void> {
    const { parts, limits, signal } = this.#options;
    const { runs, empty, impossible } = planWrites(files, parts.index);
    for (const { file, reason, blob } of impossible)
      file.done(new HoldfastError("repository-damaged", { reason, blob }));
    // Each thread works on one, has one waiting, and one is being read for it.
    const atOnce = limits.workers * 3;
    try {
      for (let at = 0; at < empty.length; at += emptyAtOnce) {
        await this.#begin(atOnce, () => this.#writeRun(undefined, empty.slice(at, at + emptyAtOnce)));
      }
      for (const run of runs) {
        await this.#begin(atOnce, () => this.#writeRun(run, [...new Set(run.pieces.map((piece) => piece.file))]));
      }
    } finally {
      // The caller closes its folders when this is over: nobody may still be using them.
      await Promise.all(this.#active);
      this.#dropUnfinished();
    }
    if (this.#failure !== undefined) throw this.#failure;
    // Asked for during the last requests, the end is heeded all the same: what follows may be a swap.
    signal.throwIfAborted();
    for (const file of this.#again) {
      signal.throwIfAborted();
      await this.#writeSlowly(file);
    }
  }

  async #begin(atOnce: number, work: () => Promise<void>): Promise<void> {
    while (this.#active.size >= atOnce) await Promise.race(this.#active);
    this.#options.signal.throwIfAborted();
    if (this.#failure !== undefined) throw this.#failure;
    const running = work()
      .catch((error: unknown) => {
        this.#failure ??= error;
      })
      .finally(() => this.#active.delete(running));
    this.#active.add(running);
  }

  async #writeRun(run: Run | undefined, files: readonly PlannedFile[]): Promise<void> {
    const { signal, onBytes } = this.#options;
    const piecesOf = new Map<PlannedFile, number>();
    for (const { file } of run?.pieces ?? []) piecesOf.set(file, (piecesOf.get(file) ?? 0) + 1);
    const failed = new Map<PlannedFile, Error>();
    const writable: PlannedFile[] = [];
    for (const planned of files) {
      if ((piecesOf.get(planned) ?? 0) === planned.pieces || this.#beginSpread(planned)) writable.push(planned);
    }
    let left: readonly PlannedFile[] = writable;
    // What came over a bad line is asked for once more, before whole files are read again blob by blob.
    for (const time of ["first", "again"] as const) {
      const sealed = await this.#load(run);
      signal.throwIfAborted();
      if (sealed instanceof Error) {
        if (time === "first") for (const file of files) failed.set(file, sealed);
        break;
      }
      for (const file of left) failed.delete(file);
      left = await this.#write(run, sealed, left, failed);
      if (left.length === 0) break;
    }
    let bytes = 0;
    for (const { file, uncompressedLength, length } of run?.pieces ?? []) {
      if (!failed.has(file)) bytes += uncompressedLength || length - sealOverhead;
    }
    if (bytes > 0) onBytes?.(bytes);
    for (const planned of files) this.#finishPieces(planned, piecesOf.get(planned) ?? 0, failed.get(planned));
  }

  /** Has a thread write what a run holds of these files. Gives those of which a blob was damaged. */
  async #write(
    run: Run | undefined,
    sealed: Buffer,
    files: readonly PlannedFile[],
    failed: Map<PlannedFile, Error>,
  ): Promise<readonly PlannedFile[]> {
    if (files.length === 0) return [];
    const { parts, placing } = this.#options;
    const { request, transfer } = writeRequest(run, sealed, files, this.#spread, parts.index, placing);
    const answer = await parts.pool.request<WriteAnswer>(request, transfer);
    freeMemory(new Uint8Array(answer.sealed.buffer));
    const damaged: PlannedFile[] = [];
    for (const { file, code, message } of answer.failed) {
      const planned = files[file];
      if (planned === undefined) continue;
      failed.set(planned, codedError(code, message));
      if (code === "blob") damaged.push(planned);
    }
    for (const { file, what } of answer.lost) this.#lost(files[file]?.file, what);
    return damaged;
  }

  /** The run's bytes; an error that concerns the files that need them, and no others. */
  async #load(run: Run | undefined): Promise<Buffer | Error> {
    if (run === undefined) return Buffer.alloc(0);
    const { parts, signal } = this.#options;
    const { pack, start, end } = run;
    try {
      const range = { offset: start, length: end - start };
      return await parts.storage.load({ kind: "data", name: parts.packs.id(pack) }, range, signal);
    } catch (error) {
      if (isHoldfastError(error, "storage-not-found") || isHoldfastError(error, "storage-failed")) return error;
      throw error;
    }
  }

  /** False: it could not be begun, now or before. */
  #beginSpread(planned: PlannedFile): boolean {
    const known = this.#spread.get(planned);
    if (known !== undefined) return known.error === undefined;
    try {
      const { fd, temporary } = beginFile(planned.file.folder, planned.file.name, this.#options.placing);
      const inode = fstatSync(fd).ino;
      closeSync(fd);
      this.#spread.set(planned, { temporary, inode, left: planned.pieces, error: undefined });
      return true;
    } catch (error) {
      const failure = error instanceof Error ? error : new Error(String(error));
      this.#spread.set(planned, { temporary: "" as ByteName, inode: 0, left: planned.pieces, error: failure });
      return false;
    }
  }

  #finishPieces(planned: PlannedFile, pieces: number, error: Error | undefined): void {
    const spread = this.#spread.get(planned);
    if (spread === undefined) {
      this.#finish(planned.file, error);
      return;
    }
    spread.left -= pieces;
    spread.error ??= error;
    if (spread.left > 0) return;
    this.#spread.delete(planned);
    if (spread.error === undefined) {
      try {
        const fd = reopenFile(planned.file.folder, spread.temporary, spread.inode);
        this.#place(fd, spread.temporary, planned.file);
      } catch (failure) {
        spread.error = failure instanceof Error ? failure : new Error(String(failure));
      }
    }
    if (spread.error !== undefined && spread.temporary !== "") dropFile(planned.file.folder, spread.temporary);
    this.#finish(planned.file, spread.error);
  }

  #finish(file: FileToWrite, error: Error | undefined): void {
    if (error !== undefined && isAboutBlobs(error)) this.#again.push(file);
    else file.done(error);
  }

  #place(fd: number, temporary: ByteName, file: FileToWrite): void {
    try {
      ftruncateSync(fd, file.size);
      setFileMetadata(fd, file.metadata, (what) => this.#lost(file, what));
    } finally {
      closeSync(fd);
    }
    placeFile(file.folder, temporary, file.name);
  }

  #lost(file: FileToWrite | undefined, what: string): void {
    if (file !== undefined) this.#options.onMetadataLost?.(file.name, what);
  }

  #dropUnfinished(): void {
    for (const [{ file }, { temporary }] of this.#spread) if (temporary !== "") dropFile(file.folder, temporary);
    this.#spread.clear();
  }

  async #writeSlowly(file: FileToWrite): Promise<void> {
    const { parts, signal, onBytes } = this.#options;
    let temporary: ByteName | undefined;
    try {
      const begun = beginFile(file.folder, file.name, this.#options.placing);
      temporary = begun.temporary;
      let position = 0;
      try {
        for (const id of file.content) {
          const bytes = await parts.reader.load("data", id, signal);
          writePiece(begun.fd, bytes, position);
          position += bytes.length;
        }
      } catch (error) {
        closeSync(begun.fd);
        throw error;
      }
      this.#place(begun.fd, temporary, file);
      onBytes?.(position);
    } catch (error) {
      if (temporary !== undefined) dropFile(file.folder, temporary);
      signal.throwIfAborted();
      file.done(error instanceof Error ? error : new Error(String(error)));
      return;
    }
    file.done(undefined);
  }
}

/** Whether the repository is to blame, so that another copy may help; not the target. */
function isAboutBlobs(error: Error): boolean {
  return isHoldfastError(error) && error.code !== "target-unsafe";
}

function codedError(code: string, message: string): Error {
  if (code === "blob") return new HoldfastError("repository-damaged", { reason: message });
  return Object.assign(new Error(message), { code });
}
