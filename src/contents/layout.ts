import { createHash } from "node:crypto";
import { damaged } from "./checked.ts";

/**
 * Names of what a snapshot holds below `/<crm>/` (`docs/format.md`). Names that come from outside, such as those of
 * tables, are escaped: two that differ in case, slashes and Chinese all occur, and restoring with stock restic must
 * work on any file system.
 */
export const layout = {
  manifest: "holdfast.json",
  config: "config",
  databases: "databases",
  files: "files",
  schema: "schema.json",
  schemaBefore: "schema.before.sql",
  schemaAfter: "schema.after.sql",
  restoreScript: "restore.sql",
  tables: "tables",
  base: "base",
  runs: "runs",
  own: "own",
  ranges: "ranges",
  rows: "rows",
  deleted: "deleted",
  keys: "keys",
  search: "search",
} as const;

/** Longest escaped name that is written out in full; file systems take 255 bytes. */
const longestName = 200;

/**
 * A name as `[a-z0-9._-]`: lower-case letters, digits, `_` and `-` stand for themselves, any other byte of its UTF-8
 * is `.` and two hexadecimal digits. Never empty, `.` or `..`. Beyond 200 characters the end gives way to `.-` and a
 * hash; the whole name is then only in `schema.json`.
 */
export function escapeName(name: string): string {
  if (name === "") return ".-";
  let escaped = "";
  for (const byte of Buffer.from(name, "utf8")) {
    const character = String.fromCharCode(byte);
    escaped += /[a-z0-9_-]/.test(character) ? character : `.${byte.toString(16).padStart(2, "0")}`;
  }
  if (escaped.length <= longestName) return escaped;
  const hash = createHash("sha256").update(name).digest("hex");
  return `${escaped.slice(0, 120)}.-${hash}`;
}

/** Reverses `escapeName`, except for names that were cut: `undefined`. Fails on what `escapeName` does not write. */
export function unescapeName(escaped: string): string | undefined {
  if (escaped === ".-") return "";
  if (escaped.includes(".-")) return undefined;
  if (!/^(?:[a-z0-9_-]|\.[0-9a-f]{2})+$/.test(escaped)) throw damaged(escaped, "name");
  const bytes = escaped.replace(/\.([0-9a-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(bytes, "latin1").toString("utf8");
}

/** Folder of a table below `databases/<name>/`. */
export function tableFolder(schema: string, name: string): string {
  return `${layout.tables}/${escapeName(schema)}/${escapeName(name)}`;
}

/** `0000`, `0001`, …: parts of a base. */
export function partName(index: number): string {
  return String(index).padStart(4, "0");
}

/** `000001`, `000002`, …: runs, oldest first. */
export function runName(number: number): string {
  return String(number).padStart(6, "0");
}
