import assert from "node:assert/strict";
import { readdirSync, readlinkSync } from "node:fs";
import { test } from "node:test";
import * as fc from "fast-check";
import { rules, TableModel } from "../../../test/support/table-model.ts";
import { smallSizes, withTableStore } from "../../../test/support/table-store.ts";
import { auditEvery } from "../../database/database.ts";
import type { RowBatch, RowSums, Stretches, TableReader } from "../../database/database.ts";
import { compareKeys } from "../../database/sqlite/compare-keys.ts";
import type { Id } from "../../format/tree.ts";
import { Pace } from "../pace.ts";
import type { TableCapture } from "./capture-table.ts";
import { tableSizes } from "./table-sizes.ts";

/** The model as a database that sums up its rows, and that tells what was written where `written` is given. */
function telling(model: TableModel, written?: ReadonlySet<string>): TableReader {
  const lines = model.lines();
  const keyOf = (line: string) => line.slice(0, line.indexOf("\t"));
  const stretches = ({ starts, only }: Stretches): readonly (readonly string[])[] => {
    const all = [...starts, undefined].map((): string[] => []);
    let at = 0;
    for (const line of lines) {
      for (let next = starts[at]; next !== undefined && compareKeys(next, keyOf(line)) <= 0; next = starts[at]) at++;
      all[at]?.push(line);
    }
    return (only ?? [...all.keys()]).map((index) => all[index] ?? []);
  };
  const sum = (texts: readonly string[]) =>
    texts.reduce(
      (total, text) => BigInt.asUintN(64, total + rules.rowHash(Buffer.from(text, "latin1"), 0, text.length)),
      0n,
    );
  async function* batches(texts: readonly string[]): AsyncGenerator<RowBatch, void> {
    if (texts.length > 0) yield { lines: Buffer.from(`${texts.join("\n")}\n`, "latin1"), rows: texts.length };
  }
  return {
    ...model.reader(),
    sums: async (asked, what) =>
      stretches(asked).map((rows): RowSums => ({
        rows: rows.length,
        keySum: what === "keys" ? sum(rows.map(keyOf)) : 0n,
        rowSum: what === "rows" ? sum(rows) : 0n,
      })),
    rowsIn: (asked, what) => batches(stretches(asked).flatMap((rows) => (what === "rows" ? rows : rows.map(keyOf)))),
    changes: async () =>
      written && {
        method: async () => "xmin" as const,
        rows: () => batches(lines.filter((line) => written.has(keyOf(line)))),
      },
  };
}

const step = fc.oneof(
  { weight: 3, arbitrary: fc.record({ type: fc.constant("put" as const), id: fc.nat(700), count: fc.constant(1) }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant("delete" as const), id: fc.nat(700), count: fc.constant(1) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("delete" as const), id: fc.nat(700), count: fc.nat(60) }) },
);

test("what the database tells of changes, on top of any runs, gives the table as it is", async () => {
  await withTableStore(async (store) => {
    let told = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.boolean(), fc.array(step, { maxLength: 12 })), { minLength: 1, maxLength: 10 }),
        async (backups) => {
          const model = new TableModel();
          for (let id = 0; id < 600; id++) model.put(id, `contact ${id} ${"x".repeat(20)}`);
          let last: Id = (await store.capture({ reader: model.reader(), kind: "full" })).tree;
          for (const [serial, [byXmin, steps]] of backups.entries()) {
            const written = new Set<string>();
            for (const { type, id, count } of steps) {
              if (type === "put") model.put(id, `changed ${serial}`);
              else for (let at = id; at < id + count; at++) model.delete(at);
              if (type === "put") written.add(`i${id}`);
            }
            const reader = telling(model, byXmin ? written : undefined);
            const taken: TableCapture = await store.capture({
              reader,
              kind: "incremental",
              parent: last,
              mark: "before",
            });
            if (taken.method !== "read") told++;
            assert.deepEqual(await store.lines(taken.tree), model.lines());
            last = taken.tree;
          }
        },
      ),
      { numRuns: 25 },
    );
    assert.ok(told > 25, `${told} were told`);
  });
});

test("what the database does not tell is found within thirty backups, whichever row it is", async () => {
  await withTableStore(async ({ capture, lines }) => {
    const model = new TableModel();
    for (let id = 0; id < 2000; id++) model.put(id, `contact ${id} ${"x".repeat(40)}`);
    const { tree } = await capture({ reader: model.reader(), kind: "full" });
    for (const id of [3, 700, 1999]) {
      model.put(id, `untold ${id}`);
      const reader = telling(model, new Set());
      const methods: (string | undefined)[] = [];
      for (let audit = 0; audit < auditEvery; audit++) {
        const taken = await capture({ reader, kind: "incremental", parent: tree, mark: "before", audit });
        methods.push(taken.method);
        if (taken.method !== "xmin") assert.deepEqual(await lines(taken.tree), model.lines());
      }
      assert.ok(methods.filter((method) => method !== "xmin").length >= 1, methods.join());
      model.put(id, `contact ${id} ${"x".repeat(40)}`);
    }
  });
});

test("rows that went here and there are looked for without reading a list of chunks, or a run, for each", async () => {
  await withTableStore(async ({ capture, lines, loaded }) => {
    const model = new TableModel();
    for (let id = 0; id < 4000; id++) model.put(id, `contact ${id} ${"x".repeat(20)}`);
    const sizes = { ...smallSizes, part: 64 << 10 };
    let last = await capture({ reader: model.reader(), kind: "full", sizes });
    assert.ok(last.partNames.length > 1);
    for (let run = 0; run < 3; run++) {
      const gone = Array.from({ length: 30 }, (_, at) => at * 131 + run);
      for (const id of gone) model.delete(id);
      const reader = telling(model, new Set());
      loaded.length = 0;
      last = await capture({ reader, kind: "incremental", parent: last.tree, mark: "before", sizes });
      assert.equal(last.method, "xmin");
      assert.equal(last.sincePrevious?.deleted, gone.length);
      const often = Math.max(
        ...Map.groupBy(loaded, (id) => id)
          .values()
          .map(({ length }) => length),
      );
      assert.ok(often < 6, `one blob was loaded ${often} times`);
    }
    assert.deepEqual(await lines(last.tree), model.lines());
  });
});

test("only ranges whose sums are others now are read, and a thirtieth of all", async () => {
  await withTableStore(async ({ capture, lines }) => {
    const model = new TableModel();
    for (let id = 0; id < 6000; id++) model.put(id, `contact ${id} ${"x".repeat(20)}`);
    const full = await capture({ reader: model.reader(), kind: "full" });
    for (let id = 100; id < 6000; id += 600) model.put(id, "changed");
    for (let id = 405; id < 6000; id += 1200) model.delete(id);
    const taken = await capture({ reader: telling(model), kind: "incremental", parent: full.tree });
    assert.equal(taken.method, "hash");
    assert.deepEqual(await lines(taken.tree), model.lines());
    assert.equal(taken.changedRows, 15);
    // 15 of some hundred ranges, each of about 55 rows; and a thirtieth of all, as a check.
    assert.ok(taken.readRows < 15 * 60 + 6000 / 15, `${taken.readRows} rows were read`);
  });
});

test("a server that others use has pauses from summing up as well, whichever way is taken", async () => {
  await withTableStore(async ({ capture }) => {
    const model = new TableModel();
    for (let id = 0; id < 2000; id++) model.put(id, `contact ${id}`);
    const full = await capture({ reader: model.reader(), kind: "full" });
    model.put(7, "changed");
    model.delete(1007);
    for (const written of [undefined, new Set(["i7"])]) {
      const clock = { now: 0, asleep: 0 };
      const pace = new Pace({
        now: () => clock.now,
        sleep: async (ms) => void (clock.asleep += ms),
        load: async () => ({ others: clock.now, answerMs: 1 }),
      });
      const pass = (ms: number) => {
        clock.now += ms;
        return pace.take(0, 0, new AbortController().signal);
      };
      await pass(0);
      await pass(2000);
      const reader = telling(model, written);
      const asked: string[] = [];
      const taken = await capture({
        reader: {
          ...reader,
          sums: async (stretches, what) => {
            clock.now += 2000; // as long as the statement takes
            const before = clock.asleep;
            await stretches.pause?.();
            asked.push(clock.asleep > before ? `${what}, then a pause` : what);
            return await reader.sums?.(stretches, what, new AbortController().signal);
          },
        },
        kind: "incremental",
        parent: full.tree,
        mark: "a mark",
        pace,
      });
      assert.equal(taken.method, written ? "xmin" : "hash");
      assert.equal(taken.changedRows, 2);
      const ways = written ? ["counts", "rows", "keys"] : ["rows"];
      assert.deepEqual(
        asked,
        ways.map((what) => `${what}, then a pause`),
      );
    }
  });
});

test("of a range that lacks a row, only the chunk that held it is read, also where a run lies over others", async () => {
  await withTableStore(async ({ capture, lines, loaded }) => {
    const model = new TableModel();
    for (let id = 0; id < 8000; id++) model.put(id, `contact ${id} ${"x".repeat(20)}`);
    const sizes = { ...smallSizes, part: 1 << 20 };
    let last = await capture({ reader: model.reader(), kind: "full", sizes });
    for (const place of [100, 300]) {
      for (let id = place; id < 8000; id += 400) model.delete(id);
      loaded.length = 0;
      const reader = telling(model, new Set());
      last = await capture({ reader, kind: "incremental", parent: last.tree, mark: "before", sizes });
      assert.equal(last.method, "xmin");
      assert.equal(last.sincePrevious?.deleted, 20);
      // Beside it the lists of the chunks, and the run before.
      assert.ok(loaded.length < 20 + 10, `${loaded.length} blobs were read`);
    }
    assert.deepEqual(await lines(last.tree), model.lines());
  });
});

test("rows that were being sorted on disk are let go of when the asking ends early", async () => {
  await withTableStore(async ({ capture }) => {
    const model = new TableModel();
    for (let id = 0; id < 3000; id++) model.put(id, `contact ${id} ${"x".repeat(10_000)}`);
    const full = await capture({ reader: model.reader(), kind: "full", sizes: tableSizes });
    for (let id = 100; id < 1450; id++) model.put(id, `changed ${id} ${"x".repeat(10_000)}`);
    const ended = new AbortController();
    const reader = telling(model);
    const taken = capture({
      reader: {
        ...reader,
        async *rowsIn(asked, what, signal) {
          const { rowsIn } = reader;
          assert.ok(rowsIn);
          yield* rowsIn(asked, what, signal);
          ended.abort(new Error("enough"));
        },
      },
      kind: "incremental",
      parent: full.tree,
      sizes: tableSizes,
      signal: ended.signal,
    });
    await assert.rejects(taken, /enough/);
    assert.deepEqual(openFiles("holdfast-sort-"), []);
  });
});

/** Files with this in their names that this process has open, deleted ones too. */
function openFiles(name: string): readonly string[] {
  return readdirSync("/proc/self/fd").flatMap((fd) => {
    try {
      const path = readlinkSync(`/proc/self/fd/${fd}`);
      return path.includes(name) ? [path] : [];
    } catch {
      return []; // of this listing itself
    }
  });
}
