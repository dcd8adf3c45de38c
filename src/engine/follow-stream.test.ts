import assert from "node:assert/strict";
import { test } from "node:test";
import { type JournalDatabase, outsideBehind, withSegment } from "../contents/journal/journal-file.ts";
import type { Change, ChangeFeed, LogPoint } from "../database/change-feed.ts";
import type { TableSchema } from "../database/database.ts";
import { FollowStream } from "./follow-stream.ts";

const table: TableSchema = {
  schema: "",
  name: "contact",
  columns: [{ name: "id", type: "INTEGER", nullable: false }],
  keyLength: 1,
  foreignKeys: [],
  fingerprint: "f",
};

function placeAt(number: number): LogPoint {
  return { position: String(number).padStart(8, "0"), time: new Date(1_772_000_000_000 + number).toISOString() };
}

test("as much as may wait in memory waits; then nothing more is read before some of it is stored", async () => {
  const stream = new FollowStream("acme", { name: "main", spans: [], outside: [] });
  const feed: Pick<ChangeFeed, "history" | "start"> = { history: "h", start: placeAt(0) };
  stream.begin(feed as ChangeFeed);
  const { signal } = new AbortController();
  const row = "x".repeat(1 << 20);
  const transaction = (number: number): readonly Change[] => [
    { type: "begin", transaction: String(number), time: placeAt(number).time },
    { type: "write", table, after: `i${number}\t${row}` },
    { type: "commit", point: placeAt(number) },
  ];
  let added = 0;
  const reading = (async () => {
    while (added < 100) {
      await stream.add(transaction(added + 1), signal);
      added++;
    }
  })();
  const settled = async () => {
    for (let before = -1; before !== added;) {
      before = added;
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  await settled();
  assert.ok(added < 80 && stream.waitingBytes < 80 << 20, `${added} ${stream.waitingBytes}`);
  // While nothing is stored, nothing is read, however often somebody looks.
  const stuck = added;
  stream.seal();
  await settled();
  assert.equal(added, stuck);

  let stored = 0;
  let transactions = 0;
  while (added < 100 || stream.waiting.length > 0) {
    for (const { header } of stream.waiting) transactions += header.transactions;
    stored += stream.waiting.length;
    stream.stored(stream.waiting.length);
    await settled();
    stream.seal();
  }
  await reading;
  assert.deepEqual([transactions, stream.waitingBytes], [100, 0]);
  assert.ok(stored > 20);
});

test("whoever waits for room, since nothing can be stored, can be cancelled", async () => {
  const stream = new FollowStream("acme", { name: "main", spans: [], outside: [] });
  const feed: Pick<ChangeFeed, "history" | "start"> = { history: "h", start: placeAt(0) };
  stream.begin(feed as ChangeFeed);
  const stop = new AbortController();
  const row = "x".repeat(1 << 20);
  const reading = (async () => {
    for (let number = 1; ; number++) {
      await stream.add([{ type: "write", table, after: `i${number}\t${row}` }], stop.signal);
    }
  })();
  const ended = reading.then(
    () => "well",
    (error: unknown) => error,
  );
  for (let before = -1; before !== stream.waitingBytes;) {
    before = stream.waitingBytes;
    await new Promise((resolve) => setImmediate(resolve));
  }
  stop.abort("cancelled");
  const turns = (async () => {
    for (let turn = 0; turn < 1000; turn++) await new Promise((resolve) => setImmediate(resolve));
    return "still waiting";
  })();
  assert.equal(await Promise.race([ended, turns]), "cancelled");
});

test("a table that was outside of the journal for a moment is named for moments before, however much waits together", async () => {
  const none: JournalDatabase = { name: "main", spans: [], outside: [] };
  const stream = new FollowStream("acme", none);
  const feed: Pick<ChangeFeed, "history" | "start"> = { history: "h", start: placeAt(0) };
  stream.begin(feed as ChangeFeed);
  const hit = { schema: "", name: "hit", reason: "engine" } as const;
  const known = (...outside: (typeof hit)[]): Change => ({ type: "tables", digest: "d", outside });
  const reached = (at: number): Change => ({ type: "reached", point: placeAt(at) });
  const told = [known(), reached(1), known(hit), reached(2), known(), reached(3)];
  await stream.add(told, new AbortController().signal);
  stream.seal();
  const database = stream.waiting.reduce((all, { header, id }) => withSegment(all, header, id), none);
  const [span] = database.spans;
  assert.ok(span);
  const outside = (at: number) => outsideBehind(database, span, placeAt(at).position).map(({ name }) => name);
  assert.deepEqual([outside(0), outside(2), outside(3)], [["hit"], ["hit"], []]);
});

test("what begins anew is not said to have been followed up to there before a segment says that it began anew", async () => {
  const span = { history: "h", first: 1, from: placeAt(0), to: placeAt(5), anew: "begun", gaps: [] } as const;
  const stream = new FollowStream("acme", { name: "main", spans: [span], outside: [] });
  const { signal } = new AbortController();
  assert.deepEqual(stream.reached, placeAt(5));
  const feed: Pick<ChangeFeed, "history" | "start" | "startedAnew"> = {
    history: "h",
    start: placeAt(9),
    startedAnew: "schema",
  };
  stream.begin(feed as ChangeFeed);
  stream.seal();
  assert.deepEqual([stream.reached, stream.waiting.length], [undefined, 0]);
  await stream.add([{ type: "tables", digest: "d", outside: [] }], signal);
  stream.seal();
  assert.deepEqual([stream.reached, stream.waiting[0]?.header.anew], [placeAt(9), "schema"]);
});
