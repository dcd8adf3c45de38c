import { HoldfastError } from "../lib/errors.ts";
import { kindFolders, storedPath } from "../storage/layout.ts";
import { memoryStorage } from "../storage/memory.ts";
import type { Storage, StoredFile } from "../storage/storage.ts";
import type { Drive } from "./drive.ts";
import { VolumeAccess } from "./volume-access.ts";

/**
 * The repository that volumes hold, to read from as from any other: what is asked for is found by the catalogues, and
 * only the volumes that have it are read. Nobody else can be at work on it, so locks stay here.
 */
export function volumeStorage(location: string, drive: Drive): Storage {
  const access = new VolumeAccess(drive);
  const locks = memoryStorage();
  /** There is one head: one request after the other. */
  let turn: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const mine = turn.then(work, work);
    turn = mine.catch(() => undefined);
    return mine;
  };
  const ofOne = async (signal: AbortSignal): Promise<VolumeAccess> => {
    await access.setsOfOne(signal);
    return access;
  };
  const refuse = async (file: StoredFile, signal: AbortSignal): Promise<never> => {
    signal.throwIfAborted();
    throw new HoldfastError("storage-read-only", { path: storedPath(file), location });
  };

  return {
    location,
    traits: { connections: 1 },
    create: (signal) => refuse({ kind: "config", name: "" }, signal),
    save: (file, bytes, signal) => (file.kind === "lock" ? locks.save(file, bytes, signal) : refuse(file, signal)),
    remove: (file, signal) => (file.kind === "lock" ? locks.remove(file, signal) : refuse(file, signal)),

    load: (file, range, signal) =>
      file.kind === "lock"
        ? locks.load(file, range, signal)
        : inTurn(async () => {
            signal.throwIfAborted();
            return (await ofOne(signal)).load(storedPath(file), range, signal);
          }),

    stat: (file, signal) =>
      file.kind === "lock"
        ? locks.stat(file, signal)
        : inTurn(async () => (await (await ofOne(signal)).find(storedPath(file), signal))?.size),

    async *list(kind, signal) {
      if (kind === "lock") {
        yield* locks.list(kind, signal);
        return;
      }
      const files = await inTurn(async () => (await ofOne(signal)).files(signal));
      if (kind === "config") {
        for (const { path, size } of files) if (path === "config") yield { name: "", size };
        return;
      }
      const folder = `${kindFolders[kind]}/`;
      for (const { path, size, sha256 } of files) if (path.startsWith(folder)) yield { name: sha256, size };
    },

    [Symbol.asyncDispose]: () => drive[Symbol.asyncDispose](),
  };
}
