import type { ByteName } from "../../lib/byte-name.ts";

/** Which paths of a folder are wanted: those named, with all that they hold, and as `way` the folders above them. */
export class Selection {
  readonly #everything: boolean;
  readonly #wanted: ReadonlySet<string>;
  readonly #way = new Set<string>([""]);
  readonly #unmatched: Set<string>;

  /** Absent: everything. Paths are relative; `/` at either end means nothing. */
  constructor(paths: readonly ByteName[] | undefined) {
    const trimmed = (paths ?? []).map((path) => path.replace(/^\/+|\/+$/g, ""));
    this.#everything = paths === undefined || trimmed.includes("");
    this.#wanted = new Set(trimmed);
    this.#unmatched = new Set(this.#everything ? [] : trimmed);
    for (const path of trimmed) {
      for (let at = path.lastIndexOf("/"); at > 0; at = path.lastIndexOf("/", at - 1)) this.#way.add(path.slice(0, at));
    }
  }

  of(path: ByteName): "whole" | "way" | undefined {
    if (this.#everything) return "whole";
    this.#unmatched.delete(path);
    for (let at = path.length; at > 0; at = path.lastIndexOf("/", at - 1)) {
      if (this.#wanted.has(path.slice(0, at))) return "whole";
    }
    return this.#way.has(path) ? "way" : undefined;
  }

  /** The walk does not enter this folder: what is wanted below it cannot be called missing. */
  pass(folder: ByteName): void {
    for (const path of this.#unmatched) if (path.startsWith(`${folder}/`)) this.#unmatched.delete(path);
  }

  unmatched(): readonly ByteName[] {
    return [...this.#unmatched] as ByteName[];
  }
}
