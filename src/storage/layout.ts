import type { FileKind, StoredFile } from "./storage.ts";

/** Folder of each kind below the repository, as restic lays it out (`parity` is ours: restic leaves it alone); packs are spread over 256 folders below `data`. */
export const kindFolders: Readonly<Record<Exclude<FileKind, "config">, string>> = {
  key: "keys",
  snapshot: "snapshots",
  index: "index",
  lock: "locks",
  data: "data",
  parity: "parity",
};

/** Those that restic makes in every repository. */
export const resticFolders = Object.values(kindFolders).filter((folder) => folder !== kindFolders.parity);

/** `00` … `ff`: the folders below `data`, by the first two digits of a pack's name. */
export const packFolders: readonly string[] = Array.from({ length: 256 }, (_, byte) =>
  byte.toString(16).padStart(2, "0"),
);

/** Whether a listed name is one of ours: 64 lower-case hexadecimal digits. Everything else is left alone. */
export function isStoredName(name: string): boolean {
  return /^[0-9a-f]{64}$/.test(name);
}

/** Folder of a file, relative to the repository: `data/ab`, `keys`, or the empty string for `config`. */
function storedFolder(file: StoredFile): string {
  if (file.kind === "config") return "";
  const folder = kindFolders[file.kind];
  return file.kind === "data" ? `${folder}/${file.name.slice(0, 2)}` : folder;
}

/** Path of a file, relative to the repository, with `/`: also how messages call it. */
export function storedPath(file: StoredFile): string {
  return file.kind === "config" ? "config" : `${storedFolder(file)}/${file.name}`;
}

/** Beside this one, and never there: that is no hash of anything. */
export function neverThere({ kind }: StoredFile): StoredFile {
  return { kind, name: "0".repeat(64) };
}

/** The file at a path that `storedPath` gave. */
export function storedFileAt(path: string): StoredFile {
  const [folder = "", ...rest] = path.split("/");
  const kind = (Object.keys(kindFolders) as (keyof typeof kindFolders)[]).find((one) => kindFolders[one] === folder);
  return kind === undefined ? { kind: "config", name: "" } : { kind, name: rest.at(-1) ?? "" };
}

/** Whether a repository has a file at this path: in a bucket others may keep theirs below the same prefix. */
export function isStoredPath(path: string): boolean {
  const file = storedFileAt(path);
  return storedPath(file) === path && (file.kind === "config" || isStoredName(file.name));
}

/** The file's name when the key of an object below `folder` is one of ours, where it belongs. */
export function nameInKey(kind: FileKind, folder: string, key: string): string | undefined {
  if (!key.startsWith(folder)) return undefined;
  const rest = key.slice(folder.length);
  const name = kind === "data" ? rest.slice(3) : rest;
  if (kind === "data" && rest.slice(0, 3) !== `${name.slice(0, 2)}/`) return undefined;
  return isStoredName(name) ? name : undefined;
}
