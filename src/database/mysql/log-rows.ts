import type { Change } from "../change-feed.ts";
import type { TableSchema } from "../database.ts";
import type { LogRow, RowChange } from "./log-events.ts";
import type { LogTexts } from "./log-texts.ts";

/** Changes in their order, of which some wait for how the server writes a value. */
export class ChangeBatch {
  readonly changes: Change[] = [];
  readonly #rows: PendingRow[] = [];

  push(...changes: readonly Change[]): void {
    this.changes.push(...changes);
  }

  row(table: TableSchema, { before, after }: RowChange): void {
    // Its place is kept until the server has said how it writes what only it knows how to.
    const at = this.changes.push({ type: "truncate", table }) - 1;
    this.#rows.push({ table, before, after, at });
  }

  /** With all values. */
  async settled(texts: LogTexts): Promise<readonly Change[]> {
    const asked = new Set<string>();
    for (const { before = [], after = [] } of this.#rows) {
      for (const row of [before, after]) for (const field of row) if (typeof field !== "string") asked.add(field.sql);
    }
    await texts.learn(asked);
    const lineOf = (row: LogRow): readonly string[] =>
      row.map((field) => (typeof field === "string" ? field : texts.of(field.sql)));
    for (const { table, before, after, at } of this.#rows) {
      this.changes[at] = changeOf(table, before && lineOf(before), after && lineOf(after));
    }
    return this.changes;
  }
}

interface PendingRow {
  readonly table: TableSchema;
  readonly before: LogRow | undefined;
  readonly after: LogRow | undefined;
  readonly at: number;
}

function changeOf(table: TableSchema, old: readonly string[] | undefined, now: readonly string[] | undefined): Change {
  const keyOf = (line: readonly string[]): string => line.slice(0, table.keyLength).join("\t");
  if (!now) return { type: "delete", table, key: keyOf(old ?? []), ...(old && { before: old.join("\t") }) };
  const oldKey = old && keyOf(old);
  return {
    type: "write",
    table,
    after: now.join("\t"),
    ...(old && { before: old.join("\t") }),
    ...(oldKey !== undefined && oldKey !== keyOf(now) && { oldKey }),
    ...(!old && { row: "new" as const }),
  };
}
