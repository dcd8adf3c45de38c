import { HoldfastError, isHoldfastError } from "../lib/errors.ts";
import { checkedSize } from "./checked-answer.ts";
import { networkErrorCode } from "./network-error.ts";
import { unlessSilent } from "./silence.ts";
import type { ByteRange } from "./storage.ts";

export interface HttpSubject {
  readonly location: string;
  /** Of the file, for messages; the location where it is about all. */
  readonly path: string;
}

export interface HttpRequest {
  readonly url: string;
  /** GET where it is absent. */
  readonly method?: "GET" | "HEAD" | "POST" | "PATCH" | "DELETE";
  readonly headers: Readonly<Record<string, string>>;
  readonly range?: ByteRange | undefined;
  /** Sent in pieces, so that a slow line is not taken for a dead one. */
  readonly body?: Blob | undefined;
  readonly subject: HttpSubject;
  /** Until an answer begins, and between two pieces of it. */
  readonly silentMs: number;
}

export interface HttpAnswer {
  readonly response: Response;
  readonly body: AsyncIterable<Uint8Array>;
  readonly subject: HttpSubject;
}

/**
 * One request by Node's `fetch`. `read` gets the answer, whatever its status; what fails is classified. Redirects are not
 * followed: they would carry the login elsewhere.
 */
export async function httpRequest<T>(
  { url, method = "GET", headers, range, body, subject, silentMs }: HttpRequest,
  signal: AbortSignal,
  read: (answer: HttpAnswer) => Promise<T>,
): Promise<T> {
  // How far an upload is cannot be seen from here: as long as the slowest line would take for it is waited.
  const patience = silentMs + ((body?.size ?? 0) / slowestBytesPerSecond) * 1000;
  try {
    return await unlessSilent({ silentMs: patience, facts: { ...subject } }, signal, async (stopping, heard) => {
      const response = await fetch(url, {
        method,
        headers: {
          ...headers,
          "accept-encoding": "identity",
          ...(range && { range: `bytes=${range.offset}-${range.offset + range.length - 1}` }),
        },
        redirect: "manual",
        signal: stopping,
        ...(body && { body }),
      });
      try {
        return await read({ response, body: chunksOf(response, heard), subject });
      } finally {
        // What nobody read would hold its connection.
        if (!response.bodyUsed) await response.body?.cancel().catch(() => undefined);
      }
    });
  } catch (error) {
    throw fetchError(error, subject, signal);
  }
}

const slowestBytesPerSecond = 50_000;

export function announcedSize({ headers }: Response, path: string): number {
  const said = headers.get("content-length") ?? "";
  // What was packed on its way has another size than it says.
  return checkedSize(/^\d+$/.test(said) && !headers.has("content-encoding") ? Number(said) : undefined, path);
}

async function* chunksOf({ body }: Response, onChunk: () => void): AsyncGenerator<Uint8Array> {
  for await (const chunk of body ?? []) {
    onChunk();
    yield chunk as Uint8Array;
  }
}

/** Turns what `fetch` threw into a `storage-*` error; our own pass through, an abort gives its reason. */
function fetchError(error: unknown, subject: HttpSubject, signal: AbortSignal): unknown {
  if (isHoldfastError(error)) return error;
  if (signal.aborted) return signal.reason;
  const network = networkErrorCode(error);
  if (network === undefined && !(error instanceof TypeError)) return error;
  const { code, reason } = network ?? { code: "storage-failed", reason: "HTTP" };
  return new HoldfastError(code, { ...subject, reason }, error);
}
