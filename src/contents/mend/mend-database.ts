import type { DatabaseEngine, DatabaseSchema, StoredTableLayout } from "../../database/database.ts";
import type { Id, TreeNode } from "../../format/tree.ts";
import type { Warning } from "../../lib/events.ts";
import { escapeName, layout, tableFolder } from "../layout.ts";
import type { DatabaseManifest } from "../manifest.ts";
import { parseSchema, statementsScript } from "../schema-file.ts";
import { rowOrder } from "../tables/row-order.ts";
import { storeFile } from "../tables/rows-writer.ts";
import { fileNode, findNode, loadFile } from "../tables/stored-parts.ts";
import { storeTree, virtualFile, virtualFolder } from "../tables/virtual-nodes.ts";
import { isDamage } from "../../repository/damage.ts";
import { type FolderMender, type MendOptions } from "./mend-folder.ts";
import { mendTable, type MendedTable } from "./mend-table.ts";

export interface MendedDatabase {
  readonly tree: Id;
  readonly manifest: DatabaseManifest;
  readonly losses: readonly Warning[];
}

/**
 * A database from what is left of it: each table by itself, and the scripts made anew. `undefined` when nobody knows
 * any more what its tables were: then its folder holds files like any other.
 */
export async function mendDatabase(
  options: MendOptions,
  folders: FolderMender,
  engine: DatabaseEngine,
  manifest: DatabaseManifest,
  id: Id,
): Promise<MendedDatabase | undefined> {
  const { sink } = options;
  const root = await folders.load(id);
  const schema = root && (await schemaOf(options, root));
  if (root === undefined || schema === undefined) return undefined;
  const time = root.nodes[0]?.mtime ?? "1970-01-01T00:00:00Z";
  const counted = { store: sink, storedBytes: 0 };
  const tablesId = findNode(root, layout.tables)?.subtree;
  const inTables = tablesId === undefined ? undefined : await folders.load(tablesId);
  const mended = new Map<string, MendedTable>();
  const schemaNodes = new Map<string, TreeNode[]>();
  for (const table of schema.tables) {
    const schemaId = inTables && findNode(inTables, escapeName(table.schema))?.subtree;
    const inSchema = schemaId === undefined ? undefined : await folders.load(schemaId);
    const tableId = inSchema && findNode(inSchema, escapeName(table.name))?.subtree;
    const context = { ...options, table, order: rowOrder(table, engine) };
    const result = await mendTable(context, folders, tableId);
    mended.set(tableFolder(table.schema, table.name), result);
    const nodes = schemaNodes.get(table.schema) ?? [];
    schemaNodes.set(table.schema, [...nodes, virtualFolder(escapeName(table.name), result.tree, time)]);
  }
  const tableFolders: TreeNode[] = [];
  for (const [name, nodes] of schemaNodes) {
    tableFolders.push(virtualFolder(escapeName(name), await storeTree(sink, nodes, undefined), time));
  }
  const file = async (name: string, content: string): Promise<TreeNode> => {
    const bytes = Buffer.from(content, "utf8");
    return virtualFile(name, await storeFile(counted, bytes, "hot"), bytes.length, time);
  };
  const schemaNode = findNode(root, layout.schema);
  const layouts = schema.tables.map((table): StoredTableLayout => {
    const folder = tableFolder(table.schema, table.name);
    const { partNames = [], runs = [] } = mended.get(folder) ?? {};
    return {
      table,
      base: partNames.map((name) => `${folder}/${layout.base}/${name}/${layout.rows}`),
      runs: runs.map((name) => ({
        rows: `${folder}/${layout.runs}/${name}/${layout.rows}`,
        deleted: `${folder}/${layout.runs}/${name}/${layout.deleted}`,
      })),
    };
  });
  const nodes = [
    ...(schemaNode === undefined ? [] : [schemaNode]),
    await file(layout.schemaBefore, statementsScript(schema.before)),
    await file(layout.schemaAfter, statementsScript(schema.after)),
    await file(layout.restoreScript, engine.restoreScript(schema, layouts)),
    virtualFolder(layout.tables, await storeTree(sink, tableFolders, undefined), time),
  ];
  return {
    tree: await storeTree(sink, nodes, undefined),
    manifest: {
      ...manifest,
      tables: schema.tables.map((table) => {
        const { schema: inSchema, name, fingerprint } = table;
        const folder = tableFolder(inSchema, name);
        const was = manifest.tables.find((one) => one.folder === folder);
        const { rows = 0, base = "" } = mended.get(folder) ?? {};
        const lastFull = { snapshotTime: was?.lastFull.snapshotTime ?? time, tree: base };
        return { schema: inSchema, name, folder, rows, lastFull, fingerprint };
      }),
    },
    losses: [...mended.values()].flatMap(({ losses }) => losses),
  };
}

async function schemaOf(
  { reader, signal }: MendOptions,
  root: NonNullable<Awaited<ReturnType<FolderMender["load"]>>>,
): Promise<DatabaseSchema | undefined> {
  const order = { keyLength: 0, compare: () => 0, hash: () => 0n, addHash: () => {} };
  const folder = { reader, order, subject: layout.schema, signal };
  try {
    return parseSchema((await loadFile(folder, fileNode(folder, root, layout.schema))).toString("utf8"));
  } catch (error) {
    if (isDamage(error)) return undefined;
    throw error;
  }
}
