import { hash } from "node:crypto";
import { compress } from "../../src/format/compress.ts";
import { seal, type MasterKey } from "../../src/format/crypto.ts";
import { indexJson, type IndexedPack } from "../../src/format/index-file.ts";
import { newMasterKey, openKeyFile } from "../../src/format/key-file.ts";
import { PackHeader, type PackedBlob } from "../../src/format/pack.ts";
import type { BlobType, Id } from "../../src/format/tree.ts";
import { sealUnpacked, sha256 } from "../../src/format/unpacked.ts";
import { memoryStorage } from "../../src/storage/memory.ts";
import type { FileKind, Storage } from "../../src/storage/storage.ts";
import { createCheapRepository } from "./cheap-key.ts";

const password = "crafted";
const { signal } = new AbortController();

/**
 * A repository written blob by blob with the format's own primitives, so that it can be wrong in any one respect while
 * everything else is right.
 */
export interface CraftedRepository {
  readonly storage: Storage;
  readonly key: MasterKey;
  readonly password: string;
  /** Adds a blob to the pack of its type; `lie` changes what header and index say of it. */
  blob(type: BlobType, bytes: Uint8Array | string, lie?: (blob: PackedBlob) => PackedBlob): Id;
  /** A tree of these nodes, as JSON exactly as given. */
  tree(...nodes: readonly object[]): Id;
  /** Stores what was added as packs and one index; `change` may alter what the index says. */
  flush(change?: (packs: readonly IndexedPack[]) => readonly IndexedPack[]): Promise<readonly IndexedPack[]>;
  /** Stores a snapshot file with exactly these fields beside the usual ones. */
  snapshot(tree: Id, fields?: object): Promise<Id>;
  save(kind: FileKind, bytes: Buffer): Promise<Id>;
}

export async function craftRepository(storage: Storage): Promise<CraftedRepository> {
  const host = { hostname: "test", username: "tester", uid: 0, gid: 0 };
  await createCheapRepository(storage, password, { signal, now: () => new Date(), host });
  return craftWith(await masterKeyOf(storage), storage);
}

/** The same without config and key file, whose making takes a quarter of a second: for who has the key anyway. */
export function craftInMemory(): CraftedRepository {
  return craftWith(newMasterKey(), memoryStorage());
}

function craftWith(key: MasterKey, storage: Storage): CraftedRepository {
  const pending = new Map<BlobType, { parts: Buffer[]; blobs: PackedBlob[] }>();

  const blob: CraftedRepository["blob"] = (type, content, lie = (same) => same) => {
    const bytes = Buffer.from(content);
    const id = hash("sha256", bytes, "hex");
    const pack = pending.get(type) ?? { parts: [], blobs: [] };
    pending.set(type, pack);
    const sealed = seal(key, compress(bytes));
    const offset = pack.parts.reduce((sum, part) => sum + part.length, 0);
    pack.parts.push(sealed);
    pack.blobs.push(lie({ type, id, offset, length: sealed.length, uncompressedLength: bytes.length }));
    return id;
  };
  const save: CraftedRepository["save"] = async (kind, bytes) => {
    const name = sha256(bytes);
    await storage.save({ kind, name }, bytes, signal);
    return name;
  };

  return {
    storage,
    key,
    password,
    blob,
    save,
    tree: (...nodes) => blob("tree", `${JSON.stringify({ nodes })}\n`),
    async flush(change = (same) => same) {
      const packs: IndexedPack[] = [];
      for (const { parts, blobs } of pending.values()) {
        const header = new PackHeader();
        for (const { type, length, uncompressedLength, id } of blobs) {
          header.add(type, length, uncompressedLength, Buffer.from(id, "hex"));
        }
        const sealedHeader = seal(key, header.bytes());
        const length = Buffer.alloc(4);
        length.writeUInt32LE(sealedHeader.length);
        packs.push({ id: await save("data", Buffer.concat([...parts, sealedHeader, length])), blobs });
      }
      pending.clear();
      const { name, bytes } = sealUnpacked(key, indexJson(change(packs)));
      await storage.save({ kind: "index", name }, bytes, signal);
      return packs;
    },
    async snapshot(tree, fields = {}) {
      const json = { time: new Date().toISOString(), tree, paths: ["/crm"], hostname: "test", ...fields };
      const { name, bytes } = sealUnpacked(key, JSON.stringify(json));
      await storage.save({ kind: "snapshot", name }, bytes, signal);
      return name;
    },
  };
}

/** A node with everything that restic writes, to be changed. */
export function craftedNode(name: string, type: "file" | "dir", fields: object): object {
  const time = "2026-11-22T08:00:00Z";
  const mode = type === "dir" ? 2_147_484_141 : 420;
  const content = type === "dir" ? { content: null } : { content: [] };
  return { name, type, mode, mtime: time, atime: time, ctime: time, uid: 0, gid: 0, ...content, ...fields };
}

async function masterKeyOf(storage: Storage): Promise<MasterKey> {
  for await (const { name } of storage.list("key", signal)) {
    const key = await openKeyFile(name, await storage.load({ kind: "key", name }, undefined, signal), password);
    if (key !== undefined) return key;
  }
  throw new Error("no key file");
}
