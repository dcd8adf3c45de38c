import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { layout } from "../contents/layout.ts";
import { loadContent, nodeNamed, subtreeAt } from "../contents/open-snapshot.ts";
import { type CrmFiles, mostFileBytes, noFiles, partsOfPath } from "../crm/crm-files.ts";
import type { CrmParts } from "../crm/platform.ts";
import { nameFromText, nameText } from "../lib/byte-name.ts";
import { isHoldfastError } from "../lib/errors.ts";
import type { BlobReader } from "../repository/repository.ts";
import type { OpenedPoint } from "./open-point.ts";

/** The files of a point: as a snapshot holds them, or where the live CRM has them. */
export function pointFiles({ snapshot, reader, live }: OpenedPoint, signal: AbortSignal): CrmFiles {
  if (live) return placedFiles(live);
  return snapshot && reader ? storedFiles(reader, snapshot.tree, signal) : noFiles;
}

/** Files that lie on this machine. */
export function placedFiles({ config, folders }: Pick<CrmParts, "config"> & { readonly folders: Places }): CrmFiles {
  const inFolder = (name: string, path: string): string | undefined => {
    const root = folders.find((one) => one.name === name)?.path;
    return root === undefined || !partsOfPath(path) ? undefined : join(root, path);
  };
  return {
    config: (name) => textOf(config.find((one) => one.name === name)?.path),
    file: (folder, path) => textOf(inFolder(folder, path)),
    names: async (folder, path) => {
      const place = inFolder(folder, path);
      return place === undefined ? [] : await readdir(place).catch(() => []);
    },
  };
}

type Places = readonly { readonly name: string; readonly path: string }[];

async function textOf(path: string | undefined): Promise<string | undefined> {
  if (path === undefined) return undefined;
  const found = await stat(path).catch(() => undefined);
  if (!found?.isFile() || found.size > mostFileBytes) return undefined;
  return await readFile(path, "utf8").catch(() => undefined);
}

function storedFiles(reader: BlobReader, tree: OpenedTree, signal: AbortSignal): CrmFiles {
  const folder = async (path: readonly string[]) => {
    const at = await subtreeAt(reader, tree, path, signal);
    return at === undefined || !reader.has("tree", at) ? undefined : await reader.loadTree(at, signal);
  };
  const text = async (path: readonly string[]): Promise<string | undefined> => {
    const last = path.at(-1) ?? "";
    const found = await folder(path.slice(0, -1));
    const node = found && nodeNamed(found, nameFromText(last));
    if (node?.type !== "file" || Number(node.size) > mostFileBytes) return undefined;
    return (await loadContent(reader, node, signal, mostFileBytes)).toString("utf8");
  };
  const within = (name: string, path: string): readonly string[] | undefined => {
    const parts = partsOfPath(path);
    return parts && [layout.files, name, ...parts];
  };
  return {
    config: (name) => unlessDamaged(text([layout.config, name])),
    file: async (name, path) => {
      const parts = within(name, path);
      return parts && (await unlessDamaged(text(parts)));
    },
    names: async (name, path) => {
      const parts = within(name, path);
      const found = parts && (await unlessDamaged(folder(parts)));
      return (found?.nodes ?? []).map((node) => nameText(node.name));
    },
  };
}

type OpenedTree = NonNullable<OpenedPoint["snapshot"]>["tree"];

/** What can be read without a file is: what is wrong with it, `verify` says. */
async function unlessDamaged<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (isHoldfastError(error, "repository-damaged")) return undefined;
    throw error;
  }
}
