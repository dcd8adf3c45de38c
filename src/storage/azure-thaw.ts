import type { AzureRequests } from "./azure-requests.ts";
import type { StorageThaw } from "./storage.ts";

/** The one tier of Azure's that has to be left before a blob can be read. */
export const archiveTier = "Archive";

/**
 * Rehydration: the blob itself goes back to the tier `Hot`, within hours, and stays there; for how many days it is wanted
 * Azure does not ask.
 */
export function azureThaw({ askBlob }: AzureRequests): StorageThaw {
  return {
    state: (file, signal) =>
      askBlob(file, signal, async (blob, { abortSignal }) => {
        const { accessTier, archiveStatus } = await blob.getProperties({ abortSignal });
        if (archiveStatus !== undefined) return "thawing";
        return accessTier === archiveTier ? "cold" : "ready";
      }),

    request: (file, _days, signal) =>
      askBlob(file, signal, async (blob, { abortSignal }) => {
        await blob.setAccessTier("Hot", { abortSignal, rehydratePriority: "Standard" });
      }),
  };
}
