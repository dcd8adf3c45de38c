import { HoldfastError } from "../lib/errors.ts";

/** `azure:CONTAINER:/PREFIX` or `gs:BUCKET:/PREFIX` taken apart. */
export interface ObjectPlace {
  /** The container or the bucket. */
  readonly bucket: string;
  /** Empty, or ends with a slash. */
  readonly prefix: string;
}

/** As restic writes it: the kind, the bucket, and behind another colon the prefix. The account and its key stand elsewhere. */
export function parseObjectLocation(location: string, kind: "azure" | "gs"): ObjectPlace {
  const [, found, bucket = "", path = ""] = /^([a-z]+):([^:/]+)(?::\/?(.*))?$/s.exec(location) ?? [];
  const names = kind === "azure" ? containerName : bucketName;
  const folders = path.split("/").filter(Boolean);
  // oxlint-disable-next-line no-control-regex -- these are what no key should hold
  const isWrong = folders.some((one) => /^\.{1,2}$|[\0-\x1f?#\\\x7f\ufffd]/.test(one));
  // What looks like an account with its key before the container.
  const hasLogin = /^[^/]*@[^/]*:/.test(path);
  if (found !== kind || !names.test(bucket) || isWrong || hasLogin) {
    const shown = location.replace(/^([a-z]+:)[^@]*@/, "$1…@").replace(/[?#].*$/s, "");
    throw new HoldfastError("storage-address", { location: shown });
  }
  return { bucket, prefix: folders.map((one) => `${one}/`).join("") };
}

/** Azure's rules, and the two names that it keeps for itself. */
const containerName = /^(?:\$root|\$web|(?=.{3,63}$)[a-z0-9]+(?:-[a-z0-9]+)*)$/;
/** Google's: up to 63 characters, or 222 with dots. */
const bucketName = /^[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]$/;
