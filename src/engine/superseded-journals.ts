import { isOver, mergeJournals } from "../contents/journal/merge-journals.ts";
import { journalsOf, journalSuffix, readJournalSnapshot } from "../contents/journal/open-journal.ts";
import { isDamage } from "../repository/child-trees.ts";
import type { Repository, StoredSnapshot } from "../repository/repository.ts";
import { isHoldTag } from "./holds.ts";
import { backupsOf, crmOf } from "./points.ts";

/**
 * Snapshots of journals that `forget` may take away: all that a backup here needs of them is in the newest. Whoever follows, and a copy,
 * removes them too, but not where it may only add.
 */
export async function supersededJournals(
  repository: Repository,
  snapshots: readonly StoredSnapshot[],
  program: string,
  signal: AbortSignal,
): Promise<readonly StoredSnapshot[]> {
  const names = snapshots.map(crmOf).filter((name) => name.endsWith(journalSuffix));
  const several = [...new Set(names)].filter((name) => names.indexOf(name) < names.lastIndexOf(name));
  if (several.length === 0) return [];
  const reader = await repository.index(signal);
  // Whether there would be anything to store is all that is asked.
  const store = { ...reader, tree: async () => "", bytes: async () => [] };
  const superseded: StoredSnapshot[] = [];
  for (const name of several) {
    const crm = name.slice(0, -journalSuffix.length);
    const journals = journalsOf(snapshots, crm);
    const newest = journals.at(-1);
    if (!newest) continue;
    const { time } = newest.snapshot;
    const oldest = backupsOf(snapshots, crm)[0]?.snapshot.time ?? time;
    try {
      const kept = await readJournalSnapshot(reader, newest, signal);
      for (const older of journals.slice(0, -1)) {
        if (older.snapshot.tags?.some(isHoldTag)) continue;
        const found = await readJournalSnapshot(reader, older, signal);
        const both = await mergeJournals(store, found, kept, { crm, program, oldest, time }, signal);
        if (both === kept || isOver(found, oldest)) superseded.push(older);
      }
    } catch (error) {
      // What can be had of it is for a repair to say.
      if (!isDamage(error)) throw error;
    }
  }
  return superseded;
}
