import assert from "node:assert/strict";
import { test } from "node:test";
import type { Event } from "../lib/events.ts";
import { GapWriter } from "./gap-writer.ts";

const gap = (subject: string): Event => ({
  type: "note",
  code: "follow-gap",
  facts: { subject, reason: "log-purged", time: "2026-03-12T14:00:00.000Z" },
});

test("a gap is written in whichever turn it is noted while one before it is being written", async () => {
  for (let turns = 0; turns < 12; turns++) {
    const written: unknown[] = [];
    const saved = Promise.withResolvers<void>();
    let ids = 0;
    {
      await using writer = new GapWriter({
        door: {
          saveReports: async ({ reports }) => {
            written.push(...reports.map(({ body }) => body["subject"]));
            saved.resolve();
          },
        },
        repository: { location: "test", password: "test" },
        crm: "acme",
        limits: { workers: 1, priority: "normal" },
        now: () => new Date(0),
        newId: () => `${++ids}`,
        onFailure: (error) => assert.fail(String(error)),
      });
      writer.note(gap("first"));
      await saved.promise;
      for (let turn = 0; turn < turns; turn++) await Promise.resolve();
      writer.note(gap("second"));
    }
    assert.deepEqual(written, ["first", "second"], `${turns} turns`);
  }
});
