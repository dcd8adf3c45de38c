import { createHash, type Hash } from "node:crypto";
import type { Drive } from "./drive.ts";

/** Bytes of any length, as blocks of a drive. */
export class BlockWriter {
  readonly #drive: Drive;
  readonly #signal: AbortSignal;
  readonly #block: Buffer;
  readonly #hash: Hash = createHash("sha256");
  #filled = 0;
  #blocks = 0;
  #state: "open" | "ended" = "open";

  constructor(drive: Drive, signal: AbortSignal) {
    this.#drive = drive;
    this.#signal = signal;
    this.#block = Buffer.alloc(drive.blockBytes);
  }

  /** Bytes that are on the medium: whole blocks. */
  get writtenBytes(): number {
    return this.#blocks * this.#drive.blockBytes;
  }

  /** Bytes given so far, those among them that wait for their block to be full. */
  get position(): number {
    return this.writtenBytes + this.#filled;
  }

  get blocks(): number {
    return this.#blocks;
  }

  /** Of all that is on the medium. */
  digest(): string {
    return this.#hash.copy().digest("hex");
  }

  /** False: the medium has ended; what is not in `writtenBytes` is not on it. */
  async write(bytes: Uint8Array): Promise<boolean> {
    let at = 0;
    while (at < bytes.length && this.#state === "open") {
      const part = bytes.subarray(at, at + this.#block.length - this.#filled);
      this.#block.set(part, this.#filled);
      this.#filled += part.length;
      at += part.length;
      if (this.#filled === this.#block.length) await this.#flush();
    }
    return this.#state === "open" || at === bytes.length;
  }

  /** Fills the last block with zeros. */
  async finish(): Promise<void> {
    if (this.#filled === 0 || this.#state === "ended") return;
    this.#block.fill(0, this.#filled);
    await this.#flush();
  }

  get hasEnded(): boolean {
    return this.#state === "ended";
  }

  async #flush(): Promise<void> {
    const result = await this.#drive.write(this.#block, this.#signal);
    if (result !== "end") {
      this.#hash.update(this.#block);
      this.#blocks++;
      this.#filled = 0;
    }
    if (result !== "written") this.#state = "ended";
  }
}
