import { HoldfastError } from "../lib/errors.ts";
import { sealOverhead } from "./crypto.ts";
import { asArray, asId, asObject, asUint32, parseJson } from "./json-fields.ts";
import type { PackedBlob } from "./pack.ts";
import type { Id } from "./tree.ts";

/** A pack as an index names it. All blobs of a pack stand in one entry of one index, in no order. */
export interface IndexedPack {
  readonly id: Id;
  readonly blobs: readonly PackedBlob[];
}

/** restic's own limit: indexes are kept near this many blobs, under 8 MiB as JSON. */
export const maxIndexBlobs = 50_000;

/** The JSON of an index file, to be sealed as `unpacked.ts` does. */
export function indexJson(packs: Iterable<IndexedPack>): string {
  let json = '{"packs":[';
  let separator = "";
  for (const { id, blobs } of packs) {
    json += `${separator}{"id":"${id}","blobs":[`;
    separator = ",";
    let between = "";
    for (const blob of blobs) {
      json += `${between}{"id":"${blob.id}","type":"${blob.type}","offset":${blob.offset},"length":${blob.length}`;
      json += blob.uncompressedLength > 0 ? `,"uncompressed_length":${blob.uncompressedLength}}` : "}";
      between = ",";
    }
    json += "]}";
  }
  return `${json}]}\n`;
}

/**
 * The packs of an index. `repository-damaged` for anything that restic could not read either. `supersedes` (of very
 * old programs) and the additions of rustic are ignored; packs that rustic marked for deletion are thus not indexed.
 */
export function parseIndex(bytes: Uint8Array): IndexedPack[] {
  const packs = parseJson(bytes, "index")["packs"];
  if (packs === undefined || packs === null) return [];
  return asArray(packs, "index: packs").map((value) => {
    const pack = asObject(value, "index: pack");
    return {
      id: asId(pack["id"], "index: pack id"),
      blobs: asArray(pack["blobs"] ?? [], "index: blobs").map(parseBlob),
    };
  });
}

function parseBlob(value: unknown): PackedBlob {
  const blob = asObject(value, "index: blob");
  const type = blob["type"];
  if (type !== "data" && type !== "tree") throw new HoldfastError("repository-damaged", { reason: "index: type" });
  const offset = asUint32(blob["offset"], "index: offset");
  const length = asUint32(blob["length"], "index: length");
  const uncompressedLength = asUint32(blob["uncompressed_length"] ?? 0, "index: uncompressed_length");
  if (length < sealOverhead || offset + length > 0xffff_ffff) {
    throw new HoldfastError("repository-damaged", { reason: "index: length" });
  }
  return { type, id: asId(blob["id"], "index: blob id"), offset, length, uncompressedLength };
}
