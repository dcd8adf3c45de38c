import type { RowKey } from "../../database/database.ts";
import type { Tree } from "../../format/tree.ts";
import { damaged } from "../checked.ts";
import type { KeysHeader, PartKeys, StoredChunk } from "./keys-file.ts";
import type { Probe } from "./probe.ts";
import { candidates } from "./search-file.ts";
import { foldersIn, loadPart, loadSearch, type TableFolder } from "./stored-parts.ts";

/** A chunk of a base and where the next one begins: its rows are those with `firstKey` ≤ key < `nextKey`. */
export interface BaseChunk extends StoredChunk {
  readonly nextKey: RowKey | undefined;
  readonly startsPart: "yes" | "no";
  /** `no`: it cannot have what is looked for. */
  readonly candidate?: "no";
}

export interface StoredBase {
  readonly header: KeysHeader;
  readonly parts: number;
  /**
   * Chunks in order, from the one that may hold `from`. The lists of chunks of a few parts are in memory. With `probe`,
   * `search` says which may have what is looked for; where it cannot be had or makes no sense, all may.
   */
  chunks(from?: RowKey, probe?: Probe): AsyncGenerator<BaseChunk, void>;
}

/** Parts of which the list of chunks, some 2000 of them, is in memory: whoever asks for rows of many places does so several times. */
const partsKept = 8;

/** `tree`: of `base/`. */
export async function openBase(folder: TableFolder, tree: Tree): Promise<StoredBase> {
  const parts = foldersIn(folder, tree);
  const first = parts[0];
  if (!first) throw damaged(folder.subject, "base");
  // Whoever asks for many short stretches in order would load the same part for each of them.
  const recent: { readonly index: number; readonly keys: PartKeys }[] = [];
  const load = async (index: number): Promise<PartKeys> => {
    const known = recent.find((one) => one.index === index);
    if (known) return known.keys;
    const part = parts[index];
    if (!part) throw damaged(folder.subject, "base");
    const keys = await loadPart(folder, part.tree);
    if (keys.rows.length === 0 && parts.length > 1) throw damaged(folder.subject, "empty part");
    recent.push({ index, keys });
    if (recent.length > partsKept) recent.shift();
    return keys;
  };
  const { header } = await load(0);
  const firstKeys = new Map<number, RowKey | undefined>();

  /** The last part that begins at or before `key`. */
  const partOf = async (key: RowKey): Promise<number> => {
    let low = 0;
    let high = parts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (!firstKeys.has(middle)) firstKeys.set(middle, (await load(middle)).rows[0]?.firstKey);
      const begins = firstKeys.get(middle);
      if (begins !== undefined && folder.order.compare(begins, key) <= 0) low = middle;
      else high = middle - 1;
    }
    return low;
  };

  return {
    header,
    parts: parts.length,
    async *chunks(from, probe) {
      let index = from === undefined ? 0 : await partOf(from);
      let part = await load(index);
      let at = from === undefined ? 0 : chunkOf(folder, part.rows, from);
      for (;;) {
        const isCandidate = probe && candidates(await loadSearch(folder, part), part.rows.length, probe);
        let next: PartKeys | undefined;
        for (; at < part.rows.length; at++) {
          const chunk = part.rows[at];
          if (!chunk) break;
          if (at + 1 === part.rows.length && index + 1 < parts.length) next = await load(index + 1);
          const after = part.rows[at + 1] ?? next?.rows[0];
          checkStep(folder, chunk, after);
          const placed = { ...chunk, nextKey: after?.firstKey, startsPart: at === 0 ? "yes" : "no" } as const;
          yield isCandidate === undefined || isCandidate(at) ? placed : { ...placed, candidate: "no" };
        }
        if (!next) return;
        part = next;
        at = 0;
        index++;
      }
    },
  };
}

/** Index of the last chunk that begins at or before `key`, else 0. */
export function chunkOf(folder: TableFolder, chunks: readonly StoredChunk[], key: RowKey): number {
  let low = 0;
  let high = chunks.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    const chunk = chunks[middle];
    if (chunk && folder.order.compare(chunk.firstKey, key) <= 0) low = middle;
    else high = middle - 1;
  }
  return Math.max(low, 0);
}

function checkStep(folder: TableFolder, chunk: StoredChunk, next: StoredChunk | undefined): void {
  if (!next) return;
  const step = folder.order.compare(chunk.firstKey, next.firstKey);
  if (step > 0 || (step === 0 && folder.order.keyLength > 0)) throw damaged(folder.subject, "order of parts");
}
