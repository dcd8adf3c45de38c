import { execFile } from "node:child_process";
import { open, type FileHandle } from "node:fs/promises";
import { promisify } from "node:util";
import { HoldfastError, isHoldfastError } from "../lib/errors.ts";
import { hasSystemCode } from "../lib/system-code.ts";
import { type Drive, parseVolumeText, type VolumeName, volumeText } from "./drive.ts";
import { readHead, VolumeReader } from "./read-volume.ts";

const run = promisify(execFile);
/** `tar -b 512` reads it. */
const blockBytes = 256 << 10;

export interface TapeOptions {
  /** The device that does not rewind by itself: `/dev/nst0`. */
  readonly device: string;
  /** The changer's device, such as `/dev/sg3`, and the slots that are ours. */
  readonly changer?: { readonly device: string; readonly slots: readonly number[] };
  /** Where `mt` and `mtx` are found. */
  readonly environment: NodeJS.ProcessEnv;
}

/**
 * A tape drive of Linux (`st`), moved by `mt`; with a changer, `mtx` puts the tapes in. Blocks are of one size, and one
 * file mark stands behind a volume. Without a changer somebody changes tapes, and is told which one is wanted.
 *
 * Only a tape that begins with a mark is written on: `mt -f DEVICE weof` makes one empty. What holds anything is not, and
 * neither is what cannot be read: with a dirty head, or another one's blocks, a full tape looks like a new one.
 */
export function tapeDrive({ device, changer, environment }: TapeOptions): Drive {
  let handle: FileHandle | undefined;
  /** A tape that is protected against writing can be read. */
  let access: "r" | "r+" = "r";
  /** The slot whose tape is in the drive; a run before may have left one there. */
  let loaded: number | "none" | "not known" = "not known";
  /** Which slot has which volume, as far as was seen. */
  const seen = new Map<number, string>();

  const close = async (): Promise<void> => {
    await handle?.close();
    handle = undefined;
  };
  const program = async (name: "mt" | "mtx", args: readonly string[], signal: AbortSignal): Promise<string> => {
    try {
      return (await run(name, [...args], { env: environment, signal })).stdout;
    } catch (error) {
      signal.throwIfAborted();
      const { code, stderr = "" } = error as { code?: unknown; stderr?: string };
      const packages = { mt: "mt-st", mtx: "mtx" };
      if (code === "ENOENT") throw new HoldfastError("drive-program", { program: name, package: packages[name] });
      throw new HoldfastError("drive-failed", {
        drive: device,
        reason: `${name}: ${stderr.trim().split("\n")[0] ?? ""}`,
      });
    }
  };
  const mt = (signal: AbortSignal, ...args: readonly string[]) => program("mt", ["-f", device, ...args], signal);
  const opened = async (): Promise<FileHandle> => {
    try {
      return (handle ??= await open(device, access));
    } catch (error) {
      throw new HoldfastError("drive-failed", { drive: device, reason: (error as NodeJS.ErrnoException).code }, error);
    }
  };
  const move = async (signal: AbortSignal, ...args: readonly string[]): Promise<void> => {
    // Moved while it is closed: the driver buffers what is behind.
    await close();
    await mt(signal, ...args);
  };

  /** `empty`, or `other`: something that is no volume of ours, or cannot be read. */
  async function volumeInside(drive: Drive, signal: AbortSignal): Promise<string> {
    try {
      access = "r";
      await drive.seek(0, signal);
      if ((await drive.read(signal)) === "end") return "empty";
      return volumeText((await readHead(new VolumeReader(drive, signal))).volume);
    } catch (error) {
      const isRead = isHoldfastError(error, "drive-failed") && unreadable.has(error.facts["reason"]);
      if (isRead || isHoldfastError(error, "volume-damaged")) return "other";
      throw error;
    }
  }

  async function putIn(slot: number, signal: AbortSignal): Promise<void> {
    if (changer === undefined) return;
    const mtx = (...args: readonly string[]) => program("mtx", ["-f", changer.device, ...args], signal);
    if (loaded === "not known") {
      const [, from] =
        /^\s*Data Transfer Element 0:Full \(Storage Element (\d+) Loaded\)/m.exec(await mtx("status")) ?? [];
      loaded = from === undefined ? "none" : Number(from);
    }
    if (loaded === slot) return;
    await close();
    if (loaded !== "none") await mtx("unload", String(loaded), "0");
    loaded = "none";
    await mtx("load", String(slot), "0");
    loaded = slot;
  }

  /** The slot whose tape holds this; each tape is looked at once. */
  async function findSlot(drive: Drive, text: string, signal: AbortSignal): Promise<boolean> {
    for (const slot of changer?.slots ?? []) {
      const known = seen.get(slot);
      if (known !== undefined && known !== text) continue;
      await putIn(slot, signal);
      if (known === undefined) seen.set(slot, await volumeInside(drive, signal));
      if (seen.get(slot) === text) return true;
    }
    return false;
  }

  const drive: Drive = {
    name: device,
    blockBytes,

    async inventory(signal) {
      if (changer !== undefined) await findSlot(drive, "nothing is called so", signal);
      const texts = changer === undefined ? [await volumeInside(drive, signal)] : [...seen.values()];
      return texts.flatMap((text) => parseVolumeText(text) ?? []);
    },

    async load(volume: VolumeName, purpose, signal) {
      const text = purpose === "write" ? "empty" : volumeText(volume);
      if (changer !== undefined) {
        if (!(await findSlot(drive, text, signal))) return false;
        if (purpose === "write" && typeof loaded === "number") seen.set(loaded, volumeText(volume));
      } else if (purpose !== "read" && (await volumeInside(drive, signal)) !== text) return false;
      access = purpose === "read" ? "r" : "r+";
      await move(signal, "rewind");
      return true;
    },

    async write(block, signal) {
      signal.throwIfAborted();
      try {
        const { bytesWritten } = await (await opened()).write(block, 0, block.length, null);
        return bytesWritten === block.length ? "written" : "end";
      } catch (error) {
        if (hasSystemCode(error, "ENOSPC")) return "end";
        throw failed(error);
      }
    },

    mark: (signal) => move(signal, "weof", "1"),

    async read(signal) {
      signal.throwIfAborted();
      try {
        const block = Buffer.alloc(blockBytes);
        const { bytesRead } = await (await opened()).read(block, 0, block.length, null);
        return bytesRead === 0 ? "end" : block.subarray(0, bytesRead);
      } catch (error) {
        throw failed(error);
      }
    },

    seek: (block, signal) => (block === 0 ? move(signal, "rewind") : move(signal, "seek", String(block))),
    accept: async () => undefined,

    async [Symbol.asyncDispose]() {
      await close();
    },
  };

  function failed(error: unknown): unknown {
    if (error instanceof HoldfastError) return error;
    return new HoldfastError("drive-failed", { drive: device, reason: (error as NodeJS.ErrnoException).code }, error);
  }

  return drive;
}

/** What reading says of damage, of a tape that was never written on, and of blocks that are larger than ours. */
const unreadable: ReadonlySet<unknown> = new Set(["EIO", "ENOMEM"]);
