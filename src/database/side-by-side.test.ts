import assert from "node:assert/strict";
import { test } from "node:test";
import { sideBySide } from "./side-by-side.ts";

test("who waits for others hears at once that one of them failed, at an item or at asking for one", async () => {
  const failures = {
    "at an item": (async function* () {
      yield "bad";
    })(),
    "at asking": (async function* () {
      yield "slow";
      throw new Error("no more to be had");
    })(),
  };
  for (const [where, items] of Object.entries(failures)) {
    const stopped = Promise.withResolvers<void>();
    const working = sideBySide(
      ["first", "second"],
      items,
      async () => {
        await new Promise((resolve) => setTimeout(resolve, 20));
        if (where === "at an item") throw new Error("bad");
        await stopped.promise;
      },
      { work: () => stopped.promise, stop: () => stopped.resolve() },
    );
    await assert.rejects(working, where === "at an item" ? /bad/ : /no more/);
  }
});
