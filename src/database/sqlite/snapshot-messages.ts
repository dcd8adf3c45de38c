import type { ErrorCode, Facts } from "../../lib/errors.ts";
import type { DatabaseSnapshot, RowBatch, RowRange, TableSchema } from "../database.ts";

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
  /** The next batch: a `RowBatch`, or `undefined` after the last. */
  | { readonly type: "next"; readonly reading: number }
  | { readonly type: "end"; readonly reading: number }
  | { readonly type: "close" };

export interface ReadRequest {
  readonly type: "read";
  /** A number for this reading, chosen by whoever asks. */
  readonly reading: number;
  readonly table: TableSchema;
  readonly range: RowRange;
  readonly targetBytes: number | undefined;
}

export type SnapshotAnswer =
  | { readonly value: OpenedSnapshot | RowBatch | number | undefined }
  | { readonly failure: { readonly code: ErrorCode; readonly facts: Facts; readonly detail: string } };
