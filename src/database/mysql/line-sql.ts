import type { ColumnSchema, TableSchema } from "../database.ts";
import { bitBytes, columnKind, isConverted } from "./column-kind.ts";
import { quoteName } from "./identifier.ts";

/** What to select so that the server's text of each column is what stands in a line, but for escapes and hexadecimal. */
export function selectList({ columns }: TableSchema): string {
  return columns.map(sent).join(",");
}

/** Text that stands in a line as bytes is sent as bytes: the driver reads no answer with a character set that it has not heard of. */
function sent(column: ColumnSchema): string {
  const value = selected(column);
  return columnKind(column) === "hex" && isConverted(column) ? `CAST(${value} AS BINARY)` : value;
}

/** What the server gives as the text of a column. */
export function selected(column: ColumnSchema): string {
  const name = quoteName(column.name);
  switch (columnKind(column)) {
    case "float":
      return `CAST(${name} AS DOUBLE)`;
    case "text":
      return inUtf8(column, name);
    case "enum":
      return `IF(${name}=0,_binary'\\0',${inUtf8(column, name)})`;
    default:
      return name;
  }
}

function inUtf8(column: ColumnSchema, name: string): string {
  // MySQL keeps a DECIMAL in JSON with its last zeros and all its digits, and makes a DOUBLE of it when its text is read back.
  // Here stands what that gives: else what is restored is never what was stored.
  if (/^json$/i.test(column.type)) return `CAST(CAST(${name} AS CHAR CHARACTER SET utf8mb4) AS JSON)`;
  return isConverted(column) ? `CONVERT(${name} USING utf8mb4)` : name;
}

/**
 * The bytes of a line of these columns as `rowHash` sees it: escapes undone, NULL as 7F 4E 4E 7F (`row-hash.ts`). Concatenated with a binary text,
 * all others are bytes too.
 */
function hashedLine(columns: readonly ColumnSchema[]): string {
  const fields = columns.map((column) => {
    const text = hashed(column);
    return column.nullable ? `IFNULL(${text},X'7F4E4E7F')` : text;
  });
  return `CONCAT_WS(_binary'\\t',${fields.join(",")})`;
}

/** The sum of the hashes of rows or keys; a line that is longer than a packet comes out as NULL, and is then missing in the variable. */
export function hashSum(variable: string, columns: readonly ColumnSchema[]): string {
  return `SUM((CRC32(${variable}:=${hashedLine(columns)})<<32)|CRC32C(${variable}))`;
}

function hashed(column: ColumnSchema): string {
  const name = quoteName(column.name);
  // Beside bytes these are bytes too, unless they are told to be text.
  if (/^(?:uuid|inet[46])\b/i.test(column.type)) return `CAST(${name} AS CHAR)`;
  if (columnKind(column) !== "hex") return selected(column);
  const bytes = bitBytes(column);
  return bytes === undefined ? `HEX(${name})` : `LPAD(HEX(${name}+0),${bytes * 2},'0')`;
}
