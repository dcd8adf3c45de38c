import { constants, openSync, write as writeWithCallback, writeSync } from "node:fs";
import { promisify } from "node:util";
import { alignedMemory, diskBlock } from "../lib/aligned-memory.ts";
import { hasSystemCode } from "../lib/system-code.ts";

const writeAt = promisify(writeWithCallback);

/** Written at once: a file of 2 MB is one write. */
const stageBytes = 2 << 20;
const stagesAtMost = 4;

/**
 * The memory through which a thread writes past the page cache. What is on its way to the disk keeps its stage until
 * it is there, so these bound how much that is.
 */
export class WriteStages {
  readonly #free: Buffer[] = [];
  readonly #waiting: ((stage: Buffer) => void)[] = [];
  /** Those who are filling a stage, the first to have begun first. */
  readonly #filling = new Set<DirectFile>();
  #made = 0;

  async take(file: DirectFile): Promise<Buffer> {
    let stage = this.#free.pop();
    if (stage === undefined && this.#made < stagesAtMost) {
      stage = alignedMemory(stageBytes);
      this.#made++;
    }
    if (stage === undefined) {
      const stageSoon = new Promise<Buffer>((resolve) => this.#waiting.push(resolve));
      // All may be half full, of files that get their next piece after this one.
      if (this.#filling.size === stagesAtMost) for (const first of this.#filling) if (first.flush() === "begun") break;
      stage = await stageSoon;
    }
    this.#filling.add(file);
    return stage;
  }

  filled(file: DirectFile): void {
    this.#filling.delete(file);
  }

  give(stage: Buffer): void {
    const next = this.#waiting.shift();
    if (next) next(stage);
    else this.#free.push(stage);
  }
}

/**
 * Writes pieces of one long file past the page cache (`O_DIRECT`), several writes at once. A restore is flushed to the
 * disk before it is swapped in, so the way through the cache gains nothing, and pushes out of memory what else runs on
 * the machine. Where the kernel has to look for memory first, as in a virtual machine whose host lends it, the cache
 * costs 1.6 to 3.5 s of processor time a GB; this way 0.1 s. The beginnings and ends of a stretch that
 * fill no block go through the cache all the same; so does everything where the file system refuses direct writes.
 */
export class DirectFile {
  readonly #cached: number;
  readonly #direct: number;
  readonly #stages: WriteStages;
  readonly #writes: Promise<void>[] = [];
  #failure: unknown;
  #stage: Buffer | undefined;
  /** Position in the file of the stage's first byte, and what of the stage is filled. */
  #start = 0;
  #from = 0;
  #to = 0;

  /** @param direct a second descriptor of the file, see `openDirect` */
  constructor(cached: number, direct: number, stages: WriteStages) {
    this.#cached = cached;
    this.#direct = direct;
    this.#stages = stages;
  }

  /** Takes a copy of the bytes; resolves when there was room for it. */
  async write(bytes: Buffer, position: number): Promise<void> {
    for (let done = 0; done < bytes.length;) {
      const at = position + done;
      if (this.#stage !== undefined && at !== this.#start + this.#to) this.flush();
      if (this.#stage === undefined) {
        this.#stage = await this.#stages.take(this);
        this.#from = at % diskBlock;
        this.#to = this.#from;
        this.#start = at - this.#from;
      }
      const copied = bytes.copy(this.#stage, this.#to, done);
      this.#to += copied;
      done += copied;
      if (this.#to === this.#stage.length) this.flush();
    }
  }

  flush(): "begun" | "nothing" {
    const stage = this.#stage;
    if (stage === undefined) return "nothing";
    this.#stage = undefined;
    this.#stages.filled(this);
    const writing = this.#writeOut(stage, this.#start, this.#from, this.#to)
      .catch((error: unknown) => {
        this.#failure ??= error;
      })
      .finally(() => this.#stages.give(stage));
    this.#writes.push(writing);
    return "begun";
  }

  /** Resolves when all is written and nobody uses the descriptors any more; fails if a write failed. */
  async finish(): Promise<void> {
    this.flush();
    await Promise.all(this.#writes);
    if (this.#failure !== undefined) throw this.#failure;
  }

  async #writeOut(stage: Buffer, start: number, from: number, to: number): Promise<void> {
    const blocksFrom = Math.min(Math.ceil(from / diskBlock) * diskBlock, to);
    const blocksTo = Math.max(to - (to % diskBlock), blocksFrom);
    writeCached(this.#cached, stage.subarray(from, blocksFrom), start + from);
    writeCached(this.#cached, stage.subarray(blocksTo, to), start + blocksTo);
    for (let done = blocksFrom; done < blocksTo;) {
      try {
        const { bytesWritten } = await writeAt(this.#direct, stage, done, blocksTo - done, start + done);
        done += bytesWritten;
      } catch (error) {
        if (!hasSystemCode(error, "EINVAL")) throw error;
        // A disk with larger blocks, or a file system that tells only now.
        writeCached(this.#cached, stage.subarray(done, blocksTo), start + done);
        return;
      }
    }
  }
}

/** Files below this go through the page cache: waiting for the disk would cost more than the cache does. */
export const worthwhileBytes = 1 << 20;

/** Opens an open file once more for direct writes; `undefined` where the file system has none. */
export function openDirect(fd: number): number | undefined {
  if (constants.O_DIRECT === undefined) return undefined;
  try {
    return openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_DIRECT);
  } catch {
    return undefined;
  }
}

export function writeCached(fd: number, bytes: Buffer, position: number): void {
  for (let done = 0; done < bytes.length;) done += writeSync(fd, bytes, done, bytes.length - done, position + done);
}
