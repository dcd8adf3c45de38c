import { closeSync, ftruncateSync } from "node:fs";
import { UnsealRun } from "../format/crypto.ts";
import { BlobOpener } from "./blob-opener.ts";
import { DirectFile, openDirect, worthwhileBytes, WriteStages } from "./direct-file.ts";
import { nodeBuffer, receivedKey } from "./message-bytes.ts";
import {
  type Begun,
  beginFile,
  dropFile,
  placeFile,
  reopenFile,
  setFileMetadata,
  writeLongPiece,
  writePiece,
} from "./restored-file.ts";
import type { ByteName } from "../lib/byte-name.ts";
import { systemCode } from "../lib/system-code.ts";
import type { FileMetadata } from "./repository.ts";
import { Throttle } from "./throttle.ts";
import {
  fileNumbers,
  pieceNumbers,
  type WriteAnswer,
  type WriteFailure,
  type WriteRequest,
  type WriteWorkerSetup,
} from "./write-messages.ts";
import type { RoleAnswer } from "./worker.ts";

/**
 * The part of `writeFiles` that runs in a worker thread: from sealed bytes to files in their places. Blobs are opened
 * for one request after the other; while the last writes of one are on their way to the disk, the next is begun.
 */
export function writeWorker(setup: WriteWorkerSetup): (request: unknown) => Promise<RoleAnswer> {
  const opener = new UnsealRun(receivedKey(setup.key));
  const throttle = new Throttle(setup.throttle, setup.writeBytesPerSecond);
  const blobs = new BlobOpener(opener);
  const stages = new WriteStages();
  let last: Promise<unknown> = Promise.resolve();

  const fill = async (request: WriteRequest): Promise<OpenFiles> => {
    const files = new OpenFiles(request, stages);
    const { pieces } = request;
    // A file with no pieces is empty, and is made all the same.
    for (let file = 0; file < request.names.length; file++) {
      if (files.left(file) === 0) await files.write(file, undefined, 0);
    }
    let opened: Buffer | undefined;
    for (let at = 0; at < pieces.length; at += pieceNumbers) {
      const [blob = 0, file = 0, position = 0] = pieces.subarray(at, at + pieceNumbers);
      if (at === 0 || blob !== pieces[at - pieceNumbers]) opened = blobs.open(request, blob);
      if (opened === undefined) files.fail(file, "blob", "a blob is damaged");
      else {
        throttle.takeSync(opened.length);
        const writing = files.write(file, opened, position);
        if (writing) await writing;
      }
    }
    return files;
  };

  return async (message) => {
    const request = message as WriteRequest;
    const filling = last.then(() => fill(request));
    last = filling.catch(() => undefined);
    const files = await filling;
    const { sealed } = request;
    const answer: WriteAnswer = { ...(await files.answer()), sealed };
    return { answer, transfer: sealed.buffer instanceof ArrayBuffer ? [sealed.buffer] : [] };
  };
}

interface FileState {
  left: number;
  fd: number | undefined;
  temporary: ByteName | undefined;
  /** Of a long file. */
  direct: { readonly file: DirectFile; readonly descriptor: number } | undefined;
  endsInHole: boolean;
  failed: boolean;
}

/** The files of one request while they are written. */
class OpenFiles {
  readonly #request: WriteRequest;
  readonly #stages: WriteStages;
  readonly #states: FileState[];
  readonly #begun: ReadonlyMap<number, WriteRequest["begun"][number]>;
  readonly #failed: WriteFailure[] = [];
  readonly #lost: { file: number; what: string }[] = [];
  /** Long files whose last bytes are on their way. */
  readonly #finishing: Promise<void>[] = [];

  constructor(request: WriteRequest, stages: WriteStages) {
    this.#request = request;
    this.#stages = stages;
    this.#begun = new Map(request.begun.map((one) => [one.file, one]));
    this.#states = request.names.map((_, file) => ({
      left: request.files[file * fileNumbers + 2] ?? 0,
      fd: undefined,
      temporary: undefined,
      direct: undefined,
      endsInHole: false,
      failed: false,
    }));
  }

  left(file: number): number {
    return this.#states[file]?.left ?? 0;
  }

  /**
   * Writes one piece, or none for an empty file, and puts the file into its place after the last. A promise only for
   * long files: `bytes` must stay as they are until it resolves.
   */
  write(file: number, bytes: Buffer | undefined, position: number): Promise<void> | undefined {
    const state = this.#states[file];
    if (state === undefined || state.failed) return undefined;
    try {
      const fd = (state.fd ??= this.#open(file, state));
      if (state.direct && bytes !== undefined) {
        return this.#writeLong(file, state, bytes, position).catch((error: unknown) => this.#failWith(file, error));
      }
      if (bytes !== undefined) {
        if (writePiece(fd, bytes, position)) state.endsInHole = true;
        state.left--;
      }
      if (state.left <= 0) this.#finish(file, state, fd);
    } catch (error) {
      this.#failWith(file, error);
    }
    return undefined;
  }

  fail(file: number, code: string, message: string): void {
    const state = this.#states[file];
    if (state === undefined || state.failed) return;
    state.failed = true;
    this.#failed.push({ file, code, message });
    if (state.direct) this.#finishing.push(this.#drop(file, state));
    else this.#close(file, state);
  }

  /** When everything is written or has failed. */
  async answer(): Promise<Pick<WriteAnswer, "failed" | "lost">> {
    await Promise.all(this.#finishing);
    // What has failed since adds itself.
    await Promise.all(this.#finishing);
    return { failed: this.#failed, lost: this.#lost };
  }

  #failWith(file: number, error: unknown): void {
    const code = systemCode(error) ?? "internal";
    this.fail(file, code, error instanceof Error ? error.message : String(error));
  }

  #open(file: number, state: FileState): number {
    const folder = this.#folder(file);
    const begun = this.#begun.get(file);
    let fd: number;
    if (begun) fd = reopenFile(folder, begun.temporary, begun.inode);
    else ({ fd, temporary: state.temporary } = this.#begin(folder, file));
    const descriptor = this.#size(file) >= worthwhileBytes ? openDirect(fd) : undefined;
    if (descriptor !== undefined) {
      state.direct = { descriptor, file: new DirectFile(fd, descriptor, this.#stages) };
    }
    return fd;
  }

  async #writeLong(file: number, state: FileState, bytes: Buffer, position: number): Promise<void> {
    const { direct, fd } = state;
    if (direct === undefined || fd === undefined) return;
    if (await writeLongPiece(direct.file, bytes, position)) state.endsInHole = true;
    state.left--;
    if (state.left > 0) return;
    const finishing = direct.file.finish().then(() => {
      state.direct = undefined;
      closeSync(direct.descriptor);
      this.#finish(file, state, fd);
    });
    this.#finishing.push(finishing.catch((error: unknown) => this.#failWith(file, error)));
  }

  /** All is written that this request has of the file. */
  #finish(file: number, state: FileState, fd: number): void {
    const { temporary } = state;
    if (temporary !== undefined) {
      if (state.endsInHole) ftruncateSync(fd, this.#size(file));
      setFileMetadata(fd, this.#metadata(file), (what) => this.#lost.push({ file, what }));
    }
    // Not closed twice if that fails.
    state.fd = undefined;
    closeSync(fd);
    if (temporary === undefined) return;
    placeFile(this.#folder(file), temporary, this.#request.names[file] ?? temporary);
    state.temporary = undefined;
  }

  async #drop(file: number, state: FileState): Promise<void> {
    const { direct } = state;
    await direct?.file.finish().catch(() => undefined);
    if (direct) closeSync(direct.descriptor);
    this.#close(file, state);
  }

  #close(file: number, state: FileState): void {
    if (state.fd !== undefined) closeSync(state.fd);
    if (state.temporary !== undefined) dropFile(this.#folder(file), state.temporary);
  }

  #begin(folder: number, file: number): Begun {
    const { names, placing, files } = this.#request;
    // A long one is opened again, and attributes are set only where one may write.
    const isWritten = this.#size(file) >= worthwhileBytes || this.#attributes(file).length > 0;
    const mode = isWritten ? 0o600 : (files[file * fileNumbers + 3] ?? 0) & 0o777;
    return beginFile(folder, names[file] ?? ("" as ByteName), placing, mode);
  }

  #size(file: number): number {
    return this.#request.files[file * fileNumbers + 1] ?? 0;
  }

  #folder(file: number): number {
    return this.#request.files[file * fileNumbers] ?? -1;
  }

  #metadata(file: number): FileMetadata {
    const { files, times } = this.#request;
    const at = file * fileNumbers;
    const uid = files[at + 4] ?? -1;
    const gid = files[at + 5] ?? -1;
    return {
      mode: files[at + 3] ?? 0,
      ...(uid >= 0 && gid >= 0 ? { uid, gid } : {}),
      atimeNs: times[file * 2] ?? 0n,
      mtimeNs: times[file * 2 + 1] ?? 0n,
      extendedAttributes: this.#attributes(file),
    };
  }

  #attributes(file: number): FileMetadata["extendedAttributes"] {
    const { attributes } = this.#request;
    const own = attributes.length === 0 ? undefined : attributes.find((one) => one.file === file);
    return (own?.attributes ?? []).map(({ name, value }) => ({ name, value: nodeBuffer(value) }));
  }
}
