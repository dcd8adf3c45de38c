import { createHash } from "node:crypto";
import { HoldfastError } from "../lib/errors.ts";
import { BlockWriter } from "./block-writer.ts";
import {
  type Catalogue,
  catalogueBytes,
  cataloguePath,
  labelPath,
  type VolumeFile,
  type VolumeStart,
} from "./catalogue.ts";
import { type Drive, type VolumeName, volumeText } from "./drive.ts";
import { paddedBytes, recordBytes, tarHeader } from "./tar.ts";

export interface VolumeToWrite {
  readonly volume: VolumeName;
  /** Its last `volumes` is this volume's start. */
  readonly catalogue: Catalogue;
  /** What a person reads on it. */
  readonly label: string;
  readonly load: (file: VolumeFile, signal: AbortSignal) => Promise<Uint8Array>;
  readonly signal: AbortSignal;
  readonly onBytes: (bytes: number) => void;
}

export interface WrittenVolume {
  /** Where the next one begins; absent: the set is complete. */
  readonly next?: VolumeStart;
  readonly blocks: number;
  /** SHA-256 of all blocks. */
  readonly sha256: string;
}

/**
 * Writes one volume, reads it back and compares. Its order, after the label in tar's own form: the rest of a file that
 * began on the volume before, `LABEL.txt`, `catalogue.json`, and the files until the set or the medium ends. So
 * `tar -xf` unpacks one volume, and `tar -xM -f FIRST -f SECOND …` several.
 */
export async function writeVolume(drive: Drive, options: VolumeToWrite): Promise<WrittenVolume> {
  const { volume, catalogue, label, signal, load, onBytes } = options;
  const start = catalogue.volumes.at(-1) ?? { file: 0, offset: 0, begins: "file" as const };
  const time = new Date(catalogue.created);
  const writer = new BlockWriter(drive, signal);
  const places: Place[] = [];

  async function writeFile(index: number, from: VolumeStart | undefined): Promise<boolean> {
    const file = catalogue.files[index];
    if (file === undefined) return true;
    const bytes = await load(file, signal);
    if (bytes.length !== file.size || createHash("sha256").update(bytes).digest("hex") !== file.sha256) {
      throw new HoldfastError("repository-damaged", { subject: file.path, reason: "hash" });
    }
    const offset = from?.offset ?? 0;
    const size = file.size - offset;
    const type = from === undefined ? "file" : "rest";
    places.push({ index, offset, headerAt: writer.position, size });
    onBytes(size);
    return (
      (await writer.write(tarHeader({ type, name: file.path, size, offset }, time))) &&
      (await writer.write(bytes.subarray(offset))) &&
      (await writer.write(padding(size)))
    );
  }

  async function writeOwn(name: string, bytes: Buffer): Promise<void> {
    const whole = [tarHeader({ type: "file", name, size: bytes.length }, time), bytes, padding(bytes.length)];
    if (!(await writer.write(Buffer.concat(whole)))) {
      throw new HoldfastError("volume-small", { volume: volumeText(volume) });
    }
  }

  await writer.write(tarHeader({ type: "label", name: volumeText(volume), size: 0 }, time));
  let room = start.begins === "file" || (await writeFile(start.file, start));
  if (!room) throw new HoldfastError("volume-small", { volume: volumeText(volume) });
  await writeOwn(labelPath(volume), Buffer.from(label));
  await writeOwn(cataloguePath(volume), catalogueBytes(catalogue));
  const ownEnd = writer.position;
  const first = start.begins === "rest" ? start.file + 1 : start.file;
  for (let index = first; room && index < catalogue.files.length; index++) room = await writeFile(index, undefined);
  if (room) {
    await writer.write(Buffer.alloc(2 * recordBytes));
    await writer.finish();
  }
  if (writer.hasEnded && writer.writtenBytes < ownEnd) {
    throw new HoldfastError("volume-small", { volume: volumeText(volume) });
  }
  await drive.mark(signal);
  const written = { blocks: writer.blocks, sha256: writer.digest() };
  await readBack(drive, volume, written, signal);
  const next = writer.hasEnded ? startAfter(places, first, writer.writtenBytes) : undefined;
  const isComplete = next === undefined || next.file >= catalogue.files.length;
  return isComplete ? written : { ...written, next };
}

interface Place {
  readonly index: number;
  readonly offset: number;
  readonly headerAt: number;
  readonly size: number;
}

/** Where in the set the medium ended, by how much is on it. */
function startAfter(places: readonly Place[], first: number, writtenBytes: number): VolumeStart {
  const last = places.findLast(({ headerAt }) => headerAt < writtenBytes);
  // Nothing but the label and the catalogue had room.
  if (last === undefined) return { file: first, offset: 0, begins: "file" };
  const there = writtenBytes - last.headerAt - recordBytes;
  if (there >= paddedBytes(last.size)) return { file: last.index + 1, offset: 0, begins: "file" };
  return { file: last.index, offset: last.offset + there, begins: "rest" };
}

function padding(size: number): Uint8Array {
  return new Uint8Array(paddedBytes(size) - size);
}

/** A medium that does not give back what was written is no backup: `volume-unverified`. */
async function readBack(
  drive: Drive,
  volume: VolumeName,
  { blocks, sha256 }: WrittenVolume,
  signal: AbortSignal,
): Promise<void> {
  const hash = createHash("sha256");
  await drive.seek(0, signal);
  let count = 0;
  for (; count <= blocks; count++) {
    const block = await drive.read(signal);
    if (block === "end") break;
    hash.update(block);
  }
  if (count !== blocks || hash.digest("hex") !== sha256) {
    throw new HoldfastError("volume-unverified", { volume: volumeText(volume), drive: drive.name });
  }
}
