import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { copyFile, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { cliCrm, configText, program } from "../cli/cli-crm.ts";
import { startPostgres } from "../support/postgres-server.ts";
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

test("a drill on a server of its own works with the rights that the service leaves root", async () => {
  await using server = await startPostgres();
  await server.sql("CREATE DATABASE crm");
  await server.sql("CREATE TABLE contacts (id integer PRIMARY KEY); INSERT INTO contacts VALUES (1)", "crm");
  using crm = cliCrm();
  writeFileSync(crm.config, configText.replace("sqlite:./crm.db", server.url("crm")));
  for (const command of ["init", "backup"]) assert.equal((await crm.run([command])).code, 0);
  const unit = readFileSync(join(deploy, "holdfast.service"), "utf8");
  const names = /^CapabilityBoundingSet=(.*)$/m.exec(unit)?.[1]?.split(" ") ?? [];
  const given = ["-all", ...names.map((name) => `+${name.replace("CAP_", "").toLowerCase()}`)];
  const home = join(crm.folder, "../home");
  const drillWith = (rights: readonly string[]) =>
    runCommand(
      "setpriv",
      [
        ...["--bounding-set", rights.join(","), "--no-new-privs"],
        ...[process.execPath, ...program, "drill", "--to-database", "private"],
      ],
      { cwd: crm.folder, env: { PATH: process.env["PATH"], HOME: home, HOLDFAST_STATE: join(home, "state") } },
    );
  const { code, stdout, stderr } = await drillWith(given);
  assert.equal(code, 0, `${stdout}${stderr}`);
  assert.match(stdout, /PostgreSQL 15/);
  const refused = await drillWith(given.filter((name) => name !== "+setuid"));
  assert.equal(refused.code, 40, refused.stderr);
  assert.match(refused.stdout, /The server for the copy did not start: EPERM, \w+/);
});

test("the container does not run as root and needs no environment", () => {
  const text = readFileSync(join(deploy, "Containerfile"), "utf8");
  assert.match(text, /^USER node$/m);
  assert.doesNotMatch(text, /^ARG /m);
});
