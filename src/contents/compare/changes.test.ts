import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { TableModel } from "../../../test/support/table-model.ts";
import { withTableStore } from "../../../test/support/table-store.ts";
import type { Id } from "../../format/tree.ts";
import type { BackupKind } from "../manifest.ts";
import type { ChangedRow } from "../tables/changed-rows.ts";
import { tableSizes } from "../tables/table-sizes.ts";
import { liveChanges } from "./live-changes.ts";
import { storedChanges } from "./stored-changes.ts";

const kinds = fc.constantFrom<BackupKind>("full", "incremental", "incremental", "incremental", "differential");
const edit = fc.record({ from: fc.nat(300), rows: fc.nat(40), what: fc.constantFrom("put", "same", "delete") });

type Rows = ReadonlyMap<string, string>;

function difference(before: Rows, now: Rows): Map<string, readonly [string | undefined, string | undefined]> {
  const keys = [...before.keys(), ...now.keys()].filter((key) => before.get(key) !== now.get(key));
  return new Map(keys.map((key) => [key, [before.get(key), now.get(key)]]));
}

async function found(changes: AsyncIterable<ChangedRow>): Promise<ReturnType<typeof difference>> {
  const rows = await Array.fromAsync(changes);
  const text = (line: Buffer | undefined) => line?.toString("latin1");
  const all = new Map(rows.map(({ key, before, now }) => [key, [text(before), text(now)] as const]));
  assert.equal(all.size, rows.length, "each key once");
  return all;
}

const unknown = async () => undefined;

test("any two snapshots, and a snapshot and what is live, differ in just the rows that differ", async () => {
  await withTableStore(async ({ capture, open, blobs, signal }) => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(kinds, fc.array(edit, { maxLength: 5 })), { minLength: 2, maxLength: 12 }),
        async (backups) => {
          const model = new TableModel();
          for (let id = 0; id < 200; id++) model.put(id, `first ${id}`);
          const taken: { readonly tree: Id; readonly rows: Rows }[] = [];
          for (const [serial, [kind, edits]] of backups.entries()) {
            for (const { from, rows, what } of edits) {
              for (let id = from; id < from + rows; id++) {
                if (what === "delete") model.delete(id);
                else model.put(id, what === "same" ? `first ${id}` : `${serial} ${id}`);
              }
            }
            const parent = taken.at(-1)?.tree;
            const captured = await capture({ reader: model.reader(), kind, ...(parent && { parent }) });
            taken.push({ tree: captured.tree, rows: new Map(model.rows) });
          }
          for (const [first, a] of taken.entries()) {
            const from = await open(a.tree);
            for (const [second, b] of taken.entries()) {
              const to = await open(b.tree);
              const expected = difference(a.rows, b.rows);
              assert.deepEqual(await found(storedChanges(blobs, from, to, unknown, signal)), expected);
              if (second < first) continue;
              const between = taken.slice(first + 1, second + 1).map(({ tree }) => tree);
              assert.deepEqual(await found(storedChanges(blobs, from, to, async () => between, signal)), expected);
            }
            const live = difference(a.rows, model.rows);
            assert.deepEqual(await found(liveChanges(blobs, from, model.reader(), undefined, signal)), live);
          }
        },
      ),
      { numRuns: 8 },
    );
  });
});

test("a table without a key: rows that came and went are told, equal ones are counted", async () => {
  await withTableStore(async ({ capture, open, blobs, signal }) => {
    const table = { ...new TableModel().table, keyLength: 0, fingerprint: "unkeyed" };
    const lines = (batch: readonly string[]) => ({
      table,
      estimatedRows: async () => batch.length,
      async *read() {
        yield { lines: Buffer.from(`${batch.join("\n")}\n`), rows: batch.length };
      },
    });
    const before = ["ta", "ta", "tb", "tc"];
    const now = ["ta", "tb", "tb", "td"];
    const from = await open((await capture({ reader: lines(before), kind: "full" })).tree, table);
    const to = await open((await capture({ reader: lines(now), kind: "full", parent: from.tree })).tree, table);
    const told = async (changes: AsyncIterable<ChangedRow>) =>
      (await Array.fromAsync(changes))
        .map((row) => `${row.before?.toString() ?? "-"} ${row.now?.toString() ?? "-"}`)
        .toSorted();
    const expected = ["ta -", "tc -", "- tb", "- td"].toSorted();
    assert.deepEqual(await told(storedChanges(blobs, from, to, unknown, signal)), expected);
    assert.deepEqual(await told(liveChanges(blobs, from, lines(now), undefined, signal)), expected);
  });
});

test("what is read grows with what changed, on one base and across two", async () => {
  await withTableStore(async ({ capture, open, blobs, loaded, signal }) => {
    const model = new TableModel();
    for (let id = 0; id < 20_000; id++) model.put(id, `customer ${id} ${"x".repeat(80)}`);
    const sizes = { ...tableSizes, part: 1 << 20 };
    const take = async (kind: BackupKind, parent?: Id) =>
      (await capture({ reader: model.reader(), kind, sizes, ...(parent && { parent }) })).tree;
    const first = await take("full");
    for (let id = 0; id < 10; id++) model.put(id * 1999, "changed");
    const second = await take("incremental", first);
    const third = await take("full", second);
    const read = async (a: Id, b: Id, between?: readonly Id[]) => {
      const [from, to] = [await open(a), await open(b)];
      loaded.length = 0;
      const rows = await found(storedChanges(blobs, from, to, async () => between, signal));
      return { rows: rows.size, blobs: new Set(loaded).size };
    };
    const whole = await read(first, second);
    // Two tables' ranges and first part of keys, the run's keys and rows, ten chunks with the rows as they were.
    assert.ok(whole.rows === 10 && whole.blobs <= 18, JSON.stringify(whole));
    const across = await read(first, third);
    assert.ok(across.rows === 10 && across.blobs <= 30, JSON.stringify(across));
    const byOwn = await read(first, third, [second, third]);
    assert.ok(byOwn.rows === 10 && byOwn.blobs <= 20, JSON.stringify(byOwn));
    assert.deepEqual(await read(second, third), { rows: 0, blobs: (await read(second, third)).blobs });
    assert.equal((await read(third, third)).blobs, 0);
  });
});
