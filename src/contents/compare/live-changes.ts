import { auditEvery, type TableReader } from "../../database/database.ts";
import { told } from "../../lib/told.ts";
import type { BlobReader } from "../../repository/repository.ts";
import { damaged } from "../checked.ts";
import type { ChangedRow } from "../tables/changed-rows.ts";
import { compareRows } from "../tables/compare-rows.ts";
import { LineWindow } from "../tables/line-window.ts";
import { Overlay } from "../tables/overlay.ts";
import { loadChunk, type TableFolder } from "../tables/stored-parts.ts";
import type { StoredTable } from "../tables/stored-table.ts";
import { openBefore } from "../tables/table-before.ts";
import { readingOf, TableSource } from "../tables/table-source.ts";
import { toldRows } from "../tables/told-rows.ts";

/**
 * Rows in which the live table differs from what a snapshot holds, in the order of their keys; both have the same columns.
 * The database is asked what changed where it can tell (`mark` is the snapshot's); else all its rows are read, and stored
 * chunks that are found again are not.
 */
export async function* liveChanges(
  reader: BlobReader,
  stored: StoredTable,
  live: TableReader,
  mark: string | undefined,
  signal: AbortSignal,
): AsyncGenerator<ChangedRow, void> {
  const { table, order } = stored;
  const folder: TableFolder = { reader, order, subject: `${table.schema}/${table.name}`, signal };
  const before = await openBefore(folder, stored.tree, table);
  if (!before) throw damaged(folder.subject, "columns");
  const found = await toldRows({ folder, before, reader: live, audit: auditEvery - 1 }, mark);
  if (found) return yield* found.rows;
  const source = new TableSource({ reader: live, order, signal });
  const window = new LineWindow(source.rows(readingOf(table)));
  try {
    yield* told<ChangedRow>(async (tell) => {
      await compareRows(
        {
          order,
          window,
          overlay: await Overlay.open(folder, before.runFiles),
          chunks: before.base.chunks(),
          load: (chunk) => loadChunk(folder, chunk),
          rangeStarts: new Set(),
          signal,
        },
        {
          lines: () => undefined,
          cut: () => {},
          sinceBase: () => undefined,
          sinceParent: (key, was, now) =>
            tell({ key, ...(was && { before: Buffer.from(was) }), ...(now && { now: Buffer.from(now) }) }),
        },
      );
    });
  } finally {
    await window.close();
  }
}
