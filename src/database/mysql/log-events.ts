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
  gtidTagged: 42,
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
 * Rows, whose columns are the log's by their names. `undefined`: some columns of the table are missing in them. Others may be:
 * from 11 on MariaDB leaves out what follows from the rest.
 *
 * @param table as the database declares it
 */
export function parseRows(
  body: Buffer,
  { what, version }: RowsEvent,
  columns: readonly LogColumn[],
  table: TableSchema,
): Iterable<RowChange> | undefined {
  const { reader, present, presentAfter } = rowsHead(body, { what, version });
  const placed = columns.map((column) => ({
    column,
    place: table.columns.findIndex(({ name }) => name === column.name),
  }));
  const [old, now] = [present, presentAfter].map((bitmap) => placed.filter((_, at) => hasBit(bitmap, at)));
  const isWhole = (some = placed): boolean => some.filter(({ place }) => place >= 0).length === table.columns.length;
  if (!isWhole(old) || !isWhole(now)) return undefined;
  const values = new ValueReader(body, reader.at);
  const row = (there = placed): LogRow => {
    const nulls = values.take((there.length + 7) >> 3);
    const fields = Array.from<LogField>({ length: table.columns.length });
    for (const [at, { column, place }] of there.entries()) {
      const field = hasBit(nulls, at) ? String.raw`\N` : values.value(column, table.columns[place]);
      if (place >= 0) fields[place] = field;
    }
    return fields;
  };
  return (function* () {
    while (!values.isAtEnd) {
      if (what === "insert") yield { after: row(now) };
      else if (what === "delete") yield { before: row(old) };
      else {
        const before = row(old);
        yield { before, after: row(now) };
      }
    }
  })();
}

/** What stands before the rows, and a reader that is at them: which columns are there. */
function rowsHead(body: Buffer, { what, version }: RowsEvent) {
  const reader = new EventReader(body);
  reader.skip(8);
  if (version === 2) reader.skip(reader.number(2) - 2);
  const width = (reader.packed() + 7) >> 3;
  const present = reader.bytes(width);
  const presentAfter = what === "update" ? reader.bytes(width) : present;
  return { reader, present, presentAfter };
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

function hasBit(bitmap: Buffer, at: number): boolean {
  return (((bitmap[at >> 3] ?? 0) >> (at & 7)) & 1) === 1;
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

/** Whether a transaction of MySQL begins with it. */
export function isMysqlGtid(type: number): boolean {
  return type === eventTypes.gtidMysql || type === eventTypes.gtidAnonymous || type === eventTypes.gtidTagged;
}

/** MySQL's number of a transaction, as its own tools write it; `undefined`: it has none. */
export function parseMysqlGtid(type: number, body: Buffer): string | undefined {
  if (type === eventTypes.gtidAnonymous) return undefined;
  if (type === eventTypes.gtidMysql) return `${uuidText(body.subarray(1, 17))}:${body.readBigInt64LE(17)}`;
  const reader = new EventReader(body);
  const [uuid, tag] = [Buffer.alloc(16), { text: "" }];
  let number = 0n;
  reader.prefixed(); // of which version the form is
  reader.prefixed(); // how long it is
  reader.prefixed(); // which of the fields one must know
  // Each with its number before it; those behind the tag are nobody's here.
  for (let field = reader.prefixed(); field <= 3n; field = reader.prefixed()) {
    if (field === 0n) reader.skip(1);
    else if (field === 1n) for (const at of uuid.keys()) uuid[at] = Number(reader.prefixed());
    else if (field === 2n) number = reader.prefixed() >> 1n;
    else tag.text = `${reader.bytes(Number(reader.prefixed())).toString("latin1")}:`;
    if (field === 3n) break;
  }
  return `${uuidText(uuid)}:${tag.text}${number}`;
}

function uuidText(bytes: Buffer): string {
  return bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

/** A transaction that MySQL has compressed. `bytes`: how many it has in plain. */
export function parsePayload(body: Buffer): {
  readonly how: string;
  readonly bytes: number;
  readonly packed: Buffer;
} {
  const reader = new EventReader(body);
  let [how, bytes, size] = ["none", 0, 0];
  for (let field = reader.packed(); field !== 0; field = reader.packed()) {
    const length = reader.packed();
    const value = new EventReader(reader.bytes(length)).packed();
    if (field === 1) size = value;
    else if (field === 2) how = value === 0 ? "zstd" : value === 255 ? "none" : String(value);
    else if (field === 3) bytes = value;
  }
  return { how, bytes, packed: reader.bytes(size) };
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

  /** A number whose first byte says how many follow: so many ones stand at its end. */
  prefixed(): bigint {
    const first = this.number(1);
    let more = 0;
    while (more < 8 && ((first >> more) & 1) === 1) more++;
    let value = more >= 7 ? 0n : BigInt(first >> (more + 1));
    const shift = BigInt(Math.max(0, 7 - more));
    for (let at = 0; at < more; at++) value |= BigInt(this.number(1)) << (shift + BigInt(at * 8));
    return value;
  }

  /** With its length before and a NUL behind. */
  shortText(): string {
    const text = this.bytes(this.number(1)).toString("utf8");
    this.skip(1);
    return text;
  }
}
