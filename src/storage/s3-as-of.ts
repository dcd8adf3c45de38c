import type { OldFile } from "./as-of.ts";
import type { S3Requests } from "./s3-requests.ts";
import { s3Versions } from "./s3-versions.ts";

/**
 * What was in a bucket at a moment, by its versions: of each key the newest version that was there by then, unless it was
 * deleted by then. By path below the prefix.
 */
export async function s3FilesAsOf(
  requests: S3Requests,
  moment: Date,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, OldFile>> {
  const { prefix } = requests.place;
  const newest = new Map<string, { readonly time: number; readonly file: OldFile | undefined }>();
  for await (const { key, version, size, time, kind, access } of s3Versions(requests, prefix, signal)) {
    const at = time.getTime();
    const known = newest.get(key);
    // Times may be whole seconds: of two in one second the file, rather than the mark that it was deleted.
    const isNewer = known === undefined || at > known.time || (at === known.time && known.file === undefined);
    if (at > moment.getTime() || !isNewer) continue;
    newest.set(key, { time: at, file: kind === "file" ? { version, size, ...(access && { access }) } : undefined });
  }
  return new Map(
    [...newest].flatMap(([key, { file }]) => (file === undefined ? [] : [[key.slice(prefix.length), file] as const])),
  );
}
