import type { Id } from "../../format/tree.ts";
import { joinName, nameText, type ByteName } from "../../lib/byte-name.ts";
import type { BlobReader } from "../../repository/repository.ts";
import { matchTexts, type TextQuery } from "./text-query.ts";

export interface FoundFile {
  /** As `browse` shows it. */
  readonly path: string;
  readonly size?: number;
}

/** Files and folders below a tree whose names have all words. */
export async function* searchFiles(
  reader: BlobReader,
  tree: Id,
  path: ByteName,
  query: TextQuery,
  signal: AbortSignal,
): AsyncGenerator<FoundFile, void> {
  signal.throwIfAborted();
  for (const { name, type, size, subtree } of (await reader.loadTree(tree, signal)).nodes) {
    const inside = joinName(path, name);
    if (matchTexts(query, [nameText(name)])) {
      yield { path: nameText(inside), ...(type === "file" && { size: Number(size ?? 0) }) };
    }
    if (subtree !== undefined) yield* searchFiles(reader, subtree, inside, query, signal);
  }
}
