import { runSteps } from "../contents/records/order-changes.ts";
import { isChange, type PlannedRow } from "../contents/records/planned-row.ts";
import { settleRows } from "../contents/records/settle-rows.ts";
import type { RowImage } from "../contents/records/row-images.ts";
import type { TableSchema } from "../database/database.ts";
import { HoldfastError } from "../lib/errors.ts";
import type { Run } from "../lib/run.ts";
import { planRecords } from "./records-plan.ts";
import { asRefusal, type PreparedRecords, stepsOf } from "./records-prepare.ts";

/** What a restore of records did, before it is made to stay. */
export interface ChangedRows {
  readonly tables: readonly TableSchema[];
  readonly images: readonly RowImage[];
}

/**
 * Does what was planned, in one transaction: plans once more on locked rows, refuses when anything moved, changes,
 * and reads every changed row again. `beforeCommit` is told what changed, and may still stop it all by failing.
 */
export async function applyRecords(
  { engine, address, source, planned }: PreparedRecords,
  beforeCommit: (changed: ChangedRows) => Promise<void>,
  run: Run,
): Promise<readonly PlannedRow[]> {
  try {
    return await engine.rows(address, "change", run.signal, async (rows) => {
      const again = await planRecords(source, rows);
      if (again.seen !== planned.seen) throw new HoldfastError("plan-outdated", { path: address.url });
      const changes = again.rows.filter(isChange);
      await runSteps(rows, stepsOf(again, engine));
      await beforeCommit(imagesOf(changes, await settleRows(rows, changes, engine)));
      return again.rows;
    });
  } catch (error) {
    throw asRefusal(error);
  }
}

/** What the rows were, and as they are now. */
function imagesOf(changes: readonly PlannedRow[], lines: ReadonlyMap<PlannedRow, string | undefined>): ChangedRows {
  const tables = [...new Set(changes.map(({ table }) => table))];
  const images = tables.flatMap((table, at) =>
    changes
      .filter((one) => one.table === table)
      .map((change): RowImage => {
        const after = lines.get(change);
        return {
          table: at,
          ...(change.before !== undefined && { before: change.before }),
          ...(after !== undefined && { after }),
        };
      }),
  );
  return { tables, images };
}
