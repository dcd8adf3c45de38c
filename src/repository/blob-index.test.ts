import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import fc from "fast-check";
import type { BlobType } from "../format/tree.ts";
import { BlobIndex } from "./blob-index.ts";

const idOf = (number: number): string => createHash("sha256").update(String(number)).digest("hex");

test("it answers as a Map would", () => {
  const steps = fc.array(
    fc.record({
      what: fc.constantFrom("claim", "add", "locate", "find"),
      type: fc.constantFrom<BlobType>("data", "tree"),
      number: fc.nat({ max: 40 }),
      place: fc
        .record({
          pack: fc.nat({ max: 1000 }),
          offset: fc.nat({ max: 0xffff_ffff }),
          length: fc.nat({ max: 0xffff_ffff }),
          uncompressedLength: fc.nat({ max: 0xffff_ffff }),
        })
        .map((one) => ({ ...one })),
    }),
    { maxLength: 200 },
  );
  fc.assert(
    fc.property(steps, (list) => {
      const index = new BlobIndex();
      const model = new Map<string, unknown[]>();
      for (const { what, type, number, place } of list) {
        const id = idOf(number);
        const { pack, offset, length, uncompressedLength } = place;
        const known = model.get(type + id);
        if (what === "claim") {
          const entry = index.claim(type, Buffer.from(id, "hex"), 5);
          assert.equal(entry >= 0, known === undefined);
          if (entry >= 0) model.set(type + id, [undefined]);
        } else if (what === "add") {
          index.add(type, id, pack, offset, length, uncompressedLength);
          model.set(type + id, [...(known ?? []), place]);
        } else if (what === "locate" && known) {
          index.setLocation(index.find(type, id), pack, offset, length, uncompressedLength);
          model.set(type + id, [place, ...known.slice(1)]);
        }
        const entries = index.findAll(type, id);
        assert.deepEqual(
          entries.map((entry) => index.location(entry)),
          model.get(type + id) ?? [],
        );
        assert.equal(index.find(type, id), entries[0] ?? -1);
        for (const entry of entries) assert.deepEqual([index.type(entry), index.id(entry)], [type, id]);
      }
      assert.equal(
        index.count,
        [...model.values()].reduce((sum, places) => sum + places.length, 0),
      );
    }),
    { numRuns: 60 },
  );
});

test("a million blobs take less than 100 MB", () => {
  const before = process.memoryUsage.rss();
  const index = new BlobIndex();
  const id = Buffer.alloc(32);
  const count = 1_000_000;
  const write = (number: number): Buffer => {
    id.writeInt32LE(Math.imul(number, 0x9e3779b1), 0);
    id.writeInt32LE(number, 8);
    return id;
  };
  for (let number = 0; number < count; number++) index.add("data", write(number), number & 1023, number, 100, 200);
  assert.ok(process.memoryUsage.rss() - before < 100e6);
  for (let number = 0; number < count; number += 997) {
    assert.equal(index.location(index.find("data", write(number)))?.offset, number);
  }
  assert.equal(index.find("tree", write(5)), -1);
});

test("threads that claim the same blobs at once share them out, each to one", async () => {
  const index = new BlobIndex();
  const count = 30_000;
  const program = `
    const { workerData, parentPort } = require("node:worker_threads");
    const { createHash } = require("node:crypto");
    import(workerData.module).then(({ BlobIndex }) => {
      const index = new BlobIndex(workerData.shared);
      let mine = 0;
      for (let i = 0; i < workerData.count; i++) {
        const id = createHash("sha256").update(String((i * workerData.step) % workerData.count)).digest();
        if (index.claim("data", id, 1) >= 0) mine++;
      }
      parentPort.postMessage(mine);
    });`;
  const module = new URL("./blob-index.ts", import.meta.url).href;
  const mine = await Promise.all(
    [1, 7, 11].map(
      (step) =>
        new Promise<number>((resolve, reject) => {
          const worker = new Worker(program, { eval: true, workerData: { module, shared: index.shared, count, step } });
          worker.once("message", resolve).once("error", reject);
        }),
    ),
  );
  assert.equal(
    mine.reduce((sum, one) => sum + one, 0),
    count,
  );
  assert.equal(index.count, count);
  for (let number = 0; number < count; number++) assert.ok(index.find("data", idOf(number)) >= 0);
});
