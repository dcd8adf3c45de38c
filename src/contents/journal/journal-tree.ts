import type { Id, Tree, TreeNode } from "../../format/tree.ts";
import { nameFromText, nameText } from "../../lib/byte-name.ts";
import type { BlobReader, Upload } from "../../repository/repository.ts";
import { damaged } from "../checked.ts";
import { escapeName, layout } from "../layout.ts";
import { virtualFile, virtualFolder, withNode } from "../tables/virtual-nodes.ts";
import { journalFileName } from "./journal-file.ts";

/**
 * The tree of a journal's snapshot:
 *
 * ```
 * /<crm>.journal/journal.json
 * /<crm>.journal/databases/<name>/<day>/<hour>/<minute and second>-<number of the first segment>
 * /<crm>.journal/files/<day>/<hour>/<minute, second and millisecond>/…
 * ```
 *
 * Each such file is the segments of about a minute, one after the other, a blob each, or more where one is long; below
 * `files` is a folder for each look at the CRM's files that found something (`file-look.ts`). The newest snapshot names all
 * that there are, so any `forget` that keeps the newest of a group loses nothing.
 */
export interface StoredSegment {
  /** Ids of its blobs, its own first. */
  readonly blobs: readonly Id[];
  readonly number: number;
  readonly bytes: number;
}

export interface MinuteFile {
  readonly database: string;
  readonly segments: readonly StoredSegment[];
}

/** A look at files whose tree is stored, and named by an index. */
export interface StoredLook {
  readonly tree: Id;
  /** When it was over: RFC 3339, UTC. */
  readonly ended: string;
}

/** What a snapshot is to name that the one before does not. */
export interface JournalAdditions {
  readonly segments: readonly MinuteFile[];
  readonly looks: readonly StoredLook[];
}

/** The tree of `/<crm>.journal` with these added, and without days before `firstDay`. */
export async function extendJournalTree(
  upload: Upload,
  before: Id | undefined,
  added: JournalAdditions,
  json: Buffer,
  time: string,
  firstDay: string,
  signal: AbortSignal,
): Promise<Id> {
  const { day, hour, minute, second } = partsOf(time);
  const load = async (id: Id | undefined): Promise<Tree> =>
    id === undefined ? { nodes: [] } : await upload.loadTree(id, signal);
  /** Changes the folder of this name in a tree, which may not be there yet. */
  const inside = async (tree: Tree, name: string, change: (tree: Tree) => Promise<Tree>): Promise<Tree> => {
    const found = tree.nodes.find((node) => node.name === nameFromText(name));
    const changed = await change(await load(found?.subtree));
    return withNode(tree, virtualFolder(name, await upload.tree(changed), time));
  };
  let root = await load(before);
  for (const { database, segments } of added.segments) {
    const first = segments[0]?.number ?? 0;
    const name = `${minute}${second}-${String(first).padStart(10, "0")}`;
    const size = segments.reduce((sum, { bytes }) => sum + bytes, 0);
    const node = virtualFile(
      name,
      segments.flatMap(({ blobs }) => blobs),
      size,
      time,
    );
    root = await inside(root, layout.databases, async (databases) =>
      inside(databases, escapeName(database), async (days) =>
        inside(withoutDaysBefore(days, firstDay), day, async (hours) =>
          inside(hours, hour, async (files) => withNode(files, node)),
        ),
      ),
    );
  }
  for (const look of added.looks) {
    const at = partsOf(look.ended);
    const node = virtualFolder(`${at.minute}${at.second}${at.millisecond}`, look.tree, look.ended);
    root = await inside(root, layout.files, async (days) =>
      inside(withoutDaysBefore(days, firstDay), at.day, async (hours) =>
        inside(hours, at.hour, async (looks) => withNode(looks, node)),
      ),
    );
  }
  const content = await upload.bytes(json, "hot");
  return upload.tree(withNode(root, virtualFile(journalFileName, content, json.length, time)));
}

/**
 * A day more than the oldest backup: what was told before it may belong to a transaction that it does not hold, the server's clock may be
 * behind, and the first backup of all is there only when it is done.
 */
export function firstDayFor(oldest: string): string {
  return new Date(Date.parse(oldest) - 86_400_000).toISOString().slice(0, 10);
}

interface TimeParts {
  readonly day: string;
  readonly hour: string;
  readonly minute: string;
  readonly second: string;
  readonly millisecond: string;
}

/** Of a time as `Date.toISOString` gives it. */
function partsOf(time: string): TimeParts {
  const [day = "", clock = ""] = time.split("T");
  const [hour = "", minute = "", seconds = ""] = clock.split(":");
  return { day, hour, minute, second: seconds.slice(0, 2), millisecond: seconds.slice(3, 6) };
}

function withoutDaysBefore(days: Tree, first: string): Tree {
  return { nodes: days.nodes.filter(({ name }) => nameText(name) >= first) };
}

/**
 * Ids of the blobs of the segments of a database in order, from the hour on that `since` (RFC 3339, UTC) is in. Lists of ids
 * only; nothing of the segments themselves is read.
 */
export async function* segmentBlobs(
  reader: BlobReader,
  root: Tree,
  database: string,
  since: string,
  signal: AbortSignal,
): AsyncGenerator<Id, void> {
  const databases = await child(reader, root, layout.databases, signal);
  const days = await child(reader, databases, escapeName(database), signal);
  for await (const { content = [] } of sinceHour(reader, days, since, signal)) yield* content;
}

/** Trees of the looks at files in order, from the hour on that `since` (RFC 3339, UTC) is in. */
export async function* lookTrees(
  reader: BlobReader,
  root: Tree,
  since: string,
  signal: AbortSignal,
): AsyncGenerator<Id, void> {
  const days = await child(reader, root, layout.files, signal);
  for await (const { subtree, name } of sinceHour(reader, days, since, signal)) {
    if (subtree === undefined) throw damaged(nameText(name), "journal");
    yield subtree;
  }
}

async function child(
  reader: BlobReader,
  tree: Tree | undefined,
  name: string,
  signal: AbortSignal,
): Promise<Tree | undefined> {
  const id = tree?.nodes.find((node) => node.name === nameFromText(name))?.subtree;
  return id === undefined ? undefined : reader.loadTree(id, signal);
}

/** What stands in the folders of the hours of some days. */
async function* sinceHour(
  reader: BlobReader,
  days: Tree | undefined,
  since: string,
  signal: AbortSignal,
): AsyncGenerator<TreeNode, void> {
  for (const day of days?.nodes ?? []) {
    if (nameText(day.name) < since.slice(0, 10)) continue;
    if (day.subtree === undefined) throw damaged(nameText(day.name), "journal");
    for (const hour of (await reader.loadTree(day.subtree, signal)).nodes) {
      if (`${nameText(day.name)}T${nameText(hour.name)}` < since.slice(0, 13)) continue;
      if (hour.subtree === undefined) throw damaged(nameText(hour.name), "journal");
      yield* (await reader.loadTree(hour.subtree, signal)).nodes;
    }
  }
}
