import assert from "node:assert/strict";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { startPostgres } from "../support/postgres-server.ts";
import { temporaryFolder } from "../support/temp-folder.ts";
import { answerOf } from "./answer-of.ts";
import { askTryton, makeTrytonCrmOn, trytonCrmIn } from "./tryton-crm.ts";
import { startWriter } from "./tryton-writer.ts";

test("Tryton on PostgreSQL: backed up while it is written to, destroyed, restored on another server", async () => {
  using folder = temporaryFolder();
  // trytond asks the catalog much while it makes its tables: without its statistics that takes minutes.
  await using server = await startPostgres({ settings: ["autovacuum=on", "autovacuum_naptime=1s"] });
  await using other = await startPostgres();
  const crm = await makeTrytonCrmOn(server, join(folder.path, "live"));
  const state = join(folder.path, "state");
  const run = (type: string, args: readonly string[], cwd = crm.folder) => answerOf(type, args, cwd, state);
  await run("init", ["init", "--yes", "--repository", "../backups", "--password-file", "../password.txt"]);
  const written = readFileSync(join(crm.folder, "holdfast.yaml"), "utf8");
  assert.match(written, /platform: tryton/);
  assert.match(written, /database: postgresql:\/\/postgres@127/);

  await using writer = startWriter(crm, join(folder.path, "writer.log"));
  await writer.reached(3);
  const snapshots: { readonly id: string; readonly from: number; readonly to: number }[] = [];
  for (const kind of ["full", "incremental", "differential"]) {
    const from = writer.lines().length - 1;
    const report = await run("backup", ["backup", kind]);
    snapshots.push({ id: String(report["snapshot"]), from, to: writer.lines().length });
    assert.equal(report["outcome"], "ok", JSON.stringify(report["warnings"]));
    await writer.reached(writer.lines().length + 3);
  }
  await writer.stop();
  const lines = writer.lines();
  rmSync(crm.folder, { recursive: true });
  await server.sql("DROP DATABASE crm");

  const access = ["--repository", "./backups", "--password-file", "./password.txt"];
  const restore = async (id: string, purpose: string) => {
    const target = join(folder.path, `${purpose}-${id.slice(0, 8)}`);
    await other.sql("DROP DATABASE IF EXISTS crm");
    const where = ["--system", "--target", target, "--to-database", other.url("crm"), "--as", purpose];
    const plan = await run("restore-plan", ["restore", "plan", ...access, id, ...where], folder.path);
    await run("restore", ["restore", "apply", ...access, String(plan["id"])], folder.path);
    return await askTryton(trytonCrmIn(target));
  };
  for (const { id, from, to } of snapshots.slice(1)) {
    const answer = await restore(id, "replacement");
    // All operations up to one that was the last while the backup ran, none after it, and each attachment has its file.
    assert.ok(answer.operation >= from && answer.operation <= to, `${answer.operation} is not in ${from}…${to}`);
    assert.deepEqual(answer.models, lines[answer.operation]?.models);
    assert.deepEqual([answer.withoutFile, answer.sessions, answer.activeJobs.length], [[], 0, 4]);
  }
  const clone = await restore(snapshots.at(-1)?.id ?? "", "clone");
  assert.deepEqual([clone.activeJobs, clone.queued, clone.mail], [[], 0, "smtp://127.0.0.1:1"]);
});
