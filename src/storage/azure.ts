import { hash } from "node:crypto";
import type { BlockBlobClient, ContainerClient } from "@azure/storage-blob";
import { HoldfastError } from "../lib/errors.ts";
import { connectAzure } from "./azure-connection.ts";
import { azureError, type AzureSubject, isAzureError } from "./azure-error.ts";
import { checkedSize, isAnswerTo, readBody, shortError } from "./checked-answer.ts";
import { kindFolders, nameInKey, storedPath } from "./layout.ts";
import { parseObjectLocation } from "./object-location.ts";
import { unlessSilent } from "./silence.ts";
import type { Storage, StoredFile } from "./storage.ts";

/**
 * A repository in a container of Azure's Blob Storage, under the names that restic uses.
 *
 * - A file is one Put Blob, which is whole or not there, with the MD5 of its bytes, so that the server checks what came,
 *   and refused where the name is taken (`If-None-Match: *`).
 * - Who we are: `azure-connection.ts`.
 * - It neither retries nor waits: that is `retry.ts`.
 */
export function azureStorage(
  location: string,
  environment: NodeJS.ProcessEnv,
  silentMs: number = usualSilentMs,
): Storage {
  const { bucket, prefix } = parseObjectLocation(location, "azure");
  const subjectOf = (file: StoredFile | undefined): AzureSubject => ({
    location,
    bucket,
    path: file === undefined ? location : `${location.replace(/\/+$/, "")}/${storedPath(file)}`,
  });
  let connecting: Promise<ContainerClient> | undefined;

  /** Runs one request; what fails is classified. */
  async function ask<T>(file: StoredFile | undefined, signal: AbortSignal, request: Request<T>): Promise<T> {
    const subject = subjectOf(file);
    try {
      return await unlessSilent({ silentMs, facts: { ...subject } }, signal, async (abortSignal, heard) => {
        connecting ??= connectAzure(bucket, location, environment);
        return await request({ container: await connecting, abortSignal, heard });
      });
    } catch (error) {
      throw azureError(error, subject, signal, Date.now());
    }
  }

  const askBlob = <T>(file: StoredFile, signal: AbortSignal, request: BlobRequest<T>): Promise<T> =>
    ask(file, signal, (parts) =>
      request(parts.container.getBlockBlobClient(`${prefix}${storedPath(file)}`), parts, subjectOf(file)),
    );

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
    askBlob(file, signal, async (blob, { abortSignal, heard }) => {
      try {
        await blob.upload(bytes, bytes.length, {
          abortSignal,
          onProgress: heard,
          conditions: { ifNoneMatch: "*" },
          transactionalContentMD5: hash("md5", bytes, "buffer"),
          blobHTTPHeaders: { blobContentType: "application/octet-stream" },
        });
        return true;
      } catch (error) {
        if (isAzureError(error, "BlobAlreadyExists", "ConditionNotMet", 412)) return false;
        throw error;
      }
    });

  return {
    location,
    // As many as restic makes; each may hold one pack in memory.
    traits: { connections, parity: "kept" },

    create: (signal) =>
      ask(undefined, signal, async ({ container, abortSignal }) => {
        try {
          await container.createIfNotExists({ abortSignal });
        } catch (error) {
          // A token for what is in the container may not make one: then the first file tells.
          if (!isAzureError(error, ...mayNotCreate)) throw error;
        }
      }),

    async save(file, bytes, signal) {
      // The library hands the bytes to the socket, which refuses shared memory.
      const own = bytes.buffer instanceof SharedArrayBuffer ? Buffer.from(bytes) : bytes;
      if (await put(file, own, signal)) return;
      const size = await sizeOf(file, signal);
      if (file.kind !== "config" && size === own.length) return;
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
      return askBlob(file, signal, async (blob, { abortSignal, heard }) => {
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
    },

    stat: sizeOf,

    async *list(kind, signal) {
      if (kind === "config") {
        const size = await sizeOf({ kind, name: "" }, signal);
        if (size !== undefined) yield { name: "", size };
        return;
      }
      const folder = `${prefix}${kindFolders[kind]}/`;
      let next: string | undefined;
      do {
        const token = next;
        const page = await ask(undefined, signal, async ({ container, abortSignal }) => {
          const pages = container.listBlobsFlat({ prefix: folder, abortSignal }).byPage({
            maxPageSize: filesAPage,
            ...(token !== undefined && { continuationToken: token }),
          });
          const answer = await pages.next();
          return answer.done === true ? undefined : answer.value;
        });
        if (page === undefined) return;
        for (const { name: key, properties } of page.segment.blobItems) {
          const name = nameInKey(kind, folder, key);
          if (name !== undefined) yield { name, size: checkedSize(properties.contentLength, location) };
        }
        next = page.continuationToken || undefined;
        if (next !== undefined && next === token) {
          throw new HoldfastError("storage-failed", { path: location, reason: "List Blobs" });
        }
      } while (next !== undefined);
    },

    remove: (file, signal) =>
      askBlob(file, signal, async (blob, { abortSignal }) => {
        await blob.delete({ abortSignal }).catch((error: unknown) => {
          if (!isAzureError(error, "BlobNotFound")) throw error;
        });
      }),

    async [Symbol.asyncDispose]() {
      connecting = undefined;
    },
  };
}

interface RequestParts {
  readonly container: ContainerClient;
  readonly abortSignal: AbortSignal;
  /** To be called when something moved. */
  readonly heard: () => void;
}

type Request<T> = (parts: RequestParts) => Promise<T>;
type BlobRequest<T> = (blob: BlockBlobClient, parts: RequestParts, subject: AzureSubject) => Promise<T>;

const connections = 5;
const usualSilentMs = 60_000;
/** As many as Azure gives at once. */
const filesAPage = 5000;
const mayNotCreate = [
  "AuthorizationFailure",
  "AuthorizationPermissionMismatch",
  "AuthorizationResourceTypeMismatch",
  "InsufficientAccountPermissions",
];
