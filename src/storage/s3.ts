import { hash } from "node:crypto";
import type { Readable } from "node:stream";
import type { S3Client, StorageClass } from "@aws-sdk/client-s3";
import { HoldfastError } from "../lib/errors.ts";
import { handled } from "../lib/handled.ts";
import { lockedUntil, mostLockedHere } from "../lib/keeping.ts";
import { Latest } from "../lib/latest.ts";
import { hasSystemCode } from "../lib/system-code.ts";
import { checkedSize, isAnswerTo, notStored, readBody, shortError } from "./checked-answer.ts";
import { HttpReader, isWorthReading } from "./http-reader.ts";
import { kindFolders, nameInKey, storedPath } from "./layout.ts";
import { quickAgents } from "./quick-ack.ts";
import { renewedLogin } from "./renewed-login.ts";
import { readAtOnce } from "./s3-read.ts";
import { isS3Error, type S3Subject, s3Error } from "./s3-error.ts";
import { asOfStorage } from "./as-of.ts";
import { s3FilesAsOf } from "./s3-as-of.ts";
import { parseS3Location, type S3Place } from "./s3-location.ts";
import { listed, type S3Library, type S3Request, type S3Requests } from "./s3-requests.ts";
import { destroyEveryVersion, lockMode, s3Retention } from "./s3-retention.ts";
import { inBase64, S3Sums, sendUnshared } from "./s3-sums.ts";
import { isColdClass, s3Thaw } from "./s3-thaw.ts";
import type { ByteRange, Storage, StorageOpening, StoredFile } from "./storage.ts";
import { isShared } from "./unshared-body.ts";

/**
 * A repository in a bucket of S3, or of a server that speaks it, under the keys that restic uses.
 *
 * - A file is one PUT, which is whole or not there, with a sum of its bytes that the server checks (`s3-sums.ts`); where it can it refuses a name that is there already (`If-None-Match: *`), and is asked before where it cannot.
 * - Who we are comes from where AWS' own programs take it: `AWS_*` in the environment, a profile, the machine's or the
 *   pod's role. The region from the host's name, `AWS_REGION`, or the profile.
 * - With a lock, each file is stored with a date until which no version of it can be deleted (Object Lock).
 * - The library is loaded with the first request. It neither retries nor waits: that is `retry.ts`.
 */
export function s3Storage(
  location: string,
  environment: NodeJS.ProcessEnv,
  { lock, coldClass, now = () => new Date(), renewLogin, ...timeouts }: S3Opening = {},
): Storage {
  const place = parseS3Location(location);
  const keyOf = (file: StoredFile): string => `${place.prefix}${storedPath(file)}`;
  const login = renewedLogin(
    environment,
    (own) => handled(connect(place, own, { ...usualTimeouts, ...timeouts })),
    renewLogin,
    (connecting) => void disconnect(connecting),
  );
  /** Until when what was stored here is locked, by key. */
  const lockedHere = new Latest<Date>(mostLockedHere);
  let overwrites: "refused" | "asked" = "refused";

  /** Runs one request; what fails is classified. */
  async function ask<T>(file: StoredFile | undefined, signal: AbortSignal, request: S3Request<T>): Promise<T> {
    signal.throwIfAborted();
    const subject = subjectOf(location, place, file);
    return await login.use(signal, async (connecting) => {
      try {
        const { library, client, reader } = await connecting;
        return await request(client, library, { Bucket: place.bucket }, reader);
      } catch (error) {
        throw s3Error(error, subject, signal);
      }
    });
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
      const sum = file.named === "by-contents" ? file.name : undefined;
      // Where locks are asked for, servers want an MD5 whatever else they compare.
      const suffices = sum !== undefined && lock === undefined && sums.suffice(bytes.length, signal);
      const until = lock === undefined || file.kind === "lock" ? undefined : lockedUntil(lock, now());
      const command = new PutObjectCommand({
        ...bucket,
        Key: keyOf(file),
        Body: bytes,
        ContentLength: bytes.length,
        ...(suffices ? { ChecksumSHA256: inBase64(sum) } : { ContentMD5: hash("md5", bytes, "base64") }),
        ContentType: "application/octet-stream",
        ...(lock && until && { ObjectLockMode: lockMode(lock), ObjectLockRetainUntilDate: until }),
        // A class may have any name; the library knows those of AWS.
        ...(coldClass !== undefined && file.stream === "bulk" && { StorageClass: coldClass as StorageClass }),
        ...(overwrites === "refused" && { IfNoneMatch: "*" }),
      });
      if (isShared(bytes)) sendUnshared(command, bytes, sum ?? hash("sha256", bytes));
      try {
        const { ETag } = await client.send(command, { abortSignal: signal });
        // Every server says it of what it stored; what stands between and answers in its place has stored nothing.
        if (ETag === undefined && (await sizeOf(file, signal)) !== bytes.length)
          throw notStored(subjectOf(location, place, file).path);
        if (until !== undefined) lockedHere.set(keyOf(file), until);
        return true;
      } catch (error) {
        if (isS3Error(error, "PreconditionFailed", 412)) return false;
        if (lock !== undefined && isS3Error(error, "InvalidRequest")) throw unlockable(error);
        if (overwrites === "asked" || !isS3Error(error, "NotImplemented", 501)) throw error;
        overwrites = "asked";
        return false;
      }
    });

  /** A bucket cannot be given locks later, by most servers. */
  const unlockable = (cause: unknown): HoldfastError =>
    new HoldfastError("storage-lock-unsupported", { location, bucket: place.bucket }, cause);

  const load = async (
    file: StoredFile,
    range: ByteRange | undefined,
    version: string | undefined,
    signal: AbortSignal,
  ) =>
    ask(file, signal, async (client, { GetObjectCommand }, bucket, reader) => {
      const subject = subjectOf(location, place, file);
      const Range = range && `bytes=${range.offset}-${range.offset + range.length - 1}`;
      const command = new GetObjectCommand({
        ...bucket,
        Key: keyOf(file),
        ...(Range && { Range }),
        ...(version !== undefined && { VersionId: version }),
      });
      if (range && isWorthReading(range)) readAtOnce(command, reader, range, signal);
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

  const close = async (): Promise<void> => {
    for (const connecting of login.taken()) await disconnect(connecting);
  };

  const requests: S3Requests = { location, place, keyOf, ask };
  const sums = new S3Sums(requests);
  const traits = { connections, parity: "kept", ...(coldClass !== undefined && { coldClass }) } as const;

  return {
    location,
    // As many as restic makes; each may hold one pack in memory.
    traits,
    ...(lock !== undefined && { retention: s3Retention(requests, lock, lockedHere, load) }),
    thaw: s3Thaw(requests),
    asOf: (moment) =>
      asOfStorage({
        location,
        traits,
        list: (signal) => s3FilesAsOf(requests, moment, signal),
        load,
        thaw: (versionOf) => s3Thaw(requests, versionOf),
        close,
      }),

    create: (signal) =>
      ask(
        undefined,
        signal,
        async (client, { HeadBucketCommand, CreateBucketCommand, GetObjectLockConfigurationCommand }, bucket) => {
          try {
            await client.send(new HeadBucketCommand(bucket), { abortSignal: signal });
            if (lock !== undefined)
              await client.send(new GetObjectLockConfigurationCommand(bucket), { abortSignal: signal });
          } catch (error) {
            if (isS3Error(error, "ObjectLockConfigurationNotFoundError")) throw unlockable(error);
            // A key for a part of the bucket may not see the whole: then the first file tells.
            if (isS3Error(error, 403)) return;
            if (!isS3Error(error, "NotFound", "NoSuchBucket", 404)) throw error;
            await client
              .send(
                new CreateBucketCommand({ ...bucket, ...(lock !== undefined && { ObjectLockEnabledForBucket: true }) }),
                { abortSignal: signal },
              )
              .catch((refusal: unknown) => {
                if (!isS3Error(refusal, "BucketAlreadyOwnedByYou")) throw refusal;
              });
          }
        },
      ),

    async save(file, bytes, signal) {
      // A server that does not know the condition must not replace the one file whose name is not its contents.
      // Where versions are kept, a server may know the condition and not care.
      const asks = file.kind === "config" || overwrites === "asked" || lock !== undefined;
      if (asks && (await isThere(file, bytes.length, signal))) return;
      if (await put(file, bytes, signal)) return;
      if (await isThere(file, bytes.length, signal)) return;
      if (await put(file, bytes, signal)) return;
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
      return load(file, range, undefined, signal);
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
        const page = await ask(undefined, signal, async (client, { ListObjectsV2Command }, bucket) => {
          const command = new ListObjectsV2Command({
            ...bucket,
            Prefix: folder,
            MaxKeys: 1000,
            ...(kind === "data" ? {} : { Delimiter: "/" }),
            ...(token !== undefined && { ContinuationToken: token }),
          });
          return listed(await client.send(command, { abortSignal: signal }), location);
        });
        for (const { Key: key = "", Size: size, StorageClass: storageClass } of page.Contents ?? []) {
          const name = nameInKey(kind, folder, key);
          const cold = isColdClass(storageClass) && { access: "cold" as const };
          if (name !== undefined) yield { name, size: checkedSize(size, location), ...cold };
        }
        next = page.IsTruncated === true ? page.NextContinuationToken : undefined;
        if (page.IsTruncated === true && (next === undefined || next === token)) {
          throw new HoldfastError("storage-failed", { path: location, reason: "ListObjectsV2" });
        }
      } while (next !== undefined);
    },

    async remove(file, signal) {
      if (lock !== undefined && file.kind === "lock" && (await destroyEveryVersion(requests, keyOf(file), signal)))
        return;
      await ask(file, signal, async (client, { DeleteObjectCommand }, bucket) => {
        const command = new DeleteObjectCommand({ ...bucket, Key: keyOf(file) });
        await client.send(command, { abortSignal: signal }).catch((error: unknown) => {
          if (!isS3Error(error, "NoSuchKey", "NotFound")) throw error;
        });
      });
    },

    [Symbol.asyncDispose]: close,
  };
}

interface Connection {
  readonly library: S3Library;
  readonly client: S3Client;
  readonly reader: HttpReader;
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

/** Timeouts are for tests. */
type S3Opening = Partial<StorageOpening & S3Timeouts>;

const usualTimeouts: S3Timeouts = { connectMs: 15_000, idleMs: 60_000 };
const silent = { trace() {}, debug() {}, info() {}, warn() {}, error() {} };

async function connect(
  place: S3Place,
  environment: NodeJS.ProcessEnv,
  { connectMs, idleMs }: S3Timeouts,
): Promise<Connection> {
  const library = await loadLibrary();
  const region = place.region ?? environment["AWS_REGION"] ?? environment["AWS_DEFAULT_REGION"];
  // First in the library's own chain too, which knows only this process's environment.
  const {
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
    AWS_SESSION_TOKEN: token,
  } = environment;
  const credentials = { accessKeyId, secretAccessKey, ...(token && { sessionToken: token }) };
  const login = hasKey(credentials) && { credentials };
  const make = (known: string | undefined) =>
    new library.S3Client({
      ...(known && { region: known }),
      ...login,
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
        ...quickAgents({ keepAlive: true, maxSockets: connections }),
        logger: silent,
      },
    });
  const client = make(region);
  // A profile may name the region. Without any, servers other than AWS take this one.
  const named = await client.config.region().catch(() => undefined);
  const reader = new HttpReader(connections, { connectMs, idleMs });
  return { library, client: named === undefined ? make("us-east-1") : client, reader };
}

async function disconnect(connecting: Promise<Connection>): Promise<void> {
  const connected = await connecting.catch(() => undefined);
  connected?.client.destroy();
  connected?.reader.close();
}

function hasKey<T extends { readonly accessKeyId: string | undefined; readonly secretAccessKey: string | undefined }>(
  given: T,
): given is T & { readonly accessKeyId: string; readonly secretAccessKey: string } {
  return Boolean(given.accessKeyId) && Boolean(given.secretAccessKey);
}

async function loadLibrary(): Promise<S3Library> {
  try {
    return await import("@aws-sdk/client-s3");
  } catch (error) {
    if (!hasSystemCode(error, "ERR_MODULE_NOT_FOUND")) throw error;
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
