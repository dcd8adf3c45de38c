import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { isHoldfastError } from "../lib/errors.ts";
import { indexJson, parseIndexFile, type IndexedPack } from "./index-file.ts";
import { scanIndex } from "./index-scan.ts";
import type { PackedBlob } from "./pack.ts";

function scan(text: string, skipped: ReadonlySet<string> = new Set()): { packs: IndexedPack[]; marked: string[] } {
  const packs: { id: string; blobs: PackedBlob[] }[] = [];
  const marked: string[] = [];
  scanIndex(Buffer.from(text), {
    pack(id) {
      if (skipped.has(id)) return "skip";
      packs.push({ id, blobs: [] });
      return "take";
    },
    blob(type, id, offset, length, uncompressedLength) {
      packs.at(-1)?.blobs.push({ type, id: Buffer.from(id).toString("hex"), offset, length, uncompressedLength });
    },
    marked: (id) => marked.push(id),
  });
  return { packs, marked };
}

const id = fc.nat().map((number) => createHash("sha256").update(String(number)).digest("hex"));
const blob: fc.Arbitrary<PackedBlob> = fc.record({
  type: fc.constantFrom("data", "tree"),
  id,
  offset: fc.nat(0x7fff_ffff),
  length: fc.integer({ min: 32, max: 0x7fff_ffff }),
  uncompressedLength: fc.oneof(fc.constant(0), fc.nat(0x7fff_ffff)),
});
const packs = fc.array(fc.record({ id, blobs: fc.array(blob, { maxLength: 5 }) }), { maxLength: 5 });

test("it reads what parsing reads, however it is written", () => {
  fc.assert(
    fc.property(packs, packs, fc.constantFrom(0, 1, 2), (named, marked, indent) => {
      const text = indexJson(named, marked).toString();
      const written = indent === 0 ? text : JSON.stringify(JSON.parse(text), undefined, indent);
      const parsed = parseIndexFile(Buffer.from(written));
      const scanned = scan(written);
      assert.deepEqual(scanned.packs, parsed.packs);
      assert.deepEqual(
        scanned.marked,
        parsed.marked.map((pack) => pack.id),
      );
      const skipped = new Set(named.slice(0, 2).map((pack) => pack.id));
      assert.deepEqual(
        scan(written, skipped).packs,
        parsed.packs.filter((pack) => !skipped.has(pack.id)),
      );
    }),
  );
});

const a = "a".repeat(64);
const b = "b".repeat(64);
const whole = `{"id":"${b}","type":"tree","offset":0,"length":40}`;

test("fields in another order, and fields of other programs", () => {
  const other = `{"supersedes":["${a}"],"packs":[{"blobs":[{"length":40,"x":{"id":[1,2]},"offset":0,"uncompressed_length":null,
    "type":"tree","id":"${b}"}],"size":12,"id":"${a}"}],"more":null}\n`;
  assert.deepEqual(scan(other).packs, parseIndexFile(Buffer.from(other)).packs);
  assert.deepEqual(scan('{"packs":null}'), { packs: [], marked: [] });
  assert.deepEqual(scan("{}"), { packs: [], marked: [] });
  assert.deepEqual(scan(`{"packs":[{"id":"${a}","blobs":null}]}`).packs, [{ id: a, blobs: [] }]);
});

test("what parsing refuses, it refuses", () => {
  const pack = (blobs: string) => `{"packs":[{"id":"${a}","blobs":[${blobs}]}]}`;
  assert.equal(scan(pack(whole)).packs.length, 1);
  const broken = [
    "",
    "[]",
    "null",
    '{"packs":{}}',
    `{"packs":[{"blobs":[${whole}]}]}`,
    pack(whole).slice(0, -1),
    `${pack(whole)}x`,
    pack(whole.replace("tree", "file")),
    pack(whole.replace(b, b.slice(1))),
    pack(whole.replace(b, b.toUpperCase())),
    pack(whole.replace('"offset":0', '"offset":-1')),
    pack(whole.replace('"offset":0', '"offset":0.5')),
    pack(whole.replace('"offset":0', '"offset":4294967296')),
    pack(whole.replace('"offset":0', '"offset":4294967290')),
    pack(whole.replace('"offset":0', '"offset":"0"')),
    pack(whole.replace('"length":40', '"length":31')),
    pack(whole.replace(',"length":40', "")),
    pack(`${whole},`),
    pack(`${whole}${whole}`),
    pack("1"),
  ];
  for (const text of broken) {
    const refused = (error: unknown): boolean => isHoldfastError(error, "repository-damaged");
    assert.throws(() => parseIndexFile(Buffer.from(text)), refused, text);
    assert.throws(() => scan(text), refused, text);
  }
});
