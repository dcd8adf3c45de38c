import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { PacketSplitter } from "./packet-splitter.ts";
import { encodePacket, packetTypes } from "./sftp-packet.ts";

/** Pushes a stream in pieces; gives what came out, in order. */
function split(stream: Buffer, cuts: readonly number[]): unknown[] {
  const found: unknown[] = [];
  const places = new Map<number, Buffer>();
  const splitter = new PacketSplitter({
    packet: (type, body) => void found.push([type, body.toString("hex")]),
    place: (id, length) => {
      if (id % 2 === 1) return undefined;
      places.set(id, Buffer.alloc(length + 3));
      return places.get(id);
    },
    filled: (id, length) => void found.push(["data", id, places.get(id)?.subarray(0, length).toString("hex")]),
  });
  const ends = [...new Set([...cuts.map((cut) => cut % (stream.length + 1)), stream.length])].toSorted((a, b) => a - b);
  let at = 0;
  for (const end of ends) {
    splitter.push(stream.subarray(at, end));
    at = end;
  }
  return found;
}

test("packets and data come out the same, however the stream is cut", () => {
  const packet = fc.tuple(fc.boolean(), fc.nat(1000), fc.uint8Array({ maxLength: 300 }));
  fc.assert(
    fc.property(fc.array(packet, { maxLength: 8 }), fc.array(fc.nat()), (packets, cuts) => {
      const expected = packets.map(([isData, id, bytes]) => {
        if (!isData) return [packetTypes.status, encodePacket(0, { u32: id }, bytes).subarray(5).toString("hex")];
        const kept = id % 2 === 0;
        return ["data", id, kept && bytes.length > 0 ? Buffer.from(bytes).toString("hex") : undefined];
      });
      const stream = packets.map(([isData, id, bytes]) =>
        encodePacket(isData ? packetTypes.data : packetTypes.status, { u32: id }, bytes),
      );
      // Two answers to one request are no SFTP.
      fc.pre(new Set(packets.map(([, id]) => id)).size === packets.length);
      assert.deepEqual(split(Buffer.concat(stream), cuts), expected);
    }),
  );
});

test("what is no SFTP is refused before memory is taken for it", () => {
  for (const stream of [
    Buffer.from("Welcome to this server\n"),
    Buffer.from([0, 0, 0, 0, packetTypes.status]),
    Buffer.from([0, 0, 0, 13, packetTypes.data, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0]),
  ]) {
    assert.throws(() => split(stream, []), RangeError);
  }
});
