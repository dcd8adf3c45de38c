import { hash } from "node:crypto";
import type { RowKey } from "../database/database.ts";
import { type Check, hexId, list, object, oneOf, optional, parseChecked, text, utcTime } from "./checked.ts";

/**
 * What no restore gives back any more, though snapshots hold it: rows by their keys, what names them, and their files. It
 * is kept beside the backups, since these may be locked and cannot be rewritten. Keys and names are latin1 strings of
 * bytes, as in lines.
 */
export interface Erasure {
  readonly id: string;
  readonly crm: string;
  /** RFC 3339: up to then a row is known by its key alone; later ones may have got the key of one that is gone. */
  readonly time: string;
  readonly by: string;
  readonly reason: string;
  /** What was erased as a person named it, without contents. */
  readonly records: readonly string[];
  /** Hexadecimal; it makes the hashes below useless to whoever guesses. */
  readonly salt: string;
  readonly tables: readonly ErasedTable[];
  readonly references: readonly ErasedReference[];
  readonly files: readonly ErasedFile[];
}

interface TableOfErasure {
  readonly database: string;
  readonly schema: string;
  readonly table: string;
}

export interface ErasedTable extends TableOfErasure {
  /** The column that says when a record was made, where there is one. */
  readonly created?: string;
  readonly rows: readonly ErasedRow[];
}

export interface ErasedRow {
  readonly key: RowKey;
  /** Salted hashes of its newest line, and of its field in `created`. */
  readonly line: string;
  readonly created?: string;
}

/** Rows of other tables that name rows which are gone. */
export interface ErasedReference extends TableOfErasure {
  readonly columns: readonly string[];
  readonly when?: { readonly column: string; readonly equals: string };
  readonly prefix?: string;
  /** `hold-back`: they are nothing without the row that they name; `clear`: they name nobody then. */
  readonly fate: "hold-back" | "clear";
  readonly to: { readonly schema: string; readonly table: string };
  /** The texts by which rows of `to` are named, joined by NUL where there are several. */
  readonly names: readonly { readonly key: RowKey; readonly name: string }[];
}

export interface ErasedFile {
  /** Name of the folder in the backup, and the path in it as bytes. */
  readonly folder: string;
  readonly path: string;
}

export const erasureFile = "erasure.json";

const place = { database: text, schema: text, table: text };
const check: Check<Erasure & { readonly format: 1; readonly kind: "erasure" }> = object({
  format: oneOf([1]),
  kind: oneOf(["erasure"]),
  id: text,
  crm: text,
  time: utcTime,
  by: text,
  reason: text,
  records: list(text),
  salt: hexId,
  tables: list(
    object({
      ...place,
      created: optional(text),
      rows: list(object({ key: text, line: hexId, created: optional(hexId) })),
    }),
  ),
  references: list(
    object({
      ...place,
      columns: list(text),
      when: optional(object({ column: text, equals: text })),
      prefix: optional(text),
      fate: oneOf(["hold-back", "clear"]),
      to: object({ schema: text, table: text }),
      names: list(object({ key: text, name: text })),
    }),
  ),
  files: list(object({ folder: text, path: text })),
});

export function serialiseErasure(erasure: Erasure): Buffer {
  return Buffer.from(`${JSON.stringify({ format: 1, kind: "erasure", ...erasure }, undefined, 1)}\n`);
}

/** Fails with `repository-damaged` unless it is whole. */
export function parseErasure(json: string): Erasure {
  const { format: _format, kind: _kind, ...erasure } = parseChecked(json, check, erasureFile);
  return erasure;
}

export function saltedHash(salt: string, value: string): string {
  return hash("sha256", Buffer.from(`${salt}\n${value}`, "latin1"), "hex");
}
