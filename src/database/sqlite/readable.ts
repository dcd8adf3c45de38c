import { decodeField } from "./field.ts";

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
