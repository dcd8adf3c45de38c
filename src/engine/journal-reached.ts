import { type Checked, hexId, list, object, optional, text, utcTime } from "../contents/checked.ts";
import { type JournalFiles, reachedTo } from "../contents/journal/journal-file.ts";
import { type Journal, openJournal } from "../contents/journal/open-journal.ts";
import { point } from "../contents/journal/segment.ts";
import type { Id } from "../format/tree.ts";
import { isDamage } from "../repository/damage.ts";
import type { IndexedRepository, StoredSnapshot } from "../repository/repository.ts";
import type { Engine } from "./engine.ts";
import { noteState, readState } from "./state.ts";

/** What is known of a journal, and by which snapshot of it. */
type KnownReach = Pick<Journal, "databases" | "files" | "tree">;

const note = object({
  databases: list(object({ name: text, head: hexId, history: text, to: point })),
  files: optional(object({ tree: hexId, spans: list(object({ from: utcTime, to: utcTime })) })),
});

type Note = Checked<typeof note>;

/**
 * While nothing happens, whoever follows writes nothing into the repository: how far it has got all the same is noted on this machine,
 * where backups are made and most restores begin. Whoever has not this note knows it as of the newest snapshot of the journal.
 */
export async function noteReached(
  engine: Engine,
  repository: Id,
  crm: string,
  { databases, files, tree }: KnownReach,
): Promise<void> {
  await noteState(engine, stateName(repository, crm), {
    databases: databases.flatMap(({ name, head, spans }) => {
      const last = spans.at(-1);
      return head && last ? [{ name, head: head.id, history: last.history, to: last.to }] : [];
    }),
    ...(tree !== undefined && { files: { tree, spans: files.spans } }),
  });
}

/**
 * With what this machine's note says, where the note was made of the very same: behind another segment something happened that it
 * does not know, and behind another snapshot files may have changed.
 */
export async function withNoted<T extends KnownReach>(
  engine: Engine,
  repository: Id,
  crm: string,
  known: T,
): Promise<T> {
  const noted = await readNote(engine, repository, crm);
  if (!noted) return known;
  const databases = known.databases.map((database) => {
    const found = noted.databases.find(({ name }) => name === database.name);
    const isSame = found?.head === database.head?.id && found?.history === database.spans.at(-1)?.history;
    return found && isSame ? reachedTo(database, found.to) : database;
  });
  return { ...known, databases, files: filesNoted(known, noted.files) };
}

function filesNoted({ files, tree }: KnownReach, noted: Note["files"]): JournalFiles {
  const isLater = noted?.tree === tree && (noted?.spans.at(-1)?.to ?? "") > (files.spans.at(-1)?.to ?? "");
  return isLater && noted ? { spans: noted.spans } : files;
}

/** The journal of one CRM as it is known here; `undefined`: there is none. */
export async function openJournalHere(
  engine: Engine,
  indexed: IndexedRepository,
  snapshots: readonly StoredSnapshot[],
  crm: string,
  signal: AbortSignal,
): Promise<Journal | undefined> {
  const journal = await openJournal(indexed, snapshots, crm, signal);
  return journal && (await withNoted(engine, indexed.repository.id, crm, journal));
}

async function readNote(engine: Engine, repository: Id, crm: string): Promise<Note | undefined> {
  const found = await readState(engine, stateName(repository, crm));
  try {
    return found === undefined ? undefined : note(found, "reached");
  } catch (error) {
    // Another release may have written another one; nothing is lost without it.
    if (isDamage(error)) return undefined;
    throw error;
  }
}

function stateName(repository: Id, crm: string): string {
  return `journal/${repository.slice(0, 12)}-${encodeURIComponent(crm)}.reached.json`;
}
