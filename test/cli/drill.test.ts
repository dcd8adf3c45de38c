import assert from "node:assert/strict";
import {
  appendFileSync,
  existsSync,
  globSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { once } from "node:events";
import { join } from "node:path";
import { test } from "node:test";
import type { DrillReport } from "../../src/engine/drill.ts";
import { type CliCrm, cliCrm, configText, listIn, password } from "./cli-crm.ts";
import { resticOn } from "../support/restic.ts";
import { startProgram } from "../support/serving.ts";
import { until } from "../support/until.ts";

const checks = `  attachments: []
  neutralise: ["UPDATE contacts SET phone = NULL"]
  drill:
    checks:
      - name: there are contacts
        sql: SELECT count(*) > 2 FROM contacts
      - name: phones of a copy <are> gone
        sql: SELECT count(*) = 0 FROM contacts WHERE phone IS NOT NULL
`;

async function backedUp(more = checks): Promise<CliCrm> {
  const crm = cliCrm();
  writeFileSync(crm.config, configText.replace("repository:", `${more}repository:`));
  for (const command of ["init", "backup"]) assert.equal((await crm.run([command])).code, 0);
  return crm;
}

async function drilled(crm: CliCrm, ...args: readonly string[]) {
  const ended = await crm.json(["drill", ...args]);
  const report = ended.records.find(({ type }) => type === "drill") as unknown as DrillReport | undefined;
  return { ...ended, report };
}

const statesOf = (report: DrillReport | undefined) => report?.checks.map(({ kind, state }) => `${kind} ${state}`);
const state = (crm: CliCrm) => join(crm.folder, "../home/state/drills");

test("a drill restores, checks, tells times, keeps evidence, and leaves neither a copy nor a trace in the live CRM", async () => {
  using crm = await backedUp();
  const before = readFileSync(crm.database);
  const scratch = join(crm.folder, "../scratch");
  const page = join(crm.folder, "evidence.html");
  const { code, report, stderr } = await drilled(crm, "--scratch", scratch, "--page", page);
  assert.equal(code, 0, stderr);
  assert.equal(report?.outcome, "ok");
  assert.deepEqual(statesOf(report), [
    "rows ok",
    "references ok",
    "files ok",
    "sql ok",
    "sql ok",
    "application skipped",
  ]);
  assert.ok(report.rtoMs >= report.restoreMs && report.restoreMs > 0);
  assert.ok(report.rpoMs > 0 && report.rpoMs < 600_000);
  assert.ok(report.rows === 4 && report.files >= 2, JSON.stringify(report));
  assert.deepEqual(readdirSync(scratch), []);
  assert.deepEqual(readFileSync(crm.database), before);

  const kept = readdirSync(state(crm)).filter((name) => name.endsWith(".json"));
  assert.equal(kept.length, 1);
  assert.deepEqual(JSON.parse(readFileSync(join(state(crm), kept[0] ?? ""), "utf8")), report);
  const html = readFileSync(page, "utf8");
  assert.match(html, /phones of a copy &lt;are&gt; gone/);
  assert.match(html, /acme/);
  assert.equal((await crm.run(["drill", "--page", page])).code, 1, "evidence is not written over");

  const [status] = listIn(await crm.json(["status"]), "crms");
  assert.equal((status?.["drill"] as { readonly outcome?: string } | undefined)?.outcome, "ok");
  await resticOn(join(crm.folder, "backups"), password).check();
});

test("what fails is named, with exit code 40, and kept as well", async () => {
  const nothing = "      - { name: invoices, sql: \"SELECT printf('%.2f', total(id - id)) FROM contacts\" }\n";
  using crm = await backedUp(checks.replace("> 2", "> 99") + nothing);
  const failed = await drilled(crm);
  assert.equal(failed.code, 40);
  assert.deepEqual(
    failed.report?.checks.filter((check) => check.state === "failed"),
    [
      { kind: "sql", state: "failed", subject: "there are contacts", detail: "0" },
      // As a server gives a sum of amounts.
      { kind: "sql", state: "failed", subject: "invoices", detail: "0.00" },
    ],
  );
  const told = await crm.run(["drill", "--lang", "zh-CN"]);
  assert.equal(told.code, 40);
  assert.match(told.stdout, /✗ there are contacts/);

  // What was stored is gone: the restore itself fails.
  for (const pack of globSync(join(crm.folder, "backups/data/*/*"))) {
    if (statSync(pack).isFile()) rmSync(pack);
  }
  const broken = await crm.json(["drill"]);
  assert.notEqual(broken.code, 0);
  assert.deepEqual(
    readdirSync(state(crm)).filter((name) => name.startsWith("copy-")),
    [],
    "no copy is left",
  );
});

test("a CRM whose copy cannot be made harmless is restored, checked and not started", async () => {
  using crm = await backedUp("");
  const { code, report } = await drilled(crm);
  assert.equal(code, 0);
  assert.equal(report?.purpose, "replacement");
  assert.deepEqual(statesOf(report)?.at(-1), "application skipped");
});

test("bad input changes nothing", async () => {
  using crm = await backedUp("");
  assert.equal((await crm.run(["drill", "abcdef99"])).code, 4);
  assert.equal((await crm.run(["drill", "live"])).code, 2);
  assert.equal((await crm.run(["drill", "--to-database", "postgresql://x@localhost/y"])).code, 40);
  appendFileSync(crm.config, "drils: {}\n");
  assert.equal((await crm.run(["drill"])).code, 2);
  assert.ok(!existsSync(join(crm.folder, "y")));
});

test("a drill leaves the copy of another one alone that still runs, and takes away what is left of one that was killed", async () => {
  using crm = await backedUp(checks);
  const copies = () => readdirSync(state(crm)).filter((name) => name.startsWith("copy-"));
  const { child, end } = startProgram(crm, ["drill"], "ignore");
  await until(() => existsSync(state(crm)) && copies().length > 0);
  child.kill("SIGSTOP");
  const [own] = copies();
  assert.equal((await drilled(crm)).code, 0);
  assert.deepEqual(copies(), [own]);
  await end("SIGKILL");
  assert.equal((await drilled(crm)).code, 0);
  assert.deepEqual(copies(), []);
});

test("a drill that is killed in its swap leaves the live CRM neither half made nor without backups", async () => {
  using crm = await backedUp();
  const { child } = startProgram(crm, ["drill"], "ignore", "renameat2 1");
  await once(child, "close");
  assert.equal(child.signalCode, "SIGKILL");
  const { code, stderr } = await crm.run(["backup"]);
  assert.equal(code, 0, stderr);
  assert.deepEqual(listIn(await crm.json(["restore", "undo", "--list"]), "restores"), []);
  assert.equal((await drilled(crm)).code, 0);
  assert.deepEqual(readdirSync(join(state(crm), "../restores")), []);
});
