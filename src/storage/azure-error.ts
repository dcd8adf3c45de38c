import { type ErrorCode, HoldfastError, isHoldfastError } from "../lib/errors.ts";
import { httpStatusCodes } from "./http-status.ts";
import { networkErrorCode } from "./network-error.ts";

/** What Azure calls an error → what it means for a storage. From its "Common REST API" and "Blob service error codes". */
const names: Readonly<Record<string, ErrorCode>> = {
  AuthenticationFailed: "storage-login",
  InvalidAuthenticationInfo: "storage-login",
  NoAuthenticationInformation: "storage-login",
  CredentialUnavailableError: "storage-login",
  AggregateAuthenticationError: "storage-login",
  AuthenticationError: "storage-login",
  KeyBasedAuthenticationNotPermitted: "storage-denied",
  AuthorizationFailure: "storage-denied",
  AuthorizationPermissionMismatch: "storage-denied",
  AuthorizationProtocolMismatch: "storage-denied",
  AuthorizationSourceIPMismatch: "storage-denied",
  AuthorizationServiceMismatch: "storage-denied",
  AuthorizationResourceTypeMismatch: "storage-denied",
  InsufficientAccountPermissions: "storage-denied",
  AccountIsDisabled: "storage-denied",
  BlobImmutableDueToPolicy: "storage-append-only",
  BlobArchived: "storage-cold",
  BlobBeingRehydrated: "storage-cold",
  BlobNotFound: "storage-not-found",
  ContainerNotFound: "storage-missing",
  ContainerBeingDeleted: "storage-unreachable",
  ResourceNotFound: "storage-missing",
  Md5Mismatch: "storage-unreachable",
  OperationTimedOut: "storage-unreachable",
  // Not ours, which was told before: the connection broke in the middle of an answer.
  AbortError: "storage-unreachable",
  ServerBusy: "storage-unreachable",
  InternalError: "storage-unreachable",
  InvalidUri: "storage-address",
  OutOfRangeInput: "storage-address",
};

export interface AzureSubject {
  readonly location: string;
  readonly bucket: string;
  readonly path: string;
}

interface AzureFailure extends Error {
  readonly code?: string;
  readonly statusCode?: number;
  readonly details?: { readonly errorCode?: string };
  readonly response?: { readonly headers?: { get(name: string): string | undefined } };
}

/** Turns what the library threw into a `storage-*` error; our own pass through, an abort gives its reason. */
export function azureError(error: unknown, subject: AzureSubject, signal: AbortSignal, now: number): unknown {
  if (isHoldfastError(error)) return error;
  if (signal.aborted) return signal.reason;
  if (!(error instanceof Error)) return error;
  const network = networkErrorCode(error);
  if (network !== undefined) return new HoldfastError(network.code, { ...subject, reason: network.reason }, error);
  const { statusCode: status } = error as AzureFailure;
  const name = azureErrorName(error) ?? error.name;
  // Who gives tokens may be too busy, as the storage itself.
  const isBusy = httpStatusCodes[status ?? 0] === "storage-unreachable";
  const known = isBusy ? "storage-unreachable" : (names[name] ?? httpStatusCodes[status ?? 0]);
  // The library's own words for a connection that broke, before an answer and in one that it reads as text.
  const isBroken = name === "REQUEST_SEND_ERROR" || (name === "PARSE_ERROR" && status === undefined);
  const code = known ?? (isBroken ? "storage-unreachable" : "storage-failed");
  const reason = /^[A-Za-z][A-Za-z0-9_]{2,60}$/.test(name) && name !== "Error" ? name : `HTTP ${status ?? "?"}`;
  const said = (error as AzureFailure).response?.headers?.get("date");
  // A signature that is out of date is refused in the words for a wrong one.
  const isClockOff = code === "storage-login" && said !== undefined && Math.abs(Date.parse(said) - now) > clockOffMs;
  return new HoldfastError(isClockOff ? "storage-clock" : code, { ...subject, reason }, error);
}

/** Azure refuses what was signed more than 15 minutes ago. */
const clockOffMs = 14 * 60_000;

function azureErrorName(error: Error): string | undefined {
  const { code, details } = error as AzureFailure;
  return details?.errorCode ?? code;
}

export function isAzureError(error: unknown, ...wanted: readonly (string | number)[]): boolean {
  if (!(error instanceof Error)) return false;
  const { statusCode } = error as AzureFailure;
  const name = azureErrorName(error);
  return (name !== undefined && wanted.includes(name)) || (statusCode !== undefined && wanted.includes(statusCode));
}
