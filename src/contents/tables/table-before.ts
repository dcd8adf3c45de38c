import type { TableSchema } from "../../database/database.ts";
import type { Id, Tree } from "../../format/tree.ts";
import type { BaseBefore } from "./base-writer.ts";
import type { KeysFile } from "./keys-file.ts";
import type { KnownTree } from "./virtual-nodes.ts";
import { findNode, loadPart, type TableFolder } from "./stored-parts.ts";
import { openTableFolder, type TableFolderParts } from "./stored-table.ts";

/** What the snapshot compared with holds of a table. */
export interface TableBefore extends TableFolderParts {
  readonly id: Id;
  readonly runFiles: readonly KeysFile[];
  /** Bytes of all runs. */
  readonly runBytes: number;
}

/** `undefined`: what is there has other columns, so no run can lie on it. */
export async function openBefore(folder: TableFolder, tree: Id, table: TableSchema): Promise<TableBefore | undefined> {
  const parts = await openTableFolder(folder, tree);
  const { fingerprint, keyLength } = parts.base.header;
  if (fingerprint !== table.fingerprint || keyLength !== table.keyLength) return undefined;
  const runFiles: KeysFile[] = [];
  for (const run of parts.runs) runFiles.push(await loadPart(folder, run.tree));
  let runBytes = 0;
  for (const { rows, deleted } of runFiles) for (const chunk of [...rows, ...deleted]) runBytes += chunk.bytes;
  return { ...parts, id: tree, runFiles, runBytes };
}

/** For a new base: unchanged parts of the one before keep their times. */
export function baseBefore(folder: TableFolder, { baseTree, baseNodes }: TableBefore): BaseBefore {
  return { id: baseTree, tree: baseNodes, part: (name) => folderNamed(folder, baseNodes, name) };
}

/** A folder in a folder; `undefined` when there is none. */
export async function folderNamed(folder: TableFolder, tree: Tree, name: string): Promise<KnownTree | undefined> {
  const id = findNode(tree, name)?.subtree;
  return id === undefined ? undefined : { id, tree: await folder.reader.loadTree(id, folder.signal) };
}
