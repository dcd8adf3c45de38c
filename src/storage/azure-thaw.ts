import { HoldfastError } from "../lib/errors.ts";
import type { VersionOf } from "./as-of.ts";
import { isAzureError } from "./azure-error.ts";
import type { AzureRequests } from "./azure-requests.ts";
import type { StorageThaw } from "./storage.ts";

/** The one tier of Azure's that has to be left before a blob can be read. */
export const archiveTier = "Archive";

/**
 * Rehydration: the blob itself goes back to the tier `Hot`, within hours, and stays there; for how many days it is wanted
 * Azure does not ask. `versionOf`: which version; absent: the one that is there now. Of others Azure rehydrates none.
 */
export function azureThaw({ askBlob }: AzureRequests, versionOf?: VersionOf): StorageThaw {
  return {
    state: (file, signal) =>
      askBlob(file, signal, async (current, { abortSignal }) => {
        const version = await versionOf?.(file, signal);
        const blob = version ? current.withVersion(version) : current;
        const { accessTier, archiveStatus } = await blob.getProperties({ abortSignal });
        if (archiveStatus !== undefined) return "thawing";
        return accessTier === archiveTier ? "cold" : "ready";
      }),

    request: (file, _days, signal) =>
      askBlob(file, signal, async (blob, { abortSignal }, { path }) => {
        const version = await versionOf?.(file, signal);
        if (version) {
          const now = await blob.getProperties({ abortSignal }).catch((error: unknown) => {
            if (!isAzureError(error, "BlobNotFound", 404)) throw error;
          });
          if (now?.versionId !== version) throw new HoldfastError("storage-cold-version", { path });
        }
        await blob.setAccessTier("Hot", { abortSignal, rehydratePriority: "Standard" });
      }),
  };
}
