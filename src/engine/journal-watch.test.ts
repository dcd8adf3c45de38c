import assert from "node:assert/strict";
import { test } from "node:test";
import type { DatabaseManifest } from "../contents/manifest.ts";
import type { Change } from "../database/change-feed.ts";
import { JournalWatch } from "./journal-watch.ts";

const table = { schema: "public", name: "contact", columns: [], keyLength: 1, foreignKeys: [], fingerprint: "" };
const deletes = (count: number): Change[] =>
  Array.from({ length: count }, (_, key) => ({ type: "delete", table, key: `${key}` }));
const writes = (count: number, more: { readonly row?: "new" } = {}): Change[] =>
  Array.from({ length: count }, (_, key) => ({ type: "write", table, after: `${key}`, ...more }));
const backup = { tables: [{ name: "contact", rows: 1000 }] } as unknown as DatabaseManifest;

/** A transaction of these, told whole. */
const whole = (changes: readonly Change[]): Change[] => [begin, ...changes, commit];
const begin: Change = { type: "begin", transaction: "1", time: "" };
const commit: Change = { type: "commit", point: { position: "1", time: "" } };

test("what is drastic is told once a minute, and before a backup said how much there is, nothing", () => {
  const watch = new JournalWatch();
  assert.deepEqual(watch.add(whole(deletes(900)), 0), []);
  watch.learn(backup);
  assert.deepEqual(watch.add(whole(writes(5000, { row: "new" })), 60_000), [], "a bulk of new rows does no harm");
  assert.deepEqual(watch.add(whole(deletes(499)), 61_000), []);
  const anomaly = { kind: "mass-delete", subject: "contact", count: 500, of: 1000, usual: 0 };
  assert.deepEqual(watch.add(whole(deletes(1)), 62_000), [anomaly]);
  assert.deepEqual(watch.add(whole(deletes(1)), 63_000), []);
  // By then there are 5,499 rows.
  assert.deepEqual(
    watch.add(whole(writes(4400)), 120_000).map(({ kind, of }) => [kind, of]),
    [["mass-update", 5499]],
  );
  assert.deepEqual(
    watch.add(whole([{ type: "truncate", table }]), 120_001).map(({ kind, count }) => [kind, count]),
    [["mass-delete", 5499]],
  );
});

test("with a past of its own, three times the most of it is told, and what is usual is not", () => {
  const watch = new JournalWatch();
  watch.learn(backup);
  let now = 0;
  for (let minute = 0; minute < 6; minute++, now += 60_000) {
    assert.deepEqual(watch.add(whole([...deletes(40), ...writes(40, { row: "new" })]), now), []);
  }
  assert.deepEqual(watch.add(whole(deletes(120)), now), []);
  assert.deepEqual(watch.add(whole(deletes(1)), now), [
    { kind: "mass-delete", subject: "contact", count: 121, of: 1000, usual: 40 },
  ]);
});

test("a transaction counts when it is committed, and without what a savepoint took back", () => {
  const watch = new JournalWatch();
  watch.learn(backup);
  assert.deepEqual(watch.add([begin, ...deletes(400)], 0), []);
  assert.deepEqual(watch.add(deletes(400), 1), []);
  // Told anew, without what was taken back.
  assert.deepEqual(watch.add(whole(deletes(10)), 2), []);
  assert.deepEqual(watch.add([begin, ...deletes(900)], 3), []);
  assert.deepEqual(watch.add([{ type: "reached", point: { position: "2", time: "" } }], 4), [], "rolled back");
  assert.deepEqual(
    watch.add(whole([...deletes(300), { type: "truncate", table }]), 5).map(({ count }) => count),
    [1000],
  );
});
