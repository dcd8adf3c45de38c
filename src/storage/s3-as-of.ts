import { HoldfastError } from "../lib/errors.ts";
import { kindFolders, storedPath } from "./layout.ts";
import { memoryStorage } from "./memory.ts";
import type { S3Requests } from "./s3-requests.ts";
import { s3Versions } from "./s3-versions.ts";
import type { ByteRange, ListedFile, FileKind, Storage, StoredFile } from "./storage.ts";

export interface AsOfParts {
  readonly requests: S3Requests;
  readonly traits: Storage["traits"];
  readonly nameOf: (kind: FileKind, folder: string, key: string) => string | undefined;
  readonly load: (
    file: StoredFile,
    range: ByteRange | undefined,
    version: string,
    signal: AbortSignal,
  ) => Promise<Buffer>;
  readonly close: () => Promise<void>;
}

interface OldFile {
  readonly version: string;
  readonly size: number;
}

/**
 * The bucket as it was at a moment, by its versions: of each key the newest version that was there by then, unless it
 * was deleted by then. All versions are listed once, when first something is asked for.
 *
 * Locks of that time are nobody's any more, so there are none, and those that are taken stay here.
 */
export function s3AsOf(parts: AsOfParts, moment: Date): Storage {
  const { requests, traits, nameOf } = parts;
  const { place, keyOf, location } = requests;
  const locks = memoryStorage();
  let listing: Promise<ReadonlyMap<string, OldFile>> | undefined;

  const files = (signal: AbortSignal): Promise<ReadonlyMap<string, OldFile>> => {
    listing ??= list(signal).catch((error: unknown) => {
      listing = undefined;
      throw error;
    });
    return listing;
  };

  async function list(signal: AbortSignal): Promise<ReadonlyMap<string, OldFile>> {
    const newest = new Map<string, { readonly time: number; readonly file: OldFile | undefined }>();
    for await (const { key, version, size, time, kind } of s3Versions(requests, place.prefix, signal)) {
      const at = time.getTime();
      const known = newest.get(key);
      // Times may be whole seconds: of two in one second the file, rather than the mark that it was deleted.
      const isNewer = known === undefined || at > known.time || (at === known.time && known.file === undefined);
      if (at > moment.getTime() || !isNewer) continue;
      newest.set(key, { time: at, file: kind === "file" ? { version, size } : undefined });
    }
    return new Map([...newest].flatMap(([key, { file }]) => (file === undefined ? [] : [[key, file] as const])));
  }

  const refuse = async (file: StoredFile, signal: AbortSignal): Promise<never> => {
    signal.throwIfAborted();
    throw new HoldfastError("storage-read-only", { path: storedPath(file), location });
  };

  return {
    location,
    traits,
    create: (signal) => refuse({ kind: "config", name: "" }, signal),
    save: (file, bytes, signal) => (file.kind === "lock" ? locks.save(file, bytes, signal) : refuse(file, signal)),
    remove: (file, signal) => (file.kind === "lock" ? locks.remove(file, signal) : refuse(file, signal)),

    async load(file, range, signal) {
      signal.throwIfAborted();
      if (file.kind === "lock") return locks.load(file, range, signal);
      const found = (await files(signal)).get(keyOf(file));
      if (found === undefined) throw new HoldfastError("storage-not-found", { path: storedPath(file) });
      return parts.load(file, range, found.version, signal);
    },

    async stat(file, signal) {
      signal.throwIfAborted();
      if (file.kind === "lock") return locks.stat(file, signal);
      return (await files(signal)).get(keyOf(file))?.size;
    },

    async *list(kind, signal): AsyncGenerator<ListedFile> {
      signal.throwIfAborted();
      if (kind === "lock") {
        yield* locks.list(kind, signal);
        return;
      }
      const known = await files(signal);
      if (kind === "config") {
        const config = known.get(keyOf({ kind, name: "" }));
        if (config !== undefined) yield { name: "", size: config.size };
        return;
      }
      const folder = `${place.prefix}${kindFolders[kind]}/`;
      for (const [key, { size }] of known) {
        const name = nameOf(kind, folder, key);
        if (name !== undefined) yield { name, size };
      }
    },

    [Symbol.asyncDispose]: parts.close,
  };
}
