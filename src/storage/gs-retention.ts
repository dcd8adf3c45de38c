import { isHoldfastError } from "../lib/errors.ts";
import type { RetentionLock } from "../lib/keeping.ts";
import type { Latest } from "../lib/latest.ts";
import { type GsRequests } from "./gs-requests.ts";
import { gsVersions, isGeneration, retentionIn } from "./gs-versions.ts";
import type { LoadVersion } from "./as-of.ts";
import { isStoredPath, neverThere, storedFileAt, storedPath } from "./layout.ts";
import type { StorageRetention, StoredFile } from "./storage.ts";

/**
 * Google's retention of single objects, in a bucket that keeps versions: a plain delete makes a locked object a version
 * that is not current, and that one stays until its time is over, whoever asks. Nothing here ever asks to override what
 * is unlocked. `lockedHere`: what this process stored itself, and until when, by path.
 */
export function gsRetention(
  requests: GsRequests,
  lock: RetentionLock,
  lockedHere: Latest<Date>,
  load: LoadVersion,
): StorageRetention {
  const { ask, about, refused, urlOf } = requests;
  const mode = retentionMode(lock);

  const extend = (path: string, until: Date, signal: AbortSignal, version?: string): Promise<void> => {
    const body = new Blob([JSON.stringify(retentionUntil(lock, until))]);
    const headers = { "content-type": "application/json" };
    const generation = version === undefined ? "" : `&generation=${version}`;
    const url = `${urlOf(path)}?fields=retention${generation}`;
    return ask({ url, method: "PATCH", headers, body, file: storedFileAt(path) }, signal, async (answer) => {
      if (!answer.response.ok) throw await refused(answer);
    });
  };

  return {
    lock,

    async until(file, signal) {
      const path = storedPath(file);
      const known = lockedHere.get(path);
      if (known !== undefined) return known;
      const found = retentionIn(await about({ url: urlOf(path), file }, "retention", signal));
      // A weaker lock than is wanted counts as none.
      return found?.mode === "Locked" || found?.mode === mode ? found.until : undefined;
    },

    extend: (file, until, signal) => extend(storedPath(file), until, signal),
    loadHidden: ({ path, version }, signal) => load(storedFileAt(path), undefined, version, signal),
    extendHidden: ({ path, version }, until, signal) => extend(path, until, signal, version),

    async tryToDestroy(file, signal) {
      try {
        await destroyCurrent(requests, file, signal);
        return "destroyed";
      } catch (error) {
        if (isHoldfastError(error, "storage-append-only")) return "refused";
        if (!isHoldfastError(error, "storage-denied")) throw error;
      }
      // Where the login may destroy what is not there, it was the lock.
      try {
        await destroy(requests, storedPath(neverThere(file)), "1", signal);
      } catch (error) {
        if (isHoldfastError(error, "storage-denied")) return "powerless";
        throw error;
      }
      return "refused";
    },

    async *hidden(signal, only) {
      for await (const { path, generation, size, goneMs, until } of gsVersions(requests, signal)) {
        if (goneMs !== undefined && isStoredPath(path) && only?.has(path) !== false)
          yield { path, version: generation, size, ...(until && { until }) };
      }
    },

    destroyHidden: ({ path, version }, signal) => destroy(requests, path, version, signal),
  };
}

/** As an object's metadata has it. */
export function retentionUntil(lock: RetentionLock, until: Date): object {
  return { retention: { mode: retentionMode(lock), retainUntilTime: until.toISOString() } };
}

function retentionMode({ mode }: RetentionLock): "Locked" | "Unlocked" {
  return mode === "compliance" ? "Locked" : "Unlocked";
}

/** For good, with nothing kept of it: a delete without a generation would only hide it. */
export async function destroyCurrent(requests: GsRequests, file: StoredFile, signal: AbortSignal): Promise<void> {
  const path = storedPath(file);
  const { generation } = await requests.about({ url: requests.urlOf(path), file }, "generation", signal);
  if (isGeneration(generation)) await destroy(requests, path, generation, signal);
}

function destroy({ ask, refused, urlOf }: GsRequests, path: string, generation: string, signal: AbortSignal) {
  return ask({ url: `${urlOf(path)}?generation=${generation}`, method: "DELETE" }, signal, async (answer) => {
    if (!answer.response.ok && answer.response.status !== 404) throw await refused(answer);
  });
}
