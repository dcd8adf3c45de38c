import { setTimeout as delay } from "node:timers/promises";
import { HoldfastError } from "../lib/errors.ts";
import { mapBounded } from "../lib/map-bounded.ts";
import { isAnswerTo, notStored, readBody, shortError } from "./checked-answer.ts";
import { announcedSize, type HttpAnswer, httpRequest, type HttpSubject } from "./http-request.ts";
import { kindFolders, storedPath } from "./layout.ts";
import { statusError } from "./rest-error.ts";
import { listedFiles, restVersion2 } from "./rest-listing.ts";
import { parseRestLocation } from "./rest-location.ts";
import type { ByteRange, Storage, StoredFile } from "./storage.ts";

/**
 * A repository behind restic's REST protocol: rest-server, or rclone (`rclone serve restic`) before any cloud it knows.
 *
 * - The login is the location's user, or `RESTIC_REST_USERNAME`, and `RESTIC_REST_PASSWORD`, as restic has it.
 * - Not every server refuses a name that is taken, checks what it gets, or drops what broke off. So it is asked before
 *   each upload, and after one that failed whether a part was left there, which goes.
 * - It neither retries nor waits: that is `retry.ts`.
 */
export function restStorage(
  location: string,
  environment: NodeJS.ProcessEnv,
  silentMs: number = usualSilentMs,
): Storage {
  const place = parseRestLocation(location);
  const login = loginHeader(place.user ?? environment["RESTIC_REST_USERNAME"], environment["RESTIC_REST_PASSWORD"]);
  /** Paths whose upload failed here: a shorter file under one is what was left of it. */
  const doubtful = new Set<string>();
  const subjectOf = (file: StoredFile | undefined): HttpSubject => ({
    location,
    path: file === undefined ? location : `${location.replace(/\/+$/, "")}/${storedPath(file)}`,
  });

  const ask = <T>(
    { method, path, file, range, body }: RestRequest,
    signal: AbortSignal,
    read: (answer: HttpAnswer) => Promise<T>,
  ): Promise<T> => {
    const headers = { ...login, accept: restVersion2 };
    const request = { url: place.url + path, ...(method && { method }), headers, range, body };
    return httpRequest({ ...request, subject: subjectOf(file), silentMs }, signal, read);
  };

  const sizeOf = (file: StoredFile, signal: AbortSignal): Promise<number | undefined> =>
    ask({ method: "HEAD", path: pathOf(file), file }, signal, async ({ response, subject }) => {
      if (response.status === 404) return undefined;
      if (response.status !== 200) throw statusError(response, subject);
      return announcedSize(response, subject.path);
    });

  const remove = (file: StoredFile, signal: AbortSignal): Promise<void> =>
    ask({ method: "DELETE", path: pathOf(file), file }, signal, async ({ response, subject }) => {
      if (response.ok || response.status === 404) return;
      throw statusError(response, subject, response.status === 403 ? "storage-append-only" : undefined);
    });

  /**
   * What there is of a file. rclone shows it as it grows, so that one which is too short may be somebody else's who is sending the same: only
   * what does not grow for a moment is a `part`.
   */
  async function found(file: StoredFile, length: number, signal: AbortSignal): Promise<Found> {
    let known = -1;
    for (let looks = 1; ; looks++) {
      const size = await sizeOf(file, signal);
      if (size === undefined) return "nothing";
      if (size >= length) return size === length ? "whole" : "more";
      if (size !== known) [known, looks] = [size, 1];
      else if (looks === stillLooks) return "part";
      await delay(lookMs, undefined, { signal });
    }
  }

  /** True when the file is stored already; throws where the contract calls it a conflict. */
  async function isThere(file: StoredFile, length: number, signal: AbortSignal): Promise<boolean> {
    const isConfig = file.kind === "config";
    const there = isConfig && (await sizeOf(file, signal)) !== undefined ? "more" : await found(file, length, signal);
    if (there === "nothing" || there === "whole") return there === "whole";
    if (there === "more" || !doubtful.has(pathOf(file))) {
      throw new HoldfastError("storage-exists", { path: subjectOf(file).path });
    }
    await remove(file, signal);
    return false;
  }

  /** False when the server refused, perhaps because the name is taken. */
  const post = (file: StoredFile, body: Blob, signal: AbortSignal): Promise<boolean> =>
    ask({ method: "POST", path: pathOf(file), file, body }, signal, async ({ response, body: said, subject }) => {
      if (response.status === 403) return false;
      if (response.ok) {
        // A server has nothing to say to it; a page comes from something in between, which has stored nothing.
        for await (const { length } of said) {
          if (length > 0 && (await sizeOf(file, signal)) !== body.size) throw notStored(subject.path);
        }
        return true;
      }
      // The server compared the name with what came: it was damaged on its way.
      throw statusError(response, subject, response.status === 400 ? "storage-unreachable" : undefined);
    });

  /** After an upload that failed. The server may be gone as well: then the next attempt finds what was left. */
  async function removePart(file: StoredFile, length: number): Promise<void> {
    doubtful.add(pathOf(file));
    const signal = AbortSignal.timeout(cleanupMs);
    const there = await found(file, length, signal).catch(() => undefined);
    if (there === "part") await remove(file, signal).catch(() => undefined);
  }

  return {
    location,
    traits: { connections },

    create: (signal) =>
      ask({ method: "POST", path: "?create=true" }, signal, async ({ response, subject }) => {
        if (!response.ok) throw statusError(response, subject);
      }),

    async save(file, bytes, signal) {
      if (await isThere(file, bytes.length, signal)) return;
      // A copy, since shared memory is refused there; and sent in pieces, so that a slow line is not taken for a dead one.
      const body = new Blob([new Uint8Array(bytes)]);
      const stored = await post(file, body, signal).catch(async (error: unknown) => {
        // The name of a config is no hash: what is there may be somebody else's.
        if (file.kind !== "config") await removePart(file, bytes.length);
        throw error;
      });
      if (!stored && !(await isThere(file, bytes.length, signal))) {
        throw new HoldfastError("storage-denied", { path: subjectOf(file).path, reason: "HTTP 403" });
      }
      doubtful.delete(pathOf(file));
    },

    async load(file, range, signal) {
      const { path } = subjectOf(file);
      if (range?.length === 0) {
        const size = await sizeOf(file, signal);
        if (size === undefined) throw new HoldfastError("storage-not-found", { path });
        if (range.offset > size) throw shortError(path);
        return Buffer.alloc(0);
      }
      return await ask({ path: pathOf(file), file, range }, signal, async ({ response, body, subject }) => {
        if (response.status === 416 || (range !== undefined && response.status === 200)) throw shortError(path);
        if (response.status !== (range === undefined ? 200 : 206)) throw statusError(response, subject);
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
      const files = await ask({ path: `${kindFolders[kind]}/` }, signal, async ({ response, body, subject }) => {
        // rclone lists what is empty as such: when it finds nothing, something is wrong.
        const rclone = response.headers.get("server")?.startsWith("rclone/") === true;
        if (response.status === 404 && !rclone) return [];
        if (response.status !== 200) throw statusError(response, subject, rclone ? "storage-failed" : undefined);
        return await listedFiles(response, body, subject.path);
      });
      for (let at = 0; at < files.length; at += sizesAtOnce) {
        const sized = await mapBounded(files.slice(at, at + sizesAtOnce), connections, async ({ name, size }) => ({
          name,
          size: size ?? (await sizeOf({ kind, name }, signal)),
        }));
        // A file may go while its size is asked for.
        for (const { name, size } of sized) if (size !== undefined) yield { name, size };
      }
    },

    remove,

    async [Symbol.asyncDispose]() {},
  };
}

type Found = "nothing" | "part" | "whole" | "more";

interface RestRequest {
  readonly method?: "HEAD" | "POST" | "DELETE";
  /** After the last slash of the repository's URL. */
  readonly path: string;
  readonly file?: StoredFile;
  readonly range?: ByteRange | undefined;
  readonly body?: Blob;
}

/** As many as restic. */
const connections = 5;
/** What is the same so often, with such pauses between, does not grow any more. */
const stillLooks = 20;
const lookMs = 50;
const usualSilentMs = 60_000;
const cleanupMs = 3000;
/** Of the names that a server lists without sizes. */
const sizesAtOnce = 1000;

function loginHeader(user = "", password = ""): Readonly<Record<string, string>> {
  if (user === "" && password === "") return {};
  return { authorization: `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}` };
}

/** Flat: how files are spread over folders is the server's own affair. */
function pathOf(file: StoredFile): string {
  return file.kind === "config" ? "config" : `${kindFolders[file.kind]}/${file.name}`;
}
