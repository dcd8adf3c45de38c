import assert from "node:assert/strict";
import { test } from "node:test";
import type { JournalSpan } from "./journal-file.ts";
import { touchedBetween } from "./touched-keys.ts";

const { signal } = new AbortController();
const at = (position: string, minute: number) => ({ position, time: `2026-03-12T09:${minute}:00.000Z` });
const span = (first: number, from: ReturnType<typeof at>, to: ReturnType<typeof at>): JournalSpan => ({
  history: "log 7",
  first,
  from,
  to,
  anew: "log-purged",
  gaps: [],
});
const parent = { ...at("0021:615", 30), history: "log 7", holds: () => false };
const followed = span(4, at("0021:500", 20), at("0021:868", 40));

async function isTold(spans: readonly JournalSpan[], to: ReturnType<typeof at>): Promise<boolean> {
  const journal = { databases: [{ name: "main", spans, outside: [] }], loose: [], async *segments() {} };
  return (await touchedBetween(journal, { database: "main", from: parent, to }, signal)) !== undefined;
}

test("a backup takes the journal's word for what was touched since its parent, as far as it leads", async () => {
  assert.equal(await isTold([followed], at("0021:700", 35)), true);
  // Nothing happened since, however long.
  assert.equal(await isTold([followed], at("0021:868", 59)), true);
  assert.equal(await isTold([followed], at("0021:869", 59)), false);
});

test("of a log that was made anew the journal of the one before tells nothing, wherever the new one has got to", async () => {
  assert.equal(await isTold([followed], at("0013:840", 50)), false, "before the parent");
  assert.equal(await isTold([followed], at("0021:700", 50)), false, "between the parent and the end");
  const anew = span(6, at("0013:840", 49), at("0013:900", 51));
  assert.equal(await isTold([followed, anew], at("0021:700", 35)), false, "there is a newer stretch");
});
