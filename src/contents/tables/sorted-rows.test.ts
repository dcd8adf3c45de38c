import assert from "node:assert/strict";
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
  for await (const batch of sortedRows(model.reader(shuffled).read({}, signal), order, signal, stretchBytes)) {
    lines.push(...linesOf(batch));
  }
  return lines;
}

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
  for await (const batch of sortedRows(model.reader().read({}, signal), order, signal, 10_000)) {
    assert.ok(batch.rows > 0);
    break;
  }
  assert.deepEqual(
    readdirSync(tmpdir()).filter((name) => name.startsWith("holdfast-sort-")),
    [],
  );
});
