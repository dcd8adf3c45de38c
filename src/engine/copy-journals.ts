import { type JournalTree, mergeJournals } from "../contents/journal/merge-journals.ts";
import { followedIn, journalsOf, journalSuffix, readJournalSnapshot } from "../contents/journal/open-journal.ts";
import { virtualFolder } from "../contents/tables/virtual-nodes.ts";
import { isDamage } from "../repository/damage.ts";
import type { Lock, Repository, StoredSnapshot, Upload } from "../repository/repository.ts";
import { backupsOf } from "./points.ts";
import { dropSupersededJournals } from "./superseded-journals.ts";

/** Whether the other repository has a journal of this CRM that is no older. */
export function hasJournal(there: readonly StoredSnapshot[], stored: StoredSnapshot): boolean {
  const newest = journalsOf(there, followedIn(stored) ?? "").at(-1);
  return newest !== undefined && Date.parse(newest.snapshot.time) >= Date.parse(stored.snapshot.time);
}

export interface JournalCopy {
  readonly upload: Upload;
  readonly to: Repository;
  readonly lock: Lock;
  readonly program: string;
  readonly signal: AbortSignal;
}

/**
 * Writes the copy of a journal whose blobs are copied. It takes the place of those that are there: the one copy names all that they do,
 * as far as a backup there needs it, which may be kept for longer than in the repository that is copied from.
 */
export async function saveJournalCopy(
  { upload, to, lock, program, signal }: JournalCopy,
  stored: StoredSnapshot,
): Promise<StoredSnapshot> {
  const { parent: _, ...kept } = stored.snapshot;
  const { time } = kept;
  const crm = followedIn(stored) ?? "";
  const there = await to.snapshots(signal);
  const oldest = backupsOf(there, crm)[0]?.snapshot.time ?? time;
  const copied = await readJournalSnapshot(upload, stored, signal);
  let merged: JournalTree = copied;
  for (const older of journalsOf(there, crm).toReversed()) {
    const found = await readJournalSnapshot(upload, older, signal).catch((error: unknown) => {
      // What can be had of it is for a repair to say.
      if (isDamage(error)) return undefined;
      throw error;
    });
    if (!found) continue;
    const both = await mergeJournals(upload, found, merged, { crm, program, oldest, time }, signal);
    if (both) merged = both;
  }
  const name = `${crm}${journalSuffix}`;
  const tree = merged === copied ? kept.tree : await upload.tree({ nodes: [virtualFolder(name, merged.tree, time)] });
  const copy = await upload.finish({ ...kept, tree, original: kept.original ?? stored.id });
  await dropSupersededJournals(crm, { repository: to, reader: upload, lock }, { program, signal });
  return copy;
}
