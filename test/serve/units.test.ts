import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { copyFile, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { runCommand } from "../support/run-command.ts";
import { temporaryFolder } from "../support/temp-folder.ts";

const deploy = join(import.meta.dirname, "../../deploy");
const units = ["holdfast.service", "holdfast-backup.service", "holdfast-backup.timer"];

test("systemd finds nothing to say about the units", async () => {
  using folder = temporaryFolder();
  await mkdir(join(folder.path, "units"));
  for (const unit of units) await copyFile(join(deploy, unit), join(folder.path, "units", unit));
  const paths = units.map((unit) => join(folder.path, "units", unit));
  const { code, stdout, stderr } = await runCommand("systemd-analyze", ["verify", "--man=no", ...paths]);
  const said = `${stdout}${stderr}`.split("\n").filter((line) => line.includes("holdfast"));
  assert.deepEqual([code, said], [0, []], `${stdout}${stderr}`);
});

test("the service is exposed little, by systemd's own measure", async () => {
  const file = join(deploy, "holdfast.service");
  const { stdout } = await runCommand("systemd-analyze", ["security", "--offline=yes", "--no-pager", file]);
  const exposure = Number(/Overall exposure level for holdfast\.service: ([\d.]+)/.exec(stdout)?.[1]);
  assert.ok(exposure < 5, stdout.slice(-300));
});

test("the container does not run as root and needs no environment", () => {
  const text = readFileSync(join(deploy, "Containerfile"), "utf8");
  assert.match(text, /^USER node$/m);
  assert.doesNotMatch(text, /^ARG /m);
});
