import { isAbsolute, relative } from "node:path";

/** Of staging folders (`staging.ts`) and of single files being restored (`lib/temporary-name.ts`). */
const temporaryPattern = ".holdfast-*";

/**
 * Patterns of what lies in a folder of a CRM and is not part of it as a file: what restores and captures are building
 * there, the CRM's own databases (captured as rows: their files would be torn, and a restore of files must not write
 * over a database), and the repository itself.
 */
export function leftOutOf(folder: string, ...insiders: readonly string[]): readonly string[] {
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
