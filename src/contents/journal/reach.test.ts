import assert from "node:assert/strict";
import { test } from "node:test";
import type { JournalDatabase, JournalSpan } from "./journal-file.ts";
import { reachFrom } from "./reach.ts";

const span = (first: number, from: readonly [string, string], to: readonly [string, string]): JournalSpan => ({
  history: "log 7",
  first,
  from: { position: from[0], time: from[1] },
  to: { position: to[0], time: to[1] },
  anew: "log-purged",
  gaps: [],
});
const backup = (position: string, time: string) => ({ history: "log 7", position, time, holds: () => false });

test("a log that was made anew counts from the beginning: a backup from before leads nowhere in it, whatever its position", () => {
  const old = span(1, ["0003", "2026-03-12T09:00:00.000Z"], ["0015", "2026-03-12T10:00:00.000Z"]);
  const anew = span(9, ["0013", "2026-03-12T11:00:00.500Z"], ["0030", "2026-03-12T12:00:00.000Z"]);
  const database: JournalDatabase = { name: "main", spans: [old, anew], outside: [] };
  const before = reachFrom(database, backup("0014", "2026-03-12T09:55:00.000Z"));
  assert.ok(before.state === "until");
  assert.deepEqual([before.span, before.until, before.why?.reason], [old, old.to.time, "log-purged"]);
  // The same position in the new one; its server tells whole seconds.
  const after = reachFrom(database, backup("0014", "2026-03-12T11:00:00.000Z"));
  assert.deepEqual(after.state === "until" && after.span, anew);
  assert.equal(reachFrom({ ...database, spans: [anew] }, backup("0015", "2026-03-12T10:00:00.000Z")).state, "none");
});

test("tables that turn out to be other ones may have been so since they were seen last, where the log does not tell", () => {
  const seen = "2026-03-12T09:59:58.000Z";
  const old = span(1, ["0003", "2026-03-12T09:00:00.000Z"], ["0015", "2026-03-12T10:00:00.000Z"]);
  const read = { ...old, to: { ...old.to, seen } };
  const untilWith = (anew: JournalSpan["anew"], made: string): string | undefined => {
    const next = { ...span(9, ["0015", "2026-03-12T10:05:00.000Z"], ["0030", "2026-03-12T12:00:00.000Z"]), anew };
    const reach = reachFrom({ name: "main", spans: [read, next], outside: [] }, backup("0010", made));
    return reach.state === "until" ? reach.until : undefined;
  };
  assert.equal(untilWith("schema", "2026-03-12T09:30:00.000Z"), seen);
  assert.equal(untilWith("log-purged", "2026-03-12T09:30:00.000Z"), old.to.time);
  // A backup that was made since then is known all the same.
  assert.equal(untilWith("schema", "2026-03-12T09:59:59.000Z"), "2026-03-12T09:59:59.000Z");
  const alone = reachFrom({ name: "main", spans: [read], outside: [] }, backup("0010", "2026-03-12T09:30:00.000Z"));
  assert.equal(alone.state === "until" && alone.until, old.to.time);
});

test("a backup that was made in a gap tells why nothing leads on from it, also where the span before was not noted that far", () => {
  const before = span(1, ["0003", "2026-03-12T09:00:00.000Z"], ["0015", "2026-03-12T10:00:00.000Z"]);
  const after = span(9, ["0030", "2026-03-12T11:00:00.000Z"], ["0040", "2026-03-12T12:00:00.000Z"]);
  const database: JournalDatabase = { name: "main", spans: [before, after], outside: [] };
  const between = reachFrom(database, backup("0020", "2026-03-12T10:30:00.000Z"));
  assert.deepEqual(between, { state: "none", why: { reason: "log-purged", tables: [] } });
  // Behind all of them: it is not noted yet, and may be.
  assert.deepEqual(reachFrom(database, backup("0050", "2026-03-12T12:30:00.000Z")), { state: "none" });
});
