import { createHash } from "node:crypto";
import type { BlobType, Id, Tree } from "../../src/format/tree.ts";
import type { BlobReader, PackStream, SavedBlob, Upload } from "../../src/repository/repository.ts";

export class MemoryUpload {
  readonly blobs = new Map<string, Buffer>();
  readonly trees = new Map<Id, Tree>();
  loads = 0;
  added: { id: Id; bytes: number; stream: PackStream }[] = [];

  has(type: BlobType, id: Id): boolean {
    return type === "tree" ? this.trees.has(id) : this.blobs.has(id);
  }
  size(_type: BlobType, id: Id): number | undefined {
    return this.blobs.get(id)?.length;
  }
  async load(_type: BlobType, id: Id): Promise<Buffer> {
    this.loads++;
    const bytes = this.blobs.get(id);
    if (!bytes) throw new Error(`no blob ${id}`);
    return Buffer.from(bytes);
  }
  async loadTree(id: Id): Promise<Tree> {
    const tree = this.trees.get(id);
    if (!tree) throw new Error(`no tree ${id}`);
    return tree;
  }
  async ready(): Promise<void> {}
  async blob(_type: BlobType, bytes: Uint8Array, stream: PackStream): Promise<SavedBlob> {
    const copy = Buffer.from(bytes);
    structuredClone(bytes, { transfer: [bytes.buffer as ArrayBuffer] });
    const id = createHash("sha256").update(copy).digest("hex");
    if (this.blobs.has(id)) return { id, added: false, storedBytes: 0 };
    this.blobs.set(id, copy);
    this.added.push({ id, bytes: copy.length, stream });
    return { id, added: true, storedBytes: copy.length };
  }
  async tree(tree: Tree): Promise<Id> {
    const names = tree.nodes.map((node) => node.name);
    if (names.some((name, index) => index > 0 && (names[index - 1] ?? "") >= name)) throw new Error("order of nodes");
    const id = createHash("sha256").update(JSON.stringify(tree)).digest("hex");
    this.trees.set(id, tree);
    return id;
  }
}

export function asUpload(memory: MemoryUpload): Upload & BlobReader {
  return memory as unknown as Upload;
}
