import { lstatSync, realpathSync } from "node:fs";

/** Where a file is, if its name is a link; the name itself where it is none, or leads to nothing. */
export function realFile(path: string): string {
  try {
    return lstatSync(path).isSymbolicLink() ? realpathSync(path) : path;
  } catch {
    return path;
  }
}
