import type { RetentionLock } from "../lib/keeping.ts";
import type { Latest } from "../lib/latest.ts";
import { isAzureError } from "./azure-error.ts";
import type { AzureRequests } from "./azure-requests.ts";
import { azureVersions } from "./azure-versions.ts";
import type { LoadVersion } from "./as-of.ts";
import { isStoredPath, storedFileAt, storedPath } from "./layout.ts";
import type { DestroyResult, StorageRetention, StoredFile } from "./storage.ts";

/**
 * Azure's immutability of single versions: a delete of a locked blob makes it a version that is not current, and that one
 * stays until its time is over, whoever asks. `lockedHere`: what this process stored itself, and until when, by path.
 *
 * A current version cannot be deleted for good in one step, and hiding it to see whether what is hidden goes would put it
 * at risk. So the proof of `compliance` is to ask for the lock to be taken off, which must be refused. Who may take off a
 * lock of `governance` may do so: of that only what the server says of it is looked at.
 */
export function azureRetention(
  requests: AzureRequests,
  lock: RetentionLock,
  lockedHere: Latest<Date>,
  load: LoadVersion,
): StorageRetention {
  const { askBlob, ask, prefix } = requests;
  const policyMode = azureLockMode(lock);

  const policyOf = (file: StoredFile, signal: AbortSignal): Promise<Date | undefined> =>
    askBlob(file, signal, async (blob, { abortSignal }) => {
      const { immutabilityPolicyMode: found, immutabilityPolicyExpiresOn: until } = await blob.getProperties({
        abortSignal,
      });
      // A weaker lock than is wanted counts as none. The server writes the names in small letters, the library does not.
      const mode = found?.toLowerCase();
      return mode === "locked" || mode === policyMode.toLowerCase() ? until : undefined;
    });

  const extend = (file: StoredFile, until: Date, signal: AbortSignal, version?: string): Promise<void> =>
    askBlob(file, signal, async (current, { abortSignal }) => {
      const blob = version === undefined ? current : current.withVersion(version);
      await blob.setImmutabilityPolicy({ expiriesOn: until, policyMode }, { abortSignal });
    });

  return {
    lock,
    until: async (file, signal) => lockedHere.get(storedPath(file)) ?? (await policyOf(file, signal)),
    extend,
    loadHidden: ({ path, version }, signal) => load(storedFileAt(path), undefined, version, signal),
    extendHidden: ({ path, version }, until, signal) => extend(storedFileAt(path), until, signal, version),

    async tryToDestroy(file, signal) {
      const until = await policyOf(file, signal);
      if (until === undefined) return "destroyed";
      if (lock.mode === "governance") return "refused";
      const result = await askBlob<DestroyResult>(file, signal, async (blob, { abortSignal }) => {
        try {
          await blob.deleteImmutabilityPolicy({ abortSignal });
          return "destroyed";
        } catch (error) {
          if (isAzureError(error, "ImmutabilityPolicyDeleteOnLockedPolicy", "BlobImmutableDueToPolicy"))
            return "refused";
          // A login that may not ask, or a lease, is refused as well, and says nothing of the lock.
          if (isAzureError(error, 403, 409, 412)) return "unproved";
          throw error;
        }
      });
      if (result === "destroyed") await extend(file, until, signal);
      return result;
    },

    async *hidden(signal, only) {
      for await (const { path, version, size, state, until } of azureVersions(requests, signal)) {
        if (state === "old" && isStoredPath(path) && only?.has(path) !== false)
          yield { path, version, size, ...(until && { until }) };
      }
    },

    destroyHidden: ({ path, version }, signal) =>
      ask(undefined, signal, async ({ container, abortSignal }) => {
        const blob = container.getBlobClient(`${prefix}${path}`).withVersion(version);
        await blob.delete({ abortSignal }).catch((error: unknown) => {
          if (!isAzureError(error, "BlobNotFound")) throw error;
        });
      }),
  };
}

export function azureLockMode({ mode }: RetentionLock): "Locked" | "Unlocked" {
  return mode === "compliance" ? "Locked" : "Unlocked";
}

/** A lock file leaves with its version: it is renewed every five minutes, and what only hides it would pile up. */
export function destroyBlob({ askBlob }: AzureRequests, file: StoredFile, signal: AbortSignal): Promise<void> {
  return askBlob(file, signal, async (blob, { abortSignal }) => {
    const { versionId } = await blob.getProperties({ abortSignal });
    await blob.delete({ abortSignal });
    if (versionId === undefined) return;
    // It is gone as far as anybody else sees; a login that may not delete versions leaves it to a prune.
    await blob
      .withVersion(versionId)
      .delete({ abortSignal })
      .catch((error: unknown) => {
        if (!isAzureError(error, 403, 404)) throw error;
      });
  });
}
