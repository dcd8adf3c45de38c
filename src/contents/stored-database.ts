import type { DatabaseSchema } from "../database/database.ts";
import type { Id, Tree } from "../format/tree.ts";
import type { BlobReader } from "../repository/repository.ts";
import { damaged } from "./checked.ts";
import { escapeName, layout } from "./layout.ts";
import { parseSchema } from "./schema-file.ts";
import type { RowRules } from "./tables/row-order.ts";
import { fileNode, findNode, loadFile } from "./tables/stored-parts.ts";
import type { KnownTree } from "./tables/virtual-nodes.ts";
import { openTable, type StoredTable } from "./tables/stored-table.ts";

/** A database as a snapshot holds it. */
export interface StoredDatabase {
  readonly schema: DatabaseSchema;
  /** In the order of `schema.tables`. */
  readonly tables: readonly StoredTable[];
}

/**
 * Opens the folder `databases/<name>` of a snapshot. Everything in it is checked; `repository-damaged` when it makes
 * no sense. Rows are read when they are asked for.
 */
export async function readDatabase(
  reader: BlobReader,
  tree: Id,
  rules: RowRules,
  signal: AbortSignal,
): Promise<StoredDatabase> {
  const root = await reader.loadTree(tree, signal);
  const order = { keyLength: 0, compare: () => 0, hash: () => 0n };
  const folder = { reader, order, subject: layout.schema, signal };
  const schema = parseSchema((await loadFile(folder, fileNode(folder, root, layout.schema))).toString("utf8"));
  const tablesTree = findNode(root, layout.tables)?.subtree;
  if (tablesTree === undefined) throw damaged(layout.tables, "missing");
  const schemas = await schemaFolders(reader, await reader.loadTree(tablesTree, signal), signal);
  const tables: StoredTable[] = [];
  for (const table of schema.tables) {
    const inSchema = schemas.get(escapeName(table.schema));
    const found = inSchema && findNode(inSchema.tree, escapeName(table.name))?.subtree;
    if (found === undefined) throw damaged(`${table.schema}/${table.name}`, layout.tables);
    tables.push(await openTable(reader, found, table, rules, signal));
  }
  return { schema, tables };
}

/** The folders in `tables/`, by escaped name. */
export async function schemaFolders(
  reader: BlobReader,
  tables: Tree,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, KnownTree>> {
  const schemas = new Map<string, KnownTree>();
  for (const { name, subtree: id } of tables.nodes) {
    if (id !== undefined) schemas.set(name, { id, tree: await reader.loadTree(id, signal) });
  }
  return schemas;
}
