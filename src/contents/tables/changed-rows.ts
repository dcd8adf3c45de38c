import type { FollowedRows, RowKey, TableReader } from "../../database/database.ts";
import type { TableFolder } from "./stored-parts.ts";
import type { TableBefore } from "./table-before.ts";

/** A row that differs from the snapshot compared with. Lines without LF. */
export interface ChangedRow {
  readonly key: RowKey;
  /** Absent: the row is new. */
  readonly before?: Buffer;
  /** Absent: the row is gone. */
  readonly now?: Buffer;
}

/** What is asked of a database about a table that was stored before. */
export interface ChangedRowsInput {
  readonly folder: TableFolder;
  readonly before: TableBefore;
  readonly reader: TableReader;
  /** What a journal that was kept meanwhile says; absent: there is none that leads from there to here. */
  readonly followed?: FollowedRows | undefined;
  /** Of which ranges whole rows are compared, as a check: those whose number leaves this rest when divided by `auditEvery`. */
  readonly audit: number;
  /** Lets a server that is in use breathe (`Stretches.pause`). */
  readonly pause?: (() => Promise<void>) | undefined;
}

/** More than this is read from the table itself: it is held in memory. */
export const mostChangedBytes = 48 << 20;
