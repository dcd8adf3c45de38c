import { maxIndexBlobs } from "../format/index-file.ts";
import { isHoldfastError } from "../lib/errors.ts";
import type { SnapshotChange } from "./change-snapshots.ts";
import { DefectList } from "./defects.ts";
import { rewriteIndex } from "./index-rewrite.ts";
import { verifyIndexes } from "./verify-index.ts";

/** An index file of so many bytes is of a run that stored next to nothing. */
const smallBytes = 32 << 10;
const manySmall = 100;

/**
 * Writes small index files together: whoever stores a little each minute leaves one each minute, and everybody reads them all. Under
 * an exclusive lock, as everything that removes an index file: others may have listed them, and be about to read them. Where one is not as
 * it must be, all stay, which is for `verify` to tell; so they do where there is no room for one more.
 */
export async function mergeIndexes({ storage, key, lock, signal }: SnapshotChange): Promise<void> {
  // There they would only be hidden, and what takes their place is locked no sooner than by the next backup.
  if (storage.retention !== undefined) return;
  let small = 0;
  for await (const { size } of storage.list("index", signal)) if (size <= smallBytes) small++;
  if (small < manySmall) return;
  const defects = new DefectList();
  const state = await verifyIndexes(storage, key, defects, signal, { mostBytes: smallBytes });
  if (defects.all.length > 0) return;
  try {
    await rewriteIndex({
      ...{ storage, key, lock, signal, state, blobsAFile: maxIndexBlobs },
      dropped: new Set(),
      isOldMark: () => false,
      onUnnamed: async () => {},
    });
  } catch (error) {
    if (!isHoldfastError(error, "storage-full")) throw error;
  }
}
