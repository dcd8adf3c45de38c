import type { FieldChange } from "../contents/compare/record-changes.ts";
import { printable } from "../words/format.ts";
import { truncate } from "../words/width.ts";
import type { Context } from "./context.ts";

const widestValue = 60;

/** `x_colour (Colour)`: a column, and what people call it. */
export function fieldName({ column, label }: { readonly column: string; readonly label?: string }): string {
  return printable(label === undefined ? column : `${column} (${label})`);
}

/** `name: Muster → Muster AG`, a line a field. */
export function fieldLines({ words }: Context, fields: readonly FieldChange[]): string[] {
  const shown = (value: string | null | undefined): string => {
    if (value === undefined) return words.compare.nothing;
    if (value === null) return "NULL";
    return value === "" ? '""' : truncate(printable(value), widestValue);
  };
  return fields.map((field) => `      ${fieldName(field)}: ${shown(field.before)} → ${shown(field.after)}`);
}
