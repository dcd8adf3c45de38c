import { HoldfastError } from "../lib/errors.ts";
import type { Id } from "../format/tree.ts";
import type { Run } from "../lib/run.ts";
import type { Engine, RepositoryAccess } from "./engine.ts";
import type { PointName } from "./snapshots.ts";

export interface BrowseInput {
  readonly repository: RepositoryAccess;
  readonly crm?: string;
  readonly point: PointName;
  /**
   * Path in the snapshot as a person sees it: `/` (the parts), `/files/attachments/2026`, `/databases/main` (the
   * tables), `/databases/main/contacts` (rows), `/config/holdfast.yaml`.
   */
  readonly path: string;
}

export interface BrowseEntry {
  readonly name: string;
  readonly type: "folder" | "file" | "link" | "table" | "other";
  readonly size?: number;
  readonly rows?: number;
  readonly modified?: string;
}

export type BrowseAnswer =
  | { readonly type: "list"; readonly snapshot: Id; readonly path: string; readonly entries: readonly BrowseEntry[] }
  | { readonly type: "file"; readonly snapshot: Id; readonly path: string; readonly content: AsyncIterable<Buffer> }
  | {
      readonly type: "rows";
      readonly snapshot: Id;
      readonly path: string;
      readonly columns: readonly string[];
      /** Values for a person: NULL is `null`, binary is `x'…'`. */
      readonly rows: AsyncIterable<readonly (string | null)[]>;
    };

/** Calls `use` with the answer while the repository is open. */
export async function browse<T>(
  _engine: Engine,
  _input: BrowseInput,
  _run: Run,
  _use: (answer: BrowseAnswer) => Promise<T>,
): Promise<T> {
  throw new HoldfastError("internal");
}
