import assert from "node:assert/strict";
import { test } from "node:test";
import { contactTable, rules } from "../../../test/support/table-model.ts";
import type { RowBatch, TableReader } from "../../database/database.ts";
import { LineWalk } from "./line-walk.ts";
import { rowOrder } from "./row-order.ts";
import { TableSource } from "./table-source.ts";

const order = rowOrder(contactTable, rules);
const { signal } = new AbortController();

async function keysOf(batches: AsyncIterable<RowBatch>): Promise<readonly string[]> {
  await using walk = new LineWalk(order, batches);
  const keys: string[] = [];
  for (let key = await walk.below(undefined); key !== undefined; key = await walk.below(undefined)) {
    keys.push(key);
    walk.step();
  }
  return keys;
}

test("the memory of a batch is given back once, by whoever walks a live table", async () => {
  const given: number[] = [0, 0, 0];
  const reader: TableReader = {
    table: contactTable,
    estimatedRows: async () => 6,
    async *read() {
      for (const at of given.keys()) {
        const lines = Buffer.from(`i${at * 2}\t"a"\ni${at * 2 + 1}\t"b"\n`);
        const release = (): void => {
          given[at] = (given[at] ?? 0) + 1;
          lines.fill(0);
        };
        yield { lines, rows: 2, release };
      }
    },
  };
  const source = new TableSource({ reader, order, signal });
  assert.deepEqual(await keysOf(source.rows("by-key")), ["i0", "i1", "i2", "i3", "i4", "i5"]);
  assert.deepEqual(given, [1, 1, 1]);
});

test("a line that was cut off is the last one", async () => {
  async function* batches(): AsyncGenerator<RowBatch> {
    yield { lines: Buffer.from('i1\t"a"\ni2\t"b'), rows: 2 };
  }
  assert.deepEqual(await keysOf(batches()), ["i1", "i2"]);
});
