import type { Cost } from "./measure.ts";

/**
 * What a backup of rows says of itself, beside its cost: in which way changes were found, the share of all bytes of rows that
 * the server sent for it, and how many times the bytes of changed rows were stored. `undefined`: it is another tool's.
 */
export function rowFacts(
  cost: Cost & { readonly output?: string },
): Readonly<Record<string, string | number>> | undefined {
  const line = cost.output?.split("\n").find((one) => one.startsWith('{"type":"backup"'));
  if (line === undefined) return undefined;
  const { rows } = JSON.parse(line) as {
    readonly rows: {
      readonly totalBytes: number;
      readonly readBytes: number;
      readonly changedBytes: number;
      readonly storedBytes: number;
      readonly methods: Readonly<Record<string, number>>;
    };
  };
  const [method] = Object.keys(rows.methods);
  return {
    ...(rows.totalBytes > 0 && { "rows read": `${((100 * rows.readBytes) / rows.totalBytes).toFixed(2)} %` }),
    ...(rows.changedBytes > 0 && { "stored ÷ changed": rows.storedBytes / rows.changedBytes }),
    ...(method !== undefined && { by: method }),
  };
}
