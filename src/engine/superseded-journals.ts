import { isOver, mergeJournals } from "../contents/journal/merge-journals.ts";
import { followedIn, readJournalSnapshot } from "../contents/journal/open-journal.ts";
import { isDamage } from "../repository/child-trees.ts";
import type { Repository, StoredSnapshot } from "../repository/repository.ts";
import { hasHold } from "./holds.ts";
import { backupsOf } from "./points.ts";

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
  const several = [...Map.groupBy(snapshots, followedIn)].filter(
    ([crm, journals]) => crm !== undefined && journals.length > 1,
  );
  if (several.length === 0) return [];
  const reader = await repository.index(signal);
  // Whether there would be anything to store is all that is asked.
  const store = { ...reader, tree: async () => "", bytes: async () => [] };
  const superseded: StoredSnapshot[] = [];
  for (const [crm, journals] of several) {
    const newest = journals.at(-1);
    if (crm === undefined || !newest) continue;
    const { time } = newest.snapshot;
    const oldest = backupsOf(snapshots, crm)[0]?.snapshot.time ?? time;
    try {
      const kept = await readJournalSnapshot(reader, newest, signal);
      for (const older of journals.slice(0, -1)) {
        if (hasHold(older.snapshot.tags)) continue;
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
