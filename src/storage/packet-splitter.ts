import { packetTypes } from "./sftp-packet.ts";

export interface SplitPackets {
  /** A whole packet without its length; its memory is the receiver's. */
  packet(type: number, body: Buffer): void;
  /** Where the bytes of an answer to a read go; absent: they are dropped. `length` as announced, never more is written. */
  place(id: number, length: number): Uint8Array | undefined;
  /** All bytes of that answer are there. */
  filled(id: number, length: number): void;
}

/**
 * Cuts a stream of SFTP into packets. The bytes of files go from the pipe straight to where they are wanted. Throws a
 * `RangeError` for what is no SFTP, such as the greeting of a shell.
 */
export class PacketSplitter {
  readonly #to: SplitPackets;
  #pending: Buffer = Buffer.alloc(0);
  #data: OpenData | undefined;

  constructor(to: SplitPackets) {
    this.#to = to;
  }

  push(chunk: Buffer): void {
    let rest = chunk;
    while (rest.length > 0) {
      if (this.#data !== undefined) {
        rest = this.#fill(this.#data, rest);
        continue;
      }
      const bytes = this.#pending.length === 0 ? rest : Buffer.concat([this.#pending, rest]);
      const used = this.#next(bytes);
      this.#pending = used === 0 ? Buffer.from(bytes) : Buffer.alloc(0);
      rest = used === 0 ? Buffer.alloc(0) : bytes.subarray(used);
    }
  }

  /** Takes one packet, or the head of one with data; gives how many bytes it had, 0 when more are needed. */
  #next(bytes: Buffer): number {
    if (bytes.length < 5) return 0;
    const length = bytes.readUInt32BE(0);
    const type = bytes[4] ?? 0;
    if (length < 1 || length > mostBytes) throw new RangeError("no SFTP");
    if (type === packetTypes.data) {
      if (bytes.length < dataHead) return 0;
      const id = bytes.readUInt32BE(5);
      const dataLength = bytes.readUInt32BE(9);
      if (dataLength !== length - (dataHead - 4)) throw new RangeError("no SFTP");
      if (dataLength === 0) this.#to.filled(id, 0);
      else this.#data = { id, length: dataLength, place: this.#to.place(id, dataLength), at: 0 };
      return dataHead;
    }
    if (bytes.length < length + 4) return 0;
    this.#to.packet(type, Buffer.from(bytes.subarray(5, length + 4)));
    return length + 4;
  }

  #fill(data: OpenData, bytes: Buffer): Buffer {
    const part = bytes.subarray(0, data.length - data.at);
    data.place?.set(part, data.at);
    data.at += part.length;
    if (data.at === data.length) {
      this.#data = undefined;
      this.#to.filled(data.id, data.length);
    }
    return bytes.subarray(part.length);
  }
}

interface OpenData {
  readonly id: number;
  readonly length: number;
  readonly place: Uint8Array | undefined;
  at: number;
}

/** Length, type, id, length of the data. */
const dataHead = 13;
/** What OpenSSH takes, and more than any answer to what is asked here. */
const mostBytes = 1 << 20;
