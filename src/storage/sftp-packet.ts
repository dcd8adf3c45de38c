/**
 * Packets of the SSH file transfer protocol, version 3 (draft-ietf-secsh-filexfer-02), which all servers speak, and
 * what OpenSSH adds (its `PROTOCOL` file).
 */
export const packetTypes = {
  init: 1,
  version: 2,
  open: 3,
  close: 4,
  read: 5,
  write: 6,
  fstat: 8,
  opendir: 11,
  readdir: 12,
  remove: 13,
  mkdir: 14,
  stat: 17,
  rename: 18,
  status: 101,
  handle: 102,
  data: 103,
  name: 104,
  attrs: 105,
  extended: 200,
  extendedReply: 201,
} as const;

export const statusCodes = { ok: 0, eof: 1, noSuchFile: 2, denied: 3, failure: 4, unsupported: 8 } as const;

/** What a file is opened for: `create` fails where the name is taken. */
export const openFlags = { read: 0x01, create: 0x02 | 0x08 | 0x20 } as const;

export type Field = { readonly u32: number } | { readonly u64: number } | Uint8Array | string;

/** Length, type and fields; text as UTF-8. Bytes are copied once, since the pipe to `ssh` refuses shared memory. */
export function encodePacket(type: number, ...fields: readonly Field[]): Buffer {
  const known = fields.map((field) => (typeof field === "string" ? Buffer.from(field, "utf8") : field));
  const length = known.reduce((sum, field) => sum + sizeOf(field), 1);
  const packet = Buffer.allocUnsafe(4 + length);
  let at = packet.writeUInt8(type, packet.writeUInt32BE(length));
  for (const field of known) {
    if (field instanceof Uint8Array) {
      at = packet.writeUInt32BE(field.length, at);
      packet.set(field, at);
      at += field.length;
    } else at = "u32" in field ? packet.writeUInt32BE(field.u32, at) : packet.writeBigUInt64BE(BigInt(field.u64), at);
  }
  return packet;
}

function sizeOf(field: Exclude<Field, string>): number {
  if (field instanceof Uint8Array) return 4 + field.length;
  return "u32" in field ? 4 : 8;
}

export interface Attributes {
  readonly size?: number;
  readonly kind?: "file" | "folder" | "other";
  /** Seconds since 1970. */
  readonly modified?: number;
}

/** Reads fields in their order; a packet that ends early throws a `RangeError`. */
export class PacketReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  u32(): number {
    const value = this.#bytes.readUInt32BE(this.#at);
    this.#at += 4;
    return value;
  }

  /** Beyond what a number holds it is that much too large for anything. */
  u64(): number {
    const value = this.#bytes.readBigUInt64BE(this.#at);
    this.#at += 8;
    return Number(value);
  }

  bytes(): Buffer {
    const length = this.u32();
    const end = this.#at + length;
    if (end > this.#bytes.length) throw new RangeError("a packet that ends early");
    const found = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return found;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  attributes(): Attributes {
    const flags = this.u32();
    const size = flags & 1 ? this.u64() : undefined;
    if (flags & 2) this.#at += 8;
    const mode = flags & 4 ? this.u32() : undefined;
    let modified: number | undefined;
    if (flags & 8) {
      this.u32();
      modified = this.u32();
    }
    if (flags >>> 31) for (let left = 2 * this.u32(); left > 0; left--) this.bytes();
    return {
      ...(size !== undefined && { size }),
      ...(mode !== undefined && { kind: kindOf(mode) }),
      ...(modified !== undefined && { modified }),
    };
  }
}

function kindOf(mode: number): "file" | "folder" | "other" {
  const kind = mode & 0o170000;
  // A server may give the rights alone.
  if (kind === 0o100000 || kind === 0) return "file";
  return kind === 0o040000 ? "folder" : "other";
}
