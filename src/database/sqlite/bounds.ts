import type { RowKey } from "../database.ts";
import { decodeField, malformedField } from "./field.ts";

export type Parameter = bigint | string | Uint8Array;

/** A key as parameters, and their placeholders in SQL. */
export interface Bound {
  readonly parameters: readonly Parameter[];
  readonly placeholders: string;
}

export function decodeBound(key: RowKey, keyLength: number): Bound {
  const fields = key.split("\t");
  if (fields.length !== keyLength) throw malformedField(key);
  const parameters: Parameter[] = [];
  const placeholders = fields.map((encoded) => {
    const field = decodeField(encoded);
    switch (field.type) {
      case "integer":
      case "text":
        parameters.push(field.value);
        return "?";
      case "blob":
        parameters.push(field.bytes);
        return "?";
      case "raw-text":
        parameters.push(field.bytes);
        // The plus sign takes the affinity of the cast away, which would turn other classes into text to compare them.
        return "+CAST(? AS TEXT)";
      default:
        throw malformedField(encoded);
    }
  });
  return { parameters, placeholders: placeholders.join(",") };
}
