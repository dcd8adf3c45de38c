import type { Change } from "../../database/change-feed.ts";
import type { Id, Tree } from "../../format/tree.ts";
import { nameFromText } from "../../lib/byte-name.ts";
import type { BlobReader, IndexedRepository, StoredSnapshot } from "../../repository/repository.ts";
import { damaged } from "../checked.ts";
import { mendedTag } from "../mend/mend-snapshot.ts";
import { loadContent, nodeNamed } from "../open-snapshot.ts";
import { type FileLook, openLook } from "./file-look.ts";
import { type JournalDatabase, type JournalFiles, journalFileName, parseJournalFile } from "./journal-file.ts";
import { lookTrees, segmentBlobs } from "./journal-tree.ts";
import { type LooseSegments, looseSegments } from "./loose-segments.ts";
import { readSegment, readSegmentHeader, type SegmentHeader } from "./segment.ts";

export const journalSuffix = ".journal";

/** What a journal's newest snapshot has. */
export interface KnownJournal {
  readonly databases: readonly JournalDatabase[];
  readonly files?: JournalFiles;
  readonly tree: Id;
}

/** The journal of one CRM as its newest snapshot has it, with what was stored since. */
export interface Journal {
  readonly databases: readonly JournalDatabase[];
  readonly files: JournalFiles;
  /** Of the newest snapshot; absent: none names it yet. */
  readonly tree?: Id;
  /** Looks at files in order, from about `since` (RFC 3339) on. */
  looks(since: string, signal: AbortSignal): AsyncIterable<FileLook>;
  /** Segments in order, from about `since` (RFC 3339) on, some before it too, none before the one of that number. */
  segments(database: string, since: string, first: number, signal: AbortSignal): AsyncIterable<OpenedSegment>;
}

export interface OpenedSegment {
  readonly header: SegmentHeader;
  changes(): Iterable<Change>;
}

/** How much earlier than a moment its changes may have been stored, by other clocks. */
const clockSlackMs = 3_600_000;

/** Whose journal a snapshot is; `undefined`: it is none. */
export function followedIn({ snapshot }: StoredSnapshot): string | undefined {
  const [path = "", ...others] = snapshot.paths;
  const isOne = others.length === 0 && path.startsWith("/") && path.endsWith(journalSuffix);
  return isOne ? path.slice(1, -journalSuffix.length) : undefined;
}

/** Journals of one CRM, oldest first. */
export function journalsOf(snapshots: readonly StoredSnapshot[], crm: string): readonly StoredSnapshot[] {
  return snapshots.filter((stored) => followedIn(stored) === crm);
}

/** What each journal is by now: its newest snapshot names all that those before it do. */
export function newestJournals(snapshots: readonly StoredSnapshot[]): ReadonlySet<StoredSnapshot> {
  const newest = new Map<string, StoredSnapshot>();
  for (const stored of snapshots) {
    const crm = followedIn(stored);
    if (crm !== undefined) newest.set(crm, stored);
  }
  return new Set(newest.values());
}

/** The tree of `/<crm>.journal` in a snapshot, and what it says of itself. */
export async function readJournalSnapshot(
  reader: BlobReader,
  stored: StoredSnapshot,
  signal: AbortSignal,
): Promise<KnownJournal & { readonly nodes: Tree }> {
  const name = stored.snapshot.paths[0]?.slice(1) ?? "";
  const tree = nodeNamed(await reader.loadTree(stored.snapshot.tree, signal), nameFromText(name))?.subtree;
  if (tree === undefined) throw damaged(`snapshots/${stored.id}`, journalFileName);
  const nodes = await reader.loadTree(tree, signal);
  const node = nodeNamed(nodes, nameFromText(journalFileName));
  if (!node) throw damaged(`snapshots/${stored.id}`, journalFileName);
  const { databases, files } = parseJournalFile((await loadContent(reader, node, signal)).toString("utf8"));
  // Of looks that a repair had to leave out nothing else tells: who asks for files is told that nobody saw them.
  const isMended = stored.snapshot.tags?.includes(mendedTag) === true;
  return { tree, nodes, databases, ...(files && !isMended && { files }) };
}

/** `undefined`: there is none. */
export async function openJournal(
  indexed: IndexedRepository,
  snapshots: readonly StoredSnapshot[],
  crm: string,
  signal: AbortSignal,
): Promise<Journal | undefined> {
  const newest = await newestJournal(indexed, snapshots, crm, signal);
  const known = newest && (await readJournalSnapshot(indexed, newest, signal));
  const loose = await looseSegments(indexed, crm, known?.databases ?? [], signal);
  if (loose.databases.length === 0) return undefined;
  return {
    databases: loose.databases,
    files: known?.files ?? { spans: [] },
    ...(known && { tree: known.tree }),
    async *looks(since, during) {
      for await (const tree of lookTrees(indexed, known?.nodes ?? { nodes: [] }, since, during)) {
        yield await openLook(indexed, tree, during);
      }
    },
    async *segments(database, since, first, during) {
      const all = segmentsInOrder(indexed, known?.nodes ?? { nodes: [] }, loose, database, since, during);
      for await (const segment of all) if (segment.header.number >= first) yield segment;
    },
  };
}

/**
 * Whoever keeps the journal may have named what is stored after `snapshots` were listed and before the index was read: by the list
 * alone it would be lost from sight for that moment. What was named later still is the index's lack, and loose.
 */
async function newestJournal(
  indexed: IndexedRepository,
  snapshots: readonly StoredSnapshot[],
  crm: string,
  signal: AbortSignal,
): Promise<StoredSnapshot | undefined> {
  const listed = journalsOf(snapshots, crm).at(-1);
  const since = journalsOf(await indexed.repository.snapshots(signal), crm);
  return since.findLast(({ snapshot }) => indexed.has("tree", snapshot.tree)) ?? listed;
}

async function* segmentsInOrder(
  reader: BlobReader,
  root: Tree,
  { segments: loose, databases }: LooseSegments,
  database: string,
  since: string,
  signal: AbortSignal,
): AsyncGenerator<OpenedSegment, void> {
  let before: { readonly id: Id; readonly number: number } | undefined;
  const start = new Date(Date.parse(since) - clockSlackMs).toISOString();
  const ids = async function* (): AsyncGenerator<Id, void> {
    yield* segmentBlobs(reader, root, database, start, signal);
    for (const { id, header } of loose) if (header.database === database) yield* [id, ...(header.rest ?? [])];
  };
  /** Blobs of a long segment that stand behind its first. */
  let rest: readonly Id[] = [];
  for await (const id of ids()) {
    const [expected] = rest;
    if (expected !== undefined) {
      if (id !== expected) throw damaged(`journal/${database}`, "segment");
      rest = rest.slice(1);
      continue;
    }
    const first = await reader.load("data", id, signal);
    const header = readSegmentHeader(first);
    if (!header || header.database !== database) throw damaged(`journal/${database}`, "segment");
    const pieces = [first];
    for (const piece of (rest = header.rest ?? [])) pieces.push(await reader.load("data", piece, signal));
    const bytes = rest.length > 0 ? Buffer.concat(pieces) : first;
    const follows = before === undefined || (header.previous === before.id && header.number === before.number + 1);
    if (!follows) throw damaged(`journal/${database}`, `segment ${header.number}`);
    before = { id, number: header.number };
    yield { header, changes: () => readSegment(bytes) };
  }
  // A repair leaves out of a tree what is lost, be it at its end.
  const head = databases.find(({ name }) => name === database)?.head;
  if (before && before.id !== head?.id) throw damaged(`journal/${database}`, `segment ${head?.number}`);
}
