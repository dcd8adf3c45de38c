import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type JournalDatabase,
  outsideBehind,
  parseJournalFile,
  serialiseJournalFile,
  withSegment,
} from "./journal-file.ts";
import type { SegmentHeader } from "./segment.ts";

const point = (at: number) => ({ position: String(at).padStart(4, "0"), time: `2026-03-12T14:00:0${at}.000Z` });
const segment = (number: number, more: Partial<SegmentHeader> = {}): SegmentHeader => ({
  holdfast: "journal",
  format: 1,
  crm: "acme",
  database: "main",
  history: "one",
  number,
  from: point(number),
  to: point(number + 1),
  transactions: 0,
  rows: 0,
  ...more,
});
const outside = (name: string) => ({ schema: "public", name, reason: "no-identity" as const });

test("a table that is followed by now is still named for moments of which the journal lacks it", () => {
  const headers = [
    segment(1, { outside: [outside("log"), outside("cache")] }),
    segment(2),
    segment(3, { outside: [outside("cache")] }),
    segment(4),
    segment(5, { anew: "slot-lost", history: "two", outside: [] }),
  ];
  let database: JournalDatabase = { name: "main", spans: [], outside: [] };
  for (const header of headers) database = withSegment(database, header, "a".repeat(64));
  const json = serialiseJournalFile({ format: 1, crm: "acme", databases: [database], program: "test" });
  assert.deepEqual(parseJournalFile(json).databases, [database]);
  const [first, second] = database.spans;
  assert.ok(first && second);
  const from = (span: typeof first, at: number) =>
    outsideBehind(database, span, point(at).position).map(({ name }) => name);
  assert.deepEqual(from(first, 1), ["log", "cache"]);
  // A backup from here on has all that was ever changed in the one of the two.
  assert.deepEqual(from(first, 4), ["cache"]);
  assert.deepEqual(from(second, 5), []);
});
