import { isS3Error } from "./s3-error.ts";
import type { S3Requests } from "./s3-requests.ts";
import type { StorageThaw } from "./storage.ts";

/** Classes whose objects have to be restored before they can be read, as S3 and those who speak it call them. */
const coldClasses: ReadonlySet<string> = new Set(["GLACIER", "DEEP_ARCHIVE", "ARCHIVE", "COLD_ARCHIVE"]);

export function isColdClass(storageClass: string | undefined): boolean {
  return storageClass !== undefined && coldClasses.has(storageClass);
}

/** `RestoreObject`: the object stays where it is, and a copy of it can be read for some days. */
export function s3Thaw({ ask, keyOf }: S3Requests): StorageThaw {
  return {
    state: (file, signal) =>
      ask(file, signal, async (client, { HeadObjectCommand }, bucket) => {
        const command = new HeadObjectCommand({ ...bucket, Key: keyOf(file) });
        const { StorageClass, Restore } = await client.send(command, { abortSignal: signal });
        // `ongoing-request="true"`, then `ongoing-request="false", expiry-date="…"`.
        if (Restore !== undefined) return Restore.includes('ongoing-request="true"') ? "thawing" : "ready";
        return isColdClass(StorageClass) ? "cold" : "ready";
      }),

    request: (file, days, signal) =>
      ask(file, signal, async (client, { RestoreObjectCommand }, bucket) => {
        const RestoreRequest = { Days: days, GlacierJobParameters: { Tier: "Standard" as const } };
        const command = new RestoreObjectCommand({ ...bucket, Key: keyOf(file), RestoreRequest });
        await client.send(command, { abortSignal: signal }).catch((error: unknown) => {
          if (!isS3Error(error, "RestoreAlreadyInProgress")) throw error;
        });
      }),
  };
}
