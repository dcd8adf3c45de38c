import type { Id } from "../format/tree.ts";
import { type HoldfastError, isHoldfastError } from "../lib/errors.ts";
import type { BlobReader } from "./repository.ts";

/** The trees that a tree names; none where it cannot be had. */
export async function childTrees(reader: BlobReader, id: Id, signal: AbortSignal): Promise<readonly Id[]> {
  if (!reader.has("tree", id)) return [];
  try {
    const { nodes } = await reader.loadTree(id, signal);
    return nodes.flatMap(({ subtree }) => (subtree === undefined ? [] : [subtree]));
  } catch (error) {
    signal.throwIfAborted();
    if (isDamage(error)) return [];
    throw error;
  }
}

/** What is wrong with the repository, not with the way to it. */
export function isDamage(error: unknown): error is HoldfastError {
  return ["repository-damaged", "storage-not-found", "storage-failed"].some(
    (code) => isHoldfastError(error) && error.code === code,
  );
}
