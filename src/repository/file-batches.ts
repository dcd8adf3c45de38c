import type { ByteName } from "../lib/byte-name.ts";
import type { NativeAttribute } from "../lib/posix.ts";
import { nodeBuffer } from "./message-bytes.ts";
import type { FileReadResult, FileToRead } from "./repository.ts";
import { fileNumbers, fileStates, type FilesAnswer, type UploadRequest } from "./upload-messages.ts";

/** A message has a cost of its own: so many files, or so many bytes of them, share one. */
export const batchFiles = 64;
const batchBytes = 1 << 20;

const none: readonly NativeAttribute[] = [];

function attributesOf({ attributes }: FilesAnswer, file: number): readonly NativeAttribute[] {
  const found = attributes.length === 0 ? undefined : attributes.find((one) => one.file === file);
  return found?.list.map(({ value, ...rest }) => ({ ...rest, value: nodeBuffer(value) })) ?? none;
}

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
    const { numbers } = answer;
    for (let file = 0, at = 0; file < this.#resolve.length; file++, at += fileNumbers) {
      const resolve = this.#resolve[file];
      const state = fileStates[numbers[at] ?? 0] ?? "vanished";
      if (state === "vanished") resolve?.({ state });
      else if (state === "unreadable") resolve?.({ state, reason: answer.reasons[reasonAt++] ?? "" });
      else {
        const content: string[] = [];
        for (let left = numbers[at + 2] ?? 0; left > 0; left--, idAt += 32) {
          content.push(ids.toString("hex", idAt, idAt + 32));
        }
        const result = {
          state,
          content,
          changed: numbers[at + 1] === 1,
          size: numbers[at + 3] ?? 0,
          addedBlobs: numbers[at + 4] ?? 0,
          addedBytes: numbers[at + 5] ?? 0,
          storedBytes: numbers[at + 6] ?? 0,
          extendedAttributes: attributesOf(answer, file),
        };
        read.push(result);
        resolve?.(result);
      }
    }
    return read;
  }

  fail(error: unknown): void {
    for (const reject of this.#reject) reject(error);
  }
}
