import { sealOverhead, UnsealRun, type MasterKey } from "../format/crypto.ts";
import type { IndexedPack } from "../format/index-file.ts";
import { decodePackHeader, headerLengthField, type PackedBlob } from "../format/pack.ts";
import { HoldfastError } from "../lib/errors.ts";
import type { Storage } from "../storage/storage.ts";
import { BlobIndex } from "./blob-index.ts";
import { blobName, isBlob, type ExaminedPack } from "./examine-pack.ts";
import { packBufferBytes, type PackBuffer } from "./pack-buffers.ts";
import { Packer, type FinishedPack } from "./packer.ts";
import type { Lock } from "./repository.ts";
import type { StrayKind } from "./strays.ts";
import { packPath } from "./verify-index.ts";

export interface SalvageOptions {
  readonly storage: Storage;
  readonly key: MasterKey;
  /** Where blobs are taken from, by what is good there. */
  readonly sources: readonly { readonly kind: StrayKind; readonly pack: ExaminedPack }[];
  /** Whether a blob stays where it is, whole, so that no copy is needed. */
  readonly isElsewhere: (blob: PackedBlob) => boolean;
  readonly lock: Lock;
  readonly signal: AbortSignal;
}

/** Writes the good blobs of damaged packs into new ones, each blob as it stands, sealed; gives the new packs. */
export async function salvageBlobs(options: SalvageOptions): Promise<readonly IndexedPack[]> {
  const { storage, key, sources, isElsewhere, lock, signal } = options;
  const finished: FinishedPack[] = [];
  const free: PackBuffer[] = [];
  const saved: IndexedPack[] = [];
  const taken = new Set<string>();
  const opener = new UnsealRun(key);
  const packer = new Packer({
    key,
    index: BlobIndex.forIndexBytes(
      0,
      sources.reduce((sum, { pack }) => sum + pack.good.length, 1),
    ),
    onPack: (pack) => finished.push(pack),
    reuse: () => free.pop(),
  });

  async function store(): Promise<void> {
    for (const { name, buffer, length, header } of finished.splice(0)) {
      await lock.check(signal);
      await storage.save({ kind: "data", name }, new Uint8Array(buffer, 0, length), signal);
      const blobs = decodePackHeader(header, length - header.length - sealOverhead - headerLengthField);
      saved.push({ id: name, blobs });
      if (buffer.byteLength === packBufferBytes) free.push(buffer);
    }
  }

  for (const { kind, pack } of sources) {
    const wanted = pack.good.filter((blob) => !isElsewhere(blob) && !taken.has(blobName(blob)));
    for (const blob of wanted) {
      taken.add(blobName(blob));
      const sealed = await storage.load({ kind, name: pack.id }, blob, signal);
      if (!isBlob(opener, blob, sealed)) throw new HoldfastError("repository-damaged", { subject: packPath(pack.id) });
      packer.move(blob.type, "hot", Buffer.from(blob.id, "hex"), sealed, blob.uncompressedLength);
      if (finished.length > 0) await store();
    }
  }
  packer.flush();
  await store();
  return saved;
}
