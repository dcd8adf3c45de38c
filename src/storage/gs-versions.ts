import type { OldFile } from "./as-of.ts";
import { asRecord, readJson } from "./checked-answer.ts";
import { gsListing, type GsRequests, sizeIn } from "./gs-requests.ts";

/** One generation of an object. */
export interface GsVersion {
  /** Below the prefix. */
  readonly path: string;
  readonly generation: string;
  readonly size: number;
  readonly madeMs: number;
  /** When it stopped being the one that is found without a generation; absent: it still is. */
  readonly goneMs?: number;
  readonly until?: Date;
}

/** All generations of all objects, those that are hidden too. */
export async function* gsVersions(requests: GsRequests, signal: AbortSignal): AsyncGenerator<GsVersion> {
  const { prefix, location } = requests;
  const fields = "kind,items(name,generation,size,timeCreated,timeDeleted,retention),nextPageToken";
  const query = { prefix, versions: "true", fields };
  for await (const item of gsListing(requests, query, ({ body }) => readJson(body, location), signal)) {
    const { name, generation, timeCreated: made, timeDeleted: gone } = item;
    if (typeof name !== "string" || !name.startsWith(prefix) || !isGeneration(generation)) continue;
    const [madeMs, goneMs] = [timeIn(made), timeIn(gone)];
    const until = retentionIn(item)?.until;
    if (madeMs === undefined) continue;
    yield {
      path: name.slice(prefix.length),
      generation,
      size: sizeIn(item, location),
      madeMs,
      ...(goneMs !== undefined && { goneMs }),
      ...(until && { until }),
    };
  }
}

/** What was there at a moment, by path: Google keeps of each generation from when until when it was the current one. */
export async function gsFilesAsOf(
  requests: GsRequests,
  moment: Date,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, OldFile>> {
  const at = moment.getTime();
  const files = new Map<string, OldFile>();
  for await (const { path, generation, size, madeMs, goneMs } of gsVersions(requests, signal)) {
    if (madeMs <= at && (goneMs === undefined || goneMs > at)) files.set(path, { version: generation, size });
  }
  return files;
}

export function isGeneration(value: unknown): value is string {
  return typeof value === "string" && /^\d{1,20}$/.test(value);
}

export interface GsRetention {
  readonly mode: unknown;
  readonly until: Date;
}

/** `retention: { mode, retainUntilTime }` of an object, where it has one. */
export function retentionIn(value: unknown): GsRetention | undefined {
  const { mode, retainUntilTime } = asRecord(asRecord(value)["retention"]);
  const until = timeIn(retainUntilTime);
  return until === undefined ? undefined : { mode, until: new Date(until) };
}

function timeIn(value: unknown): number | undefined {
  const time = typeof value === "string" ? Date.parse(value) : Number.NaN;
  return Number.isNaN(time) ? undefined : time;
}
