import type { LoadedIndex } from "./load-index.ts";

/** As long as somebody may read what a plan says before he has it applied. */
const keptMs = 60_000;

/**
 * The index that was closed last. To plan a restore and to apply it each open the repository and load the index, which of a
 * million blobs takes a second each time. So it is kept for a moment, and lent to whoever finds the very same index files.
 */
export class IdleIndex {
  #kept: LoadedIndex | undefined;
  #dropping: NodeJS.Timeout | undefined;

  /** The one that says what files of these names say, in order; nobody else has it then. Any other one is dropped. */
  take(names: readonly string[]): LoadedIndex | undefined {
    const kept = this.#kept;
    this.#drop();
    return kept?.names.length === names.length && kept.names.every((name, at) => name === names[at]) ? kept : undefined;
  }

  /** Unless something was added to it that no index file says. Whoever gives it does not use it any more. */
  keep(loaded: LoadedIndex): void {
    if (loaded.isChanged) return;
    this.#drop();
    this.#kept = loaded;
    this.#dropping = setTimeout(() => this.#drop(), keptMs).unref();
  }

  #drop(): void {
    clearTimeout(this.#dropping);
    this.#kept = undefined;
  }
}
