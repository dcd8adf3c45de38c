import { type ErrorCode, HoldfastError } from "../lib/errors.ts";
import type { HttpSubject } from "./http-request.ts";
import { httpStatusCodes } from "./http-status.ts";

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

/** `code` where the request knows better what its status means. */
export function statusError({ status }: Response, subject: HttpSubject, code?: ErrorCode): HoldfastError {
  const known = code ?? statuses[status] ?? "storage-failed";
  return new HoldfastError(known, { ...subject, reason: `HTTP ${status}` });
}
