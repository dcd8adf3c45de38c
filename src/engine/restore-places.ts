import { basename, dirname, join, relative, resolve, sep } from "node:path";
import type { Manifest } from "../contents/manifest.ts";
import type { Platform } from "../crm/platform.ts";
import type { DatabaseEngine } from "../database/database.ts";
import { shownUrl } from "../database/shown-url.ts";
import { HoldfastError } from "../lib/errors.ts";
import type { RestoreScope } from "./restore-plan.ts";

/** Where each part of a snapshot goes. Paths absolute; `source` is the name under the snapshot's own folders. */
export interface Places {
  readonly databases: readonly DatabasePlace[];
  readonly folders: readonly { readonly name: string; readonly path: string }[];
  readonly config: readonly { readonly name: string; readonly path: string }[];
}

export interface DatabasePlace {
  readonly name: string;
  readonly url: string;
  /** As a person reads it: a path, or the URL. */
  readonly shown: string;
  /** Where its file is; absent: it is on a server. */
  readonly file?: string;
}

/** Where a restore goes that does not go back to where the snapshot was taken. */
export interface Elsewhere {
  /** For files, and databases that are files. */
  readonly folder?: string | undefined;
  /** URL for a database on a server. */
  readonly database?: string | undefined;
}

/**
 * In place, every part goes where it was captured. Elsewhere, the parts keep their places relative to each other below
 * the target folder: relative to the deepest folder that holds them all. A single database goes right into the target.
 */
export function placesFor(
  manifest: Manifest,
  scope: RestoreScope,
  elsewhere: Elsewhere | undefined,
  engineOf: (url: string) => DatabaseEngine,
  folderPath?: Platform["folderPath"],
): Places {
  const common = commonFolder(manifest, engineOf);
  const isSingle = scope.kind === "files" || scope.kind === "records";
  const move = (captured: string): string => {
    if (!elsewhere || isSingle) return captured;
    // A recovery point may say `..` where it likes: what comes of it stays in the target.
    const path = resolve("/", captured);
    const target = elsewhere.folder;
    if (target === undefined) throw new HoldfastError("target-folder-needed", { path });
    if (scope.kind === "database") return join(target, basename(path));
    const inside = relative(common, path);
    return inside === ".." || inside.startsWith(`..${sep}`) ? join(target, basename(path)) : join(target, inside);
  };
  const firstOnServer = manifest.databases.find(({ location }) => engineOf(location).home.kind === "server");
  const databases = manifest.databases.map(({ name, location }): DatabasePlace => {
    const { home } = engineOf(location);
    if (home.kind === "file") {
      const file = move(home.files(location)[0] ?? "");
      return { name, url: home.urlOf(file), shown: file, file };
    }
    const given = elsewhere && !isSingle ? elsewhere.database : location;
    if (given === undefined) throw new HoldfastError("target-database-needed", { path: location });
    const isFirst = given === location || firstOnServer?.name === name;
    // A CRM with several databases on a server: the first one goes where it was told to, the others beside it.
    const target = engineOf(given).home;
    const url = isFirst || target.kind !== "server" ? given : target.extended({ url: given }, `_${name}`).url;
    if (engineOf(url).name !== engineOf(location).name)
      throw new HoldfastError("database-unsupported", { url: shownUrl(url) });
    return { name, url, shown: url };
  });
  const isMoved = elsewhere !== undefined && scope.kind === "system";
  const folders =
    scope.kind === "database" ? [] : manifest.folders.map(({ name, path }) => ({ name, path: move(path) }));
  return {
    databases,
    folders: folders.map((folder) =>
      isMoved && folderPath ? { ...folder, path: folderPath(folder, databases) } : folder,
    ),
    config: scope.kind === "database" ? [] : manifest.config.map(({ name, path }) => ({ name, path: move(path) })),
  };
}

/** Deepest folder with all databases, folders and the CRM's own configuration in it. */
function commonFolder(manifest: Manifest, engineOf: (url: string) => DatabaseEngine): string {
  const paths = [
    ...manifest.databases.flatMap(({ location }) => {
      const { home } = engineOf(location);
      return home.kind === "file" ? home.files(location).slice(0, 1) : [];
    }),
    ...manifest.folders.map(({ path }) => path),
    ...manifest.config.filter(({ name }) => name !== "holdfast.yaml").map(({ path }) => path),
  ].map((path) => dirname(resolve("/", path)).split("/"));
  const [first = [""], ...others] = paths;
  let length = first.length;
  for (const other of others) {
    let same = 0;
    while (same < length && same < other.length && other[same] === first[same]) same++;
    length = same;
  }
  return first.slice(0, length).join("/") || "/";
}
