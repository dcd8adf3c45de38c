import type { MessagePort } from "node:worker_threads";

import type { ErrorCode, Facts } from "../../lib/errors.ts";
import type { DatabaseSnapshot, OneRow, RowKey, RowRange, TableSchema } from "../database.ts";

/** What a thread that holds one moment of a database is started with. */
export interface SnapshotThreadData {
  readonly url: string;
  readonly path: string;
  /** To another thread that is to see the same moment, and which of the two chooses it. */
  readonly other?: { readonly port: MessagePort; readonly leads: boolean };
}

/** What the one that leads has seen when it is open: its first answer, without being asked. The other answers `undefined`. */
export interface OpenedSnapshot extends Pick<DatabaseSnapshot, "schema" | "position"> {
  /** Both threads see this moment. */
  readonly together: boolean;
}

/** Requests, answered in the order in which they come; `cancel`, which ends what is under way, has no answer. */
export type SnapshotRequest =
  | { readonly type: "cancel" }
  | { readonly type: "count"; readonly table: TableSchema }
  /** Keys at which a large table can be cut into parts of a few megabytes; none: it is read in one. */
  | { readonly type: "cuts"; readonly table: TableSchema }
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
  | { readonly value: OpenedSnapshot | ReadLines | readonly RowKey[] | number | undefined }
  | { readonly failure: { readonly code: ErrorCode; readonly facts: Facts; readonly detail: string } };
