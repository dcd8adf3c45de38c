/** Applies a saved plan: apply-plan.ts STATE_FOLDER PASSWORD PLAN. A process that a test can kill. */
import { custom } from "../../src/crm/custom.ts";
import { applyRestore } from "../../src/engine/restore-apply.ts";
import { localStorage } from "../../src/storage/local.ts";
import { limits } from "../support/small-crm.ts";
import { postgres } from "../support/postgres-capture.ts";

const [stateFolder = "", password = "", plan = ""] = process.argv.slice(2);
await applyRestore(
  {
    program: "holdfast test",
    openStorage: localStorage,
    platforms: [custom],
    databases: [postgres],
    stateFolder,
    readSecret: async () => "",
    host: { hostname: "test", username: "test", uid: 0, gid: 0 },
  },
  { plan, password, limits, confirm: "acme" },
  { signal: new AbortController().signal, now: () => new Date(), report: () => {} },
);
