import { createHash } from "node:crypto";
import type { Id } from "../../format/tree.ts";
import type { IndexedRepository, Upload } from "../../repository/repository.ts";
import { hexId, list, object, oneOf, parseChecked, text } from "../checked.ts";
import type { JournalDatabase } from "./journal-file.ts";

/**
 * What leads from a journal as a snapshot names it to the segments that the next one names, while that is not written yet: an
 * index names their packs by then, so that they are not loose, and no snapshot names them. It is two blobs that stand in one pack:
 * a place, whose id is known to whoever knows the newest segments, and beside it the list of ids. `attempt`: one that did not
 * come to a snapshot leaves its own behind.
 */
function placeOf(crm: string, databases: readonly JournalDatabase[], attempt: number): Uint8Array<ArrayBuffer> {
  const heads = databases.flatMap(({ name, head }) => (head ? [[name, head.id]] : [])).toSorted(byName);
  return new TextEncoder().encode(JSON.stringify({ holdfast: "journal-place", format: 1, crm, heads, attempt }));
}

const byName = ([a = ""]: readonly string[], [b = ""]: readonly string[]): number => (a < b ? -1 : 1);

const idOf = (bytes: Uint8Array): Id => createHash("sha256").update(bytes).digest("hex");

const listCheck = object({
  holdfast: oneOf(["journal-named"]),
  format: oneOf([1]),
  crm: text,
  segments: list(hexId),
});
const listMagic = Buffer.from('{"holdfast":"journal-named",');

/** Goes into the index that names the segments. Nothing else may be on its way in the upload: the two are to share a pack. */
export async function setSignpost(
  upload: Upload,
  crm: string,
  databases: readonly JournalDatabase[],
  segments: readonly Id[],
): Promise<void> {
  let place = placeOf(crm, databases, 0);
  for (let attempt = 1; upload.has("data", idOf(place)); attempt++) place = placeOf(crm, databases, attempt);
  const json = JSON.stringify({ holdfast: "journal-named", format: 1, crm, segments });
  await Promise.all([upload.blob("data", place, "hot"), upload.blob("data", new TextEncoder().encode(json), "hot")]);
}

/** Ids of segments that an index names and that follow these databases' newest ones; none: nothing was begun after them. */
export async function followSignpost(
  indexed: IndexedRepository,
  crm: string,
  databases: readonly JournalDatabase[],
  load: (id: Id) => Promise<Buffer | undefined>,
): Promise<readonly Id[]> {
  const segments = new Set<Id>();
  for (let attempt = 0; ; attempt++) {
    const place = idOf(placeOf(crm, databases, attempt));
    if (!indexed.has("data", place)) return [...segments];
    for (const id of indexed.besides(place)) {
      const bytes = await load(id);
      if (!bytes?.subarray(0, listMagic.length).equals(listMagic)) continue;
      const named = parseChecked(bytes.toString("utf8"), listCheck, "journal signpost");
      if (named.crm === crm) for (const segment of named.segments) segments.add(segment);
    }
  }
}
