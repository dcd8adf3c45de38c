import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryFolder } from "../../test/support/temp-folder.ts";
import { nameFromText } from "../lib/byte-name.ts";
import { isHoldfastError } from "../lib/errors.ts";
import { asFound, identity, stepBack, stepForward, type SwapStep } from "./swap.ts";

/** A swap that is cut off after each step, and gone on with after `meanwhile`. */
function scene() {
  const folder = temporaryFolder();
  const at = (name: string): string => join(folder.path, name);
  const path = (name: string) => nameFromText(at(name));
  mkdirSync(at("slots"));
  const put = (name: string, text: string): void => {
    writeFileSync(at(`${name}.tmp`), text);
    renameSync(at(`${name}.tmp`), at(name));
  };
  const step = (name: string, made: "made" | "cleared"): SwapStep => {
    if (made === "made") put(`slots/${name}`, "restored");
    const ids = { made: identity(path(`slots/${name}`)), old: identity(path(name)) };
    return {
      ...{ target: path(name), slot: path(`slots/${name}`) },
      ...(ids.made !== undefined && { made: ids.made }),
      ...(ids.old !== undefined && { old: ids.old }),
    };
  };
  return {
    at,
    put,
    step,
    text: (name: string): string | undefined => (existsSync(at(name)) ? readFileSync(at(name), "utf8") : undefined),
    goOn: (steps: readonly SwapStep[]): readonly SwapStep[] => {
      const found = asFound(steps);
      for (const one of found) stepForward(one);
      return found;
    },
    [Symbol.dispose]: () => folder[Symbol.dispose](),
  };
}

const isLost = (error: unknown): boolean => isHoldfastError(error, "restore-lost");

test("a file that the CRM wrote anew while a swap was cut off stays, and what it replaced is not put back", () => {
  using crm = scene();
  crm.put("config", "old");
  crm.put("data", "old");
  const steps = [crm.step("config", "made"), crm.step("data", "made")];
  const [first] = asFound(steps);
  if (first) stepForward(first);
  assert.equal(crm.text("config"), "restored");
  crm.put("config", "restored and changed");
  crm.put("data", "old and changed");
  const found = crm.goOn(steps);
  assert.deepEqual([crm.text("config"), crm.text("data")], ["restored and changed", "restored"]);
  crm.goOn(found);
  for (const step of found.toReversed()) stepBack(step);
  assert.deepEqual([crm.text("config"), crm.text("data")], ["old", "old and changed"]);
});

test("what is written beside a database that was swapped in is its own, and is not cleared away", () => {
  using crm = scene();
  crm.put("crm.db", "old");
  const steps = [crm.step("crm.db-wal", "cleared"), crm.step("crm.db", "made"), crm.step("config", "made")];
  for (const step of asFound(steps).slice(0, 2)) stepForward(step);
  crm.put("crm.db-wal", "rows of the restored database");
  crm.goOn(steps);
  assert.deepEqual([crm.text("crm.db-wal"), crm.text("config")], ["rows of the restored database", "restored"]);
});

test("what is written beside the old database until then is", () => {
  using crm = scene();
  crm.put("crm.db", "old");
  const steps = [crm.step("crm.db-wal", "cleared"), crm.step("crm.db", "made")];
  crm.put("crm.db-wal", "rows of the old database");
  const found = crm.goOn(steps);
  assert.deepEqual([crm.text("crm.db-wal"), crm.text("crm.db")], [undefined, "restored"]);
  for (const step of found.toReversed()) stepBack(step);
  assert.deepEqual([crm.text("crm.db-wal"), crm.text("crm.db")], ["rows of the old database", "old"]);
});

test("what was made and is nowhere any more is told, never as a success", () => {
  using crm = scene();
  crm.put("data", "old");
  const steps = [crm.step("data", "made"), crm.step("new", "made")];
  rmSync(crm.at("slots/data"));
  assert.throws(() => crm.goOn(steps), isLost);
  assert.equal(crm.text("data"), "old");
  stepForward({ ...crm.step("data", "made") });
  rmSync(crm.at("data"));
  assert.throws(() => crm.goOn(steps), isLost);
  const [, step] = steps;
  assert.ok(step);
  stepForward(step);
  crm.put("new", "somebody else's");
  assert.throws(() => stepForward(step), isLost);
});

test("cut off between the two renames of a file system that cannot exchange, it is gone on with or taken back", () => {
  for (const cut of ["before the second", "before the last"] as const) {
    for (const way of ["forward", "back"] as const) {
      using crm = scene();
      crm.put("data", "old");
      const step = crm.step("data", "made");
      renameSync(crm.at("data"), crm.at("slots/data.old"));
      if (cut === "before the last") renameSync(crm.at("slots/data"), crm.at("data"));
      if (way === "forward") for (const found of asFound([step])) stepForward(found);
      else stepBack(step);
      assert.equal(crm.text("data"), way === "forward" ? "restored" : "old", `${cut}, ${way}`);
      stepBack(step);
      assert.deepEqual([crm.text("data"), crm.text("slots/data.old")], ["old", undefined], `${cut}, ${way}`);
      assert.equal(crm.text("slots/data"), "restored");
    }
  }
});

for (const [state, resumed, target, kept] of [
  ["what was made waits", "forward", "restored", "old"],
  ["what was made waits", "back", "old", "restored"],
  ["what was there waits", "back", "old", "restored"],
] as const) {
  test(`where names cannot be exchanged, what somebody put into the gap is kept beside: ${state}, then ${resumed}`, () => {
    using crm = scene();
    crm.put("crm.db", "old");
    const step = crm.step("crm.db", "made");
    if (state === "what was there waits") {
      stepForward(step);
      assert.equal(crm.text("crm.db"), "restored");
    }
    // Cut off after the first of three renames; SQLite then made a database for whoever found none.
    renameSync(crm.at("crm.db"), crm.at("slots/crm.db.old"));
    crm.put("crm.db", "");
    for (let time = 1; time <= 2; time++) {
      if (resumed === "forward") stepForward(step);
      else stepBack(step);
      assert.deepEqual([crm.text("crm.db"), crm.text("slots/crm.db")], [target, kept]);
    }
    assert.deepEqual([crm.text("slots/crm.db.newer"), crm.text("slots/crm.db.old")], ["", undefined]);
  });
}
