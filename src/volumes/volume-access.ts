import { createHash } from "node:crypto";
import { HoldfastError } from "../lib/errors.ts";
import type { Catalogue, VolumeFile } from "./catalogue.ts";
import type { Drive, VolumeName } from "./drive.ts";
import { openVolume, type VolumeHead, type VolumeReader } from "./read-volume.ts";
import { paddedBytes, recordBytes } from "./tar.ts";

/** Single files of sets of volumes: by their catalogues only those volumes are read that have them. */
export class VolumeAccess {
  readonly #drive: Drive;
  #sets: readonly Catalogue[] | undefined;
  #files = new Map<string, { readonly set: Catalogue; readonly index: number; readonly file: VolumeFile }>();
  #volumesRead = 0;
  #open: { readonly text: string; readonly reader: VolumeReader; readonly head: VolumeHead } | undefined;

  constructor(drive: Drive) {
    this.#drive = drive;
  }

  /** Of each set what its last volume says, which knows of all; the oldest first. */
  async sets(signal: AbortSignal): Promise<readonly Catalogue[]> {
    if (this.#sets !== undefined) return this.#sets;
    const last = new Map<string, VolumeName>();
    for (const volume of await this.#drive.inventory(signal)) {
      if ((last.get(volume.set)?.number ?? 0) < volume.number) last.set(volume.set, volume);
    }
    const sets: Catalogue[] = [];
    for (const volume of last.values()) sets.push((await this.#volume(volume, signal)).head.catalogue);
    if (sets.length === 0) throw new HoldfastError("volume-none", { drive: this.#drive.name });
    sets.sort((left, right) => (left.created < right.created ? -1 : 1));
    for (const set of sets) {
      for (const [index, file] of set.files.entries()) this.#files.set(file.path, { set, index, file });
    }
    return (this.#sets = sets);
  }

  /** The same, of one repository: files of two under the same names would be mixed, and neither could be read. */
  async setsOfOne(signal: AbortSignal): Promise<readonly Catalogue[]> {
    const sets = await this.sets(signal);
    const byRepository = Map.groupBy(sets, ({ repository }) => repository);
    if (byRepository.size > 1) {
      const named = [...byRepository].map(([id, own]) => `${own.map(({ set }) => set).join(", ")} (${id.slice(0, 8)})`);
      throw new HoldfastError("volume-repositories", { drive: this.#drive.name, sets: named.join("; ") });
    }
    return sets;
  }

  /** Whether the last volume that is there is the set's last: one that was cut off names the same files. */
  async isComplete(set: Catalogue, signal: AbortSignal): Promise<boolean> {
    const { reader, head } = await this.#volume({ set: set.set, number: set.volumes.length }, signal);
    await reader.seek(dataAt(set, head, set.files.length) - 2 * recordBytes);
    return (await reader.take(recordBytes)).length === recordBytes;
  }

  /** How often a volume was put in. */
  get volumesRead(): number {
    return this.#volumesRead;
  }

  async find(path: string, signal: AbortSignal): Promise<VolumeFile | undefined> {
    await this.sets(signal);
    return this.#files.get(path)?.file;
  }

  async files(signal: AbortSignal): Promise<readonly VolumeFile[]> {
    await this.sets(signal);
    return [...this.#files.values()].map(({ file }) => file);
  }

  /** A part of a file, or all of it, which is then compared with its checksum. */
  async load(
    path: string,
    range: { readonly offset: number; readonly length: number } | undefined,
    signal: AbortSignal,
  ): Promise<Buffer> {
    await this.sets(signal);
    const found = this.#files.get(path);
    if (found === undefined) throw new HoldfastError("storage-not-found", { path });
    const { file } = found;
    const { offset, length } = range ?? { offset: 0, length: file.size };
    if (offset < 0 || length < 0 || offset + length > file.size) {
      throw new HoldfastError("storage-failed", { path, reason: "shorter than asked for" });
    }
    const bytes = await this.#read(found.set, found.index, offset, offset + length, signal);
    const isWrong = range === undefined && createHash("sha256").update(bytes).digest("hex") !== file.sha256;
    if (isWrong) throw new HoldfastError("volume-damaged", { reason: path });
    return bytes;
  }

  async #read(set: Catalogue, index: number, from: number, to: number, signal: AbortSignal): Promise<Buffer> {
    const parts: Buffer[] = [];
    let at = from;
    for (const [position, start] of set.volumes.entries()) {
      if (at >= to) break;
      const next = set.volumes[position + 1];
      if (start.file > index) break;
      // Bytes of this file on this volume: from where it goes on here, to where it goes on on the next.
      const begin = start.begins === "rest" && start.file === index ? start.offset : 0;
      const endsHere = next === undefined || next.file > index;
      const end = endsHere ? Infinity : next.file === index && next.begins === "rest" ? next.offset : 0;
      if (at < begin || at >= end) continue;
      const { reader, head } = await this.#volume({ set: set.set, number: position + 1 }, signal);
      await reader.seek(dataAt(set, head, index) + at - begin);
      const part = await reader.take(Math.min(to, end) - at);
      parts.push(part);
      at += part.length;
    }
    if (at < to) throw new HoldfastError("volume-damaged", { reason: set.files[index]?.path });
    return Buffer.concat(parts);
  }

  async #volume(volume: VolumeName, signal: AbortSignal): Promise<{ reader: VolumeReader; head: VolumeHead }> {
    const text = `${volume.set} ${volume.number}`;
    if (this.#open?.text === text) return this.#open;
    this.#open = undefined;
    this.#volumesRead++;
    const { reader, head } = await openVolume(this.#drive, volume, signal);
    this.#open = { text, reader, head };
    return this.#open;
  }
}

/** Where a file's bytes begin on the volume of that head. */
function dataAt({ files }: Catalogue, { rest, filesAt, catalogue }: VolumeHead, index: number): number {
  const start = catalogue.volumes.at(-1);
  if (start === undefined) return 0;
  // Behind the label's and its own header.
  if (rest !== undefined && start.file === index) return 2 * recordBytes;
  let at = filesAt;
  for (let file = start.begins === "rest" ? start.file + 1 : start.file; file < index; file++) {
    at += recordBytes + paddedBytes(files[file]?.size ?? 0);
  }
  return at + recordBytes;
}
