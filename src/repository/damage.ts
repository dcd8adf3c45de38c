import { type HoldfastError, isHoldfastError } from "../lib/errors.ts";

const codes = ["repository-damaged", "storage-not-found", "storage-failed"] as const;

/** What is wrong with the repository, or with one file of it; not with the way to it. */
export function isDamage(error: unknown): error is HoldfastError {
  return codes.some((code) => isHoldfastError(error, code));
}
