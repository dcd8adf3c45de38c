/** One line of CSV (RFC 4180): NULL is an empty field, an empty text is `""`. */
export function csvLine(values: readonly CsvValue[], separator: Separator = ","): string {
  return `${values.map((value) => csvField(value, separator)).join(separator)}\r\n`;
}

export type CsvValue = string | number | null | undefined;

/** A spreadsheet takes for one what its country has for lists: the semicolon where numbers have a decimal comma. */
export type Separator = "," | ";";

function csvField(value: CsvValue, separator: Separator): string {
  if (value === null || value === undefined) return "";
  const text = String(value);
  return text === "" || text.includes(separator) || /["\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** What a spreadsheet takes for a formula; numbers, telephone numbers among them, may begin with a sign. */
const formula = /^(?:[=@＝＠\t\r]|[+＋\-－](?![\d\s().,/eE-]*$))/;

/**
 * A line of CSV for a spreadsheet. Whoever can write to the CRM could have it run a formula by whoever looks at them: what
 * would be one gets an apostrophe before it, and is a text.
 */
export function sheetLine(values: readonly CsvValue[], separator: Separator = ","): string {
  return csvLine(
    values.map((value) => (typeof value === "string" && formula.test(value) ? `'${value}` : value)),
    separator,
  );
}

/**
 * What a file for a spreadsheet begins with: without it, Excel takes UTF-8 for another character set. `sep=,` would say what separates, and
 * have Excel forget this.
 */
export const sheetStart = "\uFEFF";
