import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { chmodSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { copyFile, mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { cliCrm, configText, program } from "../cli/cli-crm.ts";
import { startPostgres } from "../support/postgres-server.ts";
import { runCommand } from "../support/run-command.ts";
import { temporaryFolder } from "../support/temp-folder.ts";
import { until } from "../support/until.ts";

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

/** Arguments of `setpriv` for what the service leaves root, but for some of it. */
function rightsWithout(...taken: readonly string[]): readonly string[] {
  const unit = readFileSync(join(deploy, "holdfast.service"), "utf8");
  const names = /^CapabilityBoundingSet=(.*)$/m.exec(unit)?.[1]?.split(" ") ?? [];
  const given = names.map((name) => name.replace("CAP_", "").toLowerCase()).filter((name) => !taken.includes(name));
  return ["--bounding-set", ["-all", ...given.map((name) => `+${name}`)].join(","), "--no-new-privs"];
}

test("a drill on a server of its own works with the rights that the service leaves root", async () => {
  await using server = await startPostgres();
  await server.sql("CREATE DATABASE crm");
  await server.sql("CREATE TABLE contacts (id integer PRIMARY KEY); INSERT INTO contacts VALUES (1)", "crm");
  using crm = cliCrm();
  writeFileSync(crm.config, configText.replace("sqlite:./crm.db", server.url("crm")));
  for (const command of ["init", "backup"]) assert.equal((await crm.run([command])).code, 0);
  const home = join(crm.folder, "../home");
  const drillWith = (rights: readonly string[]) =>
    runCommand("setpriv", [...rights, process.execPath, ...program, "drill", "--to-database", "private"], {
      cwd: crm.folder,
      env: { PATH: process.env["PATH"], HOME: home, HOLDFAST_STATE: join(home, "state") },
    });
  const { code, stdout, stderr } = await drillWith(rightsWithout());
  assert.equal(code, 0, `${stdout}${stderr}`);
  assert.match(stdout, /PostgreSQL 15/);
  const refused = await drillWith(rightsWithout("setuid"));
  assert.equal(refused.code, 40, refused.stderr);
  assert.match(refused.stdout, /The server for the copy did not start: EPERM, \w+/);
});

test("with the rights that the service leaves root, a database that the CRM's account has open is not replaced", async (t) => {
  using crm = cliCrm();
  for (const command of ["init", "backup"]) assert.equal((await crm.run([command])).code, 0);
  {
    using database = new DatabaseSync(crm.database);
    database.exec("DELETE FROM deals");
  }
  const nobody = 65_534;
  for (const folder of [dirname(crm.folder), crm.folder]) chmodSync(folder, 0o755);
  chmodSync(crm.database, 0o644);
  const holder = spawn("tail", ["-f", crm.database], { stdio: "ignore", uid: nobody, gid: nobody });
  t.after(() => holder.kill());
  await until(() => readdirSync(`/proc/${holder.pid}/fd`).length > 3);
  const home = join(crm.folder, "../home");
  const { code, stderr } = await runCommand(
    "setpriv",
    [
      ...rightsWithout(),
      ...[process.execPath, ...program, "restore", "run", "latest", "--database", "--confirm", "acme"],
    ],
    { cwd: crm.folder, env: { PATH: process.env["PATH"], HOME: home, HOLDFAST_STATE: join(home, "state") } },
  );
  assert.notEqual(code, 0, stderr);
  assert.match(stderr, new RegExp(`still open: .*by process ${holder.pid}\\b`));
});

test("the container does not run as root and needs no environment", () => {
  const text = readFileSync(join(deploy, "Containerfile"), "utf8");
  assert.match(text, /^USER node$/m);
  assert.doesNotMatch(text, /^ARG /m);
});
