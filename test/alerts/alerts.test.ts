import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { appendFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { type AlertingOptions, openRoute } from "../../src/jobs/alerting.ts";
import { type Delivery, JobStore } from "../../src/jobs/store.ts";
import { keepAlert, tellWaiting } from "../../src/jobs/waiting-alerts.ts";
import { cliCrm, listIn } from "../cli/cli-crm.ts";
import { smtpServer } from "../support/smtp-server.ts";
import { until } from "../support/until.ts";
import { webHook } from "../support/web-hook.ts";

test("a test goes to every route: mail through a real server, a signed call to a web address", async () => {
  using crm = cliCrm();
  using mail = await smtpServer("login");
  using web = await webHook();
  writeFileSync(join(crm.folder, "mail.txt"), "s3cret\n", { mode: 0o600 });
  writeFileSync(join(crm.folder, "hook.txt"), `${web.url}\n`, { mode: 0o600 });
  appendFileSync(
    crm.config,
    `alerts:
  routes:
    - {name: ops, kind: email, server: "smtp+plain://alerts@127.0.0.1:${mail.port}", password: "file:./mail.txt", from: crm@example.com, to: [ops@example.com, boss@example.com]}
    - {name: hook, kind: webhook, url: "file:./hook.txt", secret: "file:./mail.txt"}
`,
  );
  const sent = await crm.run(["alert", "test"]);
  assert.equal(sent.code, 0, sent.stderr);
  assert.match(sent.stdout, /Sent by ops\.\nSent by hook\./);
  const [first] = mail.mails;
  assert.deepEqual(first?.to, ["ops@example.com", "boss@example.com"]);
  assert.match(first?.data ?? "", /Subject: \[Holdfast\] test of route ops/);
  assert.match(first?.data ?? "", /nothing is wrong/);
  const [call] = web.calls;
  const body = JSON.parse(call?.body ?? "") as Record<string, unknown>;
  assert.deepEqual([body["type"], body["event"], body["subject"]], ["alert", "test", "hook"]);
  const signature = createHmac("sha256", "s3cret")
    .update(call?.body ?? "")
    .digest("hex");
  assert.equal(call?.headers["x-holdfast-signature"], `sha256=${signature}`);
  const jobs = await crm.json(["jobs", "list"]);
  assert.deepEqual(
    listIn(jobs, "deliveries").map(({ route, outcome }) => [route, outcome]),
    [
      ["hook", "sent"],
      ["ops", "sent"],
    ],
  );
});

test("what fails is said with the reason, without a secret, and is in the log", async () => {
  using crm = cliCrm();
  using mail = await smtpServer("login");
  writeFileSync(join(crm.folder, "mail.txt"), "wrong-p4ss\n", { mode: 0o600 });
  appendFileSync(
    crm.config,
    `alerts:
  routes:
    - {name: ops, kind: email, server: "smtp+plain://alerts@127.0.0.1:${mail.port}", password: "file:./mail.txt", from: crm@example.com, to: [ops@example.com]}
    - {name: tls, kind: email, server: "smtp://127.0.0.1:${mail.port}", from: crm@example.com, to: [ops@example.com]}
`,
  );
  const one = await crm.run(["alert", "test", "ops"]);
  assert.equal(one.code, 1, one.stdout);
  assert.match(one.stderr, /An alert could not be delivered: .*535/);
  assert.ok(!`${one.stdout}${one.stderr}`.includes("wrong-p4ss"));
  assert.equal(mail.mails.length, 0);
  // The server offers no TLS: nothing is sent in the clear.
  const clear = await crm.run(["alert", "test", "tls"]);
  assert.equal(clear.code, 1);
  assert.equal(mail.mails.length, 0);
  const unknown = await crm.run(["alert", "test", "nosuch"]);
  assert.equal(unknown.code, 2);
  assert.match(unknown.stderr, /no alert route nosuch; there is: ops, tls/);
});

test("who has it is not sent it again because others cannot be reached: that is said, with the reason", async () => {
  using mail = await smtpServer("open");
  const told = await tellForAnHour(mail.port, ["ops@example.com", "nobody@example.com"]);
  await until(() => mail.mails.length > 0);
  assert.deepEqual(
    mail.mails.map(({ to }) => to),
    [["ops@example.com"]],
  );
  assert.deepEqual(told, [["failed", "1 of 2 recipients: EENVELOPE: 550 no such mailbox"]]);
});

test("a mail server that cannot tell just now whether the password is right is asked again later", async () => {
  using mail = await smtpServer("login");
  const told = await tellForAnHour(mail.port, ["ops@example.com"], ["later", "later", "later", "s3cret"]);
  assert.deepEqual(
    told.map(([outcome]) => outcome),
    ["failed", "sent"],
  );
  await until(() => mail.mails.length === 1);
});

/** What became of one alert by mail, looked at every ten minutes; each try has the next password. */
async function tellForAnHour(port: number, to: readonly string[], passwords?: readonly string[]) {
  using store = new JobStore(":memory:");
  const log: Delivery[] = [];
  let [nowMs, tried] = [0, 0];
  const login = { user: "alerts", password: { kind: "env", target: "P" } } as const;
  const options: AlertingOptions = {
    open: (config) => openRoute(config, { secret: async () => passwords?.[tried++] ?? "", version: "test" }),
    routes: [
      {
        ...{ name: "ops", kind: "email", on: ["failed"], host: "127.0.0.1", port, tls: "none" },
        ...{ from: "crm@example.com", to, ...(passwords && login) },
      },
    ],
    describe: ({ event }) => ({ title: event, text: event }),
    newId: () => "test",
    now: () => new Date(nowMs),
    pause: async () => {},
    log: (delivery) => log.push(delivery),
  };
  keepAlert(store, "1", { event: "failed", subject: "daily/acme", timeMs: 0, facts: {} }, nowMs);
  for (; nowMs < 3_600_000; nowMs += 600_000) await tellWaiting(options, store, new AbortController().signal);
  return log.map(({ outcome, detail }) => [outcome, detail]);
}
