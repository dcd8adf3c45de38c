import { runSteps } from "../contents/records/order-changes.ts";
import { isChange, type PlannedRow } from "../contents/records/planned-row.ts";
import { LiveRows } from "../contents/records/plan-rows.ts";
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
      await beforeCommit(await imagesOf(changes, new LiveRows({ rows, rules: engine })));
      return again.rows;
    });
  } catch (error) {
    throw asRefusal(error);
  }
}

/** The rows as they are now; fails with `restore-mismatch` when one is not what it should be: a trigger's doing, say. */
async function imagesOf(changes: readonly PlannedRow[], live: LiveRows): Promise<ChangedRows> {
  const tables = [...new Set(changes.map(({ table }) => table))];
  const images: RowImage[] = [];
  for (const [at, table] of tables.entries()) {
    const ofTable = changes.filter((one) => one.table === table);
    const now = await live.byKey(
      table,
      ofTable.map(({ key }) => key),
    );
    for (const change of ofTable) {
      const line = now.get(change.key)?.line;
      if (!isAsPlanned(change, line))
        throw new HoldfastError("restore-mismatch", { table: table.name, detail: change.key });
      images.push({
        table: at,
        ...(change.before !== undefined && { before: change.before }),
        ...(line !== undefined && { after: line }),
      });
    }
  }
  return { tables, images };
}

function isAsPlanned({ action, table, after, columns }: PlannedRow, line: string | undefined): boolean {
  if (after === undefined || line === undefined) return action === "remove" && line === undefined;
  if (action !== "insert") return line === after;
  const fields = line.split("\t");
  return columns.map((column) => fields[table.columns.indexOf(column)] ?? "").join("\t") === after;
}
