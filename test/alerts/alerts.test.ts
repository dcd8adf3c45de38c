import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { appendFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { cliCrm, listIn } from "../cli/cli-crm.ts";
import { smtpServer } from "../support/smtp-server.ts";
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
