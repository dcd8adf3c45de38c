import { layout } from "../contents/layout.ts";
import { nodeNamed, subtreeAt } from "../contents/open-snapshot.ts";
import type { ReadableTable } from "../contents/tables/stored-table.ts";
import type { CrmDescription } from "../crm/platform.ts";
import type { DatabaseEngine } from "../database/database.ts";
import type { Id, TreeNode } from "../format/tree.ts";
import { nameFromText, nameText } from "../lib/byte-name.ts";
import { HoldfastError } from "../lib/errors.ts";
import type { Run } from "../lib/run.ts";
import type { BlobReader } from "../repository/repository.ts";
import { openFor } from "./access.ts";
import { browseRecords, type EntityEntry, listEntities, type Paging, type RecordAnswer } from "./browse-records.ts";
import type { Engine, RepositoryAccess } from "./engine.ts";
import { type OpenedPoint, openPoint } from "./open-point.ts";
import { choosePoint, isBackup } from "./points.ts";
import type { PointName } from "./snapshots.ts";

export interface BrowseInput {
  readonly repository: RepositoryAccess;
  readonly crm?: string;
  /** What the configuration here knows: for `live`. */
  readonly crms?: readonly CrmDescription[];
  readonly point: PointName;
  /**
   * Path in the snapshot as a person sees it: `/` (the parts), `/files/attachments/2026`, `/databases/main` (the
   * tables), `/databases/main/contacts` (rows), `/config/holdfast.yaml`. In a snapshot that Holdfast did not make, the
   * path in its tree. Without a `/` before it: records of an entity or table (`party`), or one of them (`party/12`).
   */
  readonly path: string;
  readonly paging?: Paging;
}

export interface BrowseEntry {
  readonly name: string;
  readonly type: "folder" | "file" | "link" | "table" | "other";
  readonly size?: number;
  readonly rows?: number;
  readonly modified?: string;
}

export type BrowseAnswer =
  | {
      readonly type: "list";
      readonly snapshot?: Id;
      readonly path: string;
      readonly entries: readonly BrowseEntry[];
      /** Of `/`: what records there are. */
      readonly entities?: readonly EntityEntry[];
    }
  | ({ readonly snapshot?: Id; readonly path: string } & RecordAnswer)
  | { readonly type: "file"; readonly snapshot: Id; readonly path: string; readonly content: AsyncIterable<Buffer> }
  | {
      readonly type: "rows";
      /** Absent: live. */
      readonly snapshot?: Id;
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
  const names = input.path.split("/").filter((name) => name !== "");
  if (input.point.kind !== "live") {
    const { chosen } = choosePoint(snapshots, input.crm, input.point);
    if (!isBackup(chosen)) {
      const reader = await repository.index(run.signal);
      return await use(await inTree(reader, chosen.snapshot.tree, chosen.id, names, run.signal));
    }
  }
  const reader = await repository.index(run.signal);
  await using point = await openPoint({ engine, reader, snapshots, crms: input.crms, run }, input.crm, input.point);
  if (input.path !== "" && !input.path.startsWith("/")) {
    const records = await browseRecords(point, input.path, input.paging ?? firstPage, run.signal);
    const { snapshot } = point;
    return await use({ ...(snapshot && { snapshot: snapshot.stored.id }), path: input.path, ...records });
  }
  const found = await answer(reader, point, names, run.signal);
  if (found.type !== "list" || names.length > 0) return await use(found);
  return await use({ ...found, entities: await listEntities(point, run.signal) });
}

const firstPage: Paging = { limit: 50 };

async function answer(
  reader: BlobReader,
  point: OpenedPoint,
  names: readonly string[],
  signal: AbortSignal,
): Promise<BrowseAnswer> {
  const [part, database, table, ...rest] = names;
  if (part === layout.databases && database !== undefined && rest.length === 0) {
    return await inDatabase(point, database, table, signal);
  }
  const { snapshot } = point;
  // Stored rows as bytes would show what is held back.
  if (part === layout.databases && database !== undefined && point.erased?.state === "some") {
    throw new HoldfastError("nothing-matched", { path: `/${names.join("/")}` });
  }
  if (snapshot) return await inTree(point.reader ?? reader, snapshot.tree, snapshot.stored.id, names, signal);
  if (names.length > 1) throw new HoldfastError("nothing-matched", { path: `/${names.join("/")}` });
  const folders = part === undefined ? [layout.databases] : point.databases.map(({ name }) => name);
  const entries = folders.map((name) => ({ name, type: "folder" as const }));
  return { type: "list", path: `/${names.join("/")}`, entries };
}

async function inTree(
  reader: BlobReader,
  root: Id,
  snapshot: Id,
  names: readonly string[],
  signal: AbortSignal,
): Promise<BrowseAnswer> {
  const shown = { snapshot, path: `/${names.join("/")}` };
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
  { snapshot, databases }: OpenedPoint,
  name: string,
  tableName: string | undefined,
  signal: AbortSignal,
): Promise<BrowseAnswer> {
  const path = ["", layout.databases, name, ...(tableName === undefined ? [] : [tableName])].join("/");
  const shown = { ...(snapshot && { snapshot: snapshot.stored.id }), path };
  const database = databases.find((one) => one.name === name);
  if (!database) throw new HoldfastError("nothing-matched", { path });
  if (tableName === undefined) {
    const entries: BrowseEntry[] = [];
    for (const table of database.schema.tables) {
      const rows = await (await database.open(table)).countRows();
      entries.push({ name: table.name, type: "table", rows });
    }
    return { type: "list", ...shown, entries };
  }
  const table = database.schema.tables.find((one) => one.name === tableName);
  if (!table) throw new HoldfastError("nothing-matched", { path });
  const columns = table.columns.map((column) => column.name);
  return { type: "rows", ...shown, columns, rows: rowsOf(await database.open(table), database.engine, signal) };
}

async function* rowsOf(
  table: ReadableTable,
  engine: DatabaseEngine,
  signal: AbortSignal,
): AsyncGenerator<readonly (string | null)[]> {
  const { columns } = table.table;
  for await (const { lines, release } of table.rows({}, signal)) {
    for (const line of lines.toString("latin1").split("\n").slice(0, -1)) {
      yield line.split("\t").map((field, at) => (columns[at] ? engine.readable(field, columns[at]) : null));
    }
    release?.();
  }
}
