import type { S3Client } from "@aws-sdk/client-s3";
import { listError } from "./checked-answer.ts";
import type { HttpReader } from "./http-reader.ts";
import type { S3Place } from "./s3-location.ts";
import type { StoredFile } from "./storage.ts";

export type S3Library = typeof import("@aws-sdk/client-s3");
export type S3Request<T> = (
  client: S3Client,
  library: S3Library,
  bucket: { readonly Bucket: string },
  reader: HttpReader,
) => Promise<T>;

/** How the parts of the storage on S3 make requests. */
export interface S3Requests {
  readonly location: string;
  readonly place: S3Place;
  keyOf(file: StoredFile): string;
  /** Runs one request; what fails is classified. */
  ask<T>(file: StoredFile | undefined, signal: AbortSignal, request: S3Request<T>): Promise<T>;
}

/**
 * A page of a list. What stands between may answer in the server's place, with a page to log in at, say, or with nothing: the library takes
 * that for a list of nothing, by which others' locks would not be seen, nor what a prune must leave.
 */
export function listed<Page extends { readonly Name?: unknown; readonly IsTruncated?: unknown }>(
  page: Page,
  location: string,
): Page {
  if (page.Name === undefined && page.IsTruncated === undefined) throw listError(location);
  return page;
}
