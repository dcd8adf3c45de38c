import type { BlobItem, ContainerListBlobsOptions } from "@azure/storage-blob";
import { HoldfastError } from "../lib/errors.ts";
import type { OldFile } from "./as-of.ts";
import type { AzureRequests } from "./azure-requests.ts";
import { archiveTier } from "./azure-thaw.ts";
import { checkedSize, listError } from "./checked-answer.ts";

/** As many as Azure gives at once. */
const blobsAPage = 5000;

/** All blobs that a listing gives, page after page. */
export async function* azureListing(
  { ask, location }: Pick<AzureRequests, "ask" | "location">,
  options: Pick<ContainerListBlobsOptions, "prefix" | "includeVersions" | "includeImmutabilityPolicy">,
  signal: AbortSignal,
): AsyncGenerator<BlobItem> {
  let next: string | undefined;
  do {
    const token = next;
    const page = await ask(undefined, signal, async ({ container, abortSignal }) => {
      const pages = container.listBlobsFlat({ ...options, abortSignal }).byPage({
        maxPageSize: blobsAPage,
        ...(token !== undefined && { continuationToken: token }),
      });
      const answer = await pages.next().catch((error: unknown) => {
        // Of a page that is no list of Azure's its library takes parts that are not there.
        throw error instanceof TypeError ? listError(location) : error;
      });
      return answer.done === true ? undefined : answer.value;
    });
    if (page === undefined) return;
    yield* page.segment.blobItems;
    next = page.continuationToken || undefined;
    if (next !== undefined && next === token) {
      throw new HoldfastError("storage-failed", { path: location, reason: "List Blobs" });
    }
  } while (next !== undefined);
}

/** One version of a blob. */
export interface AzureVersion {
  /** Below the prefix. */
  readonly path: string;
  /** Its time is when it was made; empty where the account keeps no versions. */
  readonly version: string;
  readonly madeMs: number;
  readonly size: number;
  /** `current`: what a request without a version finds. */
  readonly state: "current" | "old";
  readonly until?: Date;
  readonly access?: "cold";
}

export async function* azureVersions(requests: AzureRequests, signal: AbortSignal): AsyncGenerator<AzureVersion> {
  const { prefix, location } = requests;
  const options = { prefix, includeVersions: true, includeImmutabilityPolicy: true };
  for await (const { name, versionId: version = "", isCurrentVersion, properties } of azureListing(
    requests,
    options,
    signal,
  )) {
    const { immutabilityPolicyExpiresOn: until, contentLength, lastModified, accessTier } = properties;
    if (!name.startsWith(prefix)) continue;
    yield {
      path: name.slice(prefix.length),
      version,
      madeMs: version === "" ? lastModified.getTime() : Date.parse(version),
      size: checkedSize(contentLength, location),
      state: version === "" || isCurrentVersion === true ? "current" : "old",
      ...(until && { until }),
      ...(accessTier === archiveTier && { access: "cold" }),
    };
  }
}

/**
 * The newest version by then of each blob, by path. When a blob was deleted is not kept by Azure: what was removed before
 * that moment, and is still held by a lock, is there too.
 */
export async function azureFilesAsOf(
  requests: AzureRequests,
  moment: Date,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, OldFile>> {
  const newest = new Map<string, OldFile & { readonly madeMs: number }>();
  for await (const { path, version, madeMs, size, access } of azureVersions(requests, signal)) {
    if (madeMs <= moment.getTime() && madeMs >= (newest.get(path)?.madeMs ?? -Infinity)) {
      newest.set(path, { version, size, madeMs, ...(access && { access }) });
    }
  }
  return newest;
}
