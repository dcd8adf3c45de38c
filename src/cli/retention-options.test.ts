import assert from "node:assert/strict";
import { test } from "node:test";
import { isHoldfastError } from "../lib/errors.ts";
import { retentionOptions, typedPolicy } from "./retention-options.ts";

const typed = (options: Readonly<Record<string, unknown>>) => typedPolicy({ arguments: [], options });

test("options are rules; those that are typed take the place of the preset's", () => {
  assert.equal(typed({ dryRun: true }), undefined);
  assert.deepEqual(typed({ keepLast: "3", keepHourly: "all", keepWithinDaily: "1m2h", keepTag: ["a,b", "c"] }), {
    last: 3,
    hourly: "all",
    withinDaily: { years: 0, months: 1, days: 0, hours: 2 },
    tags: [["a", "b"], ["c"]],
  });
  assert.deepEqual(typed({ keep: "short", keepDaily: "30" }), { daily: 30, weekly: 4 });
  const flags = retentionOptions.map(({ flags: form }) => form.split(" ")[0]);
  for (const flag of ["--keep-last", "--keep-yearly", "--keep-within", "--keep-within-yearly", "--keep-tag"]) {
    assert.ok(flags.includes(flag), flag);
  }
});

test("what is no number and no span is refused", () => {
  for (const wrong of [{ keepLast: "-1" }, { keepDaily: "7d" }, { keepWithin: "7" }, { keepWithinHourly: "" }]) {
    assert.throws(
      () => typed(wrong),
      (error) => isHoldfastError(error, "usage"),
      JSON.stringify(wrong),
    );
  }
});
