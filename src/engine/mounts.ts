import { lstatSync, readFileSync, realpathSync } from "node:fs";
import { dirname, join } from "node:path";
import { type ByteName, joinName, nameBytes, nameFromText, nameText } from "../lib/byte-name.ts";

/** Where other file systems begin: a rename leads into none of them, and takes nothing away at which one is mounted. */

/**
 * The folder beside which what goes to `inside` a root is built: the root's parent, or the root where it is a file system of its own; below a
 * further one that is mounted in it, where that begins.
 */
export class PlacesBeside {
  readonly #root: string;
  readonly #known = new Map<string, string>();

  /** @param root absolute, as a person reads it */
  constructor(root: string) {
    this.#root = root;
  }

  of(inside: ByteName): string {
    const folder = folderOf(inside);
    const known = this.#known.get(folder) ?? this.#find(folder);
    this.#known.set(folder, known);
    return known;
  }

  #find(inside: ByteName): string {
    let folder = inside;
    // What is missing on the way is made with it.
    while (folder !== "" && this.#deviceOf(folder) === undefined) folder = folderOf(folder);
    const device = this.#deviceOf(folder);
    const own = this.#deviceOf("" as ByteName);
    if (device === own)
      return own === undefined || own === lstatSync(dirname(this.#root)).dev ? dirname(this.#root) : this.#root;
    while (this.#deviceOf(folderOf(folder)) === device) folder = folderOf(folder);
    return join(this.#root, nameText(folder));
  }

  /** Of a folder; `undefined`: there is none. */
  #deviceOf(inside: ByteName): number | undefined {
    const root = nameFromText(this.#root);
    const path = inside === "" ? root : joinName(root, inside);
    const status = lstatSync(nameBytes(path), { throwIfNoEntry: false });
    return status?.isDirectory() === true ? status.dev : undefined;
  }
}

/** Of some byte paths, one at which something is mounted, which may be a single file: it cannot be renamed. */
export function mountedAt(paths: readonly ByteName[]): ByteName | undefined {
  const points = new Set(mountPoints());
  const names = new Set([...points].map(lastName));
  return paths.find((path) => {
    if (!names.has(lastName(path))) return false;
    const folder = realpathSync(nameBytes(path.slice(0, path.lastIndexOf("/") + 1) as ByteName), "latin1");
    return points.has(`${folder === "/" ? "" : folder}/${lastName(path)}`);
  });
}

/** https://www.kernel.org/doc/html/latest/filesystems/proc.html: the fifth field, with blanks and the like as octal numbers. */
function mountPoints(): readonly string[] {
  const lines = readFileSync("/proc/self/mountinfo", "latin1").split("\n");
  return lines.flatMap((line) => {
    const point = line.split(" ")[4];
    return point === undefined
      ? []
      : [point.replaceAll(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))];
  });
}

function folderOf(path: ByteName): ByteName {
  return path.slice(0, Math.max(path.lastIndexOf("/"), 0)) as ByteName;
}

function lastName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
