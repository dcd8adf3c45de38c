import { treeProblemCodes } from "../format/tree-node-fields.ts";
import type { Id } from "../format/tree.ts";

/** Everything `verify` can find wrong; keys of `words` under `defect`. */
export const defectCodes = [
  // repository files
  "config-damaged",
  "key-damaged",
  "snapshot-unreadable",
  "index-unreadable",
  "index-conflict", // two indexes say different things of one pack
  "pack-missing", // an index names it and the storage has no such file
  "pack-size", // the file is not as long as its blobs and header
  "pack-layout", // blobs overlap, or leave gaps
  "pack-unreadable", // the storage could not give it
  "pack-hash", // its contents do not fit its name
  "pack-header", // its own list of blobs is unreadable, or not what the index says
  "blob-damaged", // cannot be opened, or is not what its id says
  "blob-length", // its plaintext length is not what the index says
  "parity-damaged", // a parity file is not what its name says
  // what snapshots are made of
  "tree-missing",
  "tree-damaged",
  ...treeProblemCodes,
  "blob-missing", // a file needs a blob that no index names
  "file-damaged", // a file needs a blob that is in no whole pack
  "file-size", // its size is not the sum of its blobs
  "hard-link-conflict", // would come back as one file, though their contents differ
  // what the engine finds in backups of ours
  "manifest-damaged", // `holdfast.json`, or what it promises, makes no sense
  "table-damaged", // its rows make no sense
  "table-sums", // its rows do not add up to what was noted of them
  "table-search", // what a search goes by is not what its rows say: it may pass over some
  "too-many", // only the first are listed
] as const;
export type DefectCode = (typeof defectCodes)[number];

export interface Defect {
  /** Key in `words/` under `defect`. */
  readonly code: DefectCode;
  /** Repository file (`data/ab/ab12…`, `snapshots/…`) or path in a snapshot. */
  readonly subject: string;
  readonly detail: string;
  /** Snapshots that this touches, where known. */
  readonly snapshots: readonly Id[];
}

/** A repository that is wrong everywhere must not fill the memory with it. */
const maxDefects = 10_000;

/** A defect of which it is not yet known whom it touches. */
export interface NamedDefect {
  snapshots: readonly Id[];
}

export class DefectList {
  readonly #defects: { -readonly [K in keyof Defect]: Defect[K] }[] = [];
  #more = 0;

  /** The defect as kept, so that its snapshots can be filled in later; `undefined` when there are too many. */
  add(code: DefectCode, subject: string, detail = "", snapshots: readonly Id[] = []): NamedDefect | undefined {
    if (this.#defects.length >= maxDefects) {
      this.#more += 1;
      return undefined;
    }
    const defect = { code, subject, detail, snapshots };
    this.#defects.push(defect);
    return defect;
  }

  get all(): readonly Defect[] {
    if (this.#more === 0) return this.#defects;
    return [...this.#defects, { code: "too-many", subject: "", detail: `${this.#more}`, snapshots: [] }];
  }
}
