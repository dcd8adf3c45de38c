import type { Id } from "../format/tree.ts";
import { isDamage } from "./damage.ts";
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
