import { HoldfastError } from "../lib/errors.ts";

/** Rows of a CSV file as spreadsheets write it: commas or semicolons, LF or CRLF, quotes doubled; empty lines are left out. */
export function parseCsv(text: string): readonly (readonly string[])[] {
  const body = text.replace(/^\uFEFF/, "");
  const [header = ""] = body.split(/\r?\n/, 1);
  const separator = !header.includes(",") && header.includes(";") ? ";" : ",";
  const rows: string[][] = [];
  let row: string[] = [];
  const field = new RegExp(`(?:"((?:[^"]|"")*)"|([^${separator}\\r\\n]*))(${separator}|\\r?\\n|$)`, "y");
  for (let at = 0; at <= body.length;) {
    field.lastIndex = at;
    const match = field.exec(body);
    if (!match) throw new HoldfastError("usage", { problem: "csv", what: String(rows.length + 1) });
    const [whole, quoted, plain = "", end] = match;
    row.push(quoted === undefined ? plain : quoted.replaceAll('""', '"'));
    at += whole.length;
    if (end === separator) continue;
    if (row.length > 1 || row[0] !== "") rows.push(row);
    row = [];
    if (end === "") break;
  }
  return rows;
}
