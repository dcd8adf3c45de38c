import { hash } from "node:crypto";
import { treeBytes } from "../../format/tree-encoder.ts";
import type { BlobReader, Upload } from "../../repository/repository.ts";

/** Where mended trees and files go: an upload, or nowhere, when it shall only be seen what would be written. */
export type MendSink = Pick<Upload, "blob" | "has" | "ready" | "tree">;

/** Gives the ids that an upload would give, and stores nothing. */
export function planningSink(reader: BlobReader): MendSink {
  return {
    has: (type, id) => reader.has(type, id),
    ready: async () => undefined,
    blob: async (_type, bytes) => ({ id: hash("sha256", bytes, "hex"), added: false, storedBytes: 0 }),
    tree: async (tree) => hash("sha256", treeBytes(tree), "hex"),
  };
}
