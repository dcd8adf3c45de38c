import { isAbsolute, relative } from "node:path";
import type { CrmParts } from "../crm/platform.ts";
import { databaseFiles, type Engine } from "./engine.ts";

/** Of staging folders (`staging.ts`) and of single files being restored (`lib/temporary-name.ts`). */
const temporaryPattern = ".holdfast-*";

/**
 * Patterns of what lies in a folder of a CRM and is not part of it as a file: what restores and captures are building
 * there, the CRM's own databases (captured as rows: their files would be torn, and a restore of files must not write
 * over a database), and the repository itself.
 */
function leftOutOf(folder: string, ...insiders: readonly string[]): readonly string[] {
  const inside = insiders.flatMap((path) => {
    const way = isAbsolute(path) ? relative(folder, path) : "..";
    return way === "" || way === ".." || way.startsWith("../") ? [] : [`/${escapePattern(way)}`];
  });
  return [temporaryPattern, ...inside];
}

/** A path as a pattern that matches just it. */
export function escapePattern(path: string): string {
  return path.replaceAll(/[\\*?[\]!#]/g, "\\$&");
}

/** The folders of a CRM, each without what is no part of it as a file. `repository`: where it is. */
export function coveredFolders(engine: Engine, parts: CrmParts, repository: string): CrmParts["folders"] {
  const ofDatabases = parts.databases.flatMap(({ url }) => databaseFiles(engine, url));
  return parts.folders.map(({ name, path, excludes }) => ({
    name,
    path,
    excludes: [...leftOutOf(path, ...ofDatabases, repository), ...excludes],
  }));
}
