import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { contactTable, rules, TableModel } from "../../../test/support/table-model.ts";
import { cutKeyFrom } from "./cut-hash.ts";
import { type CutChunk, LineCutter } from "./line-cutter.ts";
import { rowOrder } from "./row-order.ts";
import { tableSizes } from "./table-sizes.ts";

const sizes = { ...tableSizes, chunkMin: 200, chunkMax: 1600 };
const order = rowOrder(contactTable, rules);
const cutKey = cutKeyFrom(Buffer.from("0123456789abcdef"));

/** Cuts a table, with the cuts of `before` kept: the first key of each chunk. */
function cut(model: TableModel, before: readonly string[]): readonly CutChunk[] {
  const cutter = new LineCutter(sizes, order, cutKey);
  let next = 1;
  for (const line of model.lines()) {
    const key = line.slice(0, line.indexOf("\t"));
    for (let at = before[next]; at !== undefined && order.compare(at, key) <= 0; at = before[next]) {
      cutter.cutHere("chunk");
      next++;
    }
    const bytes = Buffer.from(`${line}\n`, "latin1");
    cutter.add(bytes, 0, bytes.length);
  }
  return [...cutter.take(), ...cutter.finish()];
}

function firstKeys(chunks: readonly CutChunk[]): string[] {
  return chunks.map(({ bytes }) => bytes.toString("latin1", 0, bytes.indexOf(9)));
}

function contents(chunks: readonly CutChunk[]): Set<string> {
  return new Set(chunks.map(({ bytes }) => bytes.toString("latin1")));
}

const edit = fc.record({
  type: fc.constantFrom("change", "insert", "insert", "delete", "delete"),
  id: fc.nat(8000),
  size: fc.nat(120),
});

test("edits store again only the chunks that they touch and those next to them", () => {
  fc.assert(
    fc.property(fc.array(fc.array(edit, { maxLength: 12 }), { maxLength: 12 }), (rounds) => {
      const model = new TableModel();
      for (let id = 0; id < 8000; id += 20) model.put(id, `row ${id} ${"x".repeat((id * 7) % 60)}`);
      let chunks = cut(model, []);
      let serial = 0;
      for (const edits of rounds) {
        for (const { type, id, size } of edits) {
          const existing = id - (id % 20);
          if (type === "change") model.put(existing, `${serial++} ${"y".repeat(size)}`);
          else if (type === "insert") model.put(id, `${serial++} ${"z".repeat(size)}`);
          else model.delete(existing);
        }
        const known = contents(chunks);
        chunks = cut(model, firstKeys(chunks));
        assert.equal(
          Buffer.concat(chunks.map(({ bytes }) => bytes)).toString("latin1"),
          model
            .lines()
            .map((line) => `${line}\n`)
            .join(""),
        );
        const stored = [...contents(chunks)].filter((bytes) => !known.has(bytes)).length;
        assert.ok(stored <= edits.length * 3, `${stored} chunks for ${edits.length} edits`);
        const [small, large] = [sizes.chunkMin, sizes.chunkMax + sizes.chunkMin];
        for (const { bytes } of chunks)
          assert.ok(bytes.length <= large && (bytes.length >= small || chunks.length < 2));
      }
    }),
    { numRuns: 60 },
  );
});

test("many rows appended or deleted at one place leave the rest alone", () => {
  const model = new TableModel();
  for (let id = 0; id < 3000; id++) model.put(id, `row ${id}`);
  let chunks = cut(model, []);
  const count = chunks.length;
  for (let id = 3000; id < 5000; id++) model.put(id, `row ${id}`);
  let known = contents(chunks);
  chunks = cut(model, firstKeys(chunks));
  assert.ok(chunks.filter(({ bytes }) => known.has(bytes.toString("latin1"))).length >= count - 1);
  known = contents(chunks);
  for (let id = 1000; id < 2000; id++) model.delete(id);
  chunks = cut(model, firstKeys(chunks));
  assert.ok(chunks.filter(({ bytes }) => !known.has(bytes.toString("latin1"))).length <= 2);
});

test("without cuts of before, the same rows are cut at the same places soon after a difference", () => {
  const rows = new TableModel();
  for (let id = 0; id < 3000; id++) rows.put(id, `row ${id}`);
  const first = contents(cut(rows, []));
  rows.put(10, "a longer row than before");
  const second = [...contents(cut(rows, []))];
  assert.ok(second.filter((bytes) => !first.has(bytes)).length <= 5);
});

test("a row larger than a chunk gets one of its own", () => {
  const model = new TableModel();
  for (let id = 0; id < 40; id++) model.put(id, id === 20 ? "x".repeat(20_000) : `row ${id}`);
  const chunks = cut(model, []);
  assert.ok(chunks.some(({ bytes }) => bytes.length > 20_000 && bytes.indexOf(10) === bytes.length - 1));
  assert.deepEqual(contents(cut(model, firstKeys(chunks))), contents(chunks));
});

test("however lines come, they are cut at the same places", () => {
  const size = fc.oneof(fc.nat(40), fc.nat(40), fc.nat(40), fc.nat(5000));
  const many = fc.array(size, { minLength: 50, maxLength: 400 });
  const step = fc.record({ lines: fc.integer({ min: 1, max: 150 }), ends: fc.boolean(), take: fc.boolean() });
  fc.assert(
    fc.property(many, fc.infiniteStream(step), (lengths, steps) => {
      const model = new TableModel();
      for (const [id, length] of lengths.entries()) model.put(id, "x".repeat(length));
      const cutter = new LineCutter(sizes, order, cutKey);
      const found: { bytes: string; ends: readonly number[] }[] = [];
      const keep = (chunks: readonly CutChunk[]) =>
        found.push(...chunks.map(({ bytes, ends }) => ({ bytes: bytes.toString("latin1"), ends: [...ends] })));
      const lines = model.lines().map((line) => Buffer.from(`${line}\n`, "latin1"));
      for (const { lines: count, ends, take } of steps) {
        const some = lines.splice(0, count);
        let end = 7;
        const known = Int32Array.from(some, ({ length }) => (end += length) - 7);
        const bytes = Buffer.concat([Buffer.alloc(7), ...some, Buffer.alloc(9)]);
        cutter.add(bytes, 7, end, ends ? known : undefined);
        if (take) keep(cutter.take());
        if (lines.length === 0) break;
      }
      keep(cutter.finish());
      assert.deepEqual(
        found.map(({ bytes }) => bytes),
        cut(model, []).map(({ bytes }) => bytes.toString("latin1")),
      );
      for (const { bytes, ends } of found) {
        assert.deepEqual(
          ends,
          [...bytes.matchAll(/\n/g)].map(({ index }) => index + 1),
        );
      }
    }),
    { numRuns: 60 },
  );
});
