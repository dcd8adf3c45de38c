import type { Id } from "../format/tree.ts";
import { sha256 } from "../format/unpacked.ts";
import { isHoldfastError } from "../lib/errors.ts";
import { mostPieces } from "../lib/reed-solomon.ts";
import { isStoredName } from "../storage/layout.ts";
import type { Storage } from "../storage/storage.ts";

/** What a parity file says of itself; see `docs/format.md`. */
export interface ParityHeader {
  readonly format: 1;
  /** The packs of its group, in the order in which they count. */
  readonly data: readonly { readonly id: Id; readonly size: number }[];
  /** How many parity files the group has, and which of them this is, from 0. */
  readonly parity: number;
  readonly number: number;
}

/** Packs that are kept safe together, and the parity files that do it. */
export interface ParityGroup {
  readonly data: ParityHeader["data"];
  readonly parity: number;
  /** Names of the parity files that are there, by their numbers. */
  readonly files: ReadonlyMap<number, Id>;
}

const magic = "HOLDFAST PARITY1";
const fixedBytes = magic.length + 4;
/** 256 packs need 30 kB. */
const mostHeaderBytes = 64 << 10;

/** As long as the longest of the packs. */
export function pieceBytes({ data }: Pick<ParityHeader, "data">): number {
  return Math.max(0, ...data.map(({ size }) => size));
}

export function parityFile(header: ParityHeader, piece: Uint8Array): { readonly name: Id; readonly bytes: Buffer } {
  const json = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(json.length);
  const bytes = Buffer.concat([Buffer.from(magic), length, json, piece]);
  return { name: sha256(bytes), bytes };
}

/** The parity piece of a whole file; `undefined` when it is not what its name says, or cannot be had. */
export async function loadPiece(storage: Storage, name: Id, signal: AbortSignal): Promise<Uint8Array | undefined> {
  try {
    const bytes = await storage.load({ kind: "parity", name }, undefined, signal);
    const header = sha256(bytes) === name ? parseHeader(bytes, bytes.length) : undefined;
    // At an even place in memory, as sums are made of two bytes at a time.
    return header && Uint8Array.from(bytes.subarray(bytes.length - pieceBytes(header)));
  } catch (error) {
    signal.throwIfAborted();
    if (isHoldfastError(error, "storage-failed") || isHoldfastError(error, "storage-not-found")) return undefined;
    throw error;
  }
}

export interface ParityGroups {
  readonly groups: readonly ParityGroup[];
  /** Files that are none of ours, cut off, or damaged where they say what they are. */
  readonly damaged: readonly Id[];
}

/** All groups, by the beginnings of their files. */
export async function loadGroups(storage: Storage, signal: AbortSignal): Promise<ParityGroups> {
  const damaged: Id[] = [];
  const found = new Map<string, { data: ParityHeader["data"]; parity: number; files: Map<number, Id> }>();
  if (storage.traits.parity !== "kept") return { groups: [], damaged };
  for await (const { name, size } of storage.list("parity", signal)) {
    const range = { offset: 0, length: Math.min(size, fixedBytes + mostHeaderBytes) };
    const bytes = await storage.load({ kind: "parity", name }, range, signal).catch((error: unknown) => {
      if (isHoldfastError(error, "storage-failed")) return Buffer.alloc(0);
      throw error;
    });
    const header = parseHeader(bytes, size);
    if (header === undefined) {
      damaged.push(name);
      continue;
    }
    const key = JSON.stringify([header.data, header.parity]);
    const group = found.get(key) ?? { data: header.data, parity: header.parity, files: new Map<number, Id>() };
    group.files.set(header.number, name);
    found.set(key, group);
  }
  return { groups: [...found.values()], damaged };
}

/** Of a file that begins so; `undefined` where it is none, or not as long as it says. */
function parseHeader(bytes: Buffer, fileBytes: number): ParityHeader | undefined {
  if (bytes.length < fixedBytes || bytes.toString("latin1", 0, magic.length) !== magic) return undefined;
  const length = bytes.readUInt32LE(magic.length);
  if (length > mostHeaderBytes || bytes.length < fixedBytes + length) return undefined;
  try {
    const value: unknown = JSON.parse(bytes.toString("utf8", fixedBytes, fixedBytes + length));
    return isHeader(value) && fileBytes === fixedBytes + length + pieceBytes(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Anybody may have written it: what is rebuilt by it is compared with the pack's name. */
function isHeader(value: unknown): value is ParityHeader {
  if (typeof value !== "object" || value === null) return false;
  const { format, data, parity, number } = value as Readonly<Record<string, unknown>>;
  if (format !== 1 || !Array.isArray(data) || data.length === 0 || !data.every(isMember)) return false;
  if (!Number.isInteger(parity) || Number(parity) < 1 || data.length + Number(parity) > mostPieces) return false;
  return Number.isInteger(number) && Number(number) >= 0 && Number(number) < Number(parity);
}

function isMember(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  const { id, size } = value as Readonly<Record<string, unknown>>;
  return (
    typeof id === "string" && isStoredName(id) && Number.isInteger(size) && Number(size) > 0 && Number(size) < 2 ** 31
  );
}
