/** One line of CSV (RFC 4180): NULL is an empty field, an empty text is `""`. */
export function csvLine(values: readonly (string | number | null | undefined)[]): string {
  return `${values.map(csvField).join(",")}\r\n`;
}

function csvField(value: string | number | null | undefined): string {
  if (value === null || value === undefined) return "";
  const text = String(value);
  return text === "" || /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** What a spreadsheet takes for a formula; numbers, telephone numbers among them, may begin with a sign. */
const formula = /^(?:[=@＝＠\t\r]|[+＋\-－](?![\d\s().,/eE-]*$))/;

/**
 * A line of CSV for a spreadsheet. Whoever can write to the CRM could have it run a formula by whoever looks at them: what
 * would be one gets an apostrophe before it, and is a text.
 */
export function sheetLine(values: Parameters<typeof csvLine>[0]): string {
  return csvLine(values.map((value) => (typeof value === "string" && formula.test(value) ? `'${value}` : value)));
}
