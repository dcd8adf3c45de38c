/** Compiles `src/` to `dist/`, which is what the package holds: Node runs no TypeScript below `node_modules`. */
import { spawnSync } from "node:child_process";
import { rmSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");
// From nothing: a file that left src/ must not stay in the package.
rmSync(join(root, "dist"), { recursive: true, force: true });
const compiler = join(root, "node_modules/.bin/tsc");
const { status } = spawnSync(compiler, ["--project", "tsconfig.build.json"], { cwd: root, stdio: "inherit" });
process.exitCode = status ?? 1;
