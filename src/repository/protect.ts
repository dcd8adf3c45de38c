import { hash } from "node:crypto";
import type { MasterKey } from "../format/crypto.ts";
import type { Id } from "../format/tree.ts";
import { openUnpacked } from "../format/unpacked.ts";
import { isHoldfastError } from "../lib/errors.ts";
import { leastLockedUntil, lockedUntil, type RetentionLock } from "../lib/keeping.ts";
import { mapBounded } from "../lib/map-bounded.ts";
import { isStoredPath, storedFileAt, storedPath } from "../storage/layout.ts";
import type { DestroyResult, HiddenFile, Storage, StorageRetention, StoredFile } from "../storage/storage.ts";
import { neededFiles, type NeededFile } from "./stored-files.ts";

export interface ProtectOptions {
  readonly signal: AbortSignal;
  readonly now: () => Date;
  /** A snapshot that was just made: its file is one of those on which the lock is tried. */
  readonly snapshot?: Id;
  /** What was learned before. */
  readonly known?: KnownLocks;
  readonly spares: SpareFiles;
  readonly onProgress?: (done: number, total: number) => void;
}

/** Where that is kept which is about to be tried: a run may be killed between a delete that was not refused and putting it back. */
export interface SpareFiles {
  keep(path: string, bytes: Buffer): Promise<void>;
  drop(path: string): Promise<void>;
  /** What such a run has left. */
  left(): AsyncIterable<{ readonly path: string; readonly bytes: Buffer }>;
}

/** What was learned of locks; of a repository elsewhere, or of a weaker lock, it says nothing. */
export interface KnownLocks {
  readonly location: string;
  readonly mode: RetentionLock["mode"];
  /** Until when files are locked, in milliseconds since 1970, by their paths. */
  readonly until: ReadonlyMap<string, number>;
}

export interface ProtectReport extends RetentionLock {
  /** Everything that is needed is locked at least until then, RFC 3339. Absent: not everything is. */
  readonly until?: string;
  readonly files: number;
  /** Locked for longer this time. */
  readonly extended: number;
  /** Could not be locked. */
  readonly failed: number;
  /** Files that somebody hid, or put something else over: what they were before is locked for longer as well. */
  readonly replaced: readonly string[];
  /** Why, of the first of them: the code of an error, or `pack-missing`. */
  readonly reason?: string;
  /** Files that the storage was asked to delete for good, and whether it refused as it must. */
  readonly proofs: readonly LockProof[];
}

export interface LockProof {
  readonly path: string;
  /** `destroyed`: the lock does not hold; the file was put back at once. Neither that nor `refused`: only the storage's word is known of it. */
  readonly result: DestroyResult;
}

export interface ProtectResult {
  readonly report: ProtectReport;
  /** As of now. */
  readonly known: KnownLocks;
}

/**
 * Locks for longer what kept snapshots need: keys, snapshots, indexes, and the packs that an index names. A file that is
 * not needed any more, or was hidden, is left to the lock that it has. Then tries the lock on some: by deleting them.
 *
 * A shared lock is enough: nobody deletes what we lock. `undefined`: the storage was opened without a lock.
 */
export async function protect(
  storage: Storage,
  key: MasterKey,
  options: ProtectOptions,
): Promise<ProtectResult | undefined> {
  const { retention } = storage;
  if (retention === undefined) return undefined;
  const { signal, now, onProgress } = options;
  const putBack = await putBackSpares(storage, retention, options);
  const { files, lostPacks } = await neededFiles(storage, key, signal, "with parity");
  const least = leastLockedUntil(retention.lock, now());
  const until = lockedUntil(retention.lock, now());
  const { location } = storage;
  const { mode } = retention.lock;
  const before = options.known?.location === location && options.known.mode === mode ? options.known.until : undefined;
  const known = new Map<string, number>();
  let extended = 0;
  // What is lost, or hidden, is needed all the same, and its lock runs out.
  let failed = lostPacks.size;
  let reason: string | undefined = failed > 0 ? "pack-missing" : undefined;
  let earliest = until.getTime();
  await mapBounded(files, storage.traits.connections, async (file, done) => {
    const path = storedPath(file);
    try {
      let locked = before?.get(path) ?? (await retention.until(file, signal))?.getTime() ?? 0;
      if (locked < least.getTime()) {
        await retention.extend(file, until, signal);
        locked = until.getTime();
        extended++;
      }
      known.set(path, locked);
      earliest = Math.min(earliest, locked);
    } catch (error) {
      // Gone since it was listed: somebody wrote a new one.
      if (isHoldfastError(error, "storage-not-found")) return;
      signal.throwIfAborted();
      if (!isHoldfastError(error)) throw error;
      failed++;
      reason ??= error.code;
    }
    onProgress?.(done + 1, files.length);
  });
  const lost = [...lostPacks].map((name): StoredFile => ({ kind: "data", name }));
  const replaced = await keepReplaced(storage, retention, key, [...files, ...lost], { least, until, signal });
  const proofs = [...putBack, ...(await prove(storage, retention, chosenForProof(files, options), options))];
  const holds = failed === 0 && proofs.every(({ result }) => result !== "destroyed");
  return {
    known: { location, mode, until: known },
    report: {
      ...retention.lock,
      ...(holds && { until: new Date(earliest).toISOString() }),
      files: files.length,
      extended,
      failed,
      replaced,
      ...(reason !== undefined && { reason }),
      proofs,
    },
  };
}

/**
 * Whoever may write may put something else over a file that is locked, or hide it: the version that was there before is found as of a
 * moment before, as long as its own lock holds. Gives the paths.
 */
async function keepReplaced(
  storage: Storage,
  retention: StorageRetention,
  key: MasterKey,
  needed: readonly StoredFile[],
  { least, until, signal }: { readonly least: Date; readonly until: Date; readonly signal: AbortSignal },
): Promise<readonly string[]> {
  const paths = new Map(needed.map((file) => [storedPath(file), file]));
  const versions = new Map<string, HiddenFile[]>();
  try {
    for await (const one of retention.hidden(signal, new Set(paths.keys()))) {
      versions.set(one.path, [...(versions.get(one.path) ?? []), one]);
    }
  } catch (error) {
    // A login that may only add need not be allowed to look at versions.
    if (isHoldfastError(error, "storage-denied")) return [];
    throw error;
  }
  const replaced: string[] = [];
  for (const [path, old] of versions) {
    const file = paths.get(path);
    // Some was there before and came back: then what is there now is whole.
    if (!file || (await isWhole(file, key, () => storage.load(file, undefined, signal), signal)) === "whole") continue;
    replaced.push(path);
    for (const version of old) {
      const state = await isWhole(file, key, () => retention.loadHidden(version, signal), signal);
      if (state === "broken") continue;
      if (version.until === undefined || version.until < least) await retention.extendHidden(version, until, signal);
      if (state === "whole") break;
    }
  }
  return replaced;
}

/** `unknown`: it cannot be read now, as what is in a cold class; rather one too many is locked. */
async function isWhole(
  file: StoredFile,
  key: MasterKey,
  load: () => Promise<Buffer>,
  signal: AbortSignal,
): Promise<"whole" | "broken" | "unknown"> {
  try {
    const bytes = await load();
    if (file.kind !== "config") return hash("sha256", bytes, "hex") === file.name ? "whole" : "broken";
    // Its name says nothing of it.
    openUnpacked(key, bytes);
    return "whole";
  } catch (error) {
    signal.throwIfAborted();
    if (isHoldfastError(error, "storage-not-found") || isHoldfastError(error, "repository-damaged")) return "broken";
    if (isHoldfastError(error, "storage-cold") || isHoldfastError(error, "storage-failed")) return "unknown";
    throw error;
  }
}

/** The new snapshot, and of indexes and of packs another one each time. */
function chosenForProof(files: readonly NeededFile[], { snapshot, now }: ProtectOptions): readonly StoredFile[] {
  const inTurn = Math.floor(now().getTime() / 1000);
  const oneOf = (kind: StoredFile["kind"]): readonly StoredFile[] => {
    const some = files.filter((file) => file.kind === kind && file.access === undefined);
    const one = some[inTurn % some.length];
    return one === undefined ? [] : [one];
  };
  const ours = snapshot === undefined ? oneOf("snapshot") : [{ kind: "snapshot", name: snapshot } as const];
  return [...ours, ...oneOf("index"), ...oneOf("data")];
}

async function prove(
  storage: Storage,
  retention: StorageRetention,
  files: readonly StoredFile[],
  { spares, signal }: ProtectOptions,
): Promise<readonly LockProof[]> {
  const proofs: LockProof[] = [];
  for (const file of files) {
    // Here first: if it can be deleted after all, it must not be lost by that.
    const path = storedPath(file);
    const bytes = await storage.load(file, undefined, signal);
    await spares.keep(path, bytes);
    try {
      const result = await retention.tryToDestroy(file, signal);
      if (result === "destroyed") await storage.save(file, bytes, signal);
      await spares.drop(path);
      proofs.push({ path, result });
    } catch (error) {
      // Nobody knows whether it is there: this run may have been cancelled meanwhile, so not by its signal.
      await storage.save(file, bytes, AbortSignal.timeout(putBackMs)).catch(() => undefined);
      throw error;
    }
  }
  return proofs;
}

const putBackMs = 10_000;

/** What a run that was killed in the midst of `prove` has deleted. What was removed since as ever is still there, only hidden. */
async function putBackSpares(
  storage: Storage,
  retention: StorageRetention,
  { spares, signal }: ProtectOptions,
): Promise<readonly LockProof[]> {
  const proofs: LockProof[] = [];
  for await (const { path, bytes } of spares.left()) {
    const file = storedFileAt(path);
    const isOurs = isStoredPath(path) && hash("sha256", bytes, "hex") === file.name;
    if (isOurs && (await isDestroyed(storage, retention, file, signal))) {
      await storage.save(file, bytes, signal);
      proofs.push({ path, result: "destroyed" });
    }
    await spares.drop(path);
  }
  return proofs;
}

async function isDestroyed(
  storage: Storage,
  retention: StorageRetention,
  file: StoredFile,
  signal: AbortSignal,
): Promise<boolean> {
  if ((await storage.stat(file, signal)) !== undefined) return false;
  try {
    const [hidden] = await Array.fromAsync(retention.hidden(signal, new Set([storedPath(file)])));
    return hidden === undefined;
  } catch (error) {
    // Who may not look at versions may not destroy any.
    if (isHoldfastError(error, "storage-denied")) return false;
    throw error;
  }
}
