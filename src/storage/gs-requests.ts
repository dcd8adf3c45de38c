import { HoldfastError } from "../lib/errors.ts";
import { asRecord, checkedSize, listError } from "./checked-answer.ts";
import type { HttpAnswer, HttpRequest } from "./http-request.ts";
import type { ByteRange, StoredFile } from "./storage.ts";

export interface GsRequest extends Pick<HttpRequest, "url" | "method" | "body"> {
  readonly headers?: Readonly<Record<string, string>>;
  readonly range?: ByteRange | undefined;
  readonly file?: StoredFile;
}

/** How the parts of the storage on Google's make requests. */
export interface GsRequests {
  readonly location: string;
  /** Empty, or ends with a slash. */
  readonly prefix: string;
  /** Of all objects of the bucket. */
  readonly objectsUrl: string;
  /** Of one, by its path below the prefix. */
  urlOf(path: string): string;
  /** Runs one request, `read` its answer whatever its status; what fails is classified. */
  ask<T>(request: GsRequest, signal: AbortSignal, read: (answer: HttpAnswer) => Promise<T>): Promise<T>;
  /** What a status that is no success means. */
  refused(answer: HttpAnswer): Promise<HoldfastError>;
  /** What the server says of a file, as far as `fields` names it; fails where it does not say it. */
  about(request: GsRequest, fields: string, signal: AbortSignal): Promise<Readonly<Record<string, unknown>>>;
}

/** Google writes numbers of 64 bits as text. */
export function sizeIn(value: unknown, path: string): number {
  const { size } = asRecord(value);
  return checkedSize(typeof size === "string" && /^\d+$/.test(size) ? Number(size) : undefined, path);
}

/**
 * All objects that a listing gives, page after page; `query` without what says which page, `fields` with `kind`: of a list of nothing it is
 * all that comes, and tells Google from whatever else answers with JSON.
 */
export async function* gsListing(
  { ask, refused, location, objectsUrl }: Pick<GsRequests, "ask" | "refused" | "location" | "objectsUrl">,
  query: Readonly<Record<string, string>>,
  readPage: (answer: HttpAnswer) => Promise<unknown>,
  signal: AbortSignal,
): AsyncGenerator<Readonly<Record<string, unknown>>> {
  let next: string | undefined;
  do {
    const token = next;
    const all = new URLSearchParams({ ...query, maxResults: "1000", ...(token !== undefined && { pageToken: token }) });
    const page = await ask({ url: `${objectsUrl}?${all.toString()}` }, signal, async (answer) => {
      if (!answer.response.ok) throw await refused(answer);
      return asRecord(await readPage(answer));
    });
    if (page["kind"] !== "storage#objects") throw listError(location);
    for (const item of Array.isArray(page["items"]) ? page["items"] : []) yield asRecord(item);
    const { nextPageToken } = page;
    next = typeof nextPageToken === "string" && nextPageToken !== "" ? nextPageToken : undefined;
    if (next !== undefined && next === token) {
      throw new HoldfastError("storage-failed", { path: location, reason: "a list without an end" });
    }
  } while (next !== undefined);
}
