import type { ErrorCode, Facts } from "../../lib/errors.ts";
import type { DatabaseSnapshot, OneRow, RowRange, TableSchema } from "../database.ts";

/** What a thread that holds one moment of a database is started with. */
export interface SnapshotThreadData {
  readonly url: string;
  readonly path: string;
}

/** What it has seen when it is open: its first answer, without being asked. */
export type OpenedSnapshot = Pick<DatabaseSnapshot, "schema" | "position">;

/** Requests, answered in the order in which they come; `cancel`, which ends what is under way, has no answer. */
export type SnapshotRequest =
  | { readonly type: "cancel" }
  | { readonly type: "count"; readonly table: TableSchema }
  | ReadRequest
  /** The next batch: `ReadLines`, or `undefined` after the last. `memory` is for its lines, where they fit. */
  | { readonly type: "next"; readonly reading: number; readonly memory: SharedArrayBuffer | undefined }
  | { readonly type: "end"; readonly reading: number }
  | { readonly type: "close" };

export interface ReadRequest {
  readonly type: "read";
  /** A number for this reading, chosen by whoever asks. */
  readonly reading: number;
  readonly table: TableSchema;
  readonly range: RowRange | OneRow;
  readonly targetBytes: number | undefined;
}

/**
 * A batch in shared memory that is used again and again: what is handed over and dropped instead makes V8 collect
 * garbage after every few megabytes.
 */
export interface ReadLines {
  readonly memory: SharedArrayBuffer;
  readonly length: number;
  readonly rows: number;
}

export type SnapshotAnswer =
  | { readonly value: OpenedSnapshot | ReadLines | number | undefined }
  | { readonly failure: { readonly code: ErrorCode; readonly facts: Facts; readonly detail: string } };
