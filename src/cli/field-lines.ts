import type { FieldChange } from "../contents/compare/record-changes.ts";
import { printable } from "../words/format.ts";
import { truncate } from "../words/width.ts";
import type { Context } from "./context.ts";

const widestValue = 60;

/** `name: Muster → Muster AG`, a line a field. */
export function fieldLines({ words }: Context, fields: readonly FieldChange[]): string[] {
  const shown = (value: string | null | undefined): string => {
    if (value === undefined) return words.compare.nothing;
    if (value === null) return "NULL";
    return value === "" ? '""' : truncate(printable(value), widestValue);
  };
  return fields.map(({ column, before, after }) => `      ${printable(column)}: ${shown(before)} → ${shown(after)}`);
}
