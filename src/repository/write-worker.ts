import { closeSync, ftruncateSync } from "node:fs";
import { hash } from "node:crypto";
import { sealOverhead, UnsealRun } from "../format/crypto.ts";
import { ZstdDecoder } from "../format/zstd-context.ts";
import { nodeBuffer } from "./message-bytes.ts";
import {
  type Begun,
  beginFile,
  dropFile,
  placeFile,
  reopenFile,
  setFileMetadata,
  writePiece,
} from "./restored-file.ts";
import type { ByteName } from "../lib/byte-name.ts";
import type { FileMetadata } from "./repository.ts";
import { Scratch } from "./scratch.ts";
import { Throttle } from "./throttle.ts";
import {
  blobNumbers,
  fileNumbers,
  pieceNumbers,
  type WriteAnswer,
  type WriteFailure,
  type WriteRequest,
  type WriteWorkerSetup,
} from "./write-messages.ts";
import type { RoleAnswer } from "./worker.ts";

/** The part of `writeFiles` that runs in a worker thread: from sealed bytes to files in their places. */
export function writeWorker(setup: WriteWorkerSetup): (request: unknown) => RoleAnswer {
  const opener = new UnsealRun({
    encrypt: nodeBuffer(setup.key.encrypt),
    macK: nodeBuffer(setup.key.macK),
    macR: nodeBuffer(setup.key.macR),
  });
  const throttle = new Throttle(setup.throttle, setup.writeBytesPerSecond);
  const blobs = new BlobOpener(opener);

  return (message) => {
    const request = message as WriteRequest;
    const files = new OpenFiles(request);
    const { pieces } = request;
    // A file with no pieces is empty, and is made all the same.
    for (let file = 0; file < request.names.length; file++) if (files.left(file) === 0) files.write(file, undefined, 0);
    let opened: Buffer | undefined;
    for (let at = 0; at < pieces.length; at += pieceNumbers) {
      const [blob = 0, file = 0, position = 0] = pieces.subarray(at, at + pieceNumbers);
      if (at === 0 || blob !== pieces[at - pieceNumbers]) opened = blobs.open(request, blob);
      if (opened === undefined) files.fail(file, "blob", "a blob is damaged");
      else {
        throttle.takeSync(opened.length);
        files.write(file, opened, position);
      }
    }
    // Given back now: the garbage collector would let hundreds of MiB of these gather.
    if (request.sealed.buffer instanceof ArrayBuffer) request.sealed.buffer.transfer(0);
    return { answer: files.answer() };
  };
}

class BlobOpener {
  readonly #opener: UnsealRun;
  readonly #decoder = new ZstdDecoder();
  readonly #plain = new Scratch();
  readonly #decompressed = new Scratch();

  constructor(opener: UnsealRun) {
    this.#opener = opener;
  }

  /** The plaintext, good until the next call; `undefined` when the blob is not what its id says. */
  open({ sealed, blobs, ids }: WriteRequest, blob: number): Buffer | undefined {
    const [offset = 0, length = 0, plainLength = 0] = blobs.subarray(blob * blobNumbers, (blob + 1) * blobNumbers);
    const id = ids.subarray(blob * 32, (blob + 1) * 32);
    try {
      const target = length > smallBlob ? this.#plain.of(length - sealOverhead) : undefined;
      const body = this.#opener.unseal(sealed.subarray(offset, offset + length), target);
      const plain =
        plainLength === 0 ? body : this.#decoder.decompress(body, plainLength, this.#decompressed.of(plainLength));
      return hash("sha256", plain, "buffer").equals(id) ? plain : undefined;
    } catch {
      return undefined;
    }
  }
}

/** Smaller ones come faster in memory of their own. */
const smallBlob = 64 << 10;

interface FileState {
  left: number;
  fd: number | undefined;
  temporary: Parameters<typeof placeFile>[1] | undefined;
  endsInHole: boolean;
  failed: boolean;
}

/** The files of one request while they are written. */
class OpenFiles {
  readonly #request: WriteRequest;
  readonly #states: FileState[];
  readonly #begun: ReadonlyMap<number, WriteRequest["begun"][number]>;
  readonly #failed: WriteFailure[] = [];
  readonly #lost: { file: number; what: string }[] = [];

  constructor(request: WriteRequest) {
    this.#request = request;
    this.#begun = new Map(request.begun.map((one) => [one.file, one]));
    this.#states = request.names.map((_, file) => ({
      left: request.files[file * fileNumbers + 2] ?? 0,
      fd: undefined,
      temporary: undefined,
      endsInHole: false,
      failed: false,
    }));
  }

  left(file: number): number {
    return this.#states[file]?.left ?? 0;
  }

  /** Writes one piece, or none for an empty file, and puts the file into its place after the last. */
  write(file: number, bytes: Buffer | undefined, position: number): void {
    const state = this.#states[file];
    if (state === undefined || state.failed) return;
    try {
      this.#write(file, state, bytes, position);
    } catch (error) {
      const code = error instanceof Error && "code" in error ? String(error.code) : "internal";
      this.fail(file, code, error instanceof Error ? error.message : String(error));
    }
  }

  fail(file: number, code: string, message: string): void {
    const state = this.#states[file];
    if (state === undefined || state.failed) return;
    state.failed = true;
    this.#failed.push({ file, code, message });
    if (state.fd !== undefined) closeSync(state.fd);
    if (state.temporary !== undefined) dropFile(this.#folder(file), state.temporary);
  }

  answer(): WriteAnswer {
    return { failed: this.#failed, lost: this.#lost };
  }

  #write(file: number, state: FileState, bytes: Buffer | undefined, position: number): void {
    const folder = this.#folder(file);
    if (state.fd === undefined) {
      const begun = this.#begun.get(file);
      if (begun) state.fd = reopenFile(folder, begun.temporary, begun.inode);
      else ({ fd: state.fd, temporary: state.temporary } = this.#begin(folder, file));
    }
    if (bytes !== undefined) {
      if (writePiece(state.fd, bytes, position)) state.endsInHole = true;
      state.left--;
    }
    if (state.left > 0) return;
    const { fd, temporary } = state;
    if (temporary !== undefined) {
      if (state.endsInHole) ftruncateSync(fd, this.#request.files[file * fileNumbers + 1] ?? 0);
      setFileMetadata(fd, this.#metadata(file), (what) => this.#lost.push({ file, what }));
    }
    // Not closed twice if that fails.
    state.fd = undefined;
    closeSync(fd);
    if (temporary === undefined) return;
    placeFile(folder, temporary, this.#request.names[file] ?? temporary);
    state.temporary = undefined;
  }

  #begin(folder: number, file: number): Begun {
    const { names, placing } = this.#request;
    return beginFile(folder, names[file] ?? ("" as ByteName), placing);
  }

  #folder(file: number): number {
    return this.#request.files[file * fileNumbers] ?? -1;
  }

  #metadata(file: number): FileMetadata {
    const { files, times, attributes } = this.#request;
    const at = file * fileNumbers;
    const uid = files[at + 4] ?? -1;
    const gid = files[at + 5] ?? -1;
    const own = attributes.length === 0 ? undefined : attributes.find((one) => one.file === file);
    return {
      mode: files[at + 3] ?? 0,
      ...(uid >= 0 && gid >= 0 ? { uid, gid } : {}),
      atimeNs: times[file * 2] ?? 0n,
      mtimeNs: times[file * 2 + 1] ?? 0n,
      extendedAttributes: (own?.attributes ?? []).map(({ name, value }) => ({ name, value: nodeBuffer(value) })),
    };
  }
}
