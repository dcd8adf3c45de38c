import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import type { Id } from "../format/tree.ts";
import { choosePacks } from "./verify-memory.ts";

const sizes = new Map<Id, number>(
  Array.from({ length: 100 }, (_, at) => [createHash("sha256").update(`${at}`).digest("hex"), 10 + (at % 7)]),
);

test("parts go round: after as many runs as it takes, everything was read, and the oldest comes first again", () => {
  for (const choice of [
    { kind: "percent", percent: 9 },
    { kind: "bytes", bytes: 100 },
    { kind: "bytes", bytes: 1 },
  ] as const) {
    const read = new Map<Id, string>();
    const first = choosePacks(choice, sizes, read);
    let runs = 0;
    while (read.size < sizes.size) {
      const chosen = choosePacks(choice, sizes, read);
      assert.ok(chosen.size > 0);
      const isLast = [...sizes.keys()].every((id) => read.has(id) || chosen.has(id));
      for (const id of chosen) assert.ok(isLast || !read.has(id), "twice before all were read once");
      for (const id of chosen) read.set(id, new Date(Date.UTC(2026, 0, 1) + runs * 86_400_000).toISOString());
      runs++;
    }
    assert.ok(runs <= 100 && runs >= (choice.kind === "bytes" && choice.bytes === 1 ? 100 : 9), `${runs} runs`);
    for (const id of [...choosePacks(choice, sizes, read)].slice(0, 1)) assert.ok(first.has(id));
  }
});

test("fractions are parts of the whole, each pack in one of them, whatever was read", () => {
  const all = [1, 2, 3].flatMap((part) => [...choosePacks({ kind: "part", part, of: 3 }, sizes, new Map())]);
  assert.deepEqual(all.toSorted(), [...sizes.keys()].toSorted());
  assert.equal(choosePacks({ kind: "all" }, sizes, new Map()).size, 100);
  assert.equal(choosePacks({ kind: "none" }, sizes, new Map()).size, 0);
});

test("what is damaged stays unread, and comes first", () => {
  const ids = [...sizes.keys()].toSorted();
  const read = new Map(ids.slice(1).map((id) => [id, "2026-01-01T00:00:00Z"]));
  assert.deepEqual([...choosePacks({ kind: "bytes", bytes: 1 }, sizes, read)], [ids[0]]);
});
