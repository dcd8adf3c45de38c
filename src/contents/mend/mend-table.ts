import type { RowBatch, RowKey, TableSchema } from "../../database/database.ts";
import type { Id, Tree, TreeNode } from "../../format/tree.ts";
import { nameText } from "../../lib/byte-name.ts";
import type { Warning, WarningCode } from "../../lib/events.ts";
import { layout, partName } from "../layout.ts";
import type { KeysFile, KeysHeader } from "../tables/keys-file.ts";
import { mergedRows } from "../tables/merged-rows.ts";
import {
  countRow,
  emptyRange,
  parseRanges,
  type RangeSums,
  serialiseRanges,
  totalRows,
} from "../tables/ranges-file.ts";
import { keyAt, lineEnd, type RowOrder } from "../tables/row-order.ts";
import { storeFile } from "../tables/rows-writer.ts";
import type { BaseChunk, StoredBase } from "../tables/stored-base.ts";
import { fileNode, findNode, loadFile } from "../tables/stored-parts.ts";
import { tableSizes } from "../tables/table-sizes.ts";
import { storeTree, virtualFile, virtualFolder } from "../tables/virtual-nodes.ts";
import { isDamage } from "../../repository/damage.ts";
import type { FolderMender } from "./mend-folder.ts";
import { type KeyStretch, mendPart, type MendedPart, type PartContext, writePart } from "./mend-part.ts";

export interface MendedTable {
  readonly tree: Id;
  /** Tree of `base/`. */
  readonly base: Id;
  readonly partNames: readonly string[];
  readonly runs: readonly string[];
  readonly rows: number;
  readonly losses: readonly Warning[];
}

/** About what a full writes. */
const rangeBytes = tableSizes.range;

/**
 * A table from what is left of it: chunks of rows that are gone leave `rows` and `keys`; a run that is gone leaves the
 * rows as they were before it; the sums are made anew. Every loss is told by the keys that it touches.
 */
export async function mendTable(context: PartContext, folders: FolderMender, id: Id | undefined): Promise<MendedTable> {
  const { table, sink } = context;
  const nodes = id === undefined ? undefined : await folders.load(id);
  const baseId = nodes && findNode(nodes, layout.base)?.subtree;
  const runsNode = nodes && findNode(nodes, layout.runs);
  const time = nodes?.nodes[0]?.mtime ?? "1970-01-01T00:00:00Z";
  const losses = new Losses(table);

  const base = await mendBase(context, folders, baseId, time, losses);
  const runs = await mendRuns(context, folders, runsNode, losses);
  const isSame = base.tree === baseId && runs.every(({ part, was }) => part.tree === was);
  const sums = await sumsOf(
    context,
    nodes,
    isSame && losses.none,
    base.parts,
    runs.map(({ part }) => part),
  );

  const ranges = serialiseRanges(sums);
  const counted = { store: sink, storedBytes: 0 };
  const own = nodes && findNode(nodes, layout.own);
  const kept: TreeNode[] = [
    virtualFolder(layout.base, base.tree, time),
    virtualFile(layout.ranges, await storeFile(counted, ranges, "hot"), ranges.length, time),
  ];
  if (runs.length > 0) {
    const folder = runs.map(({ name, part }) => virtualFolder(name, part.tree, time));
    kept.push(virtualFolder(layout.runs, await storeTree(sink, folder, undefined), time));
  }
  // What changed since the parent is for looking at: without all of it, it is left out.
  if (own?.subtree !== undefined && (await folders.isWhole(own.subtree))) kept.push(own);
  return {
    tree: await storeTree(sink, kept, undefined),
    base: base.tree,
    partNames: base.parts.map(({ name }) => name),
    runs: runs.map(({ name }) => name),
    rows: totalRows(sums),
    losses: losses.all,
  };
}

interface NamedPart extends Omit<MendedPart, "tree"> {
  readonly name: string;
}

async function mendBase(
  context: PartContext,
  folders: FolderMender,
  id: Id | undefined,
  time: string,
  losses: Losses,
): Promise<{ readonly tree: Id; readonly parts: readonly NamedPart[] }> {
  const { sink } = context;
  const nodes = id === undefined ? undefined : await folders.load(id);
  if (nodes === undefined) losses.add("lost-rows", [{}]);
  const parts: NamedPart[] = [];
  const kept: TreeNode[] = [];
  /** A stretch that is lost at the end of what was seen so far, and goes up to the next row that is there. */
  let open: KeyStretch | undefined;
  let lastKey: RowKey | undefined;
  for (const node of nodes?.nodes ?? []) {
    const part = node.subtree === undefined ? undefined : await mendPart(context, node.subtree);
    const [first] = part?.rows ?? [];
    if (open !== undefined && first !== undefined) {
      losses.add("lost-rows", [{ ...open, to: first.firstKey }]);
      open = undefined;
    }
    if (part === undefined) open ??= lastKey === undefined ? {} : { from: lastKey };
    else {
      const ended = part.lostRows.filter(({ to }) => to !== undefined);
      losses.add("lost-rows", ended);
      open ??= part.lostRows.find(({ to }) => to === undefined);
      lastKey = part.rows.at(-1)?.firstKey ?? lastKey;
    }
    if (part === undefined || (part.rows.length === 0 && (nodes?.nodes.length ?? 0) > 1)) continue;
    parts.push({ ...part, name: nameText(node.name) });
    kept.push({ ...node, subtree: part.tree });
  }
  if (open !== undefined) losses.add("lost-rows", [open]);
  if (kept.length === 0) {
    const tree = await writePart(context, { rows: [] }, time);
    kept.push(virtualFolder(partName(0), tree, time));
    parts.push({ name: partName(0), rows: [], deleted: [], lostRows: [], lostDeleted: [] });
  }
  const isSame =
    nodes?.nodes.length === kept.length && kept.every((node, at) => node.subtree === nodes.nodes[at]?.subtree);
  return { tree: isSame && id !== undefined ? id : await sink.tree({ nodes: kept }), parts };
}

interface NamedRun {
  readonly name: string;
  readonly was: Id;
  readonly part: MendedPart;
}

async function mendRuns(
  context: PartContext,
  folders: FolderMender,
  node: TreeNode | undefined,
  losses: Losses,
): Promise<readonly NamedRun[]> {
  if (node?.subtree === undefined) return [];
  const nodes = await folders.load(node.subtree);
  if (nodes === undefined) losses.add("lost-changes", [{}]);
  const runs: NamedRun[] = [];
  for (const { name, subtree } of nodes?.nodes ?? []) {
    const part = subtree === undefined ? undefined : await mendPart(context, subtree);
    if (part === undefined || subtree === undefined) {
      losses.add("lost-changes", [{}]);
      continue;
    }
    losses.add("lost-changes", part.lostRows);
    losses.add("lost-deletions", part.lostDeleted);
    if (part.rows.length + part.deleted.length > 0) runs.push({ name: nameText(name), was: subtree, part });
  }
  return runs;
}

/** The sums as they stand, where nothing but they can have changed; else made anew from the rows. */
async function sumsOf(
  context: PartContext,
  nodes: Tree | undefined,
  rowsAreWhole: boolean,
  parts: readonly NamedPart[],
  runs: readonly MendedPart[],
): Promise<readonly RangeSums[]> {
  const { reader, table, order, signal } = context;
  const folder = { reader, order, subject: `${table.schema}/${table.name}`, signal };
  if (rowsAreWhole && nodes !== undefined) {
    try {
      return parseRanges(await loadFile(folder, fileNode(folder, nodes, layout.ranges)), order, folder.subject);
    } catch (error) {
      if (!isDamage(error)) throw error;
    }
  }
  const header = headerOf(table);
  const files = runs.map(({ rows, deleted }): KeysFile => ({ header, rows, deleted }));
  return sumUp(order, mergedRows(folder, baseOf(header, parts), files, {}));
}

function baseOf(header: KeysHeader, parts: readonly NamedPart[]): StoredBase {
  return {
    header,
    parts: parts.length,
    async *chunks() {
      for (const [number, { rows }] of parts.entries()) {
        for (const [at, chunk] of rows.entries()) {
          const after = rows[at + 1] ?? parts[number + 1]?.rows[0];
          const whole: BaseChunk = { ...chunk, nextKey: after?.firstKey, startsPart: at === 0 ? "yes" : "no" };
          yield whole;
        }
      }
    },
  };
}

function headerOf({ schema, name, columns, keyLength, fingerprint }: TableSchema): KeysHeader {
  return { format: 1, schema, table: name, columns, keyLength, fingerprint };
}

async function sumUp(order: RowOrder, batches: AsyncIterable<RowBatch>): Promise<readonly RangeSums[]> {
  const ranges: RangeSums[] = [emptyRange(undefined)];
  for await (const { lines } of batches) {
    for (let start = 0; start < lines.length;) {
      const end = lineEnd(lines, start, lines.length);
      const key = keyAt(order, lines, start, end);
      let range = ranges.at(-1) ?? emptyRange(undefined);
      // Rows of a table without a key are read back in any order, so only the sum of all can be compared.
      if (range.bytes >= rangeBytes && order.keyLength > 0) ranges.push((range = emptyRange(key)));
      countRow(range, order, key, lines, start, end);
      start = end + 1;
    }
  }
  return ranges;
}

/** What is lost of one table. Keys are shown as they stand in the lines, and of a table without one not at all. */
class Losses {
  readonly #table: TableSchema;
  readonly all: Warning[] = [];

  constructor(table: TableSchema) {
    this.#table = table;
  }

  get none(): boolean {
    return this.all.length === 0;
  }

  add(code: WarningCode, stretches: readonly KeyStretch[]): void {
    const { schema, name, keyLength } = this.#table;
    const subject = schema === "main" ? name : `${schema}.${name}`;
    for (const { from, to } of stretches) {
      const shown = keyLength === 0 ? "" : `${shownKey(from)} … ${shownKey(to)}`;
      this.all.push({ code, subject, ...(shown && { detail: shown }) });
    }
  }
}

function shownKey(key: RowKey | undefined): string {
  return key === undefined ? "" : Buffer.from(key, "latin1").toString("utf8").replaceAll("\t", " ");
}
