import { createHash } from "node:crypto";
import type { Id } from "../../format/tree.ts";
import type { IndexedRepository, Upload } from "../../repository/repository.ts";

/**
 * What leads from a segment to the one that follows it while no snapshot names that: in the pack of each segment stands a
 * place beside it, a blob whose id is known to whoever knows the segment before. So it is found whoever put its pack into an
 * index: the run that stored it and did not live to name it, a backup that adopted what was left over, a repair of the index.
 * `attempt`: where the first ones are taken, by the first segment of another database, or by a try that failed.
 */
function placeBehind(crm: string, previous: Id | undefined, attempt: number): Uint8Array<ArrayBuffer> {
  const facts = { holdfast: "journal-place", format: 1, crm, ...(previous !== undefined && { previous }), attempt };
  return new TextEncoder().encode(JSON.stringify(facts));
}

const idOf = (bytes: Uint8Array): Id => createHash("sha256").update(bytes).digest("hex");

/** To be stored in the pack of the segment that follows `previous`; absent: the first one of a database. */
export function freePlace(upload: Upload, crm: string, previous: Id | undefined): Uint8Array {
  for (let attempt = 0; ; attempt++) {
    const place = placeBehind(crm, previous, attempt);
    if (!upload.has("data", idOf(place))) return place;
  }
}

/** Ids of blobs, by the index, of which some are segments that say that they follow `previous`. */
export function besidePlaces(indexed: IndexedRepository, crm: string, previous: Id | undefined): readonly Id[] {
  const found = new Set<Id>();
  for (let attempt = 0; ; attempt++) {
    const place = idOf(placeBehind(crm, previous, attempt));
    if (!indexed.has("data", place)) return [...found];
    for (const id of indexed.besides(place)) found.add(id);
  }
}
