import type { Storage, StoredFile } from "../storage/storage.ts";

/**
 * Removes files that are of no use for certain, on a disk that is too full for a lock: nobody else can write one there
 * either, so without any lock in sight nobody is at work. False: there is a lock, or nothing to remove; nothing was done.
 */
export async function makeRoom(
  storage: Storage,
  useless: readonly StoredFile[],
  signal: AbortSignal,
): Promise<boolean> {
  for await (const _lock of storage.list("lock", signal)) return false;
  for (const file of useless) await storage.remove(file, signal);
  return useless.length > 0;
}
