import { nameText, type ByteName } from "../lib/byte-name.ts";
import { HoldfastError } from "../lib/errors.ts";
import { beginSyncFileSystem, syncFileSystem } from "../lib/posix.ts";
import { systemCode } from "../lib/system-code.ts";

/**
 * Waits until everything written to the file system of an open folder is on the disk. `target-full`, or `target-unwritten`: some of
 * it is lost. The kernel tells that once: whoever asks next is told that all is well.
 */
export function toDisk(descriptor: number, path: ByteName): void {
  try {
    syncFileSystem(descriptor);
  } catch (error) {
    throw unwritten(path, error);
  }
}

/** The same while others work. */
export async function beginToDisk(descriptor: number, path: ByteName): Promise<void> {
  try {
    await beginSyncFileSystem(descriptor);
  } catch (error) {
    throw unwritten(path, error);
  }
}

function unwritten(path: ByteName, error: unknown): HoldfastError {
  const code = systemCode(error) ?? "";
  const isFull = code === "ENOSPC" || code === "EDQUOT";
  return new HoldfastError(isFull ? "target-full" : "target-unwritten", { path: nameText(path), reason: code }, error);
}
