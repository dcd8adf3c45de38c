import assert from "node:assert/strict";
import { appendFileSync, readdirSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { JobStore } from "../../src/jobs/store.ts";
import { type CliCrm, cliCrm, listIn, password } from "../cli/cli-crm.ts";
import { resticOn } from "../support/restic.ts";
import { configureService, startProgram, startServing } from "../support/serving.ts";
import { smtpServer } from "../support/smtp-server.ts";
import { until } from "../support/until.ts";
import { type WebHook, webHook } from "../support/web-hook.ts";

/** Whenever this is: it is not due while this runs. */
function dueInHalfADay(): string {
  const hour = String((new Date().getUTCHours() + 8 + 12) % 24).padStart(2, "0");
  return `  schedules: [{job: backup, name: daily, at: "daily ${hour}:00", missed: skip}]\n`;
}

test("what failed, was missed, and is well again reaches a mail server and a web address, once each", async (t) => {
  using crm = cliCrm();
  using mail = await smtpServer("open");
  using web = await webHook();
  await crm.run(["init", "--yes"]);
  const port = await configureService(crm, dueInHalfADay());
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
  await until(() => told(web).length > 3 && mail.mails.length > 3);
  // It does for the one that was missed, too.
  assert.deepEqual(told(web).slice(2), ["recovered backup/acme", "recovered daily/acme"]);
  assert.equal(await service.end("SIGTERM"), 0);

  const subjects = mail.mails.map(({ data }) => /Subject: \[Holdfast\] (\w+): Backup of acme/.exec(data)?.[1] ?? data);
  assert.deepEqual(subjects.toSorted(), ["failed", "missed", "recovered", "recovered"]);
  const deliveries = listIn(await crm.json(["jobs", "list"]), "deliveries");
  assert.deepEqual([deliveries.length, deliveries.every(({ outcome }) => outcome === "sent")], [8, true]);
});

test("a backup by hand makes good what the service missed: it is told, and reported like one of its own", async (t) => {
  using crm = cliCrm();
  using web = await webHook();
  await crm.run(["init", "--yes"]);
  const port = await configureService(crm, dueInHalfADay());
  addRoutes(crm, web);
  await crm.run(["jobs", "list"]);
  await crm.run(["jobs", "start", "backup"]);
  const jobs = async () => listIn(await crm.json(["jobs", "list"]), "jobs");
  await crm.run(["jobs", "cancel", String((await jobs())[0]?.["id"])]);
  notSeenForDays(crm, "daily/acme");
  const service = await startServing(crm, port);
  t.after(() => service.child.kill("SIGKILL"));
  await until(() => told(web).length > 0);
  assert.deepEqual(told(web), ["missed daily/acme"]);

  assert.equal((await crm.run(["backup"])).code, 0);
  await until(() => told(web).length > 1);
  assert.deepEqual(told(web).slice(1), ["recovered daily/acme"]);
  assert.equal(await service.end("SIGTERM"), 0);
  const ended = (await jobs()).filter(({ outcome }) => outcome === "ok");
  assert.deepEqual(
    ended.map(({ job, subject, state }) => ({ job, subject, state })),
    [{ job: "backup", subject: "acme", state: "ended" }],
  );
  const reports = await runReports(crm);
  assert.ok(
    reports.some(({ id, body }) => id === ended[0]?.["id"] && body.facts?.snapshot !== undefined),
    JSON.stringify(reports),
  );
});

test("a job that ends with the service again and again is begun once more, and somebody is told, once", async (t) => {
  using crm = cliCrm();
  using web = await webHook();
  await crm.run(["init", "--yes"]);
  const port = await configureService(crm);
  addRoutes(crm, web);
  await crm.run(["jobs", "start", "backup"]);
  {
    using store = booksOf(crm);
    // As five services leave it that were killed at it.
    for (const run of store.open()) store.update({ ...run, state: "running", attempts: 5, cutOff: 4 });
  }
  const service = await startServing(crm, port);
  t.after(() => service.child.kill("SIGKILL"));
  await until(() => told(web).length > 1);
  assert.deepEqual(told(web), ["failed backup/acme", "recovered backup/acme"]);
  assert.match(web.calls.map(({ body }) => body).join(), /It was cut off when the service ended/);
  const [backup] = listIn(await crm.json(["jobs", "list"]), "jobs");
  assert.deepEqual([backup?.["outcome"], backup?.["attempts"]], ["ok", 6]);
  assert.equal(await service.end("SIGTERM"), 0);
});

test("what could not be written down of an alert is told once it can", async (t) => {
  using crm = cliCrm();
  using web = await webHook();
  await crm.run(["init", "--yes"]);
  const port = await configureService(crm, dueInHalfADay());
  addRoutes(crm, web);
  await crm.run(["jobs", "start", "backup"]);
  {
    using store = booksOf(crm);
    for (const run of store.open()) store.update({ ...run, state: "running", attempts: 5, cutOff: 4 });
  }
  using books = new DatabaseSync(bookFile(crm));
  // As a disk does that gets full at just this line.
  books.exec(
    "CREATE TRIGGER full BEFORE INSERT ON facts WHEN NEW.name = 'alerts' BEGIN SELECT RAISE(ABORT, 'disk full'); END",
  );
  const service = await startServing(crm, port);
  t.after(() => service.child.kill("SIGKILL"));
  await sleep(3000);
  assert.deepEqual(told(web), []);
  books.exec("DROP TRIGGER full");
  await until(() => told(web).length > 0);
  assert.equal(told(web)[0], "failed backup/acme");
  assert.equal(await service.end("SIGTERM"), 0);
});

test("files that cannot be read are a gap like one of rows: told, shown everywhere, kept through kill -9, and ended", async (t) => {
  using crm = cliCrm();
  using web = await webHook();
  await crm.run(["init", "--yes"]);
  const port = await configureService(crm, "  schedules: [{job: follow}]\n");
  addRoutes(crm, web);
  assert.equal((await crm.run(["backup"])).code, 0);
  const [attachments, away] = [join(crm.folder, "attachments"), join(crm.folder, "away")];
  let service = await startServing(crm, port);
  t.after(() => service.child.kill("SIGKILL"));
  // The backup that it goes on from shall not lack the folder.
  await until(async () => listIn(await crm.json(["status"]), "crms")[0]?.["backups"] === 2);
  renameSync(attachments, away);
  await until(() => told(web).length > 0);
  assert.deepEqual(told(web), ["warning follow/acme"]);
  const { facts, text } = JSON.parse(web.calls[0]?.body ?? "") as {
    facts: { gap: { of: string } };
    text: string;
  };
  assert.equal(facts.gap.of, "files");
  assert.match(text, /attachments cannot be read \(ENOENT\): nothing is known of its files/);
  const shown = await crm.json(["status"]);
  assert.equal(shown.code, 3);
  const [now] = listIn(shown, "crms") as readonly { readonly gaps: number; readonly openGaps: readonly object[] }[];
  assert.equal(now?.gaps, 1);
  assert.partialDeepStrictEqual(now.openGaps, [{ of: "files", subject: attachments, reason: "ENOENT" }]);
  const { stdout } = await crm.run(["status"]);
  assert.match(stdout, /Continuous protection has gaps: 1\./);
  assert.match(stdout, /acme: .*attachments cannot be read \(ENOENT\)/);
  const address = `http://127.0.0.1:${port}`;
  assert.match(await (await fetch(`${address}/metrics`)).text(), /^holdfast_journal_gaps\{crm="acme"\} 1$/m);
  const health = (await (await fetch(`${address}/health`)).json()) as { readonly crms: readonly object[] };
  assert.partialDeepStrictEqual(health.crms, [{ crm: "acme", outcome: "warning", gaps: 1 }]);

  // Whoever began it is gone; the next one knows that it is over. Meanwhile nobody looked at the database either, which a backup ends.
  await until(async () => {
    const jobs = listIn(await crm.json(["status"]), "jobs");
    return jobs.some(({ durableTo }) => durableTo !== undefined);
  });
  await service.end("SIGKILL");
  renameSync(away, attachments);
  service = await startServing(crm, port);
  await until(() => told(web).length > 2);
  assert.deepEqual(told(web).slice(1).toSorted(), ["recovered follow/acme", "warning follow/acme"]);
  assert.match(
    web.calls.map(({ body }) => body).join(),
    /cannot be recovered before the next backup \(nobody followed/,
  );
  await until(async () => listIn(await crm.json(["status"]), "crms")[0]?.["gaps"] === 0);
  // Since when every moment of the files can be had is listed with the recovery points, as soon as the journal says it.
  assert.equal(await service.end("SIGTERM"), 0);
  assert.equal(told(web).length, 3, "that the service's own backup closed the gap that its start made is no news");
  const listed = await crm.json(["snapshots"]);
  const [files] = listIn(listed, "files") as readonly { readonly crm: string; readonly spans: readonly object[] }[];
  assert.deepEqual([files?.crm, (files?.spans.length ?? 0) > 0], ["acme", true], listed.stdout);
  assert.match((await crm.run(["snapshots"])).stdout, /^acme, files: as they were at any moment, from .* to /m);
});

test("without the service, a gap in the files stands in the repository as long as it lasts", async (t) => {
  using crm = cliCrm();
  await crm.run(["init", "--yes"]);
  assert.equal((await crm.run(["backup"])).code, 0);
  const [attachments, away] = [join(crm.folder, "attachments"), join(crm.folder, "away")];
  renameSync(attachments, away);
  const running = startProgram(crm, ["--quiet", "follow", "--no-backup"], "ignore");
  t.after(() => running.child.kill("SIGKILL"));
  const gaps = async () => listIn(await crm.json(["status"]), "crms")[0]?.["gaps"];
  await until(async () => (await gaps()) === 1);
  renameSync(away, attachments);
  await until(async () => (await gaps()) === 0);
  assert.equal(await running.end("SIGTERM"), 0);
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
    // The backup that following goes on from would find the same.
    const isBackedUp = jobs.some(({ job, state }) => job === "backup" && state === "ended");
    const times = jobs.map(({ progress }) => (progress as { durableTo?: string } | undefined)?.durableTo ?? "");
    return isBackedUp && times.some((time) => time > ready);
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

function addRoutes(crm: CliCrm, web: WebHook, mailPort?: number): void {
  writeFileSync(join(crm.folder, "hook.txt"), `${web.url}\n`, { mode: 0o600 });
  const routes = [`{name: hook, kind: webhook, url: "file:./hook.txt"}`];
  if (mailPort !== undefined) {
    const server = `smtp+plain://127.0.0.1:${mailPort}`;
    routes.unshift(`{name: ops, kind: email, server: "${server}", from: crm@example.com, to: [ops@example.com]}`);
  }
  appendFileSync(crm.config, `alerts:\n  routes:\n${routes.map((route) => `    - ${route}\n`).join("")}`);
}

/** What the repository's reports say of runs, as restic gives them. */
async function runReports({ folder }: CliCrm): Promise<readonly RunReport[]> {
  const restic = resticOn(join(folder, "backups"), password);
  const { stdout } = await restic.run("dump", "--path", "/acme.reports", "latest", "/acme.reports", "--archive", "tar");
  return stdout.split("\n").flatMap((line) => (line.startsWith('{"id"') ? [JSON.parse(line) as RunReport] : []));
}

interface RunReport {
  readonly id: string;
  readonly body: { readonly facts?: { readonly snapshot?: string } };
}

/** As the service's books look when it last ran three days ago. */
function notSeenForDays(crm: CliCrm, item: string): void {
  using store = booksOf(crm);
  const then = Date.now() - 3 * 86_400_000;
  store.setWatermark(item, then, then);
}

function told({ calls }: WebHook): readonly string[] {
  return calls.map(({ body }) => {
    const { event, subject } = JSON.parse(body) as { event: string; subject: string };
    return `${event} ${subject}`;
  });
}

function booksOf(crm: CliCrm): JobStore {
  return new JobStore(bookFile(crm));
}

function bookFile({ folder }: CliCrm): string {
  const place = join(dirname(folder), "home/state/service");
  return join(place, readdirSync(place).find((name) => name.endsWith(".sqlite")) ?? "");
}
