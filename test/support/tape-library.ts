import { closeSync, existsSync, ftruncateSync, openSync, readFileSync, readSync, writeSync } from "node:fs";
import { join } from "node:path";
import { type Drive, type VolumeName, volumeText } from "../../src/volumes/drive.ts";

export interface TapeLibraryOptions {
  readonly folder: string;
  readonly blockBytes?: number;
  /** Blocks that a tape holds, and how many before its end the drive warns. */
  readonly capacity: number;
  readonly warning?: number;
  /** Whether empty tapes are at hand; else `write` of another volume waits for somebody. */
  readonly changes?: "by itself" | "by hand";
  /** Called before each block is written: may throw, as a process that dies. */
  readonly onWrite?: () => void;
}

/**
 * A drive with a tape's behaviour, on files: blocks of one size and no other; file marks; writing ends the tape there,
 * whatever stood behind; a warning before its end, and the end; one tape in at a time. What was written is in the file,
 * so that another process, or the next run, finds it: `BLOCKS\n`, one frame a block or mark, from the first on.
 */
export interface TapeLibrary extends Drive {
  /** Volumes that were put in, in this order. */
  readonly loads: readonly string[];
  /** Flips a bit on a tape. */
  damage(volume: string, byte: number): void;
}

export function tapeLibrary(options: TapeLibraryOptions): TapeLibrary {
  const { folder, capacity, warning = 0, blockBytes = 10_240, changes = "by itself", onWrite } = options;
  const frame = blockBytes + 1;
  const loads: string[] = [];
  let tape: number | undefined;
  let position = 0;
  const opened = (): number => {
    if (tape === undefined) throw new Error("no tape is in");
    return tape;
  };
  const pathOf = (text: string): string => join(folder, `${text}.tape`);
  const close = (): void => {
    if (tape !== undefined) closeSync(tape);
    tape = undefined;
  };

  return {
    name: "library",
    blockBytes,
    loads,

    async inventory() {
      const known: VolumeName[] = [];
      const catalogue = join(folder, "inventory");
      for (const text of existsSync(catalogue) ? readFileSync(catalogue, "utf8").split("\n") : []) {
        const at = text.lastIndexOf("-");
        if (at > 0) known.push({ set: text.slice(0, at), number: Number(text.slice(at + 1)) });
      }
      return known;
    },

    async load(volume, purpose) {
      const text = volumeText(volume);
      if (purpose === "read" && !existsSync(pathOf(text))) return false;
      if (purpose === "write" && changes === "by hand" && loads.length > 0) return false;
      close();
      loads.push(text);
      position = 0;
      tape = openSync(pathOf(text), purpose === "read" ? "r" : "w+");
      return true;
    },

    async write(block) {
      if (block.length !== blockBytes) throw new Error(`a block of ${block.length} bytes`);
      onWrite?.();
      if (position >= capacity) return "end";
      const fd = opened();
      ftruncateSync(fd, position * frame);
      writeSync(fd, Buffer.concat([Buffer.from("b"), block]), 0, frame, position * frame);
      position++;
      return position >= capacity - warning ? "near" : "written";
    },

    async mark() {
      const fd = opened();
      ftruncateSync(fd, position * frame);
      writeSync(fd, Buffer.concat([Buffer.from("m"), Buffer.alloc(blockBytes)]), 0, frame, position * frame);
      position++;
    },

    async read() {
      const bytes = Buffer.alloc(frame);
      const length = readSync(opened(), bytes, 0, frame, position * frame);
      if (length === 0) return "end";
      position++;
      return bytes.toString("latin1", 0, 1) === "m" ? "end" : bytes.subarray(1);
    },

    async seek(block) {
      opened();
      position = block;
    },

    async accept() {
      const text = loads.at(-1) ?? "";
      const fd = openSync(join(folder, "inventory"), "a");
      writeSync(fd, `${text}\n`);
      closeSync(fd);
    },

    damage(text, byte) {
      const fd = openSync(pathOf(text), "r+");
      const one = Buffer.alloc(1);
      readSync(fd, one, 0, 1, byte);
      writeSync(fd, Buffer.from([(one[0] ?? 0) ^ 1]), 0, 1, byte);
      closeSync(fd);
    },

    async [Symbol.asyncDispose]() {
      close();
    },
  };
}
