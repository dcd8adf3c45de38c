import type { Words } from "../words/words.ts";

/** What a person calls the records of an entity, or a table: `Parties (party)`, `contacts`. */
export function entityName(
  { entities }: Words,
  { entity, label, table }: { readonly entity?: string; readonly label?: string; readonly table: string },
): string {
  if (entity === undefined) return table;
  const labels: Readonly<Record<string, string>> = entities;
  const called = label === undefined ? undefined : labels[label];
  return called === undefined ? entity : `${called} (${entity})`;
}
