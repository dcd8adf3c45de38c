import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";

/** Where Debian and pip put Python packages for the whole machine. */
const packageFolders = [
  "/usr/lib/python3/dist-packages",
  ...["3.9", "3.10", "3.11", "3.12", "3.13"].map((version) => `/usr/local/lib/python${version}/dist-packages`),
];

/** The tables by which trytond itself knows its databases (`Database.test`), a few of them. */
export const knownBy = ["ir_model", "ir_module", "ir_configuration", "res_user"];

/** Version of the installed trytond by its package's metadata: `6.0.29`. Nothing is run. */
export async function installedVersion(): Promise<string | undefined> {
  for (const folder of packageFolders) {
    const names = await readdir(folder).catch(() => []);
    for (const name of names) {
      const version = /^trytond-(\d+(?:\.\d+)+)\b.*\.(?:egg|dist)-info$/.exec(name)?.[1];
      if (version !== undefined) return version;
    }
  }
  return undefined;
}

/** Names of Tryton's databases in `path`, sorted. */
export async function databasesIn(path: string): Promise<readonly string[]> {
  const names = await readdir(path).catch(() => []);
  return names
    .filter((name) => name.endsWith(".sqlite") && isTryton(join(path, name)))
    .map((name) => name.slice(0, -".sqlite".length))
    .toSorted();
}

function isTryton(file: string): boolean {
  try {
    using database = new DatabaseSync(file, { readOnly: true, timeout: 1000 });
    const count = database
      .prepare(`SELECT count(*) AS n FROM sqlite_schema WHERE name IN (${knownBy.map(() => "?").join(", ")})`)
      .get(...knownBy);
    return count?.["n"] === knownBy.length;
  } catch {
    return false; // empty, busy or no database at all
  }
}
