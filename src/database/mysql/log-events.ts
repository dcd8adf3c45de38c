import { HoldfastError } from "../../lib/errors.ts";
import type { TableSchema } from "../database.ts";
import { type LogColumn, type LogField, metadataBytes, ValueReader } from "./log-values.ts";

/** Events of the binary log that tell of rows. */
export interface LogTable {
  readonly id: string;
  readonly database: string;
  readonly name: string;
  readonly columns: readonly LogColumn[];
}

export const eventTypes = {
  query: 2,
  rotate: 4,
  description: 15,
  xid: 16,
  tableMap: 19,
  executeLoad: 18,
  heartbeat: 27,
  gtidMysql: 33,
  xaPrepare: 38,
  partialUpdate: 39,
  payload: 40,
  gtidMariadb: 162,
  encryption: 164,
  compressedQuery: 165,
} as const;

/** What a rows event does, by its type; versions 1 and 2 and MariaDB's compressed ones. */
export function rowsEvent(
  type: number,
): { readonly what: "insert" | "update" | "delete"; readonly version: 1 | 2 } | undefined {
  if (type >= 23 && type <= 25) return { what: kinds[type - 23] ?? "insert", version: 1 };
  if (type >= 30 && type <= 32) return { what: kinds[type - 30] ?? "insert", version: 2 };
  return undefined;
}

const kinds = ["insert", "update", "delete"] as const;

/** Database in which `LOAD DATA` was run that is in the log as a statement. */
export function loadsInto(body: Buffer): string {
  // As of a statement, with the file's number, two places in the statement and what to do with duplicates before it.
  const at = 26 + body.readUInt16LE(11);
  return body.toString("utf8", at, at + (body[8] ?? 0));
}

export function parseTableMap(body: Buffer): LogTable {
  const reader = new EventReader(body);
  const id = reader.number(6);
  reader.skip(2);
  const database = reader.shortText();
  const name = reader.shortText();
  const count = reader.packed();
  const types = [...reader.bytes(count)];
  const metadata = reader.bytes(reader.packed());
  let at = 0;
  const metas = types.map((type) => {
    const bytes = metadataBytes(type);
    const meta = bytes === 0 ? 0 : metadata.readUIntLE(at, bytes);
    at += bytes;
    return meta;
  });
  reader.skip((count + 7) >> 3);
  let names: readonly string[] = [];
  while (!reader.isAtEnd) {
    const kind = reader.number(1);
    const field = reader.bytes(reader.packed());
    if (kind === columnNames) names = columnNamesOf(field);
  }
  if (names.length !== count) {
    throw new HoldfastError("follow-settings", { path: `${database}.${name}`, setting: "binlog_row_metadata = FULL" });
  }
  const columns = types.map((type, column) => ({ name: names[column] ?? "", type, meta: metas[column] ?? 0 }));
  return { id: String(id), database, name, columns };
}

const columnNames = 4;

function columnNamesOf(field: Buffer): readonly string[] {
  const reader = new EventReader(field);
  const names: string[] = [];
  while (!reader.isAtEnd) names.push(reader.bytes(reader.packed()).toString("utf8"));
  return names;
}

/** Number of the table that a rows event is of. */
export function tableOfRows(body: Buffer): string {
  return String(body.readUIntLE(0, 6));
}

/** A row as fields in the order of the table's columns; NULL is `\N`. */
export type LogRow = readonly LogField[];

export interface RowChange {
  readonly before?: LogRow;
  readonly after?: LogRow;
}

/** `table`: as the database declares it, whose columns the log's are by their names. */
export function* parseRows(
  body: Buffer,
  { what, version }: NonNullable<ReturnType<typeof rowsEvent>>,
  log: LogTable,
  table: TableSchema,
): Generator<RowChange, void> {
  const reader = new EventReader(body);
  reader.skip(8);
  if (version === 2) reader.skip(reader.number(2) - 2);
  const count = reader.packed();
  const width = (count + 7) >> 3;
  const present = reader.bytes(width);
  const presentAfter = what === "update" ? reader.bytes(width) : present;
  if (![present, presentAfter].every((bitmap) => holdsAll(bitmap, count))) {
    throw new HoldfastError("follow-settings", {
      path: `${log.database}.${log.name}`,
      setting: "binlog_row_image = FULL",
    });
  }
  const places = log.columns.map(({ name }) => table.columns.findIndex((column) => column.name === name));
  const values = new ValueReader(body, reader.at);
  const row = (): LogRow => {
    const nulls = values.take(width);
    const fields = Array.from<LogField>({ length: table.columns.length });
    for (const [at, column] of log.columns.entries()) {
      const place = places[at] ?? -1;
      const isNull = ((nulls[at >> 3] ?? 0) >> (at & 7)) & 1;
      const field = isNull === 1 ? String.raw`\N` : values.value(column, table.columns[place]);
      if (place >= 0) fields[place] = field;
    }
    return fields;
  };
  while (!values.isAtEnd) {
    if (what === "insert") yield { after: row() };
    else if (what === "delete") yield { before: row() };
    else {
      const before = row();
      yield { before, after: row() };
    }
  }
}

function holdsAll(bitmap: Buffer, count: number): boolean {
  for (let at = 0; at < count; at++) if ((((bitmap[at >> 3] ?? 0) >> (at & 7)) & 1) === 0) return false;
  return true;
}

/** A statement in the log. */
export function parseQuery(body: Buffer): { readonly database: string; readonly sql: string } {
  const databaseLength = body[8] ?? 0;
  const start = 13 + body.readUInt16LE(11);
  const database = body.toString("utf8", start, start + databaseLength);
  return { database, sql: body.toString("utf8", start + databaseLength + 1) };
}

/** MariaDB's number of a transaction; `alone`: one statement that ends by itself. */
export function parseGtid(body: Buffer, server: number): { readonly gtid: string; readonly alone: boolean } {
  const alone = ((body[12] ?? 0) & 1) === 1;
  return { gtid: `${body.readUInt32LE(8)}-${server}-${body.readBigUInt64LE(0)}`, alone };
}

export function parseRotate(body: Buffer): { readonly file: string; readonly offset: number } {
  return { file: body.toString("utf8", 8), offset: Number(body.readBigUInt64LE(0)) };
}

class EventReader {
  readonly #bytes: Buffer;
  at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.at >= this.#bytes.length;
  }

  skip(bytes: number): void {
    this.at += bytes;
  }

  number(bytes: number): number {
    this.at += bytes;
    return this.#bytes.readUIntLE(this.at - bytes, bytes);
  }

  bytes(length: number): Buffer {
    this.at += length;
    return this.#bytes.subarray(this.at - length, this.at);
  }

  /** A number of one, three, four or nine bytes. */
  packed(): number {
    const first = this.number(1);
    if (first < 0xfb) return first;
    if (first === 0xfc) return this.number(2);
    if (first === 0xfd) return this.number(3);
    this.at += 8;
    return Number(this.#bytes.readBigUInt64LE(this.at - 8));
  }

  /** With its length before and a NUL behind. */
  shortText(): string {
    const text = this.bytes(this.number(1)).toString("utf8");
    this.skip(1);
    return text;
  }
}
