import { HoldfastError } from "../lib/errors.ts";
import { type Catalogue, cataloguePath, mostBytes, parseCatalogue } from "./catalogue.ts";
import { type Drive, parseVolumeText, type VolumeName, volumeText } from "./drive.ts";
import { paddedBytes, parseTarHeader, recordBytes, type TarHeader } from "./tar.ts";

/** Reads a volume that is in the drive, from its beginning on or from any byte. */
export class VolumeReader {
  readonly #drive: Drive;
  readonly #signal: AbortSignal;
  #block: Buffer = Buffer.alloc(0);
  /** Of the first byte in `#block`. */
  #at = 0;

  constructor(drive: Drive, signal: AbortSignal) {
    this.#drive = drive;
    this.#signal = signal;
  }

  /** Of the next byte that `take` gives. */
  get position(): number {
    return this.#at;
  }

  async seek(position: number): Promise<void> {
    const block = Math.floor(position / this.#drive.blockBytes);
    await this.#drive.seek(block, this.#signal);
    this.#block = Buffer.alloc(0);
    this.#at = block * this.#drive.blockBytes;
    await this.take(position - this.#at);
  }

  /** Fewer only where the medium ends. */
  async take(length: number): Promise<Buffer> {
    const parts: Buffer[] = [];
    let missing = length;
    while (missing > 0) {
      if (this.#block.length === 0) {
        const block = await this.#drive.read(this.#signal);
        if (block === "end") break;
        this.#block = block;
      }
      const part = this.#block.subarray(0, missing);
      parts.push(part);
      this.#block = this.#block.subarray(part.length);
      this.#at += part.length;
      missing -= part.length;
    }
    return parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts);
  }

  /** The next file's header; `end`: the tar is complete; `cut`: the medium ends before the set does. */
  async header(): Promise<TarHeader | "end" | "cut"> {
    const record = await this.take(recordBytes);
    if (record.length === 0) return "cut";
    if (record.length < recordBytes) throw new HoldfastError("volume-damaged", { reason: "tar" });
    return parseTarHeader(record) ?? "end";
  }

  /** A file's bytes with its padding; fewer where the medium ends. */
  async contents(size: number): Promise<Buffer> {
    if (size > mostBytes) throw new HoldfastError("volume-damaged", { reason: "tar" });
    return (await this.take(paddedBytes(size))).subarray(0, size);
  }
}

export interface VolumeHead {
  readonly volume: VolumeName;
  readonly catalogue: Catalogue;
  /** The rest of a file that began on the volume before: its header; its bytes follow the first two records. */
  readonly rest?: TarHeader;
  /** `rest`'s bytes, fewer where the medium ends within. */
  readonly restBytes?: Buffer;
  /** Where the first file's header stands, behind the catalogue. */
  readonly filesAt: number;
}

/** What a volume says of itself; leaves the reader at its first file. */
export async function readHead(reader: VolumeReader): Promise<VolumeHead> {
  const damaged = (): HoldfastError => new HoldfastError("volume-damaged", { reason: "label" });
  await reader.seek(0);
  const label = await reader.header();
  const volume = label === "end" || label === "cut" || label.type !== "label" ? undefined : parseVolumeText(label.name);
  if (volume === undefined) throw damaged();
  let header = await reader.header();
  let rest: TarHeader | undefined;
  let restBytes: Buffer | undefined;
  if (typeof header === "object" && header.type === "rest") {
    rest = header;
    restBytes = await reader.contents(header.size);
    header = await reader.header();
  }
  if (typeof header === "string") throw damaged();
  await reader.contents(header.size); // LABEL.txt
  header = await reader.header();
  if (typeof header === "string" || header.name !== cataloguePath(volume)) throw damaged();
  const catalogue = parseCatalogue(await reader.contents(header.size));
  if (catalogue.set !== volume.set || catalogue.volumes.length !== volume.number) throw damaged();
  return { volume, catalogue, ...(rest && { rest }), ...(restBytes && { restBytes }), filesAt: reader.position };
}

/** Puts a volume in and reads its head; `volume-needed` where somebody has to, `volume-other` where another is in. */
export async function openVolume(
  drive: Drive,
  wanted: VolumeName,
  signal: AbortSignal,
): Promise<{ readonly reader: VolumeReader; readonly head: VolumeHead }> {
  if (!(await drive.load(wanted, "read", signal))) {
    throw new HoldfastError("volume-needed", { volume: volumeText(wanted), drive: drive.name });
  }
  const reader = new VolumeReader(drive, signal);
  const head = await readHead(reader);
  if (volumeText(head.volume) === volumeText(wanted)) return { reader, head };
  throw new HoldfastError("volume-other", {
    volume: volumeText(head.volume),
    wanted: volumeText(wanted),
    drive: drive.name,
  });
}
