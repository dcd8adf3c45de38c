import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { asUpload, MemoryUpload } from "../../../test/support/memory-upload.ts";
import { contactTable, rules, TableModel } from "../../../test/support/table-model.ts";
import type { TableReader } from "../../database/database.ts";
import type { Id } from "../../format/tree.ts";
import type { BackupKind } from "../manifest.ts";
import { captureTable, type TableCapture } from "./capture-table.ts";
import { openTable, type StoredTable } from "./stored-table.ts";
import { tableSizes, type TableSizes } from "./table-sizes.ts";
import { verifyTable } from "./verify-table.ts";

const signal = new AbortController().signal;
const cutKey = Buffer.alloc(32, 7);
const smallSizes: TableSizes = {
  ...tableSizes,
  chunkMin: 64,
  chunkMax: 512,
  blobMax: 900,
  part: 4096,
  range: 2048,
  foldAbove: 1024,
};

async function capture(
  store: MemoryUpload,
  reader: TableReader,
  kind: BackupKind,
  parent?: Id,
  sizes = smallSizes,
): Promise<TableCapture> {
  return captureTable({
    reader,
    rules,
    kind,
    ...(parent !== undefined && { parent }),
    store: asUpload(store),
    blobs: asUpload(store),
    cutKey,
    time: `2026-01-01T00:00:0${store.trees.size % 10}Z`,
    signal,
    sizes,
  });
}

async function open(store: MemoryUpload, tree: Id, table = contactTable): Promise<StoredTable> {
  return openTable(asUpload(store), tree, table, rules, signal);
}

async function allLines(stored: StoredTable): Promise<string[]> {
  const lines: string[] = [];
  let rows = 0;
  for await (const batch of stored.rows({}, signal)) {
    lines.push(...batch.lines.toString("latin1").split("\n").slice(0, -1));
    rows += batch.rows;
  }
  assert.equal(rows, lines.length);
  return lines;
}

const edit = fc.oneof(
  { weight: 4, arbitrary: fc.record({ type: fc.constant("put" as const), id: fc.nat(400), size: fc.nat(60) }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("delete" as const), id: fc.nat(400), size: fc.nat(60) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("move" as const), id: fc.nat(400), size: fc.nat(60) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("many" as const), id: fc.nat(400), size: fc.nat(60) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("clear" as const), id: fc.nat(400), size: fc.nat(200) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("large" as const), id: fc.nat(400), size: fc.nat(3000) }) },
);
const kinds = fc.constantFrom<BackupKind>("full", "incremental", "incremental", "incremental", "differential");

function apply(model: TableModel, step: { type: string; id: number; size: number }, serial: number): void {
  const value = `${serial}-${"x".repeat(step.size)}`;
  if (step.type === "put" || step.type === "large") model.put(step.id, value);
  if (step.type === "delete") model.delete(step.id);
  if (step.type === "move" && model.rows.has(`i${step.id}`)) {
    model.delete(step.id);
    model.put(step.id + 1000, value);
  }
  if (step.type === "many") for (let id = step.id; id < step.id + 60; id++) model.put(id, `${value}${id}`);
  if (step.type === "clear") for (let id = step.id; id < step.id + step.size; id++) model.delete(id);
}

test("every snapshot gives the table as it was, whatever happened and whatever kinds were taken", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(kinds, fc.array(edit, { maxLength: 12 })), { minLength: 1, maxLength: 14 }),
      fc.integer({ min: 1, max: 3000 }),
      async (backups, batchBytes) => {
        const store = new MemoryUpload();
        const model = new TableModel(contactTable, batchBytes);
        for (let id = 0; id < 150; id++) model.put(id * 2, `first ${id}`);
        let serial = 0;
        let parent: Id | undefined;
        let before = new Map<string, string>();
        const taken: { tree: Id; rows: Map<string, string> }[] = [];
        for (const [kind, edits] of backups) {
          for (const step of edits) apply(model, step, serial++);
          const captured = await capture(store, model.reader(), kind, parent);
          const rows = new Map(model.rows);
          assert.equal(captured.rows, rows.size);
          assert.ok(captured.runs.length <= smallSizes.maxRuns);
          if (parent !== undefined) assert.equal(captured.sincePreviousBytes, changedBytes(before, rows));
          taken.push({ tree: captured.tree, rows });
          parent = captured.tree;
          before = rows;
        }
        for (const { tree, rows } of taken) {
          const stored = await open(store, tree);
          const expected = new TableModel();
          for (const [key, line] of rows) expected.rows.set(key, line);
          assert.deepEqual(await allLines(stored), expected.lines());
          assert.equal(stored.rowCount, rows.size);
          assert.deepEqual(await verifyTable(stored, signal), []);
          for (const key of ["i0", "i1", "i77", "i200", "i399", "i1007", "i5000"]) {
            assert.equal((await stored.get(key, signal))?.toString("latin1"), rows.get(key), key);
          }
        }
      },
    ),
    { numRuns: 60 },
  );
});

function changedBytes(before: ReadonlyMap<string, string>, now: ReadonlyMap<string, string>): number {
  let bytes = 0;
  for (const [key, line] of now) if (before.get(key) !== line) bytes += line.length + 1;
  for (const key of before.keys()) if (!now.has(key)) bytes += key.length + 1;
  return bytes;
}
