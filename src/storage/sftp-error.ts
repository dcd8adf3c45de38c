import { type ErrorCode, HoldfastError, isHoldfastError } from "../lib/errors.ts";
import { statusCodes } from "./sftp-packet.ts";
import { SftpStatus } from "./sftp-session.ts";

/** Statuses of SFTP's version 3, and those of later ones that servers send all the same. */
const statuses: Readonly<Record<number, ErrorCode>> = {
  [statusCodes.noSuchFile]: "storage-not-found",
  [statusCodes.denied]: "storage-denied",
  6: "storage-unreachable",
  7: "storage-unreachable",
  10: "storage-not-found",
  12: "storage-denied",
  14: "storage-full",
  15: "storage-full",
};

/** Turns what a session threw into a `storage-*` error about `path`; an abort gives its reason. */
export function sftpError(error: unknown, path: string, location: string, signal: AbortSignal): unknown {
  if (signal.aborted) return signal.reason;
  if (isHoldfastError(error)) {
    return error.facts["path"] === undefined && error.facts["location"] === undefined
      ? new HoldfastError(error.code, { ...error.facts, path, location }, error.cause)
      : error;
  }
  if (error instanceof RangeError)
    return new HoldfastError("storage-failed", { path, location, reason: "no SFTP" }, error);
  if (!(error instanceof SftpStatus)) return error;
  // oxlint-disable-next-line no-control-regex -- a server wrote this
  const said = error.message.replace(/[\0-\x1f\x7f-\x9f]/g, "").slice(0, 100);
  const reason = said === "" ? `status ${error.status}` : said;
  return new HoldfastError(statuses[error.status] ?? "storage-failed", { path, location, reason }, error);
}
