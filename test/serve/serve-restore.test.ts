import assert from "node:assert/strict";
import { existsSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { cliCrm } from "../cli/cli-crm.ts";
import { configureService, settledJobs, startServing } from "../support/serving.ts";

test("a restore of which something failed is no success, and is not tried again", async (t) => {
  using crm = cliCrm();
  await crm.run(["init", "--yes"]);
  assert.equal((await crm.run(["backup"])).code, 0);
  const [one, other] = [join(crm.folder, "attachments/notes.txt"), join(crm.folder, "attachments/合同.txt")];
  assert.ok(existsSync(one) && existsSync(other));
  // Something else stands where it belongs.
  rmSync(one);
  mkdirSync(one);
  rmSync(other);
  const port = await configureService(crm);
  const { records } = await crm.json(["restore", "plan", "latest", "/files/attachments"]);
  const plan = records.find(({ type }) => type === "restore-plan" || type === "plan");
  assert.equal((await crm.run(["jobs", "start", "restore", "--plan", String(plan?.["id"])])).code, 0);
  const serving = await startServing(crm, port);
  t.after(() => serving.child.kill("SIGKILL"));
  const [run] = await settledJobs(crm);
  assert.deepEqual(
    [run?.["outcome"], run?.["attempts"], run?.["error"]],
    ["failed", 1, { code: "restore-incomplete", facts: { failed: 1, path: one } }],
  );
  assert.ok(existsSync(other));
  assert.equal(await serving.end("SIGTERM"), 0);
});
