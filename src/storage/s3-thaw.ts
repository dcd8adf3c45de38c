import type { VersionOf } from "./as-of.ts";
import { isS3Error } from "./s3-error.ts";
import type { S3Requests } from "./s3-requests.ts";
import type { StorageThaw, StoredFile } from "./storage.ts";

/** Classes whose objects have to be restored before they can be read, as S3 and those who speak it call them. */
const coldClasses: ReadonlySet<string> = new Set(["GLACIER", "DEEP_ARCHIVE", "ARCHIVE", "COLD_ARCHIVE"]);

export function isColdClass(storageClass: string | undefined): boolean {
  return storageClass !== undefined && coldClasses.has(storageClass);
}

/**
 * `RestoreObject`: the object stays where it is, and a copy of it can be read for some days. `versionOf`: which version; absent: the one
 * that is there now.
 */
export function s3Thaw({ ask, keyOf }: S3Requests, versionOf?: VersionOf): StorageThaw {
  const placeOf = async (file: StoredFile, signal: AbortSignal): Promise<{ Key: string; VersionId?: string }> => {
    const VersionId = await versionOf?.(file, signal);
    return { Key: keyOf(file), ...(VersionId !== undefined && { VersionId }) };
  };

  return {
    state: (file, signal) =>
      ask(file, signal, async (client, { HeadObjectCommand }, bucket) => {
        const command = new HeadObjectCommand({ ...bucket, ...(await placeOf(file, signal)) });
        const { StorageClass, Restore } = await client.send(command, { abortSignal: signal });
        // `ongoing-request="true"`, then `ongoing-request="false", expiry-date="…"`.
        if (Restore !== undefined) return Restore.includes('ongoing-request="true"') ? "thawing" : "ready";
        return isColdClass(StorageClass) ? "cold" : "ready";
      }),

    request: (file, days, signal) =>
      ask(file, signal, async (client, { RestoreObjectCommand }, bucket) => {
        const RestoreRequest = { Days: days, GlacierJobParameters: { Tier: "Standard" as const } };
        const command = new RestoreObjectCommand({ ...bucket, ...(await placeOf(file, signal)), RestoreRequest });
        await client.send(command, { abortSignal: signal }).catch((error: unknown) => {
          if (!isS3Error(error, "RestoreAlreadyInProgress")) throw error;
        });
      }),
  };
}
