import { basename, dirname, join, relative, sep } from "node:path";
import type { Manifest } from "../contents/manifest.ts";
import type { DatabaseEngine } from "../database/database.ts";
import type { RestoreScope } from "./restore-plan.ts";

/** Where each part of a snapshot goes. Paths absolute; `source` is the name under the snapshot's own folders. */
export interface Places {
  readonly databases: readonly { readonly name: string; readonly url: string; readonly file: string }[];
  readonly folders: readonly { readonly name: string; readonly path: string }[];
  readonly config: readonly { readonly name: string; readonly path: string }[];
}

/**
 * In place, every part goes where it was captured. Elsewhere, the parts keep their places relative to each other below
 * the target folder: relative to the deepest folder that holds them all. A single database goes right into the target.
 */
export function placesFor(
  manifest: Manifest,
  scope: RestoreScope,
  target: string | undefined,
  engineOf: (url: string) => DatabaseEngine,
): Places {
  const common = commonFolder(manifest, engineOf);
  const move = (path: string): string => {
    if (target === undefined) return path;
    if (scope.kind === "database") return join(target, basename(path));
    const inside = relative(common, path);
    return inside === ".." || inside.startsWith(`..${sep}`) ? join(target, basename(path)) : join(target, inside);
  };
  return {
    databases: manifest.databases.map(({ name, location }) => {
      const engine = engineOf(location);
      const file = move(engine.files(location)[0] ?? "");
      return { name, url: engine.urlOfFile(file), file };
    }),
    folders: scope.kind === "database" ? [] : manifest.folders.map(({ name, path }) => ({ name, path: move(path) })),
    config: scope.kind === "database" ? [] : manifest.config.map(({ name, path }) => ({ name, path: move(path) })),
  };
}

/** Deepest folder with all databases, folders and the CRM's own configuration in it. */
function commonFolder(manifest: Manifest, engineOf: (url: string) => DatabaseEngine): string {
  const paths = [
    ...manifest.databases.map(({ location }) => engineOf(location).files(location)[0] ?? "/"),
    ...manifest.folders.map(({ path }) => path),
    ...manifest.config.filter(({ name }) => name !== "holdfast.yaml").map(({ path }) => path),
  ].map((path) => dirname(path).split("/"));
  const [first = [""], ...others] = paths;
  let length = first.length;
  for (const other of others) {
    let same = 0;
    while (same < length && same < other.length && other[same] === first[same]) same++;
    length = same;
  }
  return first.slice(0, length).join("/") || "/";
}
