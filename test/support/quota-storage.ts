import { HoldfastError } from "../../src/lib/errors.ts";
import { fileKinds, type Storage } from "../../src/storage/storage.ts";

/**
 * The same storage on a disk with so much room left: what does not fit fails with `storage-full`. A file takes whole
 * blocks of 4 KiB, as on a disk.
 */
export async function quotaStorage(storage: Storage, freeBytes: number): Promise<Storage> {
  const { signal } = new AbortController();
  const sizes = new Map<string, number>();
  for (const kind of [...fileKinds, "parity"] as const) {
    for await (const { name, size } of storage.list(kind, signal)) sizes.set(`${kind} ${name}`, blocks(size));
  }
  let free = freeBytes;
  return {
    ...storage,
    traits: { ...storage.traits, freeBytes: async () => free },
    async save(file, bytes, saveSignal) {
      const size = blocks(bytes.length);
      if (size > free) throw new HoldfastError("storage-full", { path: "quota" });
      await storage.save(file, bytes, saveSignal);
      free -= size;
      sizes.set(`${file.kind} ${file.name}`, size);
    },
    async remove(file, removeSignal) {
      await storage.remove(file, removeSignal);
      free += sizes.get(`${file.kind} ${file.name}`) ?? 0;
      sizes.delete(`${file.kind} ${file.name}`);
    },
  };
}

function blocks(bytes: number): number {
  return Math.ceil(bytes / 4096) * 4096;
}
