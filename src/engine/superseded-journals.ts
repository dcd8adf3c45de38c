import { isOver, mergeJournals } from "../contents/journal/merge-journals.ts";
import { followedIn, journalsOf, readJournalSnapshot } from "../contents/journal/open-journal.ts";
import { isHoldfastError } from "../lib/errors.ts";
import { isDamage } from "../repository/damage.ts";
import type { BlobReader, Lock, Repository, StoredSnapshot } from "../repository/repository.ts";
import { hasHold } from "./holds.ts";
import { backupsOf } from "./points.ts";

export interface SupersededFacts {
  readonly program: string;
  readonly signal: AbortSignal;
}

/**
 * Snapshots of journals that may go: all that a backup here needs of them is in the newest. One that the newest does not go on from stays
 * as long as there is a backup that it may belong to. Whoever follows, copies or forgets takes away just these.
 */
export async function supersededJournals(
  repository: Repository,
  snapshots: readonly StoredSnapshot[],
  facts: SupersededFacts,
): Promise<readonly StoredSnapshot[]> {
  const journals = snapshots.flatMap((stored) => followedIn(stored) ?? []);
  const crms = new Set(journals);
  if (crms.size === journals.length) return [];
  const reader = await repository.index(facts.signal);
  const found: StoredSnapshot[] = [];
  for (const crm of crms) found.push(...(await supersededOf(crm, reader, snapshots, facts)));
  return found;
}

/** Takes those of one CRM away, where the storage lets it: a few snapshots more hurt nobody, and `forget` comes by. */
export async function dropSupersededJournals(
  crm: string,
  { repository, reader, lock }: { readonly repository: Repository; readonly reader: BlobReader; readonly lock: Lock },
  facts: SupersededFacts,
): Promise<void> {
  const { signal } = facts;
  const superseded = await supersededOf(crm, reader, await repository.snapshots(signal), facts);
  const ids = superseded.map(({ id }) => id);
  try {
    await repository.removeSnapshots(ids, { signal, lock });
  } catch (error) {
    if (!isHoldfastError(error, "storage-append-only")) throw error;
  }
}

async function supersededOf(
  crm: string,
  reader: BlobReader,
  snapshots: readonly StoredSnapshot[],
  { program, signal }: SupersededFacts,
): Promise<readonly StoredSnapshot[]> {
  const journals = journalsOf(snapshots, crm);
  const newest = journals.at(-1);
  if (!newest || journals.length < 2) return [];
  const { time } = newest.snapshot;
  const oldest = backupsOf(snapshots, crm)[0]?.snapshot.time ?? time;
  // Whether there would be anything to store is all that is asked.
  const store = {
    load: reader.load.bind(reader),
    loadTree: reader.loadTree.bind(reader),
    tree: async () => "",
    bytes: async () => [],
  };
  const superseded: StoredSnapshot[] = [];
  const kept = await unlessDamaged(() => readJournalSnapshot(reader, newest, signal));
  if (!kept) return [];
  for (const older of journals.slice(0, -1)) {
    if (hasHold(older.snapshot.tags)) continue;
    const isSuperseded = await unlessDamaged(async () => {
      const found = await readJournalSnapshot(reader, older, signal);
      return (
        isOver(found, oldest) ||
        (await mergeJournals(store, found, kept, { crm, program, oldest, time }, signal)) === kept
      );
    });
    if (isSuperseded) superseded.push(older);
  }
  return superseded;
}

/** `undefined`: it is damaged, and what can be had of it is for a repair to say. */
async function unlessDamaged<T>(read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (isDamage(error)) return undefined;
    throw error;
  }
}
