import { isUtf8 } from "node:buffer";
import type { DatabaseSync, SQLInputValue, StatementSync } from "node:sqlite";

import { HoldfastError } from "../../lib/errors.ts";
import type { TableSchema } from "../database.ts";
import { affinity } from "./affinity.ts";
import { decodeField, malformedField } from "./field.ts";
import { quoteName } from "./identifier.ts";
import { tableKind } from "./inspect.ts";

/** Inserts rows given as lines into a table that exists. Values keep class and bytes. */
export class RowInserter {
  readonly #connection: DatabaseSync;
  readonly #table: TableSchema;
  /** Columns that turn a whole real into an integer: there a JavaScript number, cheaper than a BigInt, does for one. */
  readonly #takesNumbers: readonly boolean[];
  readonly #statements = new Map<string, StatementSync>();

  constructor(connection: DatabaseSync, table: TableSchema) {
    this.#connection = connection;
    this.#table = table;
    const { strict } = tableKind(connection, table.name);
    this.#takesNumbers = table.columns.map(({ type }) => ["integer", "numeric"].includes(affinity(type, strict)));
    // A table behind a virtual table, or one with rows put there by its own schema, starts with nothing.
    connection.exec(`DELETE FROM main.${quoteName(table.name)}`);
  }

  /** @param lines whole lines, each ended by LF */
  insert(lines: Buffer): void {
    if (lines.length === 0) return;
    if (lines[lines.length - 1] !== 0x0a) {
      throw new HoldfastError("restore-mismatch", { subject: this.#table.name, reason: "incomplete line" });
    }
    // One decoding for all lines is far cheaper than one for each text. Rare lines with invalid UTF-8 go field by field.
    if (isUtf8(lines)) {
      for (const line of lines.toString("utf8", 0, lines.length - 1).split("\n")) this.#insertText(line);
    } else {
      for (const line of lines.toString("latin1", 0, lines.length - 1).split("\n")) this.#insertBytes(line);
    }
  }

  #insertText(line: string): void {
    const fields = line.split("\t");
    const values: SQLInputValue[] = Array.from({ length: fields.length });
    let casts = "";
    for (let index = 0; index < fields.length; index++) {
      const field = fields[index] ?? "";
      switch (field.charCodeAt(0)) {
        case 0x22: // "
          values[index] = textValue(field);
          break;
        case 0x69: // i
          values[index] = this.#integer(field, index);
          break;
        default: {
          const decoded = decodeField(field);
          if (decoded.type === "raw-text") casts += `${index},`;
          values[index] =
            decoded.type === "null"
              ? null
              : decoded.type === "raw-text" || decoded.type === "blob"
                ? decoded.bytes
                : decoded.value;
        }
      }
    }
    this.#run(values, casts);
  }

  #insertBytes(line: string): void {
    let casts = "";
    const values = line.split("\t").map((encoded, index): SQLInputValue => {
      const field = decodeField(encoded);
      switch (field.type) {
        case "null":
          return null;
        case "raw-text":
          casts += `${index},`;
          return field.bytes;
        case "blob":
          return field.bytes;
        default:
          return field.value;
      }
    });
    this.#run(values, casts);
  }

  /** `node:sqlite` binds numbers as reals, which is right only where the column makes an integer of them again. */
  #integer(field: string, index: number): number | bigint {
    if (field.length < 2 || field.length > 21) throw malformedField(field);
    if (this.#takesNumbers[index] === true && field.length <= 16) {
      const value = Number(field.slice(1));
      if (Number.isSafeInteger(value)) return value;
    }
    const decoded = decodeField(field);
    if (decoded.type !== "integer") throw malformedField(field);
    return decoded.value;
  }

  #run(values: SQLInputValue[], casts: string): void {
    if (values.length !== this.#table.columns.length) {
      throw new HoldfastError("restore-mismatch", { subject: this.#table.name, reason: "fields do not match columns" });
    }
    this.#statement(casts).run(...values);
  }

  /** @param casts indexes, each followed by a comma, of values given as a blob and stored as text */
  #statement(casts: string): StatementSync {
    const known = this.#statements.get(casts);
    if (known !== undefined) return known;
    const cast = new Set(casts.split(",").filter((index) => index !== ""));
    const names = this.#table.columns.map((column) => quoteName(column.name)).join(",");
    const values = this.#table.columns.map((_, index) => (cast.has(String(index)) ? "CAST(? AS TEXT)" : "?")).join(",");
    const statement = this.#connection.prepare(
      `INSERT INTO main.${quoteName(this.#table.name)}(${names}) VALUES(${values})`,
    );
    // `run` answers with the row's id, and fails after the fact when it may not say it as a BigInt.
    statement.setReadBigInts(true);
    this.#statements.set(casts, statement);
    return statement;
  }
}

function textValue(field: string): string {
  if (!field.includes("\\")) {
    if (field.length < 2 || !field.endsWith('"')) throw malformedField(field);
    return field.slice(1, -1);
  }
  const parsed: unknown = JSON.parse(field);
  if (typeof parsed !== "string") throw malformedField(field);
  return parsed;
}
