import { HoldfastError } from "../lib/errors.ts";
import type { RetentionLock } from "../lib/keeping.ts";
import type { Latest } from "../lib/latest.ts";
import type { LoadVersion } from "./as-of.ts";
import { isStoredPath, neverThere, storedFileAt } from "./layout.ts";
import { isS3Error } from "./s3-error.ts";
import type { S3Requests } from "./s3-requests.ts";
import { s3Versions } from "./s3-versions.ts";
import type { DestroyResult, StorageRetention, StoredFile } from "./storage.ts";

/**
 * S3's Object Lock; `lockedHere`: what this process stored itself, and until when, by key, so that nobody has to be asked.
 * A plain delete of a locked object adds a marker that hides it; the version below stays until its time
 * is over, whoever asks. Nothing here ever asks to bypass governance.
 */
export function s3Retention(
  requests: S3Requests,
  lock: RetentionLock,
  lockedHere: Latest<Date>,
  load: LoadVersion,
): StorageRetention {
  const { ask, keyOf, place } = requests;
  const Mode = lockMode(lock);

  const head = (file: StoredFile, signal: AbortSignal, VersionId?: string) =>
    ask(file, signal, (client, { HeadObjectCommand }, bucket) => {
      const command = new HeadObjectCommand({ ...bucket, Key: keyOf(file), ...(VersionId && { VersionId }) });
      return client.send(command, { abortSignal: signal });
    });

  const extend = (file: StoredFile, until: Date, signal: AbortSignal, VersionId?: string) =>
    ask(file, signal, async (client, { PutObjectRetentionCommand }, bucket) => {
      const Retention = { Mode, RetainUntilDate: until };
      const command = new PutObjectRetentionCommand({
        ...bucket,
        Key: keyOf(file),
        Retention,
        ...(VersionId && { VersionId }),
      });
      await client.send(command, { abortSignal: signal });
    });

  return {
    lock,

    async until(file, signal) {
      const known = lockedHere.get(keyOf(file));
      if (known !== undefined) return known;
      const { ObjectLockMode: mode, ObjectLockRetainUntilDate: until } = await head(file, signal);
      // A weaker lock than is wanted counts as none.
      return mode === "COMPLIANCE" || mode === Mode ? until : undefined;
    },

    extend,
    loadHidden: ({ path, version }, signal) => load(storedFileAt(path), undefined, version, signal),
    extendHidden: ({ path, version }, until, signal) => extend(storedFileAt(path), until, signal, version),

    async tryToDestroy(file, signal) {
      const { VersionId } = await head(file, signal);
      // Without a version there is no lock, and a plain delete would prove nothing else.
      if (VersionId === undefined) return "destroyed";
      return ask<DestroyResult>(file, signal, async (client, { DeleteObjectCommand }, bucket) => {
        try {
          await client.send(new DeleteObjectCommand({ ...bucket, Key: keyOf(file), VersionId }), {
            abortSignal: signal,
          });
          return "destroyed";
        } catch (error) {
          if (isRefusal(error)) return "refused";
          if (!isS3Error(error, "AccessDenied", 403)) throw error;
        }
        // Some say no more than that. Where the login may destroy what is not there, it was the lock.
        try {
          const absent = { ...bucket, Key: keyOf(neverThere(file)), VersionId };
          await client.send(new DeleteObjectCommand(absent), { abortSignal: signal });
        } catch (error) {
          if (isS3Error(error, "AccessDenied", 403)) return "powerless";
          if (!isS3Error(error, 400, 404)) throw error;
        }
        return "refused";
      });
    },

    async *hidden(signal, only) {
      for await (const { key, version, size, kind, isLatest } of s3Versions(requests, place.prefix, signal)) {
        const path = key.slice(place.prefix.length);
        if (isLatest || kind === "marker" || !isStoredPath(path) || only?.has(path) === false) continue;
        const until = await ask(undefined, signal, async (client, { HeadObjectCommand }, bucket) => {
          const command = new HeadObjectCommand({ ...bucket, Key: key, VersionId: version });
          const found = await client.send(command, { abortSignal: signal });
          return found.ObjectLockRetainUntilDate;
        });
        yield { path, version, size, ...(until && { until }) };
      }
    },

    async destroyHidden({ path, version }, signal) {
      const key = `${place.prefix}${path}`;
      await destroyVersion(requests, key, version, signal);
      // The marker that hid it is of no use any more.
      const left = [];
      for await (const one of s3Versions(requests, key, signal)) if (one.key === key) left.push(one);
      if (left.some(({ kind }) => kind === "file")) return;
      for (const marker of left) await destroyVersion(requests, key, marker.version, signal);
    },
  };
}

export function lockMode({ mode }: RetentionLock): "COMPLIANCE" | "GOVERNANCE" {
  return mode === "compliance" ? "COMPLIANCE" : "GOVERNANCE";
}

/**
 * A lock file leaves with all its versions, where the credentials allow that: it is renewed every five minutes, and what
 * only hides it would pile up. Gives false where they do not.
 */
export async function destroyEveryVersion(requests: S3Requests, key: string, signal: AbortSignal): Promise<boolean> {
  try {
    for await (const one of s3Versions(requests, key, signal)) {
      if (one.key === key) await destroyVersion(requests, key, one.version, signal);
    }
    return true;
  } catch (error) {
    if (error instanceof HoldfastError && error.code === "storage-denied") return false;
    throw error;
  }
}

function destroyVersion({ ask }: S3Requests, Key: string, VersionId: string, signal: AbortSignal): Promise<void> {
  return ask(undefined, signal, async (client, { DeleteObjectCommand }, bucket) => {
    await client.send(new DeleteObjectCommand({ ...bucket, Key, VersionId }), { abortSignal: signal });
  });
}

/** MinIO says so with another name. */
function isRefusal(error: unknown): boolean {
  return error instanceof Error && /WORM|object lock|retention/i.test(error.message);
}
