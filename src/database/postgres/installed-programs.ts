import { execFile } from "node:child_process";
import { readdir, realpath } from "node:fs/promises";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import type { Environment } from "./address.ts";

const run = promisify(execFile);

/** Debian keeps every version that is installed below here, and in the path a script that chooses one of them. */
const debianFolder = "/usr/lib/postgresql";
const debianWrapper = "pg_wrapper";

export interface InstalledProgram {
  readonly path: string;
  /** Version of PostgreSQL that it is of. */
  readonly major: number;
}

/** All that this machine has of one of PostgreSQL's programs, newest first. */
export async function installedPrograms(name: string, environment: Environment): Promise<readonly InstalledProgram[]> {
  const versions = await readdir(debianFolder).catch(() => []);
  const folders = (environment["PATH"] ?? "").split(":").filter((folder) => folder !== "");
  const paths = [...versions.map((version) => join(debianFolder, version, "bin")), ...folders].map((folder) =>
    join(folder, name),
  );
  // A process takes longer to start than all of this, so each program that is there is asked once, and none whose place tells.
  const programs = new Set(await Promise.all(paths.map((path) => realpath(path).catch(() => debianWrapper))));
  const known = [...programs]
    .filter((path) => basename(path) !== debianWrapper)
    .map(async (path) => byPlace(path, name) ?? (await ask(path)));
  const found = await Promise.all(known);
  return found.flatMap((one) => one ?? []).toSorted((a, b) => b.major - a.major);
}

function byPlace(path: string, name: string): InstalledProgram | undefined {
  const major = new RegExp(`^${debianFolder}/(\\d+)/bin/${name}$`).exec(path)?.[1];
  return major === undefined ? undefined : { path, major: Number(major) };
}

async function ask(path: string): Promise<InstalledProgram | undefined> {
  try {
    const { stdout } = await run(path, ["--version"], { timeout: 5000 });
    const major = /\b(\d+)(\.\d+)?/.exec(stdout)?.[1];
    return major === undefined ? undefined : { path, major: Number(major) };
  } catch {
    return undefined; // not one that runs
  }
}
