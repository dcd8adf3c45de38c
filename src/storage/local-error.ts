import { HoldfastError, type ErrorCode, isHoldfastError } from "../lib/errors.ts";

/**
 * What an error of the file system means for a storage. `storage-unreachable` is the only code that `retry.ts` tries
 * again: it stands for what passes by itself (a network mount that went away, too many open files). A full disk and
 * missing rights do not pass by waiting.
 */
const codes: Readonly<Record<string, ErrorCode>> = {
  ENOENT: "storage-not-found",
  ENOTDIR: "storage-not-found",
  EEXIST: "storage-exists",
  ENOSPC: "storage-full",
  EDQUOT: "storage-full",
  EFBIG: "storage-full",
  EACCES: "storage-denied",
  EPERM: "storage-denied",
  EROFS: "storage-denied",
  EAGAIN: "storage-unreachable",
  EBUSY: "storage-unreachable",
  EHOSTDOWN: "storage-unreachable",
  EHOSTUNREACH: "storage-unreachable",
  EMFILE: "storage-unreachable",
  ENFILE: "storage-unreachable",
  ENOTCONN: "storage-unreachable",
  ESTALE: "storage-unreachable",
  ETIMEDOUT: "storage-unreachable",
};

/** Turns what `node:fs` threw into a `storage-*` error; aborts and our own errors pass through. */
export function localError(error: unknown, path: string): unknown {
  if (isHoldfastError(error) || !isSystemError(error)) return error;
  return new HoldfastError(codes[error.code] ?? "storage-failed", { path, reason: error.code }, error);
}

function isSystemError(error: unknown): error is Error & { readonly code: string } {
  return error instanceof Error && "syscall" in error && "code" in error && typeof error.code === "string";
}
