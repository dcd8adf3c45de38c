import { HoldfastError, isHoldfastError, type ErrorCode, type Facts } from "../../lib/errors.ts";

/** Primary result codes of SQLite (https://sqlite.org/rescode.html) that are told apart. */
export const sqliteCode = { busy: 5, full: 13, cantOpen: 14, readOnly: 8, tooBig: 18, notADatabase: 26 } as const;

/** The primary result code of an error thrown by `node:sqlite`, or undefined for any other error. */
export function sqliteErrorCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !("errcode" in error) || typeof error.errcode !== "number") return undefined;
  return error.errcode & 0xff;
}

/** Gives a failure of SQLite or of a file a code; what already has one passes through. */
export function databaseFailure(code: ErrorCode, facts: Facts, cause: unknown): HoldfastError {
  if (isHoldfastError(cause)) return cause;
  if (cause instanceof Error && cause.name === "AbortError") return new HoldfastError("cancelled", {}, cause);
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new HoldfastError(code, { ...facts, reason }, cause);
}
