/**
 * Preloaded (`node --import`) into a command under test: every storage elsewhere that it opens, whatever its kind, has the
 * fault that HOLDFAST_TEST_FAULT describes (a `Fault` as JSON; absent: none). How many operations there were is written to
 * HOLDFAST_TEST_COUNT_FILE at the end. The product knows nothing of it: what is put in between stands where `main.ts`
 * sets limits, right on top of the storage and below what tries again.
 */
import { writeFileSync } from "node:fs";
import { registerHooks } from "node:module";
import { isMainThread } from "node:worker_threads";
import { withLimits } from "../../src/storage/limit.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { type Fault, type FaultCounter, faultStorage } from "./fault-storage.ts";

interface FaultHook {
  withLimits: typeof withLimits;
}

const limits = "/src/storage/limit.ts";

if (isMainThread) {
  const given = process.env["HOLDFAST_TEST_FAULT"];
  const countFile = process.env["HOLDFAST_TEST_COUNT_FILE"];
  const fault = given === undefined ? undefined : (JSON.parse(given) as Fault);
  const counter: FaultCounter = { operations: 0 };
  const hook: FaultHook = {
    withLimits: (storage: Storage, options) => withLimits(faultStorage(storage, fault, counter), options),
  };
  Object.assign(globalThis, { holdfastFaults: hook });
  // By another address than the module's own, which stands in this file's imports and so is loaded by now.
  registerHooks({
    resolve: (specifier, context, next) => {
      const resolved = next(specifier, context);
      const isAsked = context.parentURL?.endsWith("/src/main.ts") === true;
      return isAsked && resolved.url.endsWith(limits) ? { ...resolved, url: `${resolved.url}?faults` } : resolved;
    },
    load: (url, context, next) =>
      url.endsWith(`${limits}?faults`)
        ? { format: "module", shortCircuit: true, source: "export const { withLimits } = globalThis.holdfastFaults;" }
        : next(url, context),
  });
  process.on("exit", () => {
    if (countFile !== undefined) writeFileSync(countFile, String(counter.operations));
  });
}
