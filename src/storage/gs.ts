import { hash, randomUUID } from "node:crypto";
import { HoldfastError, isHoldfastError } from "../lib/errors.ts";
import { lockedUntil, mostLockedHere } from "../lib/keeping.ts";
import { Latest } from "../lib/latest.ts";
import { unlessStopped } from "../lib/unless-stopped.ts";
import { asOfStorage } from "./as-of.ts";
import { asRecord, isAnswerTo, notStored, readBody, readJson, shortError } from "./checked-answer.ts";
import { gsError } from "./gs-error.ts";
import { gsLogin } from "./gs-login.ts";
import { gsListing, type GsRequest, type GsRequests, sizeIn } from "./gs-requests.ts";
import { destroyCurrent, gsRetention, retentionUntil } from "./gs-retention.ts";
import { gsFilesAsOf } from "./gs-versions.ts";
import { announcedSize, type HttpAnswer, httpRequest, type HttpSubject } from "./http-request.ts";
import { kindFolders, nameInKey, storedPath } from "./layout.ts";
import { parseObjectLocation } from "./object-location.ts";
import { renewedLogin } from "./renewed-login.ts";
import { unlessSilent } from "./silence.ts";
import type { ByteRange, Storage, StorageOpening, StoredFile } from "./storage.ts";

/**
 * A repository in a bucket of Google Cloud Storage, by its JSON API, under the names that restic uses.
 *
 * - A file is one upload, which is whole or not there, with the MD5 of its bytes, so that the server checks what came, and
 *   refused where the name is taken (`ifGenerationMatch=0`).
 * - Who we are: `gs-login.ts`. Of Google's libraries only that for logins is used: a request of the one for storage can
 *   neither be stopped nor be seen to stand still, and sums each file in JavaScript.
 * - With a lock, each file is stored with a date until which no version of it can be deleted.
 * - It neither retries nor waits: that is `retry.ts`.
 */
export function gsStorage(
  location: string,
  environment: NodeJS.ProcessEnv,
  { lock, coldClass, now = () => new Date(), silentMs = usualSilentMs, renewLogin }: GsOpening = {},
): Storage {
  const { bucket, prefix } = parseObjectLocation(location, "gs");
  const login = renewedLogin(environment, (own) => gsLogin(location, own), renewLogin);
  const host = (environment["STORAGE_EMULATOR_HOST"] || "https://storage.googleapis.com").replace(/\/+$/, "");
  const api = `${host}/storage/v1/b`;
  const keyOf = (file: StoredFile): string => `${prefix}${storedPath(file)}`;
  const objectsUrl = `${api}/${bucket}/o`;
  const urlAt = (path: string): string => `${objectsUrl}/${encodeURIComponent(prefix + path)}`;
  const urlOf = (file: StoredFile): string => urlAt(storedPath(file));
  /** Until when what was stored here is locked, by path. */
  const lockedHere = new Latest<Date>(mostLockedHere);
  const subjectOf = (file: StoredFile | undefined): HttpSubject => ({
    location,
    path: file === undefined ? location : `${location.replace(/\/+$/, "")}/${storedPath(file)}`,
  });

  const ask = async <T>(
    request: GsRequest,
    signal: AbortSignal,
    read: (answer: HttpAnswer) => Promise<T>,
  ): Promise<T> => {
    signal.throwIfAborted();
    const { file, headers, ...rest } = request;
    const subject = subjectOf(file);
    return await login.use(signal, async (own) => {
      const all = { ...(await loggedIn(() => own.headers(), subject, signal)), ...headers };
      return httpRequest({ ...rest, headers: all, subject, silentMs }, signal, read);
    });
  };
  /** Google's library can neither be stopped nor does it end by itself when nothing comes. */
  const loggedIn = <T>(work: () => Promise<T>, subject: HttpSubject, signal: AbortSignal): Promise<T> =>
    unlessSilent({ silentMs, facts: { ...subject } }, signal, (stopping) => unlessStopped(work(), stopping));
  const refused = (answer: HttpAnswer): Promise<HoldfastError> => gsError(answer, { location, bucket });

  const about: GsRequests["about"] = (request, fields, signal) =>
    ask({ ...request, url: `${request.url}?fields=${fields}` }, signal, async (answer) => {
      if (!answer.response.ok) throw await refused(answer);
      return asRecord(await readJson(answer.body, answer.subject.path));
    });
  const requests: GsRequests = { location, prefix, objectsUrl, urlOf: urlAt, ask, refused, about };

  async function sizeOf(file: StoredFile, signal: AbortSignal): Promise<number | undefined> {
    try {
      return sizeIn(await about({ url: urlOf(file), file }, "size", signal), subjectOf(file).path);
    } catch (error) {
      // A bucket that is not there has no file either.
      if (isHoldfastError(error, "storage-not-found") || isHoldfastError(error, "storage-missing")) return undefined;
      throw error;
    }
  }

  /** False when the name is taken; nothing was stored then. */
  const put = (file: StoredFile, bytes: Uint8Array, signal: AbortSignal): Promise<boolean> => {
    const boundary = randomUUID();
    const until = lock === undefined || file.kind === "lock" ? undefined : lockedUntil(lock, now());
    const metadata = JSON.stringify({
      name: keyOf(file),
      contentType: "application/octet-stream",
      md5Hash: hash("md5", bytes, "base64"),
      ...(lock && until && retentionUntil(lock, until)),
      ...(coldClass !== undefined && file.stream === "bulk" && { storageClass: coldClass }),
    });
    const head = `--${boundary}\r\ncontent-type: application/json\r\n\r\n${metadata}\r\n--${boundary}\r\ncontent-type: application/octet-stream\r\n\r\n`;
    // A copy, since shared memory is refused there.
    const body = new Blob([head, new Uint8Array(bytes), `\r\n--${boundary}--\r\n`]);
    const url = `${host}/upload/storage/v1/b/${bucket}/o?uploadType=multipart&ifGenerationMatch=0&fields=size`;
    const headers = { "content-type": `multipart/related; boundary=${boundary}` };
    return ask({ url, method: "POST", headers, body, file }, signal, async (answer) => {
      const { ok, status } = answer.response;
      if (!ok && status !== 412) throw await refused(answer);
      if (!ok) return false;
      const { path } = answer.subject;
      // What stands between and answers in the server's place has stored nothing.
      if (sizeIn(await readJson(answer.body, path), path) !== bytes.length) throw notStored(path);
      if (until !== undefined) lockedHere.set(storedPath(file), until);
      return true;
    });
  };

  const load = (file: StoredFile, range: ByteRange | undefined, version: string | undefined, signal: AbortSignal) => {
    const { path } = subjectOf(file);
    const generation = version === undefined ? "" : `&generation=${version}`;
    return ask({ url: `${urlOf(file)}?alt=media${generation}`, range, file }, signal, async (answer) => {
      const { response, body } = answer;
      if (response.status === 416 || (range !== undefined && response.status === 200)) throw shortError(path);
      if (response.status !== (range === undefined ? 200 : 206)) throw await refused(answer);
      const length = announcedSize(response, path);
      if (range && !isAnswerTo(range, response.headers.get("content-range"), length)) throw shortError(path);
      return await readBody(body, length, path);
    });
  };

  const close = async (): Promise<void> => undefined;
  const traits = { connections, parity: "kept", ...(coldClass !== undefined && { coldClass }) } as const;

  return {
    location,
    // As many as restic makes; each may hold one pack in memory.
    traits,
    ...(lock !== undefined && { retention: gsRetention(requests, lock, lockedHere, load) }),
    asOf: (moment) =>
      asOfStorage({ location, traits, list: (signal) => gsFilesAsOf(requests, moment, signal), load, close }),

    async create(signal) {
      const fields = "name,objectRetention,versioning";
      const status = await ask({ url: `${api}/${bucket}?fields=${fields}` }, signal, async (answer) => {
        // A login for a part of the bucket may not see the whole: then the first file tells.
        if ([403, 404].includes(answer.response.status)) return answer.response.status;
        if (!answer.response.ok) throw await refused(answer);
        if (lock !== undefined && !keepsLocks(await readJson(answer.body, location))) {
          throw new HoldfastError("storage-lock-unsupported", { location, bucket });
        }
        return answer.response.status;
      });
      if (status !== 404) return;
      const project = await login.use(signal, (own) => loggedIn(() => own.project(), subjectOf(undefined), signal));
      if (project === undefined) throw new HoldfastError("storage-missing", { location, bucket });
      const withLocks = lock === undefined ? "" : "&enableObjectRetention=true";
      const url = `${api}?project=${encodeURIComponent(project)}${withLocks}`;
      const body = new Blob([JSON.stringify({ name: bucket, ...(lock && { versioning: { enabled: true } }) })]);
      const headers = { "content-type": "application/json" };
      await ask({ url, method: "POST", headers, body }, signal, async (answer) => {
        // Made by another in between.
        if (!answer.response.ok && answer.response.status !== 409) throw await refused(answer);
      });
    },

    async save(file, bytes, signal) {
      if (await put(file, bytes, signal)) return;
      if (file.kind !== "config" && (await sizeOf(file, signal)) === bytes.length) return;
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
      const query = { prefix: folder, fields: "kind,items(name,size),nextPageToken" };
      for await (const item of gsListing(requests, query, ({ body }) => readJson(body, location), signal)) {
        const { name: key } = item;
        const name = typeof key === "string" ? nameInKey(kind, folder, key) : undefined;
        if (name !== undefined) yield { name, size: sizeIn(item, location) };
      }
    },

    async remove(file, signal) {
      try {
        // A lock file is renewed every five minutes: what only hides it would pile up.
        if (lock !== undefined && file.kind === "lock") return await destroyCurrent(requests, file, signal);
      } catch (error) {
        if (isHoldfastError(error, "storage-not-found")) return;
        if (!isHoldfastError(error, "storage-denied")) throw error;
      }
      await ask({ url: urlOf(file), method: "DELETE", file }, signal, async (answer) => {
        if (!answer.response.ok && answer.response.status !== 404) throw await refused(answer);
      });
    },

    [Symbol.asyncDispose]: close,
  };
}

/** Timeouts are for tests. */
type GsOpening = Partial<StorageOpening> & { readonly silentMs?: number | undefined };

const connections = 5;
const usualSilentMs = 60_000;

/** Whether objects of a bucket can be locked, and are hidden rather than refused when they are deleted. */
function keepsLocks(bucket: unknown): boolean {
  const { objectRetention, versioning } = asRecord(bucket);
  return asRecord(objectRetention)["mode"] === "Enabled" && asRecord(versioning)["enabled"] === true;
}
