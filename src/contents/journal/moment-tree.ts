import { tableName } from "../../database/change-feed.ts";
import type { DatabaseEngine } from "../../database/database.ts";
import type { Id, Tree } from "../../format/tree.ts";
import { nameFromText } from "../../lib/byte-name.ts";
import { escapeName, layout } from "../layout.ts";
import type { DatabaseManifest, TableManifest } from "../manifest.ts";
import { subtreeAt, treeOf } from "../open-snapshot.ts";
import { serialiseSchema } from "../schema-file.ts";
import { openDatabase } from "../stored-database.ts";
import { captureTable } from "../tables/capture-table.ts";
import { storeFile } from "../tables/rows-writer.ts";
import { tableSizes } from "../tables/table-sizes.ts";
import { virtualFile, virtualFolder, withNode } from "../tables/virtual-nodes.ts";
import type { OverlayBlobs } from "./overlay-blobs.ts";
import type { Replayed } from "./replay.ts";
import { replayedReader } from "./replayed-reader.ts";

/** Runs lie on the base however large they are: nothing of what is written here outlives the question. */
const sizes = { ...tableSizes, maxRuns: Number.POSITIVE_INFINITY, foldAbove: Number.POSITIVE_INFINITY };

export interface MomentInput {
  readonly blobs: OverlayBlobs;
  readonly engine: DatabaseEngine;
  readonly manifest: DatabaseManifest;
  /** Tree of `databases/<name>` in the backup. */
  readonly tree: Id;
  readonly replayed: Replayed;
  /** `repository.secret("rows")`. */
  readonly cutKey: Buffer;
  /** RFC 3339 */
  readonly time: string;
  readonly signal: AbortSignal;
}

/**
 * A database as it was at a moment, in the form of a backup of that moment: the backup before it with one more run for each
 * table that was touched. Whoever reads backups reads it.
 */
export async function databaseAtMoment(
  input: MomentInput,
): Promise<{ readonly tree: Id; readonly manifest: DatabaseManifest }> {
  const { blobs, engine, manifest, replayed, cutKey, time, signal } = input;
  const store = blobs.sink;
  const { schema, open } = await openDatabase(blobs, input.tree, engine, signal);
  let root = await blobs.loadTree(input.tree, signal);
  const tables = new Map<string, TableManifest>(manifest.tables.map((one) => [tableName(one), one]));
  for (const [name, changed] of replayed.tables) {
    const table = schema.tables.find((one) => tableName(one) === name);
    const was = tables.get(name);
    if (!table || !was) continue;
    const stored = await open(table);
    const captured = await captureTable({
      ...(await replayedReader(changed, stored, signal)),
      rules: engine,
      audit: 0,
      kind: "incremental",
      parent: stored.tree,
      store,
      blobs,
      cutKey,
      time,
      sizes,
      signal,
    });
    root = await withSubtree(root, [layout.tables, escapeName(table.schema), escapeName(table.name)], captured.tree);
    tables.set(name, { ...was, rows: captured.rows });
  }
  const sequences = schema.sequences.map((one) => {
    const value = replayed.sequences.get(one.name);
    return value === undefined ? one : { ...one, value, ...(one.called !== undefined && { called: true }) };
  });
  const json = Buffer.from(serialiseSchema({ ...schema, sequences }));
  const content = await storeFile({ store, storedBytes: 0 }, json, "hot");
  root = withNode(root, virtualFile(layout.schema, content, json.length, time));
  return { tree: await store.tree(root), manifest: { ...manifest, tables: [...tables.values()] } };

  async function withSubtree(tree: Tree, path: readonly string[], subtree: Id): Promise<Tree> {
    const [name = "", ...rest] = path;
    if (rest.length === 0) return withNode(tree, virtualFolder(name, subtree, time));
    const node = tree.nodes.find((one) => one.name === nameFromText(name));
    const inner = node ? await blobs.loadTree(treeOf(node), signal) : { nodes: [] };
    return withNode(tree, virtualFolder(name, await store.tree(await withSubtree(inner, rest, subtree)), time));
  }
}

/** The tree of a CRM with databases, and files, of other trees. */
export async function crmTreeWith(
  blobs: OverlayBlobs,
  crm: Id,
  { databases, files }: { readonly databases: ReadonlyMap<string, Id>; readonly files: Id | undefined },
  time: string,
  signal: AbortSignal,
): Promise<Id> {
  const store = blobs.sink;
  let root = await blobs.loadTree(crm, signal);
  if (files !== undefined) root = withNode(root, virtualFolder(layout.files, files, time));
  const at = await subtreeAt(blobs, crm, [layout.databases], signal);
  let folder = at === undefined ? { nodes: [] } : await blobs.loadTree(at, signal);
  for (const [name, tree] of databases) folder = withNode(folder, virtualFolder(name, tree, time));
  return store.tree(withNode(root, virtualFolder(layout.databases, await store.tree(folder), time)));
}
