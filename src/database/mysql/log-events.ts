import type { TableSchema } from "../database.ts";
import { type LogColumn, type LogField, metadataBytes, ValueReader } from "./log-values.ts";

/** Events of the binary log that tell of rows. */
export interface LogTable {
  readonly id: string;
  readonly database: string;
  readonly name: string;
  /** `undefined`: their names are not in it, and so nobody knows which they are. */
  readonly columns: readonly LogColumn[] | undefined;
}

export const eventTypes = {
  query: 2,
  rotate: 4,
  description: 15,
  xid: 16,
  loadQuery: 18,
  tableMap: 19,
  incident: 26,
  heartbeat: 27,
  gtidMysql: 33,
  gtidAnonymous: 34,
  prepared: 38,
  partialUpdate: 39,
  payload: 40,
  gtidMariadb: 162,
  encryption: 164,
  compressedQuery: 165,
} as const;

export interface RowsEvent {
  readonly what: "insert" | "update" | "delete";
  readonly version: 1 | 2;
}

/** What a rows event does, by its type; versions 1 and 2. */
export function rowsEvent(type: number): RowsEvent | undefined {
  if (type >= 23 && type <= 25) return { what: kinds[type - 23] ?? "insert", version: 1 };
  if (type >= 30 && type <= 32) return { what: kinds[type - 30] ?? "insert", version: 2 };
  return undefined;
}

const kinds = ["insert", "update", "delete"] as const;

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
  const columns = types.map((type, column) => ({ name: names[column] ?? "", type, meta: metas[column] ?? 0 }));
  return { id: String(id), database, name, columns: names.length === count ? columns : undefined };
}

/** Whether all columns of a table are among these, as the log calls them. */
export function hasColumns(columns: readonly LogColumn[], table: TableSchema): boolean {
  return table.columns.every(({ name }) => columns.some((column) => column.name === name));
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

/**
 * Rows, whose columns are the log's by their names. `undefined`: some columns are missing in them.
 *
 * @param table as the database declares it
 */
export function parseRows(
  body: Buffer,
  { what, version }: RowsEvent,
  columns: readonly LogColumn[],
  table: TableSchema,
): Iterable<RowChange> | undefined {
  const { reader, count, width, present, presentAfter } = rowsHead(body, { what, version });
  if (![present, presentAfter].every((bitmap) => holdsAll(bitmap, count))) return undefined;
  const places = columns.map(({ name }) => table.columns.findIndex((column) => column.name === name));
  const values = new ValueReader(body, reader.at);
  const row = (): LogRow => {
    const nulls = values.take(width);
    const fields = Array.from<LogField>({ length: table.columns.length });
    for (const [at, column] of columns.entries()) {
      const place = places[at] ?? -1;
      const isNull = ((nulls[at >> 3] ?? 0) >> (at & 7)) & 1;
      const field = isNull === 1 ? String.raw`\N` : values.value(column, table.columns[place]);
      if (place >= 0) fields[place] = field;
    }
    return fields;
  };
  return (function* () {
    while (!values.isAtEnd) {
      if (what === "insert") yield { after: row() };
      else if (what === "delete") yield { before: row() };
      else {
        const before = row();
        yield { before, after: row() };
      }
    }
  })();
}

/** What stands before the rows, and a reader that is at them: how many columns, and which are there. */
function rowsHead(body: Buffer, { what, version }: RowsEvent) {
  const reader = new EventReader(body);
  reader.skip(8);
  if (version === 2) reader.skip(reader.number(2) - 2);
  const count = reader.packed();
  const width = (count + 7) >> 3;
  const present = reader.bytes(width);
  const presentAfter = what === "update" ? reader.bytes(width) : present;
  return { reader, count, width, present, presentAfter };
}

/** Where the rows begin. */
export function rowsStart(body: Buffer, found: RowsEvent): number {
  return rowsHead(body, found).reader.at;
}

/** Where a sequence of MariaDB goes on, which its log tells as a row. */
export function parseSequence(body: Buffer, found: RowsEvent, { columns }: LogTable): string | undefined {
  const value = { name: "next_not_cached_value", type: "bigint(21)", nullable: false };
  const table = { schema: "", name: "", columns: [value], keyLength: 1, foreignKeys: [], fingerprint: "" };
  const rows = columns && parseRows(body, found, columns, table);
  const field = [...(rows ?? [])].at(-1)?.after?.[0];
  return typeof field === "string" ? field : undefined;
}

function holdsAll(bitmap: Buffer, count: number): boolean {
  for (let at = 0; at < count; at++) if ((((bitmap[at >> 3] ?? 0) >> (at & 7)) & 1) === 0) return false;
  return true;
}

/** A statement in the log, which may be one that loads a file. `start`: where it stands in the event. */
export function parseQuery(
  body: Buffer,
  type: number = eventTypes.query,
): { readonly database: string; readonly sql: string; readonly start: number } {
  const databaseLength = body[8] ?? 0;
  const at = (type === eventTypes.loadQuery ? 26 : 13) + body.readUInt16LE(11);
  const start = at + databaseLength + 1;
  return { database: body.toString("utf8", at, at + databaseLength), sql: body.toString("utf8", start), start };
}

/** MariaDB's number of a transaction; `alone`: one statement that ends by itself, `prepared`: it does not count yet. */
export function parseGtid(
  body: Buffer,
  server: number,
): { readonly gtid: string; readonly how: "alone" | "open" | "prepared" } {
  const flags = body[12] ?? 0;
  const how = (flags & 1) === 1 ? "alone" : (flags & 64) === 64 ? "prepared" : "open";
  return { gtid: `${body.readUInt32LE(8)}-${server}-${body.readBigUInt64LE(0)}`, how };
}

/** `once`: it is committed with that, as one that never was prepared. `xid`: as statements in the log have it. */
export function parsePrepared(body: Buffer): { readonly xid: string; readonly once: boolean } {
  const [format, first, second] = [body.readUInt32LE(1), body.readUInt32LE(5), body.readUInt32LE(9)];
  const part = (from: number, to: number): string => `X'${body.toString("hex", from, to).toUpperCase()}'`;
  const xid = `${part(13, 13 + first)},${part(13 + first, 13 + first + second)},${format}`;
  return { xid, once: body[0] === 1 };
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
