import { hash } from "node:crypto";
import { HoldfastError, isHoldfastError } from "../lib/errors.ts";
import { handled } from "../lib/handled.ts";
import { lockedUntil, mostLockedHere } from "../lib/keeping.ts";
import { Latest } from "../lib/latest.ts";
import { asOfStorage } from "./as-of.ts";
import { connectAzure } from "./azure-connection.ts";
import { azureError, type AzureSubject, isAzureError } from "./azure-error.ts";
import type { AzureRequest, AzureRequests, BlobRequest } from "./azure-requests.ts";
import { azureLockMode, azureRetention, destroyBlob } from "./azure-retention.ts";
import { archiveTier, azureThaw } from "./azure-thaw.ts";
import { azureFilesAsOf, azureListing } from "./azure-versions.ts";
import { checkedSize, isAnswerTo, notStored, readBody, shortError } from "./checked-answer.ts";
import { kindFolders, nameInKey, storedPath } from "./layout.ts";
import { parseObjectLocation } from "./object-location.ts";
import { renewedLogin } from "./renewed-login.ts";
import { unlessSilent } from "./silence.ts";
import type { ByteRange, Storage, StorageOpening, StoredFile } from "./storage.ts";
import { isShared, unsharedBody } from "./unshared-body.ts";

/**
 * A repository in a container of Azure's Blob Storage, under the names that restic uses.
 *
 * - A file is one Put Blob, which is whole or not there, with the MD5 of its bytes, so that the server checks what came,
 *   and refused where the name is taken (`If-None-Match: *`).
 * - Who we are: `azure-connection.ts`.
 * - With a lock, each file is stored with a date until which no version of it can be deleted.
 * - It neither retries nor waits: that is `retry.ts`.
 */
export function azureStorage(
  location: string,
  environment: NodeJS.ProcessEnv,
  { lock, coldClass, now = () => new Date(), silentMs = usualSilentMs, renewLogin }: AzureOpening = {},
): Storage {
  const { bucket, prefix } = parseObjectLocation(location, "azure");
  const subjectOf = (file: StoredFile | undefined): AzureSubject => ({
    location,
    bucket,
    path: file === undefined ? location : `${location.replace(/\/+$/, "")}/${storedPath(file)}`,
  });
  const login = renewedLogin(environment, (own) => handled(connectAzure(bucket, location, own)), renewLogin);
  /** Until when what was stored here is locked, by path. */
  const lockedHere = new Latest<Date>(mostLockedHere);

  /** Runs one request; what fails is classified. */
  async function ask<T>(file: StoredFile | undefined, signal: AbortSignal, request: AzureRequest<T>): Promise<T> {
    const subject = subjectOf(file);
    return await login.use(signal, async (connecting) => {
      try {
        return await unlessSilent({ silentMs, facts: { ...subject } }, signal, async (abortSignal, heard) =>
          request({ container: await connecting, abortSignal, heard }),
        );
      } catch (error) {
        throw azureError(error, subject, signal, Date.now());
      }
    });
  }

  const askBlob = <T>(file: StoredFile, signal: AbortSignal, request: BlobRequest<T>): Promise<T> =>
    ask(file, signal, (parts) =>
      request(parts.container.getBlockBlobClient(`${prefix}${storedPath(file)}`), parts, subjectOf(file)),
    );

  const requests: AzureRequests = { location, prefix, ask, askBlob };

  const sizeOf = (file: StoredFile, signal: AbortSignal): Promise<number | undefined> =>
    askBlob(file, signal, async (blob, { abortSignal }, { path }) => {
      try {
        return checkedSize((await blob.getProperties({ abortSignal })).contentLength, path);
      } catch (error) {
        if (isAzureError(error, 404)) return undefined;
        throw error;
      }
    });

  /** False when the name is taken; nothing was stored then. */
  const put = (file: StoredFile, bytes: Uint8Array, signal: AbortSignal): Promise<boolean> =>
    askBlob(file, signal, async (blob, { abortSignal, heard }, { path }) => {
      const until = lock === undefined || file.kind === "lock" ? undefined : lockedUntil(lock, now());
      try {
        const { etag } = await blob.upload(isShared(bytes) ? () => unsharedBody(bytes) : bytes, bytes.length, {
          abortSignal,
          onProgress: heard,
          conditions: { ifNoneMatch: "*" },
          transactionalContentMD5: hash("md5", bytes, "buffer"),
          blobHTTPHeaders: { blobContentType: "application/octet-stream" },
          ...(lock && until && { immutabilityPolicy: { expiriesOn: until, policyMode: azureLockMode(lock) } }),
          ...(coldClass !== undefined && file.stream === "bulk" && { tier: coldClass }),
        });
        // Azure names what it has made; what stands between and answers in its place has stored nothing.
        if (etag === undefined) throw notStored(path);
        if (until !== undefined) lockedHere.set(storedPath(file), until);
        return true;
      } catch (error) {
        if (isAzureError(error, "BlobAlreadyExists", "ConditionNotMet", 412)) return false;
        throw error;
      }
    });

  const load = async (
    file: StoredFile,
    range: ByteRange | undefined,
    version: string | undefined,
    signal: AbortSignal,
  ): Promise<Buffer> =>
    askBlob(file, signal, async (current, { abortSignal, heard }, { path }) => {
      const blob = version ? current.withVersion(version) : current;
      const options = { abortSignal, maxRetryRequests: 0, onProgress: heard };
      const answer = await blob.download(range?.offset, range?.length, options).catch((error: unknown) => {
        throw isAzureError(error, "InvalidRange", 416) ? shortError(path) : error;
      });
      const body = answer.readableStreamBody as AsyncIterable<Buffer> & { destroy(): void };
      const length = checkedSize(answer.contentLength, path);
      if (range && !isAnswerTo(range, answer.contentRange, length)) {
        body.destroy();
        throw shortError(path);
      }
      return await readBody(body, length, path);
    });

  const close = async (): Promise<void> => {
    void login.taken();
  };
  const traits = { connections, parity: "kept", ...(coldClass !== undefined && { coldClass }) } as const;

  return {
    location,
    // As many as restic makes; each may hold one pack in memory.
    traits,
    ...(lock !== undefined && { retention: azureRetention(requests, lock, lockedHere, load) }),
    thaw: azureThaw(requests),
    asOf: (moment) =>
      asOfStorage({
        location,
        traits,
        list: (signal) => azureFilesAsOf(requests, moment, signal),
        load,
        thaw: (versionOf) => azureThaw(requests, versionOf),
        close,
      }),

    create: (signal) =>
      ask(undefined, signal, async ({ container, abortSignal }) => {
        try {
          await container.createIfNotExists({ abortSignal });
          if (lock === undefined) return;
          const { isImmutableStorageWithVersioningEnabled: keepsLocks } = await container.getProperties({
            abortSignal,
          });
          if (keepsLocks !== true) throw new HoldfastError("storage-lock-unsupported", { location, bucket });
        } catch (error) {
          // A token for what is in the container may not make one: then the first file tells.
          if (!isAzureError(error, ...mayNotCreate)) throw error;
        }
      }),

    async save(file, bytes, signal) {
      if (await put(file, bytes, signal)) return;
      const size = await sizeOf(file, signal);
      if (file.kind !== "config" && size === bytes.length) return;
      throw new HoldfastError("storage-exists", { path: subjectOf(file).path });
    },

    async load(file, range, signal) {
      const { path } = subjectOf(file);
      if (range?.length === 0) {
        const size = await sizeOf(file, signal);
        if (size === undefined) throw new HoldfastError("storage-not-found", { path });
        if (range.offset > size) throw shortError(path);
        return Buffer.alloc(0);
      }
      return load(file, range, undefined, signal);
    },

    stat: sizeOf,

    async *list(kind, signal) {
      if (kind === "config") {
        const size = await sizeOf({ kind, name: "" }, signal);
        if (size !== undefined) yield { name: "", size };
        return;
      }
      const folder = `${prefix}${kindFolders[kind]}/`;
      for await (const { name: key, properties } of azureListing(requests, { prefix: folder }, signal)) {
        const name = nameInKey(kind, folder, key);
        const cold = properties.accessTier === archiveTier && { access: "cold" as const };
        if (name !== undefined) yield { name, size: checkedSize(properties.contentLength, location), ...cold };
      }
    },

    async remove(file, signal) {
      if (lock !== undefined && file.kind === "lock") {
        await destroyBlob(requests, file, signal).catch((error: unknown) => {
          if (!isHoldfastError(error, "storage-not-found")) throw error;
        });
        return;
      }
      await askBlob(file, signal, async (blob, { abortSignal }) => {
        await blob.delete({ abortSignal }).catch((error: unknown) => {
          if (!isAzureError(error, "BlobNotFound")) throw error;
        });
      });
    },

    [Symbol.asyncDispose]: close,
  };
}

/** Timeouts are for tests. */
type AzureOpening = Partial<StorageOpening> & { readonly silentMs?: number | undefined };

const connections = 5;
const usualSilentMs = 60_000;
const mayNotCreate = [
  "AuthorizationFailure",
  "AuthorizationPermissionMismatch",
  "AuthorizationResourceTypeMismatch",
  "InsufficientAccountPermissions",
];
