import { isUtf8 } from "node:buffer";

import { HoldfastError } from "../../lib/errors.ts";
import { decodeReal } from "./real.ts";

/**
 * One field of a line, by its first character:
 *
 * | `\N`         | NULL                                                                                      |
 * | `i-12`       | integer, decimal                                                                          |
 * | `r3p-1`      | real, see `real.ts`                                                                       |
 * | `"a\tb"`     | text as a JSON string: control characters, `"` and `\` escaped, all other bytes as they are |
 * | `t610062`    | text that a JSON string cannot carry to every reader: with NUL, or broken UTF-16; its bytes in hex |
 * | `b00FF`      | blob, hex                                                                                 |
 *
 * JSON, because SQLite writes it by itself (`json_quote`, one pass in C: a million rows of six columns in 0.8 s, where
 * nested `replace` took 1.6 s) and its shell reads it by itself (`->>`).
 */
export type Field =
  | { readonly type: "null" }
  | { readonly type: "integer"; readonly value: bigint }
  | { readonly type: "real"; readonly value: number }
  | { readonly type: "text"; readonly value: string }
  /** Text whose bytes, in the database's encoding, are no valid text. */
  | { readonly type: "raw-text"; readonly bytes: Buffer }
  | { readonly type: "blob"; readonly bytes: Buffer };

/** @param field latin1 string of bytes, without TAB or LF */
export function decodeField(field: string): Field {
  const letter = field.charAt(0);
  switch (letter) {
    case "\\":
      if (field === "\\N") return { type: "null" };
      break;
    case "i":
      if (/^i-?\d{1,19}$/.test(field)) return { type: "integer", value: BigInt(field.slice(1)) };
      break;
    case "r": {
      const value = decodeReal(field);
      if (value !== undefined) return { type: "real", value };
      break;
    }
    case '"': {
      const bytes = textBytes(field);
      if (bytes === undefined) break;
      return isUtf8(bytes) ? { type: "text", value: bytes.toString("utf8") } : { type: "raw-text", bytes };
    }
    case "t":
    case "b": {
      const bytes = Buffer.from(field.slice(1), "hex");
      if (bytes.length * 2 !== field.length - 1) break;
      return { type: letter === "b" ? "blob" : "raw-text", bytes };
    }
  }
  throw malformedField(field);
}

/** The bytes of a text field written as a JSON string, as a Buffer; undefined when it is none. */
function textBytes(field: string): Buffer | undefined {
  const text = unquote(field);
  return text === undefined ? undefined : Buffer.from(text, "latin1");
}

/** The content of a JSON string; escapes stand for single bytes, so latin1 strings of bytes pass through. */
export function unquote(field: string): string | undefined {
  if (field.length < 2 || !field.endsWith('"')) return undefined;
  if (!field.includes("\\")) return field.slice(1, -1);
  try {
    const parsed: unknown = JSON.parse(field);
    return typeof parsed === "string" ? parsed : undefined;
  } catch {
    return undefined;
  }
}

export function malformedField(field: string): HoldfastError {
  return new HoldfastError("restore-mismatch", { reason: "malformed field", subject: field.slice(0, 20) });
}
