import { printable } from "../words/format.ts";
import { displayWidth, padEnd, padStart } from "../words/width.ts";

export interface Column {
  readonly heading: string;
  /** Numbers and sizes stand to the right. */
  readonly align?: "left" | "right";
}

const gap = "  ";

/** Lines of a table whose columns are aligned by what a terminal shows, double-width characters included. */
export function renderTable(columns: readonly Column[], rows: readonly (readonly string[])[]): string[] {
  const cells = [columns.map((column) => column.heading), ...rows.map((row) => row.map(printable))];
  const widths = columns.map((_, index) =>
    cells.reduce((widest, row) => Math.max(widest, displayWidth(row[index] ?? "")), 0),
  );
  return cells.map((row) =>
    columns
      .map(({ align }, index) => (align === "right" ? padStart : padEnd)(row[index] ?? "", widths[index] ?? 0))
      .join(gap)
      .trimEnd(),
  );
}
