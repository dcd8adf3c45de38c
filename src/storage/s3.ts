import { hash } from "node:crypto";
import type { Readable } from "node:stream";
import type { S3Client } from "@aws-sdk/client-s3";
import { HoldfastError } from "../lib/errors.ts";
import { checkedSize, isAnswerTo, readBody, shortError } from "./checked-answer.ts";
import { isStoredName, kindFolders, storedPath } from "./layout.ts";
import { isS3Error, type S3Subject, s3Error } from "./s3-error.ts";
import { parseS3Location, type S3Place } from "./s3-location.ts";
import type { FileKind, Storage, StoredFile } from "./storage.ts";

/**
 * A repository in a bucket of S3, or of a server that speaks it, under the keys that restic uses.
 *
 * - A file is one PUT, which is whole or not there, with the MD5 of its bytes, so that the server checks what came; where
 *   it can it refuses a name that is there already (`If-None-Match: *`), and is asked before where it cannot.
 * - Who we are comes from where AWS' own programs take it: `AWS_*` in the environment, a profile, the machine's or the
 *   pod's role. The region from the host's name, `AWS_REGION`, or the profile.
 * - The library is loaded with the first request. It neither retries nor waits: that is `retry.ts`.
 */
export function s3Storage(
  location: string,
  environment: NodeJS.ProcessEnv,
  timeouts: S3Timeouts = usualTimeouts,
): Storage {
  const place = parseS3Location(location);
  const keyOf = (file: StoredFile): string => `${place.prefix}${storedPath(file)}`;
  let connecting: Promise<Connection> | undefined;
  let overwrites: "refused" | "asked" = "refused";

  /** Runs one request; what fails is classified. */
  async function ask<T>(file: StoredFile | undefined, signal: AbortSignal, request: Request<T>): Promise<T> {
    signal.throwIfAborted();
    const subject = subjectOf(location, place, file);
    try {
      connecting ??= connect(place, environment, timeouts);
      const { library, client } = await connecting;
      return await request(client, library, { Bucket: place.bucket });
    } catch (error) {
      throw s3Error(error, subject, signal);
    }
  }

  const sizeOf = (file: StoredFile, signal: AbortSignal): Promise<number | undefined> =>
    ask(file, signal, async (client, { HeadObjectCommand }, bucket) => {
      try {
        const head = new HeadObjectCommand({ ...bucket, Key: keyOf(file) });
        const { ContentLength: size } = await client.send(head, { abortSignal: signal });
        return checkedSize(size, subjectOf(location, place, file).path);
      } catch (error) {
        if (isS3Error(error, "NotFound", "NoSuchKey")) return undefined;
        throw error;
      }
    });

  /** True when the file is stored already; throws where the contract calls it a conflict. */
  async function isThere(file: StoredFile, length: number, signal: AbortSignal): Promise<boolean> {
    const size = await sizeOf(file, signal);
    if (size === undefined) return false;
    if (file.kind === "config" || size !== length) {
      throw new HoldfastError("storage-exists", { path: subjectOf(location, place, file).path });
    }
    return true;
  }

  /** False when the name is taken; nothing was stored then. */
  const put = (file: StoredFile, bytes: Uint8Array, signal: AbortSignal): Promise<boolean> =>
    ask(file, signal, async (client, { PutObjectCommand }, bucket) => {
      const command = new PutObjectCommand({
        ...bucket,
        Key: keyOf(file),
        Body: bytes,
        ContentLength: bytes.length,
        ContentMD5: hash("md5", bytes, "base64"),
        ContentType: "application/octet-stream",
        ...(overwrites === "refused" && { IfNoneMatch: "*" }),
      });
      try {
        await client.send(command, { abortSignal: signal });
        return true;
      } catch (error) {
        if (isS3Error(error, "PreconditionFailed", 412)) return false;
        if (overwrites === "asked" || !isS3Error(error, "NotImplemented", 501)) throw error;
        overwrites = "asked";
        return false;
      }
    });

  return {
    location,
    // As many as restic makes; each may hold one pack in memory.
    traits: { connections },

    create: (signal) =>
      ask(undefined, signal, async (client, { HeadBucketCommand, CreateBucketCommand }, bucket) => {
        try {
          await client.send(new HeadBucketCommand(bucket), { abortSignal: signal });
        } catch (error) {
          // A key for a part of the bucket may not see the whole: then the first file tells.
          if (isS3Error(error, 403)) return;
          if (!isS3Error(error, "NotFound", "NoSuchBucket", 404)) throw error;
          await client.send(new CreateBucketCommand(bucket), { abortSignal: signal }).catch((refusal: unknown) => {
            if (!isS3Error(refusal, "BucketAlreadyOwnedByYou")) throw refusal;
          });
        }
      }),

    async save(file, bytes, signal) {
      // The library hands the bytes to the socket, which refuses shared memory.
      const own = bytes.buffer instanceof SharedArrayBuffer ? Buffer.from(bytes) : bytes;
      // A server that does not know the condition must not replace the one file whose name is not its contents.
      if ((file.kind === "config" || overwrites === "asked") && (await isThere(file, own.length, signal))) return;
      if (await put(file, own, signal)) return;
      if (await isThere(file, own.length, signal)) return;
      if (await put(file, own, signal)) return;
      throw new HoldfastError("storage-unreachable", {
        path: subjectOf(location, place, file).path,
        reason: "HTTP 412",
      });
    },

    async load(file, range, signal) {
      const subject = subjectOf(location, place, file);
      if (range?.length === 0) {
        const size = await sizeOf(file, signal);
        if (size === undefined) throw new HoldfastError("storage-not-found", { path: subject.path });
        if (range.offset > size) throw shortError(subject.path);
        return Buffer.alloc(0);
      }
      return ask(file, signal, async (client, { GetObjectCommand }, bucket) => {
        const Range = range && `bytes=${range.offset}-${range.offset + range.length - 1}`;
        const command = new GetObjectCommand({ ...bucket, Key: keyOf(file), ...(Range && { Range }) });
        const answer = await client.send(command, { abortSignal: signal }).catch((error: unknown) => {
          throw isS3Error(error, "InvalidRange", 416) ? shortError(subject.path) : error;
        });
        const body = answer.Body as Readable;
        // Nobody may be listening yet when a connection breaks.
        body.on("error", () => undefined);
        const length = checkedSize(answer.ContentLength, subject.path);
        if (range && !isAnswerTo(range, answer.ContentRange, length)) {
          body.destroy();
          throw shortError(subject.path);
        }
        return await readStream(body, length, subject, signal);
      });
    },

    stat: sizeOf,

    async *list(kind, signal) {
      if (kind === "config") {
        const size = await sizeOf({ kind, name: "" }, signal);
        if (size !== undefined) yield { name: "", size };
        return;
      }
      const folder = `${place.prefix}${kindFolders[kind]}/`;
      let next: string | undefined;
      do {
        const token = next;
        const page = await ask(undefined, signal, (client, { ListObjectsV2Command }, bucket) => {
          const command = new ListObjectsV2Command({
            ...bucket,
            Prefix: folder,
            MaxKeys: 1000,
            ...(kind === "data" ? {} : { Delimiter: "/" }),
            ...(token !== undefined && { ContinuationToken: token }),
          });
          return client.send(command, { abortSignal: signal });
        });
        for (const { Key: key = "", Size: size } of page.Contents ?? []) {
          const name = nameIn(kind, folder, key);
          if (name !== undefined) yield { name, size: checkedSize(size, location) };
        }
        next = page.IsTruncated === true ? page.NextContinuationToken : undefined;
        if (page.IsTruncated === true && (next === undefined || next === token)) {
          throw new HoldfastError("storage-failed", { path: location, reason: "ListObjectsV2" });
        }
      } while (next !== undefined);
    },

    remove: (file, signal) =>
      ask(file, signal, async (client, { DeleteObjectCommand }, bucket) => {
        const command = new DeleteObjectCommand({ ...bucket, Key: keyOf(file) });
        await client.send(command, { abortSignal: signal }).catch((error: unknown) => {
          if (!isS3Error(error, "NoSuchKey", "NotFound")) throw error;
        });
      }),

    async [Symbol.asyncDispose]() {
      const connected = await connecting?.catch(() => undefined);
      connected?.client.destroy();
      connecting = undefined;
    },
  };
}

type Library = typeof import("@aws-sdk/client-s3");
type Request<T> = (client: S3Client, library: Library, bucket: { readonly Bucket: string }) => Promise<T>;

interface Connection {
  readonly library: Library;
  readonly client: S3Client;
}

const connections = 5;
/** Of the version that `package.json` names: what it is tested with. */
const libraryVersion = "3.1169.0";

export interface S3Timeouts {
  /** Until a connection stands. */
  readonly connectMs: number;
  /** Without a byte in either direction: a large upload may take as long as it likes. */
  readonly idleMs: number;
}

const usualTimeouts: S3Timeouts = { connectMs: 15_000, idleMs: 60_000 };
const silent = { trace() {}, debug() {}, info() {}, warn() {}, error() {} };

async function connect(
  place: S3Place,
  environment: NodeJS.ProcessEnv,
  { connectMs, idleMs }: S3Timeouts,
): Promise<Connection> {
  const library = await loadLibrary();
  const region = place.region ?? environment["AWS_REGION"] ?? environment["AWS_DEFAULT_REGION"];
  const make = (known: string | undefined) =>
    new library.S3Client({
      ...(known && { region: known }),
      ...(place.endpoint === undefined ? { followRegionRedirects: true } : { endpoint: place.endpoint }),
      forcePathStyle: place.style === "path",
      maxAttempts: 1,
      logger: silent,
      // A round trip for each file, to learn a little earlier what goes wrong seldom.
      expectContinueHeader: false,
      // Sums that only AWS knows; MD5 is known to all.
      requestChecksumCalculation: "WHEN_REQUIRED",
      responseChecksumValidation: "WHEN_REQUIRED",
      requestHandler: {
        connectionTimeout: connectMs,
        socketTimeout: idleMs,
        httpAgent: { keepAlive: true, maxSockets: connections },
        httpsAgent: { keepAlive: true, maxSockets: connections },
        logger: silent,
      },
    });
  const client = make(region);
  // A profile may name the region. Without any, servers other than AWS take this one.
  const named = await client.config.region().catch(() => undefined);
  return { library, client: named === undefined ? make("us-east-1") : client };
}

async function loadLibrary(): Promise<Library> {
  try {
    return await import("@aws-sdk/client-s3");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ERR_MODULE_NOT_FOUND") throw error;
    throw new HoldfastError(
      "storage-library",
      { kind: "s3", library: "@aws-sdk/client-s3", version: libraryVersion },
      error,
    );
  }
}

function subjectOf(location: string, place: S3Place, file: StoredFile | undefined): S3Subject {
  const path = file === undefined ? location : `${location.replace(/\/+$/, "")}/${storedPath(file)}`;
  return { location, bucket: place.bucket, path };
}

/** As `readBody`; a stop ends it where the library's own would not. */
async function readStream(body: Readable, length: number, subject: S3Subject, signal: AbortSignal): Promise<Buffer> {
  const stop = (): void => void body.destroy();
  signal.addEventListener("abort", stop, { once: true });
  try {
    return await readBody(body as AsyncIterable<Buffer>, length, subject.path);
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

/** The file's name when the key is one of ours, where it belongs. */
function nameIn(kind: FileKind, folder: string, key: string): string | undefined {
  if (!key.startsWith(folder)) return undefined;
  const rest = key.slice(folder.length);
  const name = kind === "data" ? rest.slice(3) : rest;
  if (kind === "data" && rest.slice(0, 3) !== `${name.slice(0, 2)}/`) return undefined;
  return isStoredName(name) ? name : undefined;
}
