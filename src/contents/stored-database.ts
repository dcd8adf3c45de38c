import type { DatabaseSchema, TableSchema } from "../database/database.ts";
import type { Id, Tree } from "../format/tree.ts";
import type { BlobReader } from "../repository/repository.ts";
import { damaged } from "./checked.ts";
import { escapeName, layout } from "./layout.ts";
import { parseSchema } from "./schema-file.ts";
import type { RowRules } from "./tables/row-order.ts";
import { fileNode, findNode, loadFile } from "./tables/stored-parts.ts";
import type { KnownTree } from "./tables/virtual-nodes.ts";
import { openTable, type StoredTable } from "./tables/stored-table.ts";

/** The folder `databases/<name>` of a snapshot: its schema is read, its tables are opened one by one. */
export interface DatabaseFolder {
  readonly schema: DatabaseSchema;
  /** Tree of a table's folder; fails with `repository-damaged` where there is none. */
  treeOf(table: TableSchema): Id;
  open(table: TableSchema): Promise<StoredTable>;
}

/** Everything in it is checked; `repository-damaged` when it makes no sense. */
export async function openDatabase(
  reader: BlobReader,
  tree: Id,
  rules: RowRules,
  signal: AbortSignal,
  schemas: SchemaReader = readSchema,
): Promise<DatabaseFolder> {
  const root = await reader.loadTree(tree, signal);
  const schema = await schemas(reader, root, signal);
  const tablesTree = findNode(root, layout.tables)?.subtree;
  if (tablesTree === undefined) throw damaged(layout.tables, "missing");
  const folders = await schemaFolders(reader, await reader.loadTree(tablesTree, signal), signal);
  const treeOf = (table: TableSchema): Id => {
    const inSchema = folders.get(escapeName(table.schema));
    const found = inSchema && findNode(inSchema.tree, escapeName(table.name))?.subtree;
    if (found === undefined) throw damaged(`${table.schema}/${table.name}`, layout.tables);
    return found;
  };
  return { schema, treeOf, open: (table) => openTable(reader, treeOf(table), table, rules, signal) };
}

/** From the tree of a database's folder to its schema. */
export type SchemaReader = (reader: BlobReader, root: Tree, signal: AbortSignal) => Promise<DatabaseSchema>;

const readSchema: SchemaReader = async (reader, root, signal) => {
  const order = { keyLength: 0, compare: () => 0, hash: () => 0n, addHash: () => {} };
  const folder = { reader, order, subject: layout.schema, signal };
  return parseSchema((await loadFile(folder, fileNode(folder, root, layout.schema))).toString("utf8"));
};

/** Remembers schemas: many snapshots have the same one, and it is large. */
export function schemaReader(): SchemaReader {
  const known = new Map<string, DatabaseSchema>();
  return async (reader, root, signal) => {
    const name = JSON.stringify(findNode(root, layout.schema)?.content);
    const schema = known.get(name) ?? (await readSchema(reader, root, signal));
    known.set(name, schema);
    return schema;
  };
}

/** A database as a snapshot holds it. */
export interface StoredDatabase {
  readonly schema: DatabaseSchema;
  /** In the order of `schema.tables`. */
  readonly tables: readonly StoredTable[];
}

/** The same with all its tables opened. Rows are read when they are asked for. */
export async function readDatabase(
  reader: BlobReader,
  tree: Id,
  rules: RowRules,
  signal: AbortSignal,
): Promise<StoredDatabase> {
  const { schema, open } = await openDatabase(reader, tree, rules, signal);
  const tables: StoredTable[] = [];
  for (const table of schema.tables) tables.push(await open(table));
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
