import { type ErrorCode, HoldfastError, isHoldfastError } from "../lib/errors.ts";
import { httpStatusCodes } from "./http-status.ts";
import { networkErrorCode } from "./network-error.ts";

/** Statuses that mean something of their own; the rest is `storage-failed`. What passes by itself is tried again. */
const statuses: Readonly<Record<number, ErrorCode>> = {
  ...httpStatusCodes,
  // What answers is no repository, but shows the way to something: a login page, another scheme.
  301: "storage-address",
  302: "storage-address",
  303: "storage-address",
  307: "storage-address",
  308: "storage-address",
  425: "storage-unreachable",
};

export interface RestSubject {
  readonly location: string;
  /** Of the file, for messages; the location where it is about all. */
  readonly path: string;
}

/** `code` where the request knows better what its status means. */
export function statusError({ status }: Response, subject: RestSubject, code?: ErrorCode): HoldfastError {
  const known = code ?? statuses[status] ?? "storage-failed";
  return new HoldfastError(known, { ...subject, reason: `HTTP ${status}` });
}

/** Turns what `fetch` threw into a `storage-*` error; our own pass through, an abort gives its reason. */
export function restError(error: unknown, subject: RestSubject, signal: AbortSignal): unknown {
  if (isHoldfastError(error)) return error;
  if (signal.aborted) return signal.reason;
  const network = networkErrorCode(error);
  if (network === undefined && !(error instanceof TypeError)) return error;
  const { code, reason } = network ?? { code: "storage-failed", reason: "HTTP" };
  return new HoldfastError(code, { ...subject, reason }, error);
}
