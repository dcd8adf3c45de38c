import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { contactTable, TableModel } from "../../../test/support/table-model.ts";
import { smallSizes, withTableStore } from "../../../test/support/table-store.ts";
import type { TableSchema } from "../../database/database.ts";
import type { Id } from "../../format/tree.ts";
import type { BackupKind } from "../manifest.ts";
import { tableSizes } from "./table-sizes.ts";
import { verifyTable } from "./verify-table.ts";

/** Nothing is signed here. */
const noSigns = new Uint8Array();

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
  await withTableStore(async (store) => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(kinds, fc.array(edit, { maxLength: 12 })), { minLength: 1, maxLength: 14 }),
        fc.integer({ min: 1, max: 3000 }),
        async (backups, batchBytes) => {
          const model = new TableModel(contactTable, batchBytes);
          for (let id = 0; id < 150; id++) model.put(id * 2, `first ${id}`);
          let serial = 0;
          let parent: Id | undefined;
          let before = new Map<string, string>();
          const taken: { tree: Id; rows: Map<string, string> }[] = [];
          for (const [kind, edits] of backups) {
            for (const step of edits) apply(model, step, serial++);
            const captured = await store.capture({ reader: model.reader(), kind, ...(parent && { parent }) });
            const rows = new Map(model.rows);
            assert.equal(captured.rows, rows.size);
            assert.ok(captured.runs.length <= smallSizes.maxRuns);
            if (parent !== undefined) assert.equal(captured.sincePreviousBytes, changedBytes(before, rows));
            taken.push({ tree: captured.tree, rows });
            parent = captured.tree;
            before = rows;
          }
          for (const { tree, rows } of taken) {
            const expected = new TableModel();
            for (const [key, line] of rows) expected.rows.set(key, line);
            assert.deepEqual(await store.lines(tree), expected.lines());
            const stored = await store.open(tree);
            assert.equal(stored.rowCount, rows.size);
            assert.deepEqual(await verifyTable(stored, noSigns, store.signal), []);
            for (const key of ["i0", "i1", "i77", "i200", "i399", "i1007", "i5000"]) {
              assert.equal((await stored.get(key, store.signal))?.toString("latin1"), rows.get(key), key);
            }
          }
        },
      ),
      { numRuns: 30 },
    );
  });
});

function changedBytes(before: ReadonlyMap<string, string>, now: ReadonlyMap<string, string>): number {
  let bytes = 0;
  for (const [key, line] of now) if (before.get(key) !== line) bytes += line.length + 1;
  for (const key of before.keys()) if (!now.has(key)) bytes += key.length + 1;
  return bytes;
}

test("a differential is one run on the last full, an incremental one more run on its parent's", async () => {
  await withTableStore(async ({ capture }) => {
    const model = new TableModel();
    for (let id = 0; id < 2000; id++) model.put(id, `contact ${id} ${"x".repeat(40)}`);
    const full = await capture({ reader: model.reader(), kind: "full", sizes: tableSizes });
    assert.equal(full.newBase, "first");
    assert.equal(full.changedRows, 2000);
    model.put(5, "Monday");
    const monday = await capture({ reader: model.reader(), kind: "incremental", parent: full.tree, sizes: tableSizes });
    model.delete(6);
    const tuesday = await capture({
      reader: model.reader(),
      kind: "incremental",
      parent: monday.tree,
      sizes: tableSizes,
    });
    model.put(7, "Wednesday");
    const wednesday = await capture({
      reader: model.reader(),
      kind: "differential",
      parent: tuesday.tree,
      sizes: tableSizes,
    });
    assert.deepEqual(
      [monday, tuesday, wednesday].map(({ runs, changedRows, base }) => [runs.length, changedRows, base === full.base]),
      [
        [1, 1, true],
        [2, 1, true],
        [1, 3, true],
      ],
    );
    assert.equal(tuesday.sincePreviousBytes, "i6\n".length);
    assert.equal(tuesday.sinceFullBytes, "i5\ttMonday\ni6\n".length);
    assert.equal(wednesday.sincePreviousBytes, "i7\ttWednesday\n".length);
    assert.equal(wednesday.sinceFullBytes, "i5\ttMonday\ni6\ni7\ttWednesday\n".length);
    assert.equal(wednesday.readRows, 1999);
  });
});

test("an unchanged table keeps its trees and stores nothing, whatever the kind", async () => {
  await withTableStore(async ({ capture, upload, signal }) => {
    const model = new TableModel();
    for (let id = 0; id < 500; id++) model.put(id, `contact ${id}`);
    const reader = model.reader();
    let last = await capture({ reader, kind: "full" });
    model.put(3, "changed");
    last = await capture({ reader: model.reader(), kind: "incremental", parent: last.tree });
    last = await capture({ reader: model.reader(), kind: "incremental", parent: last.tree });
    await upload.loadTree(last.tree, signal); // all that is on its way is stored
    const trees = upload.stats().treeBlobs;
    for (const kind of ["incremental", "differential", "incremental"] as const) {
      const again = await capture({ reader: model.reader(), kind, parent: last.tree });
      assert.equal(again.tree, last.tree, kind);
      assert.equal(again.storedBytes, 0);
    }
    assert.equal(upload.stats().treeBlobs, trees);
    const full = await capture({ reader: model.reader(), kind: "full", parent: last.tree });
    const fullAgain = await capture({ reader: model.reader(), kind: "full", parent: full.tree });
    assert.equal(fullAgain.tree, full.tree);
    assert.equal(fullAgain.newBase, "asked");
  });
});

test("a base is rewritten when its runs outweigh it, and what changed is still kept beside it", async () => {
  await withTableStore(async ({ capture, lines }) => {
    const model = new TableModel();
    for (let id = 0; id < 400; id++) model.put(id, `contact ${id} ${"x".repeat(30)}`);
    const full = await capture({ reader: model.reader(), kind: "full" });
    let last = full;
    let changed = 0;
    while (last.newBase !== "folded") {
      for (let id = changed; id < changed + 20; id++) model.put(id, `${"y".repeat(38)}${id}`);
      changed += 20;
      last = await capture({ reader: model.reader(), kind: "incremental", parent: last.tree });
      assert.ok(changed <= 120, "never folded");
    }
    assert.ok(changed >= 100, `folded after ${changed} of 400 rows`);
    assert.notEqual(last.base, full.base);
    assert.deepEqual(last.runs, []);
    assert.equal(last.changedRows, 20);
    assert.deepEqual(await lines(last.tree), model.lines());
  });
});

test("more than eight runs are merged into one on the same base", async () => {
  await withTableStore(async ({ capture, lines }) => {
    const model = new TableModel();
    for (let id = 0; id < 400; id++) model.put(id, `contact ${id} ${"x".repeat(30)}`);
    const full = await capture({ reader: model.reader(), kind: "full" });
    let last = full;
    const counts: number[] = [];
    for (let run = 0; run < 10; run++) {
      model.put(run % 3, `run ${run}`);
      last = await capture({ reader: model.reader(), kind: "incremental", parent: last.tree });
      counts.push(last.runs.length);
    }
    assert.deepEqual(counts, [1, 2, 3, 4, 5, 6, 7, 8, 1, 2]);
    assert.equal(last.base, full.base);
    assert.deepEqual(await lines(last.tree), model.lines());
  });
});

test("one row is found by reading one chunk a run, and as many lists of keys", async () => {
  await withTableStore(async ({ capture, open, loaded, signal }) => {
    const model = new TableModel();
    for (let id = 0; id < 20_000; id++) model.put(id, `contact ${id} ${"x".repeat(40)}`);
    let last = await capture({ reader: model.reader(), kind: "full", sizes: tableSizes });
    for (let run = 0; run < 3; run++) {
      for (let id = run; id < 20_000; id += 500) model.put(id, `run ${run}`);
      last = await capture({ reader: model.reader(), kind: "incremental", parent: last.tree, sizes: tableSizes });
    }
    const stored = await open(last.tree);
    await stored.get("i1", signal);
    loaded.length = 0;
    assert.equal((await stored.get("i10001", signal))?.toString("latin1"), model.rows.get("i10001"));
    assert.ok(loaded.length <= 4, `${loaded.length} chunks`);

    // What changed last needs neither the runs before it nor the base: its own list of keys and a chunk.
    const again = await open(last.tree);
    loaded.length = 0;
    assert.equal((await again.get("i2", signal))?.toString("latin1"), model.rows.get("i2"));
    assert.equal(loaded.length, 2);
    assert.equal((await again.get("i1", signal))?.toString("latin1"), model.rows.get("i1"));
    assert.equal((await again.get("i10001", signal))?.toString("latin1"), model.rows.get("i10001"));
  });
});

test("a changed schema makes a new base", async () => {
  await withTableStore(async ({ capture, lines }) => {
    const model = new TableModel();
    for (let id = 0; id < 100; id++) model.put(id, `contact ${id}`);
    const full = await capture({ reader: model.reader(), kind: "full" });
    const table: TableSchema = { ...contactTable, fingerprint: "contact-2" };
    const changed = new TableModel(table);
    for (let id = 0; id < 100; id++) changed.put(id, `contact ${id}`);
    const next = await capture({ reader: changed.reader(), kind: "incremental", parent: full.tree });
    assert.equal(next.newBase, "schema");
    assert.deepEqual(await lines(next.tree, table), changed.lines());
    await assert.rejects(lines(next.tree, contactTable), /repository-damaged/);
  });
});

test("rows that the database gives in another order are sorted here, and seen once", async () => {
  await withTableStore(async ({ capture, lines, open, signal }) => {
    const model = new TableModel(contactTable, 500);
    for (let id = 0; id < 300; id++) model.put(id, `contact ${id}`);
    const asText = (rows: string[]) => rows.toSorted();
    let last: Id | undefined;
    for (const kind of ["full", "incremental", "full"] as const) {
      model.put(17, `changed before ${kind}`);
      let seen = 0;
      const next = await capture({
        reader: model.reader(asText),
        kind,
        ...(last && { parent: last }),
        onBatch: (_table, { rows }) => (seen += rows),
      });
      assert.equal(seen, 300);
      assert.equal(next.sorted, true);
      assert.deepEqual(await lines(next.tree), model.lines());
      assert.equal(next.rows, 300);
      assert.deepEqual(await verifyTable(await open(next.tree), noSigns, signal), []);
      last = next.tree;
    }
    const twice = (rows: string[]) => [...rows, ...rows];
    await assert.rejects(capture({ reader: model.reader(twice), kind: "full" }), /database-unreadable/);
  });
});

test("a table without a key is stored whole, ordered by its bytes, equal rows counted", async () => {
  await withTableStore(async ({ capture, lines, open, signal }) => {
    const table: TableSchema = { ...contactTable, keyLength: 0, unkeyedBecause: "no-key" };
    const model = new TableModel(table, 700);
    for (let id = 0; id < 300; id++) model.put(id, `contact ${id}`);
    const doubled = (rows: string[]) => [...rows, ...rows.slice(0, 100), "i5\ttcontact 5"].toReversed();
    const expected = () => doubled(model.lines()).toSorted();
    const first = await capture({ reader: model.reader(doubled), kind: "full" });
    assert.equal(first.newBase, "unkeyed");
    assert.deepEqual(await lines(first.tree, table), expected());
    model.put(150, "changed");
    const second = await capture({ reader: model.reader(doubled), kind: "incremental", parent: first.tree });
    assert.deepEqual(await lines(second.tree, table), expected());
    assert.deepEqual([second.changedRows, second.rows, second.runs.length], [2, 401, 0]);
    assert.deepEqual(await verifyTable(await open(second.tree, table), noSigns, signal), []);
  });
});

test("an empty table is captured, and may fill and empty again", async () => {
  await withTableStore(async ({ capture, lines, open, signal }) => {
    const model = new TableModel();
    let last = await capture({ reader: model.reader(), kind: "full" });
    assert.deepEqual(await lines(last.tree), []);
    for (const count of [0, 3, 0]) {
      model.rows.clear();
      for (let id = 0; id < count; id++) model.put(id, "x");
      last = await capture({ reader: model.reader(), kind: "incremental", parent: last.tree });
      assert.deepEqual(await lines(last.tree), model.lines());
    }
    assert.equal(await (await open(last.tree)).get("i1", signal), undefined);
  });
});

test("a range of keys gives the rows in it, after the first and up to the last", async () => {
  await withTableStore(async ({ capture, open, signal }) => {
    const model = new TableModel();
    for (let id = 0; id < 600; id += 2) model.put(id, `contact ${id}`);
    const full = await capture({ reader: model.reader(), kind: "full" });
    for (let id = 0; id < 600; id += 37) model.put(id, "changed");
    for (let id = 100; id < 160; id += 2) model.delete(id);
    const { tree } = await capture({ reader: model.reader(), kind: "incremental", parent: full.tree });
    const stored = await open(tree);
    await fc.assert(
      fc.asyncProperty(fc.option(fc.integer({ min: -5, max: 650 })), fc.option(fc.nat(650)), async (after, upTo) => {
        const range = { ...(after !== null && { after: `i${after}` }), ...(upTo !== null && { upTo: `i${upTo}` }) };
        const found: string[] = [];
        for await (const { lines } of stored.rows(range, signal)) {
          found.push(...lines.toString("latin1").split("\n").slice(0, -1));
        }
        const expected = model.lines().filter((line) => {
          const id = Number(line.slice(1, line.indexOf("\t")));
          return id > (after ?? -Infinity) && id <= (upTo ?? Infinity);
        });
        assert.deepEqual(found, expected);
      }),
      { numRuns: 100 },
    );
  });
});
