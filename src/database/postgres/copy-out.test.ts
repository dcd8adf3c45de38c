import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import * as fc from "fast-check";
import type { Connection } from "pg";
import { CopyOut } from "./copy-out.ts";

function message(kind: string, body: Buffer): Buffer {
  const bytes = Buffer.alloc(5 + body.length);
  bytes.write(kind, "latin1");
  bytes.writeInt32BE(body.length + 4, 1);
  body.copy(bytes, 5);
  return bytes;
}

test("rows come as they were sent, wherever what was read is cut, and what follows them goes to the driver", async () => {
  const length = fc.oneof(fc.nat(40), fc.nat(400), fc.nat(9000));
  await fc.assert(
    fc.asyncProperty(
      fc.array(length, { maxLength: 60 }),
      fc.infiniteStream(fc.oneof(fc.integer({ min: 1, max: 7 }), fc.integer({ min: 1, max: 20_000 }))),
      fc.integer({ min: 1, max: 30_000 }),
      async (lengths, cuts, targetBytes) => {
        const rows = lengths.map((size, at) => Buffer.from(`${at}${"x".repeat(size)}\n`));
        const after = message("C", Buffer.from("COPY"));
        const sent = Buffer.concat([message("H", Buffer.alloc(7)), ...rows.map((row) => message("d", row)), after]);
        const stream = new PassThrough();
        const driver: Buffer[] = [];
        const copy = new CopyOut("COPY", targetBytes);
        const ended = Promise.withResolvers<void>();
        stream.on("data", (rest: Buffer) => {
          driver.push(rest);
          if (driver.reduce((sum, { length: size }) => sum + size, 0) < after.length) return;
          copy.handleReadyForQuery();
          ended.resolve();
        });
        copy.submit({ stream, query: () => {} } as unknown as Connection);
        let at = 0;
        for (const size of cuts) {
          stream.write(Buffer.from(sent.subarray(at, at + size)));
          at += size;
          if (at >= sent.length) break;
        }
        const found: Buffer[] = [];
        let count = 0;
        for await (const batch of copy.batches()) {
          assert.equal(batch.lines.at(-1), 10);
          found.push(Buffer.from(batch.lines));
          count += batch.rows;
          const ends = [...batch.lines.toString("latin1").matchAll(/\n/g)].map(({ index }) => index + 1);
          assert.deepEqual([...(batch.ends ?? [])], ends);
          batch.release?.();
        }
        await ended.promise;
        assert.ok(Buffer.concat(found).equals(Buffer.concat(rows)));
        assert.equal(count, rows.length);
        assert.ok(Buffer.concat(driver).equals(after));
      },
    ),
    { numRuns: 200 },
  );
});

test("a copy leaves all memory that it was lent to the next one", async () => {
  const spare = [Buffer.alloc(1 << 20), Buffer.alloc(1 << 20)];
  const stream = new PassThrough();
  const copy = new CopyOut("COPY", 1 << 10, spare);
  stream.on("data", () => copy.handleReadyForQuery());
  copy.submit({ stream, query: () => {} } as unknown as Connection);
  const rows = Array.from({ length: 3 }, () => message("d", Buffer.from("1\tname\n")));
  stream.write(Buffer.concat([message("H", Buffer.alloc(7)), ...rows, message("C", Buffer.from("COPY"))]));
  for await (const { rows: count, release } of copy.batches()) {
    assert.equal(count, 3);
    release?.();
  }
  assert.equal(spare.length, 2);
});
