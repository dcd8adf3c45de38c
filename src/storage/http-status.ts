import type { ErrorCode } from "../lib/errors.ts";

/** What a status of HTTP means for any storage; what passes by itself is tried again. A storage adds its own. */
export const httpStatusCodes: Readonly<Record<number, ErrorCode>> = {
  401: "storage-login",
  403: "storage-denied",
  404: "storage-not-found",
  408: "storage-unreachable",
  429: "storage-unreachable",
  500: "storage-unreachable",
  502: "storage-unreachable",
  503: "storage-unreachable",
  504: "storage-unreachable",
  507: "storage-full",
};
