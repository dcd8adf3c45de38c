import { HoldfastError } from "../lib/errors.ts";
import { freeMemory } from "../lib/memory-pool.ts";
import { type MasterKey, sealOverhead } from "./crypto.ts";
import { asArray, asId, asObject, asUint32, parseJson } from "./json-fields.ts";
import type { PackedBlob } from "./pack.ts";
import { isTime } from "./time.ts";
import type { Id } from "./tree.ts";
import { type SealedFile, UnpackedWriter } from "./unpacked.ts";

/** A pack as an index names it. All blobs of a pack stand in one entry of one index, in no order. */
export interface IndexedPack {
  readonly id: Id;
  readonly blobs: readonly PackedBlob[];
}

/**
 * A pack that no snapshot needs any more, and that is to be deleted later: until then somebody who looked before may
 * still be reading it. restic does not see such packs; to rustic they mean the same.
 */
export interface MarkedPack extends IndexedPack {
  /** RFC 3339: when it was marked; absent where the program that did so did not say. */
  readonly time?: string;
}

export interface IndexFile {
  readonly packs: readonly IndexedPack[];
  readonly marked: readonly MarkedPack[];
}

/** restic's own limit: indexes are kept near this many blobs, under 8 MiB as JSON. */
export const maxIndexBlobs = 50_000;

/**
 * An index file that grows by packs as they become known. Made of fifty thousand blobs at once, it would keep the main thread for a
 * tenth of a second, in which other threads have nothing to do.
 */
export class IndexWriter {
  readonly #file: UnpackedWriter;
  readonly #text = new GrowingText();
  #separator = "";
  #blobs = 0;

  constructor(key: MasterKey) {
    this.#file = new UnpackedWriter(key);
    this.#text.add('{"packs":[');
  }

  /** Blobs of the packs that were added. */
  get blobs(): number {
    return this.#blobs;
  }

  add(pack: IndexedPack): void {
    this.#text.add(this.#separator);
    this.#separator = ",";
    this.#blobs += pack.blobs.length;
    addPacks(this.#text, [pack]);
    this.#file.write(this.#text.bytes());
    this.#text.clear();
  }

  /** Nothing may be added after it. */
  finish(): SealedFile {
    this.#text.add("]}\n");
    this.#file.write(this.#text.bytes());
    return this.#file.finish();
  }
}

/** The JSON of an index file, to be sealed as `unpacked.ts` does. */
export function indexJson(packs: Iterable<IndexedPack>, marked: Iterable<MarkedPack> = []): Buffer {
  const text = new GrowingText();
  text.add('{"packs":[');
  addPacks(text, packs);
  const toDelete = new GrowingText();
  addPacks(toDelete, marked);
  text.add("]");
  if (toDelete.bytes().length > 0) {
    text.add(',"packs_to_delete":[');
    text.append(toDelete.bytes());
    text.add("]");
  }
  text.add("}\n");
  return text.bytes();
}

function addPacks(text: GrowingText, packs: Iterable<MarkedPack>): void {
  let separator = "";
  for (const { id, blobs, time } of packs) {
    text.add(`${separator}{"id":"${id}",${time === undefined ? "" : `"time":"${time}",`}"blobs":[`);
    separator = ",";
    let between = "";
    for (const { id: blob, type, offset, length, uncompressedLength } of blobs) {
      const plain = uncompressedLength > 0 ? `,"uncompressed_length":${uncompressedLength}}` : "}";
      text.add(`${between}{"id":"${blob}","type":"${type}","offset":${offset},"length":${length}${plain}`);
      between = ",";
    }
    text.add("]}");
  }
}

/**
 * ASCII that is gathered as bytes: a string of 8 MB that grows by pieces holds all of them as objects, and is copied
 * twice, into memory that is touched for the first time, until it is bytes.
 */
class GrowingText {
  #bytes = Buffer.alloc(0);
  #length = 0;

  add(piece: string): void {
    this.#reserve(piece.length);
    this.#length += this.#bytes.write(piece, this.#length, "latin1");
  }

  append(piece: Buffer): void {
    this.#reserve(piece.length);
    this.#length += piece.copy(this.#bytes, this.#length);
  }

  /** Good until more is added. */
  bytes(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  clear(): void {
    this.#length = 0;
  }

  #reserve(more: number): void {
    if (this.#length + more <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(4 << 10, (this.#length + more) * 4));
    this.#bytes.copy(larger, 0, 0, this.#length);
    freeMemory(this.#bytes);
    this.#bytes = larger;
  }
}

/**
 * An index. `repository-damaged` for anything that restic could not read either. `supersedes` (of very old programs) is
 * ignored. A time that is none counts as absent.
 */
export function parseIndexFile(bytes: Uint8Array): IndexFile {
  const json = parseJson(bytes, "index");
  return { packs: parsePacks(json["packs"]), marked: parsePacks(json["packs_to_delete"]) };
}

function parsePacks(packs: unknown): MarkedPack[] {
  if (packs === undefined || packs === null) return [];
  return asArray(packs, "index: packs").map((value) => {
    const pack = asObject(value, "index: pack");
    const time = pack["time"];
    return {
      id: asId(pack["id"], "index: pack id"),
      blobs: asArray(pack["blobs"] ?? [], "index: blobs").map(parseBlob),
      ...(typeof time === "string" && isTime(time) && { time }),
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
