import { type ErrorCode, HoldfastError, isHoldfastError } from "../lib/errors.ts";
import { httpStatusCodes } from "./http-status.ts";
import { networkErrorCode } from "./network-error.ts";

/** What S3 and those who speak it call a failure → what it means for a storage. */
const names: Readonly<Record<string, ErrorCode>> = {
  NoSuchKey: "storage-not-found",
  NotFound: "storage-not-found",
  NoSuchBucket: "storage-missing",
  InvalidBucketName: "storage-address",

  CredentialsProviderError: "storage-login",
  TokenProviderError: "storage-login",
  InvalidAccessKeyId: "storage-login",
  SignatureDoesNotMatch: "storage-login",
  ExpiredToken: "storage-login",
  InvalidToken: "storage-login",
  TokenRefreshRequired: "storage-login",
  InvalidSecurity: "storage-login",
  NotSignedUp: "storage-login",

  AccessDenied: "storage-denied",
  AllAccessDisabled: "storage-denied",
  AccountProblem: "storage-denied",
  BucketAlreadyExists: "storage-denied",
  MethodNotAllowed: "storage-denied",

  InvalidObjectState: "storage-cold",

  AuthorizationHeaderMalformed: "storage-region",
  PermanentRedirect: "storage-region",
  IllegalLocationConstraintException: "storage-region",
  InvalidLocationConstraint: "storage-region",
  InvalidRegion: "storage-region",

  RequestTimeTooSkewed: "storage-clock",
  RequestExpired: "storage-clock",

  QuotaExceeded: "storage-full",
  EntityTooLarge: "storage-full",
  XMinioStorageFull: "storage-full",
  XMinioAdminBucketQuotaExceeded: "storage-full",

  InternalError: "storage-unreachable",
  SlowDown: "storage-unreachable",
  ServiceUnavailable: "storage-unreachable",
  Throttling: "storage-unreachable",
  ThrottlingException: "storage-unreachable",
  TooManyRequests: "storage-unreachable",
  RequestLimitExceeded: "storage-unreachable",
  BandwidthLimitExceeded: "storage-unreachable",
  RequestTimeout: "storage-unreachable",
  OperationAborted: "storage-unreachable",
  ConditionalRequestConflict: "storage-unreachable",
  TemporaryRedirect: "storage-unreachable",
  // Bytes that were damaged on their way.
  BadDigest: "storage-unreachable",
  XAmzContentSHA256Mismatch: "storage-unreachable",
  IncompleteBody: "storage-unreachable",
};

/** Answers without a name: to HEAD, and from what stands between. */
const statuses: Readonly<Record<number, ErrorCode>> = {
  ...httpStatusCodes,
  301: "storage-region",
  409: "storage-unreachable",
};

/** What the library adds to an error, as far as we read it. */
interface S3Failure extends Error {
  readonly $metadata?: { readonly httpStatusCode?: number };
  readonly $response?: { readonly headers?: Readonly<Record<string, string>> };
  readonly Region?: string;
}

export interface S3Subject {
  readonly location: string;
  readonly bucket: string;
  /** Of the file, for messages; the location where it is about all. */
  readonly path: string;
}

/** Turns what the library threw into a `storage-*` error; our own pass through, an abort gives its reason. */
export function s3Error(error: unknown, { location, bucket, path }: S3Subject, signal: AbortSignal): unknown {
  if (isHoldfastError(error)) return error;
  if (signal.aborted) return signal.reason;
  if (!(error instanceof Error)) return error;
  const failure = error as S3Failure;
  const status = failure.$metadata?.httpStatusCode;
  const region = failure.Region ?? failure.$response?.headers?.["x-amz-bucket-region"];
  const network = networkErrorCode(error);
  const code = network?.code ?? names[error.name] ?? statuses[status ?? 0] ?? "storage-failed";
  const reason = network?.reason ?? (isNamed(error.name) ? error.name : `HTTP ${status ?? "?"}`);
  return new HoldfastError(
    code,
    { path, location, bucket, reason, ...(region && isNamed(region) && { region }) },
    error,
  );
}

export function isS3Error(error: unknown, ...wanted: readonly (string | number)[]): boolean {
  if (!(error instanceof Error)) return false;
  const status = (error as S3Failure).$metadata?.httpStatusCode;
  return wanted.includes(error.name) || (status !== undefined && wanted.includes(status));
}

/** What a server calls a thing is shown to people only when it looks like a name. */
function isNamed(name: string): boolean {
  return /^[A-Za-z][A-Za-z0-9_-]{2,60}$/.test(name) && !/^(?:Unknown|UnknownError|Error)$/.test(name);
}
