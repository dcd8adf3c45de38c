import { HoldfastError } from "../../lib/errors.ts";

/**
 * Messages of PostgreSQL's own output plugin, protocol version 1:
 * https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html
 * Values come as text, and are turned at once to fields of COPY's text format, which lines are made of.
 */
export type LogMessage =
  | { readonly type: "begin"; readonly xid: number; readonly time: string }
  | { readonly type: "commit"; readonly end: bigint; readonly time: string }
  | { readonly type: "relation"; readonly relation: LogRelation }
  | { readonly type: "insert"; readonly oid: number; readonly now: Tuple }
  | { readonly type: "update"; readonly oid: number; readonly old?: OldTuple; readonly now: Tuple }
  | { readonly type: "delete"; readonly oid: number; readonly old: OldTuple }
  | { readonly type: "truncate"; readonly oids: readonly number[] }
  | { readonly type: "other" };

export interface LogRelation {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  readonly columns: readonly { readonly name: string; readonly typeOid: number; readonly modifier: number }[];
}

/** Fields as lines hold them; `undefined`: unchanged, and not repeated. */
export type Tuple = readonly (string | undefined)[];

export interface OldTuple {
  /** Columns beside the key are NULL in a `key`, whatever they were. */
  readonly kind: "key" | "row";
  readonly fields: Tuple;
}

export function parseMessage(bytes: Buffer): LogMessage {
  const reader = new MessageReader(bytes);
  switch (reader.letter()) {
    case "B": {
      reader.int64();
      const time = reader.time();
      return { type: "begin", time, xid: reader.int32() >>> 0 };
    }
    case "C": {
      reader.skip(9);
      const end = reader.int64();
      return { type: "commit", end, time: reader.time() };
    }
    case "R":
      return { type: "relation", relation: relation(reader) };
    case "I": {
      const oid = reader.int32() >>> 0;
      reader.letter();
      return { type: "insert", oid, now: reader.tuple() };
    }
    case "U": {
      const oid = reader.int32() >>> 0;
      const kind = reader.letter();
      if (kind === "N") return { type: "update", oid, now: reader.tuple() };
      const old = { kind: kind === "K" ? "key" : "row", fields: reader.tuple() } as const;
      reader.letter();
      return { type: "update", oid, old, now: reader.tuple() };
    }
    case "D": {
      const oid = reader.int32() >>> 0;
      const kind = reader.letter() === "K" ? "key" : "row";
      return { type: "delete", oid, old: { kind, fields: reader.tuple() } };
    }
    case "T": {
      const count = reader.int32();
      reader.skip(1);
      return { type: "truncate", oids: Array.from({ length: count }, () => reader.int32() >>> 0) };
    }
    default:
      return { type: "other" };
  }
}

function relation(reader: MessageReader): LogRelation {
  const oid = reader.int32() >>> 0;
  const schema = reader.text() || "pg_catalog";
  const name = reader.text();
  reader.skip(1);
  const columns = Array.from({ length: reader.int16() }, () => {
    reader.skip(1);
    return { name: reader.text(), typeOid: reader.int32() >>> 0, modifier: reader.int32() };
  });
  return { oid, schema, name, columns };
}

class MessageReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  letter(): string {
    return String.fromCharCode(this.#bytes.readUInt8(this.#at++));
  }

  skip(bytes: number): void {
    this.#at += bytes;
  }

  int16(): number {
    this.#at += 2;
    return this.#bytes.readInt16BE(this.#at - 2);
  }

  int32(): number {
    this.#at += 4;
    return this.#bytes.readInt32BE(this.#at - 4);
  }

  int64(): bigint {
    this.#at += 8;
    return this.#bytes.readBigUInt64BE(this.#at - 8);
  }

  /** Microseconds since 2000, as RFC 3339. */
  time(): string {
    return serverTime(this.int64());
  }

  /** Up to a NUL. */
  text(): string {
    const end = this.#bytes.indexOf(0, this.#at);
    if (end < 0) throw new HoldfastError("internal", { reason: "log message" });
    const found = this.#bytes.toString("utf8", this.#at, end);
    this.#at = end + 1;
    return found;
  }

  tuple(): Tuple {
    const count = this.int16();
    const fields: (string | undefined)[] = [];
    for (let field = 0; field < count; field++) {
      const kind = this.#bytes[this.#at++];
      if (kind === letterN) fields.push(String.raw`\N`);
      else if (kind === letterU) fields.push(undefined);
      else {
        const length = this.int32();
        this.#at += length;
        fields.push(escaped(this.#bytes.toString("latin1", this.#at - length, this.#at)));
      }
    }
    return fields;
  }
}

const letterN = "n".charCodeAt(0);
const letterU = "u".charCodeAt(0);

const special = /[\b\t\n\v\f\r\\]/;
const letters: Readonly<Record<string, string>> = {
  "\b": "\\b",
  "\t": "\\t",
  "\n": "\\n",
  "\v": "\\v",
  "\f": "\\f",
  "\r": "\\r",
  "\\": "\\\\",
};

/** As COPY writes it. */
function escaped(value: string): string {
  return special.test(value) ? value.replaceAll(/[\b\t\n\v\f\r\\]/g, (one) => letters[one] ?? one) : value;
}

const epoch2000Us = 946_684_800_000_000n;

/** RFC 3339 with microseconds. */
function serverTime(sinceEpoch2000Us: bigint): string {
  const us = BigInt.asIntN(64, sinceEpoch2000Us) + epoch2000Us;
  const seconds = new Date(Number(us / 1000n)).toISOString().slice(0, 19);
  return `${seconds}.${String(us % 1_000_000n).padStart(6, "0")}Z`;
}
