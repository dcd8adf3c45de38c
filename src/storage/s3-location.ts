import { HoldfastError } from "../lib/errors.ts";

/** `s3:https://HOST/BUCKET/PREFIX` taken apart. */
export interface S3Place {
  /** Where requests go; absent for AWS itself, whose library knows the address of each region. */
  readonly endpoint?: string;
  /** As far as the host's name tells. */
  readonly region?: string;
  readonly bucket: string;
  /** Empty, or ends with a slash. */
  readonly prefix: string;
  /** `host`: the bucket stands before the host's name, as the large clouds want it; `path`: behind it. */
  readonly style: "host" | "path";
}

/**
 * As restic writes it: `s3:https://HOST[:PORT]/BUCKET[/PREFIX]`, `s3:http://…`, and without a scheme `s3:HOST/…` or
 * `s3://HOST/…` for HTTPS. Keys and passwords do not belong there: what holds one is refused and not repeated.
 */
export function parseS3Location(location: string): S3Place {
  const refused = (): HoldfastError => new HoldfastError("storage-address", { location: withoutLogin(location) });
  const [, scheme, host = "", path = ""] = /^s3:(?:(https?:)?\/\/)?([^/]+)\/(.*)$/s.exec(location) ?? [];
  const url = URL.parse(`${scheme ?? "https:"}//${host}`);
  const [bucket = "", ...folders] = (scheme === undefined ? path : decoded(path)).split("/").filter(Boolean);
  if (url === null || url.username !== "" || url.password !== "") throw refused();
  // S3's own rule for names, and what older servers let pass beside it.
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{2,254}$/.test(bucket)) throw refused();
  // oxlint-disable-next-line no-control-regex -- these are what no key should hold
  if (folders.some((one) => /^\.{1,2}$|[\0-\x1f?#\x7f\ufffd]/.test(one))) throw refused();
  const prefix = folders.map((one) => `${one}/`).join("");
  const aws = /^s3(?:[.-](?:dualstack\.)?([a-z]{2,}-[a-z0-9-]+))?\.amazonaws\.com(?:\.cn)?$/.exec(url.hostname);
  if (aws !== null) return { ...(aws[1] && { region: aws[1] }), bucket, prefix, style: "host" };
  const named = /(?:^|\.)(?:amazonaws\.com|aliyuncs\.com|myqcloud\.com|storage\.googleapis\.com)$/.test(url.hostname);
  // A bucket with a dot in front of a host would not match the host's certificate.
  return { endpoint: url.origin, bucket, prefix, style: named && !bucket.includes(".") ? "host" : "path" };
}

/** As restic does: what looks like a URL is read as one. */
function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return "\ufffd";
  }
}

/** For messages. */
function withoutLogin(location: string): string {
  return location.replace(/^s3:(https?:)?(\/\/)?[^/]*@/, "s3:$1$2…@").replace(/[?#].*$/s, "");
}
