import { decodeField } from "./field.ts";

/** The value of a field that is valid text. */
export function textOf(field: string): string | undefined {
  const decoded = decodeField(field);
  return decoded.type === "text" ? decoded.value : undefined;
}

/** A field as a person reads it: text and numbers as they are, what is no text as `x'…'`, NULL as `null`. */
export function readable(field: string): string | null {
  const decoded = decodeField(field);
  switch (decoded.type) {
    case "null":
      return null;
    case "integer":
    case "real":
    case "text":
      return String(decoded.value);
    default:
      return `x'${decoded.bytes.toString("hex")}'`;
  }
}
