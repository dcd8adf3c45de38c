/**
 * Rates as a person writes them: `50MB/s`, `1.5 GiB/s`, `800kB/s`, `2M`. Decimal units are powers of 1000, those with
 * an `i` powers of 1024; `/s` may be left out. `undefined` when the text is not one, or is not above zero.
 */
export function parseRate(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*(?:([kmgt])(i)?)?b?(?:\/s)?$/i.exec(text.trim());
  if (!match) return undefined;
  const [, digits = "", unit = "", binary] = match;
  const power = unit === "" ? 0 : "kmgt".indexOf(unit.toLowerCase()) + 1;
  const bytes = Math.round(Number(digits) * (binary ? 1024 : 1000) ** power);
  return Number.isSafeInteger(bytes) && bytes > 0 ? bytes : undefined;
}

/** Sizes, written like rates without a time: `2GB`, `500 MiB`. */
export const sizePattern = String.raw`^\d+(\.\d+)?\s*([kKmMgGtT]i?)?[bB]?$`;

/** How such rates look, for the schema that editors use. */
export const ratePattern = String.raw`^\d+(\.\d+)?\s*([kKmMgGtT]i?)?[bB]?(/s)?$`;
