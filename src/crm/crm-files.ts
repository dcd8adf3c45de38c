/**
 * Files of a CRM: of a recovery point, of a restored copy, or of the CRM itself. Keys are looked for in them, and what people
 * call a column. They are read as data and are somebody else's until they are checked: large ones are as if they were not there.
 */
export interface CrmFiles {
  /** The text of a configuration file, by its name in `CrmParts.config`; `undefined`: there is none. */
  readonly config: (name: string) => Promise<string | undefined>;
  /** The text of a file below one of `CrmParts.folders`; `undefined`: there is none. */
  readonly file: (folder: string, path: string) => Promise<string | undefined>;
  /** What lies in a folder below one of them; empty: there is none. */
  readonly names: (folder: string, path: string) => Promise<readonly string[]>;
}

/** Where there is nothing to look into. */
export const noFiles: CrmFiles = {
  config: async () => undefined,
  file: async () => undefined,
  names: async () => [],
};

/** Such files are words and keys, and none of them is near this. */
export const mostFileBytes = 1 << 20;

/** The parts of a path below a folder; `undefined`: it leads out of it, or nowhere. Names of modules come from databases. */
export function partsOfPath(path: string): readonly string[] | undefined {
  const parts = path.split("/");
  return parts.some((part) => /^\.{0,2}$|\0/.test(part)) ? undefined : parts;
}
