import type { Id, Tree, TreeNode } from "../../format/tree.ts";
import { nameFromText, nameText } from "../../lib/byte-name.ts";
import type { Upload } from "../../repository/repository.ts";
import { escapeName, layout } from "../layout.ts";
import { virtualFile, virtualFolder, withNode } from "../tables/virtual-nodes.ts";
import {
  type JournalDatabase,
  journalFileName,
  type JournalFiles,
  type JournalSpan,
  serialiseJournalFile,
} from "./journal-file.ts";
import { firstDayFor } from "./journal-tree.ts";
import type { KnownJournal } from "./open-journal.ts";
import { readSegmentHeader } from "./segment.ts";

/** A journal's newest snapshot, with the tree of `/<crm>.journal`. */
export interface JournalTree extends KnownJournal {
  readonly nodes: Tree;
}

export interface MergeFacts {
  readonly crm: string;
  readonly program: string;
  /** When the oldest backup was made that the two are kept for: what only moments before it need is let go. */
  readonly oldest: string;
  /** Of the newer one. */
  readonly time: string;
}

export type MergeStore = Pick<Upload, "load" | "loadTree" | "tree" | "bytes">;

/**
 * A journal that has all of the newer one, and what that has let go since the older one was made, because its repository has forgotten
 * the backups that it belongs to. `undefined`: the newer one does not go on from the older one. The newer one itself: it has all.
 */
export async function mergeJournals(
  store: MergeStore,
  older: JournalTree,
  newer: JournalTree,
  facts: MergeFacts,
  signal: AbortSignal,
): Promise<JournalTree | undefined> {
  const merging = new Merging(store, facts, signal);
  for (const database of newer.databases) {
    const before = older.databases.find(({ name }) => name === database.name);
    if (before && !(await merging.goesOn(older, before, newer))) return undefined;
  }
  const firstDay = firstDayFor(facts.oldest);
  const databases = newer.databases.map((database) => {
    const before = older.databases.find(({ name }) => name === database.name);
    return before ? withOlder(database, before, firstDay) : database;
  });
  const gone = older.databases.filter(({ name }) => !newer.databases.some((one) => one.name === name));
  const files = filesWithOlder(newer.files, older.files, firstDay);
  let nodes = newer.nodes;
  for (const { name } of [...databases, ...gone]) {
    nodes = await merging.withDays(nodes, older.nodes, [layout.databases, escapeName(name)]);
  }
  nodes = await merging.withDays(nodes, older.nodes, [layout.files]);
  const merged = { databases: [...databases, ...gone], ...(files && { files }) };
  if (nodes === newer.nodes && sameJson(merged, newer)) return newer;
  const { crm, program, time } = facts;
  const json = Buffer.from(serialiseJournalFile({ format: 1, crm, ...merged, program }));
  const content = await store.bytes(json, "hot");
  nodes = withNode(nodes, virtualFile(journalFileName, content, json.length, time));
  return { ...merged, nodes, tree: await store.tree(nodes) };
}

/** Whether a journal has nothing that only backups from `oldest` on could need. */
export function isOver({ databases, files }: KnownJournal, oldest: string): boolean {
  const ends = [
    ...databases.flatMap(({ spans }) => spans.map(({ to }) => to.time)),
    ...(files?.spans ?? []).map(endOf),
  ];
  const firstDay = firstDayFor(oldest);
  return ends.every((end) => end < firstDay);
}

const endOf = ({ to }: { readonly to: string }): string => to;

function sameJson(a: KnownFacts, { databases, files }: KnownFacts): boolean {
  return JSON.stringify([a.databases, a.files]) === JSON.stringify([databases, files]);
}

type KnownFacts = Pick<KnownJournal, "databases" | "files">;

function withOlder(newer: JournalDatabase, older: JournalDatabase, firstDay: string): JournalDatabase {
  const same = (a: JournalSpan) => (b: JournalSpan) => a.first === b.first && a.history === b.history;
  const gone = older.spans.filter((span) => span.to.time >= firstDay && !newer.spans.some(same(span)));
  const spans = newer.spans.map((span) => {
    const before = older.spans.find(same(span));
    const left = withEarlier(span.left ?? [], before?.left ?? [], firstDay);
    return {
      ...span,
      gaps: withEarlier(span.gaps, before?.gaps ?? [], firstDay),
      ...((span.left ?? left.length > 0) && { left }),
    };
  });
  return { ...newer, spans: [...gone, ...spans] };
}

/** With those that the newer list has let go. */
function withEarlier<T extends { readonly to: { readonly time: string } }>(
  newer: readonly T[],
  older: readonly T[],
  firstDay: string,
): readonly T[] {
  const known = new Set(newer.map((one) => JSON.stringify(one)));
  return [...older.filter((one) => one.to.time >= firstDay && !known.has(JSON.stringify(one))), ...newer];
}

function filesWithOlder(
  newer: JournalFiles | undefined,
  older: JournalFiles | undefined,
  firstDay: string,
): JournalFiles | undefined {
  const spans = newer?.spans ?? [];
  const gone = older?.spans.filter(({ from, to }) => to >= firstDay && !spans.some((span) => span.from === from)) ?? [];
  return gone.length === 0 ? newer : { spans: [...gone, ...spans] };
}

class Merging {
  readonly #store: MergeStore;
  readonly #facts: MergeFacts;
  readonly #signal: AbortSignal;

  constructor(store: MergeStore, facts: MergeFacts, signal: AbortSignal) {
    this.#store = store;
    this.#facts = facts;
    this.#signal = signal;
  }

  /** Whether the first segment that the newer one has of a database is in the older one too, or follows its last. */
  async goesOn(older: JournalTree, { name, head }: JournalDatabase, newer: JournalTree): Promise<boolean> {
    const path = [layout.databases, escapeName(name)];
    const first = await this.#firstSegment(newer.nodes, path);
    if (first === undefined || head === undefined) return true;
    const there = await this.#firstSegment(older.nodes, path, first.day);
    if (there?.id === first.id) return true;
    return readSegmentHeader(await this.#store.load("data", first.id, this.#signal))?.previous === head.id;
  }

  /** `newer` with the days of a folder that only `older` has. */
  async withDays(newer: Tree, older: Tree, path: readonly string[]): Promise<Tree> {
    const [name, ...inside] = path;
    if (name === undefined) {
      const firstDay = firstDayFor(this.#facts.oldest);
      const known = new Set(newer.nodes.map((node) => node.name));
      const gone = older.nodes.filter((node) => !known.has(node.name) && nameText(node.name) >= firstDay);
      return gone.reduce(withNode, newer);
    }
    const folder = await this.#child(newer, name);
    const before = await this.#child(older, name);
    if (before === undefined) return newer;
    const merged = await this.withDays(folder ?? { nodes: [] }, before, inside);
    if (merged === folder || merged.nodes.length === 0) return newer;
    return withNode(newer, virtualFolder(name, await this.#store.tree(merged), this.#facts.time));
  }

  async #firstSegment(
    tree: Tree,
    path: readonly string[],
    day?: string,
  ): Promise<{ readonly day: string; readonly id: Id } | undefined> {
    let days: Tree | undefined = tree;
    for (const name of path) days = days && (await this.#child(days, name));
    const found = days?.nodes.find(({ name }) => day === undefined || nameText(name) === day);
    if (!found) return undefined;
    const hours = await this.#load(found);
    const [hour] = hours?.nodes ?? [];
    const [minute] = (hour && (await this.#load(hour)))?.nodes ?? [];
    const [id] = minute?.content ?? [];
    return id === undefined ? undefined : { day: nameText(found.name), id };
  }

  async #child(tree: Tree, name: string): Promise<Tree | undefined> {
    const node = tree.nodes.find((one) => one.name === nameFromText(name));
    return node && this.#load(node);
  }

  async #load({ subtree }: TreeNode): Promise<Tree | undefined> {
    return subtree === undefined ? undefined : this.#store.loadTree(subtree, this.#signal);
  }
}
