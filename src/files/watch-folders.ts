import { type FSWatcher, statfsSync, watch } from "node:fs";
import { type ByteName, nodePath } from "../lib/byte-name.ts";
import { systemCode } from "../lib/system-code.ts";

/** A folder to be watched; `sign` tells it from another one that takes its place. */
export interface FolderToWatch {
  /** Absolute. */
  readonly path: ByteName;
  readonly sign: number;
}

export type WatchState =
  | { readonly kind: "watching" }
  /** Such as `ENOSPC`, the system's limit, or the number of a file system. */
  | { readonly kind: "unwatchable"; readonly reason: string };

/**
 * File systems on which another machine, or a program, may change what is there without this kernel being told: NFS, SMB, CIFS,
 * FUSE, 9P, Ceph, AFS (`linux/magic.h`).
 */
const untold: ReadonlySet<number> = new Set([
  0x6969, 0x517b, 0xff534d42, 0xfe534d42, 0x65735546, 0x01021997, 0x00c36400, 0x5346414f,
]);

/** Each is a handle here and about a kilobyte in the kernel. */
const mostWatches = 20_000;

/**
 * Tells when anything happens in folders, not in those inside of them. That the system tells nothing proves nothing: it drops what is too
 * much, and writing through mapped memory is not told at all.
 */
export class FolderWatch implements Disposable {
  readonly #tell: () => void;
  readonly #watches = new Map<string, FSWatcher>();
  #failed: string | undefined;

  constructor(tell: () => void) {
    this.#tell = tell;
  }

  /** Watches just these from now on; what happened in them before is to be looked for after that. What cannot be watched stays so. */
  watch(folders: readonly FolderToWatch[]): WatchState {
    if (folders.length > mostWatches) this.#failed ??= `${folders.length} > ${mostWatches}`;
    const wanted = new Set(folders.map(keyOf));
    for (const [key, watcher] of this.#watches) {
      if (wanted.has(key) && this.#failed === undefined) continue;
      watcher.close();
      this.#watches.delete(key);
    }
    for (const folder of folders) {
      if (this.#failed !== undefined) break;
      if (!this.#watches.has(keyOf(folder))) this.#begin(folder);
    }
    if (this.#failed === undefined) return { kind: "watching" };
    this[Symbol.dispose]();
    return { kind: "unwatchable", reason: this.#failed };
  }

  [Symbol.dispose](): void {
    for (const watcher of this.#watches.values()) watcher.close();
    this.#watches.clear();
  }

  #begin(folder: FolderToWatch): void {
    const path = nodePath(folder.path);
    try {
      const { type } = statfsSync(path);
      if (untold.has(type)) {
        this.#failed = `0x${type.toString(16)}`;
        return;
      }
      const watcher = watch(path, { persistent: false }, this.#tell);
      watcher.on("error", (error) => this.#end(error));
      this.#watches.set(keyOf(folder), watcher);
    } catch (error) {
      this.#end(error);
    }
  }

  /** What went meanwhile is found by the next look; anything else is a limit. */
  #end(error: unknown): void {
    const code = systemCode(error) ?? "error";
    if (code !== "ENOENT" && code !== "ENOTDIR") this.#failed ??= code;
    this.#tell();
  }
}

function keyOf({ path, sign }: FolderToWatch): string {
  return `${sign} ${path}`;
}
