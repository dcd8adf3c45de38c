import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { resticOn } from "../support/restic.ts";
import { startProgram } from "../support/serving.ts";
import { cliCrm, password } from "./cli-crm.ts";

test("what could not be built is told by who finishes the swap, too", async () => {
  using crm = cliCrm();
  await crm.run(["init", "--yes"]);
  assert.equal((await crm.run(["backup"])).code, 0);
  const [good, bad] = [join(crm.folder, "attachments/notes.txt"), join(crm.folder, "attachments/合同.txt")];
  writeFileSync(bad, "another contract\n");
  assert.equal((await crm.run(["backup"])).code, 0);
  const repository = join(crm.folder, "backups");
  const blob = createHash("sha256").update("another contract\n").digest("hex");
  const found = await resticOn(repository, password).output("find", "--blob", blob, "--show-pack-id");
  const [, pack = ""] = /pack ([0-9a-f]{64})/.exec(found) ?? [];
  rmSync(join(repository, "data", pack.slice(0, 2), pack));
  for (const path of [good, bad]) rmSync(path);
  const { records } = await crm.json(["restore", "plan", "latest", "/files/attachments"]);
  const plan = String(records.find(({ type }) => type === "restore-plan" || type === "plan")?.["id"]);
  const killed = startProgram(crm, ["restore", "apply", plan], "ignore", "renameat2 1");
  await once(killed.child, "close");
  assert.equal(killed.child.signalCode, "SIGKILL");
  const finished = await crm.json(["restore", "apply", plan]);
  assert.deepEqual([existsSync(good), existsSync(bad), finished.code], [true, false, 30]);
  // Its target has changed by what came back.
  assert.match(finished.stderr, /plan again/);
  assert.equal((await crm.run(["restore", "apply", plan])).code, 31);
  const again = await crm.json(["restore", "plan", "latest", "/files/attachments"]);
  assert.deepEqual([again.code, again.records.some(({ type }) => type === "restore-plan")], [0, true]);
  const report = finished.records.find(({ type }) => type === "restore");
  assert.deepEqual([report?.["files"], report?.["failed"]], [1, [{ path: bad, reason: "storage-not-found" }]]);
});
