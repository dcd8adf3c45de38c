import type { RowTransaction } from "../../database/row-transaction.ts";
import { HoldfastError } from "../../lib/errors.ts";
import { LiveRows } from "./plan-rows.ts";
import type { PlannedRow } from "./planned-row.ts";
import type { HandleRules } from "./record-handle.ts";

/** A stamp of a row that a row of a stamp changes: deeper no CRM has them. */
const mostRounds = 4;

/**
 * Reads changed rows again. Where nobody can stop triggers, they have stamped some of them anew (CiviCRM's contacts, with each address
 * that comes back): those are written once more as they are to be, which no trigger of a new row or of another one undoes. Gives the rows'
 * lines as they stay; `undefined`: there is none. Fails with `restore-mismatch` where a row does not become what it should be.
 */
export async function settleRows(
  rows: RowTransaction,
  changes: readonly PlannedRow[],
  rules: HandleRules,
): Promise<ReadonlyMap<PlannedRow, string | undefined>> {
  for (let round = 0; ; round++) {
    const found = await linesOf(rows, changes, rules);
    const wrong = changes.filter((change) => !isAsPlanned(change, found.get(change)));
    const [first] = wrong;
    if (!first) return found;
    const again = wrong.flatMap((change) => {
      const before = found.get(change);
      return before === undefined || change.after === undefined
        ? []
        : [{ table: change.table, before, after: asPlanned(change, change.after, before) }];
    });
    if (round === mostRounds || again.length < wrong.length)
      throw new HoldfastError("restore-mismatch", { table: first.table.name, detail: first.key });
    for (const [table, ofTable] of Map.groupBy(again, (one) => one.table)) await rows.update(table, ofTable);
  }
}

async function linesOf(
  rows: RowTransaction,
  changes: readonly PlannedRow[],
  rules: HandleRules,
): Promise<ReadonlyMap<PlannedRow, string | undefined>> {
  const live = new LiveRows({ rows, rules });
  const lines = new Map<PlannedRow, string | undefined>();
  for (const [table, ofTable] of Map.groupBy(changes, (one) => one.table)) {
    const now = await live.byKey(
      table,
      ofTable.map(({ key }) => key),
    );
    for (const change of ofTable) lines.set(change, now.get(change.key)?.line);
  }
  return lines;
}

function isAsPlanned(change: PlannedRow, line: string | undefined): boolean {
  const { action, after } = change;
  if (after === undefined || line === undefined) return action === "remove" && line === undefined;
  return line === asPlanned(change, after, line);
}

/** The line with what the plan says of it: of an inserted row, the columns that it was given. */
function asPlanned({ action, table, columns }: PlannedRow, after: string, line: string): string {
  if (action !== "insert") return after;
  const fields = line.split("\t");
  for (const [at, field] of after.split("\t").entries()) {
    const column = columns[at];
    if (column) fields[table.columns.indexOf(column)] = field;
  }
  return fields.join("\t");
}
