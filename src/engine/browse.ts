import { readDatabase } from "../contents/databases.ts";
import { layout } from "../contents/layout.ts";
import { nodeNamed, openSnapshot, subtreeAt, type OpenedSnapshot } from "../contents/open-snapshot.ts";
import type { StoredTable } from "../contents/tables/stored-table.ts";
import type { DatabaseEngine } from "../database/database.ts";
import type { Id, TreeNode } from "../format/tree.ts";
import { nameFromText, nameText } from "../lib/byte-name.ts";
import { HoldfastError } from "../lib/errors.ts";
import type { Run } from "../lib/run.ts";
import type { BlobReader, StoredSnapshot } from "../repository/repository.ts";
import { openFor } from "./access.ts";
import { databaseEngineFor, type Engine, type RepositoryAccess } from "./engine.ts";
import { choosePoint, isBackup } from "./points.ts";
import type { PointName } from "./snapshots.ts";

export interface BrowseInput {
  readonly repository: RepositoryAccess;
  readonly crm?: string;
  readonly point: PointName;
  /**
   * Path in the snapshot as a person sees it: `/` (the parts), `/files/attachments/2026`, `/databases/main` (the
   * tables), `/databases/main/contacts` (rows), `/config/holdfast.yaml`. In a snapshot that Holdfast did not make, the
   * path in its tree.
   */
  readonly path: string;
}

export interface BrowseEntry {
  readonly name: string;
  readonly type: "folder" | "file" | "link" | "table" | "other";
  readonly size?: number;
  readonly rows?: number;
  readonly modified?: string;
}

export type BrowseAnswer =
  | { readonly type: "list"; readonly snapshot: Id; readonly path: string; readonly entries: readonly BrowseEntry[] }
  | { readonly type: "file"; readonly snapshot: Id; readonly path: string; readonly content: AsyncIterable<Buffer> }
  | {
      readonly type: "rows";
      readonly snapshot: Id;
      readonly path: string;
      readonly columns: readonly string[];
      /** Values for a person: NULL is `null`, binary is `x'…'`. */
      readonly rows: AsyncIterable<readonly (string | null)[]>;
    };

/** Calls `use` with the answer while the repository is open. */
export async function browse<T>(
  engine: Engine,
  input: BrowseInput,
  run: Run,
  use: (answer: BrowseAnswer) => Promise<T>,
): Promise<T> {
  await using repository = await openFor(engine, input.repository, run);
  const snapshots = await repository.snapshots(run.signal);
  const { chosen } = choosePoint(snapshots, input.crm, input.point);
  const reader = await repository.index(run.signal);
  const names = input.path.split("/").filter((name) => name !== "");
  return await use(await answer(engine, reader, chosen, names, run.signal));
}

async function answer(
  engine: Engine,
  reader: BlobReader,
  stored: StoredSnapshot,
  names: readonly string[],
  signal: AbortSignal,
): Promise<BrowseAnswer> {
  if (!isBackup(stored)) return await inTree(reader, stored, stored.snapshot.tree, names, signal);
  const opened = await openSnapshot(reader, stored, signal);
  const [part, database, table, ...rest] = names;
  if (part === layout.databases && database !== undefined && rest.length === 0) {
    return await inDatabase(engine, reader, opened, database, table, signal);
  }
  return await inTree(reader, stored, opened.tree, names, signal);
}

async function inTree(
  reader: BlobReader,
  stored: StoredSnapshot,
  root: Id,
  names: readonly string[],
  signal: AbortSignal,
): Promise<BrowseAnswer> {
  const shown = { snapshot: stored.id, path: `/${names.join("/")}` };
  const parent = await subtreeAt(reader, root, names.slice(0, -1), signal);
  const last = names.at(-1);
  const node =
    parent === undefined || last === undefined
      ? undefined
      : nodeNamed(await reader.loadTree(parent, signal), nameFromText(last));
  const folder = last === undefined ? root : node?.subtree;
  if (folder !== undefined) {
    const { nodes } = await reader.loadTree(folder, signal);
    return { type: "list", ...shown, entries: nodes.map(entryOf) };
  }
  if (node?.type !== "file") throw new HoldfastError("nothing-matched", { path: shown.path });
  return { type: "file", ...shown, content: contentOf(reader, node, signal) };
}

function entryOf(node: TreeNode): BrowseEntry {
  const types = { dir: "folder", file: "file", symlink: "link" } as const;
  return {
    name: nameText(node.name),
    type: node.type === "dir" || node.type === "file" || node.type === "symlink" ? types[node.type] : "other",
    ...(node.type === "file" && { size: Number(node.size ?? 0) }),
    modified: node.mtime,
  };
}

async function* contentOf(reader: BlobReader, node: TreeNode, signal: AbortSignal): AsyncGenerator<Buffer> {
  for (const id of node.content ?? []) yield await reader.load("data", id, signal);
}

async function inDatabase(
  engine: Engine,
  reader: BlobReader,
  opened: OpenedSnapshot,
  name: string,
  table: string | undefined,
  signal: AbortSignal,
): Promise<BrowseAnswer> {
  const path = ["", layout.databases, name, ...(table === undefined ? [] : [table])].join("/");
  const manifest = opened.manifest.databases.find((database) => database.name === name);
  const tree = await subtreeAt(reader, opened.tree, [layout.databases, name], signal);
  if (!manifest || tree === undefined) throw new HoldfastError("nothing-matched", { path });
  const shown = { snapshot: opened.stored.id, path };
  const database = databaseEngineFor(engine, manifest.location);
  const stored = await readDatabase(reader, tree, database, signal);
  if (table === undefined) {
    const entries = stored.tables.map((one) => ({ name: one.table.name, type: "table" as const, rows: one.rowCount }));
    return { type: "list", ...shown, entries };
  }
  const found = stored.tables.find((one) => one.table.name === table);
  if (!found) throw new HoldfastError("nothing-matched", { path });
  const columns = found.table.columns.map((column) => column.name);
  return { type: "rows", ...shown, columns, rows: rowsOf(found, database, signal) };
}

async function* rowsOf(
  table: StoredTable,
  engine: DatabaseEngine,
  signal: AbortSignal,
): AsyncGenerator<readonly (string | null)[]> {
  const { columns } = table.table;
  for await (const { lines } of table.rows({}, signal)) {
    for (const line of lines.toString("latin1").split("\n").slice(0, -1)) {
      yield line.split("\t").map((field, at) => (columns[at] ? engine.readable(field, columns[at]) : null));
    }
  }
}
