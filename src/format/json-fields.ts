import { HoldfastError } from "../lib/errors.ts";

/**
 * Fields of JSON that came from a repository, which is hostile until checked. Each takes what `JSON.parse` gave and
 * gives the value or throws `repository-damaged` with the field's name. `null` counts as absent, as it does for Go.
 */
export type JsonObject = Readonly<Record<string, unknown>>;

export function parseJson(bytes: Uint8Array, what: string): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("utf8"));
  } catch (error) {
    throw new HoldfastError("repository-damaged", { reason: `${what}: not JSON` }, error);
  }
  return asObject(value, what);
}

export function asObject(value: unknown, field: string): JsonObject {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw wrong(field);
  return value as JsonObject;
}

export function asArray(value: unknown, field: string): readonly unknown[] {
  if (!Array.isArray(value)) throw wrong(field);
  return value as readonly unknown[];
}

export function asString(value: unknown, field: string): string {
  if (typeof value !== "string") throw wrong(field);
  return value;
}

export function asOptionalString(value: unknown, field: string): string | undefined {
  return value === undefined || value === null ? undefined : asString(value, field);
}

export function asStrings(value: unknown, field: string): readonly string[] {
  return value === undefined || value === null ? [] : asArray(value, field).map((item) => asString(item, field));
}

/** A whole number from 0 to 2^32-1. */
export function asUint32(value: unknown, field: string): number {
  if (typeof value !== "number" || !Number.isInteger(value) || value < 0 || value > 0xffff_ffff) throw wrong(field);
  return value;
}

export function asCount(value: unknown, field: string): number {
  if (value === undefined || value === null) return 0;
  if (typeof value !== "number" || !Number.isInteger(value) || value < 0) throw wrong(field);
  return value;
}

export function asBoolean(value: unknown, field: string): boolean {
  if (typeof value !== "boolean") throw wrong(field);
  return value;
}

/** Standard base64 with padding, and nothing else in it. */
export function asBase64(value: unknown, field: string): Buffer {
  const text = asString(value, field);
  const bytes = Buffer.from(text, "base64");
  if (bytes.toString("base64") !== text) throw wrong(field);
  return bytes;
}

export function asId(value: unknown, field: string): string {
  if (!isId(value)) throw wrong(field);
  return value;
}

/** 64 lower-case hexadecimal digits. */
export function isId(value: unknown): value is string {
  return typeof value === "string" && value.length === 64 && /^[0-9a-f]+$/.test(value);
}

function wrong(field: string): HoldfastError {
  return new HoldfastError("repository-damaged", { reason: field });
}
