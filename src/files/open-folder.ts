/**
 * Folders held open by descriptor, reached step by step. A restore writes only through these: what somebody plants in
 * the way (a link where a folder was) is not followed, whenever it is planted.
 */
import * as fs from "node:fs";
import { posix } from "node:path";
import { nameText, nodePath, type ByteName } from "../lib/byte-name.ts";
import { HoldfastError } from "../lib/errors.ts";
import { statAt } from "../lib/posix.ts";
import { systemCode } from "../lib/system-code.ts";

const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW, S_IFMT, S_IFLNK } = fs.constants;
const folderFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;

/** A path of a name in an open folder, for calls that take only paths. Short whatever the depth. */
export function pathIn(folder: number, name: ByteName): ByteName {
  return `/proc/self/fd/${folder}/${name}` as ByteName;
}

/** Whether a name is one step and stays in its folder. Names from a repository must pass before any use. */
export function isSafeName(name: ByteName): boolean {
  return name !== "" && name !== "." && name !== ".." && name.length <= 255 && !/[/\0]/.test(name);
}

/** Opens a folder inside an open one. `ENOTDIR` for anything else, a link to a folder included. */
export function openFolderIn(folder: number, name: ByteName): number {
  return fs.openSync(nodePath(pathIn(folder, name)), folderFlags);
}

/** Makes a folder, which must not be there, for this user alone until its metadata is set; gives it opened. */
export function makeFolderIn(folder: number, name: ByteName): number {
  fs.mkdirSync(nodePath(pathIn(folder, name)), 0o700);
  return openFolderIn(folder, name);
}

/**
 * Opens an absolute path that the operator named. Links on the way are followed when they belong to root or to the
 * user who runs this, since nobody else can have planted them; a link at the end never. Otherwise `target-unsafe`.
 *
 * @param missing `create` makes missing folders (mode 0755, as `mkdir -p` does under the usual mask); `undefined` is
 *   the answer to one that is missing otherwise.
 */
export function openTarget(path: ByteName, missing: "create" | "leave"): number | undefined {
  const steps = stepsOf(path).toReversed();
  let here = fs.openSync("/", folderFlags);
  let links = 0;
  try {
    for (let step = steps.pop(); step !== undefined; step = steps.pop()) {
      const next = openStep(here, step, missing, steps.length === 0, path);
      if (next === undefined) {
        fs.closeSync(here);
        return undefined;
      }
      if (typeof next === "number") {
        fs.closeSync(here);
        here = next;
        continue;
      }
      links += 1;
      if (links > 40) throw unsafe(path, step);
      steps.push(...stepsOf(next).toReversed());
      if (next.startsWith("/")) {
        fs.closeSync(here);
        here = fs.openSync("/", folderFlags);
      }
    }
    return here;
  } catch (error) {
    fs.closeSync(here);
    throw error;
  }
}

/**
 * Where an absolute path leads that ends in a link of root's or of the user who runs this, as the administrator of a CRM puts its files on
 * another disk; any other path as it is. Fails with `target-unsafe` as `openTarget` does.
 */
export function throughOwnLinks(path: ByteName): ByteName {
  let at = path;
  for (let links = 0; links < 40; links++) {
    const status = fs.lstatSync(nodePath(at), { throwIfNoEntry: false });
    if (status?.isSymbolicLink() !== true || (status.uid !== 0 && status.uid !== process.geteuid?.())) return at;
    const folder = at.slice(0, at.lastIndexOf("/") + 1) as ByteName;
    const descriptor = openTarget(folder, "leave");
    if (descriptor === undefined) return at;
    try {
      const real = fs.realpathSync(`/proc/self/fd/${descriptor}`, "latin1");
      const link = fs.readlinkSync(nodePath(at), "latin1");
      at = posix.resolve(real, link) as ByteName;
    } finally {
      fs.closeSync(descriptor);
    }
  }
  return at;
}

/** The next folder opened, the target of a link that may be followed, or `undefined`: not there. */
function openStep(
  here: number,
  step: ByteName,
  missing: "create" | "leave",
  last: boolean,
  path: ByteName,
): number | ByteName | undefined {
  try {
    return step === ".." ? fs.openSync(`/proc/self/fd/${here}/..`, folderFlags) : openFolderIn(here, step);
  } catch (error) {
    const code = systemCode(error);
    if (code === "ENOENT") {
      if (missing === "leave") return undefined;
      fs.mkdirSync(nodePath(pathIn(here, step)), 0o755);
      return openFolderIn(here, step);
    }
    if (code !== "ENOTDIR" && code !== "ELOOP") throw error;
    const status = statAt(here, step);
    const trusted = status.uid === 0 || status.uid === process.geteuid?.();
    if ((status.mode & S_IFMT) !== S_IFLNK || last || !trusted) throw unsafe(path, step);
    return fs.readlinkSync(nodePath(pathIn(here, step)), { encoding: "latin1" as BufferEncoding }) as ByteName;
  }
}

function stepsOf(path: ByteName): ByteName[] {
  return path.split("/").filter((step) => step !== "" && step !== ".") as ByteName[];
}

function unsafe(path: ByteName, step: ByteName): HoldfastError {
  return new HoldfastError("target-unsafe", { path: nameText(path), reason: nameText(step) });
}

/**
 * Folders below an open one, opened again one after another in an order that keeps near ones together: only the way to
 * the last one is held open.
 */
export class FolderChain implements Disposable {
  readonly #root: number;
  #way: { readonly name: string; readonly descriptor: number }[] = [];

  /** `root` stays the caller's to close. */
  constructor(root: number) {
    this.#root = root;
  }

  /** `inside` is relative to the root, empty for itself. The descriptor is good until the next call. */
  open(inside: ByteName): number {
    const names = inside === "" ? [] : inside.split("/");
    let same = 0;
    while (same < names.length && this.#way[same]?.name === names[same]) same += 1;
    this.#closeFrom(same);
    for (const name of names.slice(same)) {
      const above = this.#way.at(-1)?.descriptor ?? this.#root;
      this.#way.push({ name, descriptor: openFolderIn(above, name as ByteName) });
    }
    return this.#way.at(-1)?.descriptor ?? this.#root;
  }

  [Symbol.dispose](): void {
    this.#closeFrom(0);
  }

  #closeFrom(length: number): void {
    for (const { descriptor } of this.#way.splice(length)) fs.closeSync(descriptor);
  }
}
