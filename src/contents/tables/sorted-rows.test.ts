import assert from "node:assert/strict";
import fc from "fast-check";
import { readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { test } from "node:test";
import { contactTable, rules, TableModel } from "../../../test/support/table-model.ts";
import type { RowBatch } from "../../database/database.ts";
import { rowOrder } from "./row-order.ts";
import { sortedRows } from "./sorted-rows.ts";

const { signal } = new AbortController();

async function sorted(model: TableModel, keyLength: number, stretchBytes: number): Promise<string[]> {
  const shuffled = (rows: string[]) => rows.toSorted((a, b) => (hash(a) < hash(b) ? -1 : 1));
  const order = rowOrder({ ...contactTable, keyLength }, rules);
  const lines: string[] = [];
  for await (const batch of sortedRows(model.reader(shuffled).read({}, signal), order, signal, within(stretchBytes))) {
    lines.push(...linesOf(batch));
  }
  return lines;
}

const within = (bytes: number) => ({ sort: bytes, merge: bytes });

function linesOf({ lines, rows }: RowBatch): string[] {
  const found = lines.toString("latin1").split("\n").slice(0, -1);
  assert.equal(found.length, rows);
  return found;
}

function hash(line: string): bigint {
  return rules.rowHash(Buffer.from(line, "latin1"), 0, line.length);
}

test("rows come out in order, whether they fit into memory or not", async () => {
  const model = new TableModel(contactTable, 2000);
  for (let id = 0; id < 5000; id++) model.put(id, `row ${id}`);
  model.put(77, "x".repeat(300_000));
  for (const stretchBytes of [1 << 20, 10_000]) {
    assert.deepEqual(await sorted(model, 1, stretchBytes), model.lines());
    assert.deepEqual(await sorted(model, 0, stretchBytes), model.lines().toSorted());
  }
  assert.deepEqual(await sorted(new TableModel(), 1, 10), []);
});

test("nothing is left on disk, also when reading stops early", async () => {
  const model = new TableModel(contactTable, 2000);
  for (let id = 0; id < 5000; id++) model.put(id, `row ${id}`);
  const order = rowOrder(contactTable, rules);
  for await (const batch of sortedRows(model.reader().read({}, signal), order, signal, within(10_000))) {
    assert.ok(batch.rows > 0);
    break;
  }
  assert.deepEqual(
    readdirSync(tmpdir()).filter((name) => name.startsWith("holdfast-sort-")),
    [],
  );
});

const letters = fc.constantFrom("a", "b", "A", "0", "9", "-", "\\\\", "\\n", "\\t", "\u0001", "\u00e9", " ");
const texts = fc.array(letters, { maxLength: 6 }).map((found) => `"${found.join("")}`);
const longTexts = fc
  .string({ unit: letters, minLength: 18, maxLength: 40 })
  .map((text) => `"a common beginning ${text}`);
const numbers = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map((number) => `i${number}`);
const smallNumbers = fc.integer({ min: -20, max: 2000 }).map((number) => `i${number}`);
const keyed = (keys: fc.Arbitrary<string>) => fc.uniqueArray(keys, { maxLength: 120 });

test("whatever keys are like, rows come in their order", async () => {
  const lists = fc.oneof(
    keyed(texts),
    keyed(longTexts),
    keyed(numbers),
    keyed(smallNumbers),
    keyed(fc.oneof(texts, numbers)),
  );
  await fc.assert(
    fc.asyncProperty(
      lists,
      fc.constantFrom(1 << 20, 12_000, 500, 60),
      fc.boolean(),
      async (keys, stretchBytes, told) => {
        const order = rowOrder(contactTable, rules);
        const found: string[] = [];
        for await (const { lines, rows, ends, release } of sortedRows(
          batchesOf(keys, told),
          order,
          signal,
          within(stretchBytes),
        )) {
          const text = linesOf({ lines, rows });
          let end = 0;
          assert.deepEqual(
            ends && [...ends],
            text.map((line) => (end += line.length + 1)),
          );
          found.push(...text.map((line) => line.split("\t")[0] ?? ""));
          release?.();
        }
        assert.deepEqual(
          found,
          keys.toSorted((a, b) => order.compare(a, b)),
        );
      },
    ),
  );
});

async function* one(batch: RowBatch): AsyncGenerator<RowBatch, void> {
  yield batch;
}

/** Seven rows in each. */
async function* batchesOf(keys: readonly string[], told: boolean): AsyncGenerator<RowBatch, void> {
  for (let at = 0; at < keys.length; at += 7) {
    const text = keys
      .slice(at, at + 7)
      .map((key) => `${key}\t"value of ${key} ${"-".repeat((key.length * 31) % 500)}\n`);
    let end = 0;
    const ends = Int32Array.from(text, (line) => (end += line.length));
    yield { lines: Buffer.from(text.join(""), "latin1"), rows: text.length, ...(told && { ends }) };
  }
}

test("many short rows and rows that are alike come in order, too", async () => {
  const order = rowOrder({ ...contactTable, keyLength: 0 }, rules);
  const all = Array.from({ length: 1_200_000 }, (_, at) => `${(at * 7919) % 5000}`);
  const lines = Buffer.from(`${all.join("\n")}\n`);
  let before = "";
  let count = 0;
  for await (const batch of sortedRows(one({ lines, rows: all.length }), order, signal, within(1 << 30))) {
    for (const line of linesOf(batch)) {
      assert.ok(before <= line);
      before = line;
      count++;
    }
  }
  assert.equal(count, all.length);
});
