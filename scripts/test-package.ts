import { execFileSync } from "node:child_process";
import { cpSync, existsSync, globSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");
const built = join(root, "node_modules/.cache/holdfast-package");

/**
 * Builds what npm would install, for the tests that start the program (`test/support/program.ts`): they run what a person
 * runs, and commands take half the processor time that they take from the sources. What is there already and equal stays,
 * so that runs side by side do not pull it away from each other.
 */
export function buildTestPackage(): void {
  const fresh = `${built}-${process.pid}`;
  try {
    execFileSync(process.execPath, [join(import.meta.dirname, "build.ts"), join(fresh, "dist")], { stdio: "inherit" });
    for (const part of ["bin", "package.json", "docs/holdfast.schema.json"]) {
      cpSync(join(root, part), join(fresh, part), { recursive: true });
    }
    if (existsSync(built) && contents(built) === contents(fresh)) return;
    rmSync(built, { recursive: true, force: true });
    renameSync(fresh, built);
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
}

function contents(folder: string): string {
  const files = globSync("**/*", { cwd: folder, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = files.map(({ parentPath, name }) => join(parentPath, name)).toSorted();
  return paths.map((path) => `${path.slice(folder.length)}\n${readFileSync(path, "utf8")}`).join("\n");
}
