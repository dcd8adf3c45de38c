import type { RowKey } from "../../database/database.ts";
import type { Id } from "../../format/tree.ts";
import type { BlobReader } from "../../repository/repository.ts";
import { damaged } from "../checked.ts";
import { layout } from "../layout.ts";
import type { ChangedRow } from "../tables/changed-rows.ts";
import { Overlay } from "../tables/overlay.ts";
import { ParentRows } from "../tables/parent-rows.ts";
import type { RowOrder } from "../tables/row-order.ts";
import { folderIn, loadPart, type TableFolder } from "../tables/stored-parts.ts";
import type { StoredTable } from "../tables/stored-table.ts";
import { openBefore, type TableBefore } from "../tables/table-before.ts";
import { BaseCursor } from "./base-cursor.ts";

/**
 * Rows in which a table differs between two snapshots, in the order of their keys; `before` is of `from`, `now` of `to`.
 * Both have the same columns. Costs what changed:
 *
 * - on one base, only the runs that the two do not share are read, and the chunks of the base with rows that they name;
 * - on two bases, `own` of every snapshot in between says what changed, where all of them are still there;
 * - else the bases are walked side by side, and chunks that are the same blobs are passed over.
 */
export async function* storedChanges(
  reader: BlobReader,
  from: StoredTable,
  to: StoredTable,
  /** Trees of the table in each snapshot after `from` up to `to`, each the parent of the next; `undefined`: unknown. */
  between: () => Promise<readonly Id[] | undefined>,
  signal: AbortSignal,
): AsyncGenerator<ChangedRow, void> {
  if (from.tree === to.tree) return;
  const { table, order } = to;
  const folder: TableFolder = { reader, order, subject: `${table.schema}/${table.name}`, signal };
  const [a, b] = [await openBefore(folder, from.tree, table), await openBefore(folder, to.tree, table)];
  if (!a || !b) throw damaged(folder.subject, "columns");
  if (a.baseTree === b.baseTree) return yield* onOneBase(folder, a, b);
  const trees = table.keyLength > 0 ? await between() : undefined;
  const own = trees && (await ownChanges(folder, trees));
  if (own) return yield* byOwn(folder, a, own);
  yield* acrossBases(folder, a, b);
}

async function* onOneBase(folder: TableFolder, a: TableBefore, b: TableBefore): AsyncGenerator<ChangedRow, void> {
  let shared = 0;
  while (shared < a.runs.length && a.runs[shared]?.tree === b.runs[shared]?.tree) shared++;
  const common = await ParentRows.open(folder, { base: a.base, runFiles: a.runFiles.slice(0, shared) });
  const before = await Overlay.open(folder, a.runFiles.slice(shared));
  const now = await Overlay.open(folder, b.runFiles.slice(shared));
  for (;;) {
    folder.signal.throwIfAborted();
    const key = smallest(folder.order, before.key, now.key);
    if (key === undefined) return;
    const [inBefore, inNow] = [before.key === key, now.key === key];
    const neither = inBefore && inNow ? undefined : await common.at(key);
    const row = changed(key, inBefore ? before.line : neither, inNow ? now.line : neither);
    if (row) yield row;
    if (inBefore) await before.advance();
    if (inNow) await now.advance();
  }
}

/** What the snapshots in between say of themselves; `undefined` where one of them says nothing. */
async function ownChanges(folder: TableFolder, trees: readonly Id[]): Promise<Overlay | undefined> {
  const { reader, signal } = folder;
  const runs = [];
  for (const [index, tree] of trees.entries()) {
    // The same tree again: nothing changed since.
    if (tree === trees[index - 1]) continue;
    if (!reader.has("tree", tree)) return undefined;
    const own = folderIn(await reader.loadTree(tree, signal), layout.own);
    if (own === undefined) return undefined;
    const { nodes } = await reader.loadTree(own, signal);
    if (nodes.length > 0) runs.push(await loadPart(folder, own));
  }
  return Overlay.open(folder, runs);
}

async function* byOwn(folder: TableFolder, from: TableBefore, own: Overlay): AsyncGenerator<ChangedRow, void> {
  const rows = await ParentRows.open(folder, from);
  for (; own.key !== undefined; await own.advance()) {
    folder.signal.throwIfAborted();
    const row = changed(own.key, await rows.at(own.key), own.line);
    if (row) yield row;
  }
}

async function* acrossBases(folder: TableFolder, a: TableBefore, b: TableBefore): AsyncGenerator<ChangedRow, void> {
  const { order } = folder;
  const before = await BaseCursor.open(folder, a.base);
  const now = await BaseCursor.open(folder, b.base);
  const overBefore = await Overlay.open(folder, a.runFiles);
  const overNow = await Overlay.open(folder, b.runFiles);
  for (;;) {
    folder.signal.throwIfAborted();
    if (before.startsSameChunk(now)) {
      const end = smallest(order, before.chunkEnd, now.chunkEnd);
      if (!overBefore.before(end) && !overNow.before(end)) {
        await before.skipChunk();
        await now.skipChunk();
        continue;
      }
    }
    const loading = [before.load(), now.load()].filter((one) => one !== undefined);
    if (loading.length > 0) await Promise.all(loading);
    const key = smallest(order, smallest(order, before.key, now.key), smallest(order, overBefore.key, overNow.key));
    if (key === undefined) return;
    const was = overBefore.key === key ? overBefore.line : before.key === key ? before.line : undefined;
    const is = overNow.key === key ? overNow.line : now.key === key ? now.line : undefined;
    const row = changed(key, was, is);
    if (row) yield row;
    for (const cursor of [before, now, overBefore, overNow]) {
      const waiting = cursor.key === key ? cursor.advance() : undefined;
      if (waiting) await waiting;
    }
  }
}

function changed(key: RowKey, before: Buffer | undefined, now: Buffer | undefined): ChangedRow | undefined {
  if (before === undefined ? now === undefined : now?.equals(before)) return undefined;
  return { key, ...(before && { before: Buffer.from(before) }), ...(now && { now: Buffer.from(now) }) };
}

function smallest(order: RowOrder, a: RowKey | undefined, b: RowKey | undefined): RowKey | undefined {
  if (a === undefined) return b;
  return b === undefined || order.compare(a, b) <= 0 ? a : b;
}
