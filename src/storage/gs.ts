import { hash, randomUUID } from "node:crypto";
import { HoldfastError } from "../lib/errors.ts";
import { checkedSize, isAnswerTo, readBody, readJson, shortError } from "./checked-answer.ts";
import { gsError } from "./gs-error.ts";
import { gsLogin } from "./gs-login.ts";
import { announcedSize, type HttpAnswer, type HttpRequest, httpRequest, type HttpSubject } from "./http-request.ts";
import { kindFolders, nameInKey, storedPath } from "./layout.ts";
import { parseObjectLocation } from "./object-location.ts";
import type { ByteRange, Storage, StoredFile } from "./storage.ts";

/**
 * A repository in a bucket of Google Cloud Storage, by its JSON API, under the names that restic uses.
 *
 * - A file is one upload, which is whole or not there, with the MD5 of its bytes, so that the server checks what came, and
 *   refused where the name is taken (`ifGenerationMatch=0`).
 * - Who we are: `gs-login.ts`. Of Google's libraries only that for logins is used: a request of the one for storage can
 *   neither be stopped nor be seen to stand still, and sums each file in JavaScript.
 * - It neither retries nor waits: that is `retry.ts`.
 */
export function gsStorage(location: string, environment: NodeJS.ProcessEnv, silentMs: number = usualSilentMs): Storage {
  const { bucket, prefix } = parseObjectLocation(location, "gs");
  const login = gsLogin(location, environment);
  const host = (environment["STORAGE_EMULATOR_HOST"] || "https://storage.googleapis.com").replace(/\/+$/, "");
  const api = `${host}/storage/v1/b`;
  const keyOf = (file: StoredFile): string => `${prefix}${storedPath(file)}`;
  const urlOf = (file: StoredFile): string => `${api}/${bucket}/o/${encodeURIComponent(keyOf(file))}`;
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
    const all = { ...(await login.headers()), ...headers };
    return httpRequest({ ...rest, headers: all, subject: subjectOf(file), silentMs }, signal, read);
  };
  const refused = (answer: HttpAnswer): Promise<HoldfastError> => gsError(answer, { location, bucket });

  const sizeOf = (file: StoredFile, signal: AbortSignal): Promise<number | undefined> =>
    ask({ url: `${urlOf(file)}?fields=size`, file }, signal, async (answer) => {
      if (answer.response.status === 404) return undefined;
      if (!answer.response.ok) throw await refused(answer);
      return sizeIn(await readJson(answer.body, answer.subject.path), answer.subject.path);
    });

  /** False when the name is taken; nothing was stored then. */
  const put = (file: StoredFile, bytes: Uint8Array, signal: AbortSignal): Promise<boolean> => {
    const boundary = randomUUID();
    const about = JSON.stringify({
      name: keyOf(file),
      contentType: "application/octet-stream",
      md5Hash: hash("md5", bytes, "base64"),
    });
    const head = `--${boundary}\r\ncontent-type: application/json\r\n\r\n${about}\r\n--${boundary}\r\ncontent-type: application/octet-stream\r\n\r\n`;
    // A copy, since shared memory is refused there.
    const body = new Blob([head, new Uint8Array(bytes), `\r\n--${boundary}--\r\n`]);
    const url = `${host}/upload/storage/v1/b/${bucket}/o?uploadType=multipart&ifGenerationMatch=0&fields=size`;
    const headers = { "content-type": `multipart/related; boundary=${boundary}` };
    return ask({ url, method: "POST", headers, body, file }, signal, async (answer) => {
      if (answer.response.ok || answer.response.status === 412) return answer.response.ok;
      throw await refused(answer);
    });
  };

  return {
    location,
    // As many as restic makes; each may hold one pack in memory.
    traits: { connections, parity: "kept" },

    async create(signal) {
      const status = await ask({ url: `${api}/${bucket}?fields=name` }, signal, async (answer) => {
        // A login for a part of the bucket may not see the whole: then the first file tells.
        if (answer.response.ok || [403, 404].includes(answer.response.status)) return answer.response.status;
        throw await refused(answer);
      });
      if (status !== 404) return;
      const project = await login.project();
      if (project === undefined) throw new HoldfastError("storage-missing", { location, bucket });
      const url = `${api}?project=${encodeURIComponent(project)}`;
      const body = new Blob([JSON.stringify({ name: bucket })]);
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
      return ask({ url: `${urlOf(file)}?alt=media`, range, file }, signal, async (answer) => {
        const { response, body } = answer;
        if (response.status === 416 || (range !== undefined && response.status === 200)) throw shortError(path);
        if (response.status !== (range === undefined ? 200 : 206)) throw await refused(answer);
        const length = announcedSize(response, path);
        if (range && !isAnswerTo(range, response.headers.get("content-range"), length)) throw shortError(path);
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
        const query = new URLSearchParams({
          prefix: folder,
          fields: "items(name,size),nextPageToken",
          maxResults: "1000",
          ...(token !== undefined && { pageToken: token }),
        });
        const page = await ask({ url: `${api}/${bucket}/o?${query.toString()}` }, signal, async (answer) => {
          if (!answer.response.ok) throw await refused(answer);
          return asRecord(await readJson(answer.body, location));
        });
        for (const item of Array.isArray(page["items"]) ? page["items"] : []) {
          const { name: key } = asRecord(item);
          const name = typeof key === "string" ? nameInKey(kind, folder, key) : undefined;
          if (name !== undefined) yield { name, size: sizeIn(item, location) };
        }
        const { nextPageToken } = page;
        next = typeof nextPageToken === "string" && nextPageToken !== "" ? nextPageToken : undefined;
        if (next !== undefined && next === token) {
          throw new HoldfastError("storage-failed", { path: location, reason: "a list without an end" });
        }
      } while (next !== undefined);
    },

    remove: (file, signal) =>
      ask({ url: urlOf(file), method: "DELETE", file }, signal, async (answer) => {
        if (!answer.response.ok && answer.response.status !== 404) throw await refused(answer);
      }),

    async [Symbol.asyncDispose]() {},
  };
}

interface GsRequest extends Pick<HttpRequest, "url" | "method" | "body"> {
  readonly headers?: Readonly<Record<string, string>>;
  readonly range?: ByteRange | undefined;
  readonly file?: StoredFile;
}

const connections = 5;
const usualSilentMs = 60_000;

/** Google writes numbers of 64 bits as text. */
function sizeIn(value: unknown, path: string): number {
  const { size } = asRecord(value);
  return checkedSize(typeof size === "string" && /^\d+$/.test(size) ? Number(size) : undefined, path);
}

function asRecord(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
}
