import { setTimeout as delay } from "node:timers/promises";
import { journalsOf } from "../contents/journal/open-journal.ts";
import { touchedBetween, type TouchedRows } from "../contents/journal/touched-keys.ts";
import type { DatabaseManifest } from "../contents/manifest.ts";
import type { DatabaseEngine, DatabaseSnapshot } from "../database/database.ts";
import type { Run } from "../lib/run.ts";
import { isDamage } from "../repository/damage.ts";
import type { IndexedRepository, StoredSnapshot } from "../repository/repository.ts";
import type { Engine } from "./engine.ts";
import { openJournalHere } from "./journal-reached.ts";
import { askJournal } from "./journal-wanted.ts";

export interface JournalSearch {
  readonly engine: Engine;
  readonly crm: string;
  readonly indexed: IndexedRepository;
  readonly snapshots: readonly StoredSnapshot[];
  /** As the parent holds the database. */
  readonly parent: DatabaseManifest;
  readonly database: DatabaseEngine;
  readonly snapshot: DatabaseSnapshot;
  /** How long to wait for the journal to have got to where the snapshot is; absent: about as long as reading rows would take. */
  readonly waitMs?: number | undefined;
}

/** The journal is a second or so behind, and a few more while others have the repository for themselves. */
const longestWaitMs = 8000;
const rowsReadPerMs = 500;
const lookEveryMs = 500;
/** Whoever follows on this machine notes at least once a minute how far he has got. */
const keptWithinMs = 180_000;

/**
 * What the journal says was touched since the parent, for a backup that begins from it. `undefined`: nobody follows the database, or
 * the journal does not lead from there to here, or is damaged: then rows are read.
 */
export async function touchedSince(search: JournalSearch, run: Run): Promise<TouchedRows | undefined> {
  try {
    return await toldSince(search, run);
  } catch (error) {
    if (!isDamage(error)) throw error;
    return undefined;
  }
}

async function toldSince(search: JournalSearch, run: Run): Promise<TouchedRows | undefined> {
  const { engine, crm, indexed, snapshots, parent, database, snapshot } = search;
  const from = database.log?.pointOf(parent.position);
  const here = database.log?.pointOf(snapshot.position);
  if (!from || here?.history !== from.history) return undefined;
  if (journalsOf(snapshots, crm).length === 0) return undefined;
  const to = (await snapshot.logEnd?.()) ?? here.position;
  const rows = parent.tables.reduce((sum, table) => sum + table.rows, 0);
  // Not the one that is written with: what is merely stored would count as stored for good.
  const loose = await indexed.repository.index(run.signal);
  const until = performance.now() + (search.waitMs ?? Math.min(longestWaitMs, rows / rowsReadPerMs));
  for (;;) {
    const journal = await openJournalHere(engine, loose, snapshots, crm, run.signal);
    if (!journal) return undefined;
    const end = { position: to, time: here.time };
    const found = await touchedBetween(journal, { database: parent.name, from, to: end }, run.signal);
    if (found || performance.now() > until) return found;
    const kept = journal.databases.find(({ name }) => name === parent.name)?.spans.at(-1);
    const isKept = kept?.history === from.history && Date.parse(here.time) - Date.parse(kept.to.time) < keptWithinMs;
    if (!isKept) return undefined;
    // Where nothing happens that is noted once a minute only, unless somebody asks.
    await askJournal(engine, indexed.repository.id, crm, { [parent.name]: to });
    // What is stored from here on is found by its packs: of newer snapshots the index that is open knows nothing.
    await delay(lookEveryMs, undefined, { signal: run.signal });
  }
}
