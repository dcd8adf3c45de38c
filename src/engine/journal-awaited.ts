import { looseSegments } from "../contents/journal/loose-segments.ts";
import { followedIn, journalsOf, readJournalSnapshot } from "../contents/journal/open-journal.ts";
import type { Id } from "../format/tree.ts";
import type { Repository } from "../repository/repository.ts";
import { crmOf, isBackup } from "./points.ts";

/**
 * Packs with segments that go on from where the newest snapshot of a journal ends, and that no snapshot names: of a `follow` that was
 * cut off. The server has thrown its log away for them, so they stay until the next one names them.
 */
export async function awaitedPacks(repository: Repository, signal: AbortSignal): Promise<ReadonlySet<Id>> {
  const snapshots = await repository.snapshots(signal);
  const packs = new Set<Id>();
  const names = snapshots.flatMap((stored) => followedIn(stored) ?? (isBackup(stored) ? crmOf(stored) : []));
  if (names.length === 0) return packs;
  const indexed = await repository.index(signal);
  for (const crm of new Set(names)) {
    const newest = journalsOf(snapshots, crm).at(-1);
    const known = newest && (await readJournalSnapshot(indexed, newest, signal));
    const { segments } = await looseSegments(indexed, crm, known?.databases ?? [], signal);
    for (const { id, header } of segments) {
      for (const blob of [id, ...(header.rest ?? [])]) for (const pack of indexed.packsWith(blob)) packs.add(pack);
    }
  }
  return packs;
}
