import assert from "node:assert/strict";
import { appendFileSync, readdirSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { JobStore } from "../../src/jobs/store.ts";
import { type CliCrm, cliCrm, listIn } from "../cli/cli-crm.ts";
import { configureService, startServing } from "../support/serving.ts";
import { smtpServer } from "../support/smtp-server.ts";
import { until } from "../support/until.ts";
import { type WebHook, webHook } from "../support/web-hook.ts";

test("what failed, was missed, and is well again reaches a mail server and a web address, once each", async (t) => {
  using crm = cliCrm();
  using mail = await smtpServer("open");
  using web = await webHook();
  await crm.run(["init", "--yes"]);
  // Half a day from now, whenever this is: it is not due while this runs.
  const hour = String((new Date().getUTCHours() + 8 + 12) % 24).padStart(2, "0");
  const port = await configureService(
    crm,
    `  schedules: [{job: backup, name: daily, at: "daily ${hour}:00", missed: skip}]\n`,
  );
  addRoutes(crm, web, mail.port);
  await crm.run(["jobs", "start", "backup"]);
  notSeenForDays(crm, "daily/acme");
  renameSync(crm.database, `${crm.database}.away`);
  const service = await startServing(crm, port);
  t.after(() => service.child.kill("SIGKILL"));

  await until(() => told(web).length === 2);
  assert.deepEqual(told(web).toSorted(), ["failed backup/acme", "missed daily/acme"]);
  renameSync(`${crm.database}.away`, crm.database);
  await crm.run(["jobs", "start", "backup"]);
  await until(() => told(web).length > 2 && mail.mails.length > 2);
  assert.equal(told(web).at(-1), "recovered backup/acme");
  assert.equal(await service.end("SIGTERM"), 0);

  const subjects = mail.mails.map(({ data }) => /Subject: \[Holdfast\] (\w+): Backup of acme/.exec(data)?.[1] ?? data);
  assert.deepEqual(subjects.toSorted(), ["failed", "missed", "recovered"]);
  const deliveries = listIn(await crm.json(["jobs", "list"]), "deliveries");
  assert.deepEqual([deliveries.length, deliveries.every(({ outcome }) => outcome === "sent")], [6, true]);
});

test("rows deleted in bulk while the journal follows are told of at once", async (t) => {
  using crm = cliCrm();
  using mail = await smtpServer("open");
  using web = await webHook();
  await crm.run(["init", "--yes"]);
  using database = new DatabaseSync(crm.database);
  database.exec(`WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200)
    INSERT INTO contacts (name) SELECT 'contact ' || i FROM n`);
  const port = await configureService(crm, "  schedules: [{job: follow}]\n");
  addRoutes(crm, web, mail.port);
  assert.equal((await crm.run(["backup"])).code, 0);
  const service = await startServing(crm, port);
  t.after(() => service.child.kill("SIGKILL"));

  const ready = new Date().toISOString();
  await until(async () => {
    const jobs = listIn(await crm.json(["jobs", "list"]), "jobs");
    return jobs.some(({ progress }) => ((progress as { durableTo?: string } | undefined)?.durableTo ?? "") > ready);
  });
  database.exec("DELETE FROM contacts WHERE id > 20");
  await until(() => told(web).length > 0 && mail.mails.length > 0);
  assert.deepEqual(told(web), ["anomaly follow/acme"]);
  const { facts } = JSON.parse(web.calls[0]?.body ?? "") as {
    facts: { anomalies: { kind: string; subject: string }[] };
  };
  assert.deepEqual([facts.anomalies[0]?.kind, facts.anomalies[0]?.subject], ["mass-delete", "contacts"]);
  assert.match(mail.mails[0]?.data ?? "", /Subject: \[Holdfast\] anomaly: out of the ordinary in acme/);
  assert.equal(await service.end("SIGTERM"), 0);
});

function addRoutes(crm: CliCrm, web: WebHook, mailPort: number): void {
  writeFileSync(join(crm.folder, "hook.txt"), `${web.url}\n`, { mode: 0o600 });
  appendFileSync(
    crm.config,
    `alerts:
  routes:
    - {name: ops, kind: email, server: "smtp+plain://127.0.0.1:${mailPort}", from: crm@example.com, to: [ops@example.com]}
    - {name: hook, kind: webhook, url: "file:./hook.txt"}
`,
  );
}

/** As the service's books look when it last ran three days ago. */
function notSeenForDays({ folder }: CliCrm, item: string): void {
  const place = join(dirname(folder), "home/state/service");
  const file = readdirSync(place).find((name) => name.endsWith(".sqlite")) ?? "";
  using store = new JobStore(join(place, file));
  const then = Date.now() - 3 * 86_400_000;
  store.setWatermark(item, then, then);
}

function told({ calls }: WebHook): readonly string[] {
  return calls.map(({ body }) => {
    const { event, subject } = JSON.parse(body) as { event: string; subject: string };
    return `${event} ${subject}`;
  });
}
