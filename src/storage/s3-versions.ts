import { HoldfastError } from "../lib/errors.ts";
import { listed, type S3Requests } from "./s3-requests.ts";
import { isColdClass } from "./s3-thaw.ts";

/** One version of a key: bytes, or the mark that says that it was deleted. */
export interface S3Version {
  readonly key: string;
  readonly version: string;
  readonly size: number;
  readonly time: Date;
  readonly kind: "file" | "marker";
  /** What a request without a version finds. */
  readonly isLatest: boolean;
  readonly access?: "cold";
}

/** All versions of all keys that begin so, those of one key together. */
export async function* s3Versions(
  { ask, location }: Pick<S3Requests, "ask" | "location">,
  prefix: string,
  signal: AbortSignal,
): AsyncGenerator<S3Version> {
  let at: { readonly KeyMarker: string; readonly VersionIdMarker?: string } | undefined;
  do {
    const from = at;
    const page = await ask(undefined, signal, async (client, { ListObjectVersionsCommand }, bucket) => {
      const command = new ListObjectVersionsCommand({ ...bucket, Prefix: prefix, ...from });
      return listed(await client.send(command, { abortSignal: signal }), location);
    });
    const files = (page.Versions ?? []).map((one) => ({
      ...one,
      kind: "file" as const,
      size: one.Size ?? 0,
      ...(isColdClass(one.StorageClass) && { access: "cold" as const }),
    }));
    const markers = (page.DeleteMarkers ?? []).map((one) => ({ ...one, kind: "marker" as const, size: 0 }));
    for (const one of [...files, ...markers]) {
      const { Key: key, VersionId: version, LastModified: time, IsLatest, kind, size } = one;
      if (key === undefined || version === undefined || time === undefined) continue;
      const access = "access" in one && one.access;
      yield { key, version, size, time, kind, isLatest: IsLatest === true, ...(access && { access }) };
    }
    const { NextKeyMarker: key, NextVersionIdMarker: version } = page;
    at = undefined;
    if (page.IsTruncated !== true) continue;
    if (key === undefined || (key === from?.KeyMarker && version === from.VersionIdMarker)) {
      throw new HoldfastError("storage-failed", { path: location, reason: "ListObjectVersions" });
    }
    at = { KeyMarker: key, ...(version !== undefined && { VersionIdMarker: version }) };
  } while (at !== undefined);
}
