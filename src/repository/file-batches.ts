import type { ByteName } from "../lib/byte-name.ts";
import type { FileReadResult, FileToRead } from "./repository.ts";
import { fileNumbers, fileStates, type FilesAnswer, type UploadRequest } from "./upload-messages.ts";

/** A message has a cost of its own: so many files, or so many bytes of them, share one. */
const batchFiles = 64;
const batchBytes = 1 << 20;

/** Files gathered for one request to a worker thread. */
export class FileBatch {
  readonly #paths: ByteName[] = [];
  readonly #numbers: number[] = [];
  readonly #resolve: ((result: FileReadResult) => void)[] = [];
  readonly #reject: ((error: unknown) => void)[] = [];
  #bytes = 0;

  get files(): number {
    return this.#paths.length;
  }

  get isFull(): boolean {
    return this.#paths.length >= batchFiles || this.#bytes >= batchBytes;
  }

  add(file: FileToRead): Promise<FileReadResult> {
    this.#paths.push(file.path);
    this.#numbers.push(Number(file.inode), Number(file.deviceId), file.size);
    this.#bytes += file.size;
    return new Promise((resolve, reject) => {
      this.#resolve.push(resolve);
      this.#reject.push(reject);
    });
  }

  request(): UploadRequest {
    return { type: "files", paths: this.#paths, numbers: Float64Array.from(this.#numbers) };
  }

  /** Answers who asked; gives what was read. */
  settle(answer: FilesAnswer): readonly Extract<FileReadResult, { state: "read" }>[] {
    const read: Extract<FileReadResult, { state: "read" }>[] = [];
    const ids = Buffer.from(answer.ids.buffer, answer.ids.byteOffset, answer.ids.length);
    let idAt = 0;
    let reasonAt = 0;
    for (const [index, resolve] of this.#resolve.entries()) {
      const [state = 0, changed = 0, blobs = 0, size = 0, addedBlobs = 0, addedBytes = 0, storedBytes = 0] =
        answer.numbers.subarray(index * fileNumbers, (index + 1) * fileNumbers);
      const name = fileStates[state] ?? "vanished";
      if (name === "vanished") resolve({ state: name });
      else if (name === "unreadable") resolve({ state: name, reason: answer.reasons[reasonAt++] ?? "" });
      else {
        const content: string[] = [];
        for (let blob = 0; blob < blobs; blob++, idAt += 32) content.push(ids.toString("hex", idAt, idAt + 32));
        const result = { state: name, content, size, changed: changed === 1, addedBlobs, addedBytes, storedBytes };
        read.push(result);
        resolve(result);
      }
    }
    return read;
  }

  fail(error: unknown): void {
    for (const reject of this.#reject) reject(error);
  }
}
