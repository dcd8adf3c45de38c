import assert from "node:assert/strict";
import { availableParallelism } from "node:os";
import { test } from "node:test";
import { isHoldfastError } from "../lib/errors.ts";
import { checkConfig, configFromText, loadConfig } from "./load.ts";

const file = "/srv/acme/holdfast.yaml";
const least = `crm:
  name: acme
  database: sqlite:./crm.db
  files: [./attachments]
repository:
  location: ./backups
  password: file:./password.txt
`;

/** The first problem of a text, without what is undefined. */
function firstProblem(text: string): Record<string, unknown> {
  const [first] = checkConfig(text, file).problems;
  assert.ok(first, "a problem was expected");
  return { ...first };
}

test("fills in what the least configuration leaves out", () => {
  const { service, alerts, ...config } = configFromText(least, file);
  // No copies and no retention, so that nothing is scheduled for them.
  assert.deepEqual(
    service.schedules.map(({ name }) => name),
    ["full", "differential", "incremental", "prune", "verify"],
  );
  assert.deepEqual(
    [service.origin, service.listen, alerts],
    ["default", { host: "127.0.0.1", port: 9188 }, { routes: [] }],
  );
  assert.deepEqual(config, {
    file,
    crms: [
      {
        name: "acme",
        platform: "custom",
        database: "sqlite:/srv/acme/crm.db",
        files: [{ name: "attachments", path: "/srv/acme/attachments" }],
        excludes: [],
        attachments: [],
        neutralise: [],
      },
    ],
    repository: {
      location: "/srv/acme/backups",
      password: { kind: "file", target: "/srv/acme/password.txt" },
      keeping: {},
      credentials: {},
    },
    copies: [],
    retention: { byCrm: {} },
    limits: { workers: availableParallelism(), priority: "low" },
    cache: { use: "auto", maxBytes: 1 << 30 },
    traffic: {},
    follow: { rpoMs: 1000, rpoMsByCrm: {}, logBytes: 8 * 2 ** 30 },
    drills: {},
  });
});

test("reads everything there is to say", () => {
  const config = configFromText(
    `crms:
  - name: 客户
    platform: tryton
    configuration: etc/trytond.conf
    files: { store: /var/lib/tryton, custom: ./modules }
    exclude: ["*.pyc"]
    attachments: [{ table: notes, column: path, folder: store }]
    neutralise: ["UPDATE ir_cron SET active = 0"]
  - { name: two, database: "sqlite:/abs/two.db", rpo: 200ms }
repository:
  location: s3:bucket/path
  password: cmd:pass show holdfast
  lock: { mode: compliance, days: 30 }
  cold: DEEP_ARCHIVE
  parity: { data: 10, parity: 2 }
  credentials: { AWS_SECRET_ACCESS_KEY: file:key, AZURE_ACCOUNT_NAME: acme, SFTP_KEY_FILE: id_backup }
copies: [{ name: offsite, location: ../elsewhere, password: file:offsite.txt }]
cache: { use: always, size: 2.5 GB }
rpo: 5s
limits: { read: 50MB/s, write: 1.5 GiB/s, workers: 3, priority: normal, upload: 2MB/s, download: 1MB/s, requests: 3, timeout: 20 }
language: zh-CN
timezone: Asia/Shanghai
`,
    file,
  );
  assert.deepEqual(config.crms[0]?.files, [
    { name: "store", path: "/var/lib/tryton" },
    { name: "custom", path: "/srv/acme/modules" },
  ]);
  assert.equal(config.crms[0]?.configuration, "/srv/acme/etc/trytond.conf");
  assert.equal(config.crms[1]?.database, "sqlite:/abs/two.db");
  assert.equal(config.repository.location, "s3:bucket/path");
  assert.deepEqual(config.repository.password, { kind: "cmd", target: "pass show holdfast" });
  assert.deepEqual(config.repository.keeping, {
    lock: { mode: "compliance", days: 30 },
    coldClass: "DEEP_ARCHIVE",
    parity: { data: 10, parity: 2 },
  });
  const offsite = { kind: "file", target: "/srv/acme/offsite.txt" };
  assert.deepEqual(config.copies, [
    { name: "offsite", location: "/srv/elsewhere", password: offsite, keeping: {}, credentials: {} },
  ]);
  assert.deepEqual(config.limits, {
    readBytesPerSecond: 50_000_000,
    writeBytesPerSecond: 1_610_612_736,
    workers: 3,
    priority: "normal",
  });
  assert.deepEqual(config.repository.credentials, {
    AWS_SECRET_ACCESS_KEY: { kind: "file", target: "/srv/acme/key" },
    AZURE_ACCOUNT_NAME: { kind: "plain", target: "acme" },
    SFTP_KEY_FILE: { kind: "plain", target: "/srv/acme/id_backup" },
  });
  assert.deepEqual(config.traffic, {
    uploadBytesPerSecond: 2_000_000,
    downloadBytesPerSecond: 1_000_000,
    requests: 3,
    silentMs: 20_000,
  });
  assert.deepEqual(config.cache, { use: "always", maxBytes: 2_500_000_000 });
  assert.deepEqual(config.follow, { rpoMs: 5000, rpoMsByCrm: { two: 200 }, logBytes: 8 * 2 ** 30 });
  assert.equal(config.timezone, "Asia/Shanghai");
});

test("says where a misspelt key is and what was meant", () => {
  const problem = firstProblem(least.replace("repository:", "repositry:"));
  assert.deepEqual(problem, {
    problem: "unknown-key",
    key: "repositry",
    suggestion: "repository",
    line: 5,
    column: 1,
    path: "repositry",
  });
  const inside = firstProblem(least.replace("  location:", "  locaton:"));
  assert.deepEqual([inside["line"], inside["column"], inside["suggestion"]], [6, 3, "location"]);
  const listed = firstProblem("crms:\n  - name: a\n    fils: [x]\nrepository: {location: b, password: env:P}\n");
  assert.deepEqual(
    [listed["line"], listed["column"], listed["path"], listed["suggestion"]],
    [3, 5, "crms[0].fils", "files"],
  );
});

test("says which value is wrong, and names the nearest", () => {
  const cases: [string, Record<string, unknown>][] = [
    [`${least}limits: { priority: lwo }\n`, { problem: "value", suggestion: "low", line: 8, column: 21 }],
    [`${least}language: zh-cn\n`, { problem: "value", suggestion: "zh-CN", line: 8, column: 11 }],
    [`${least}timezone: Europe/Berln\n`, { problem: "timezone", suggestion: "Europe/Berlin", line: 8, column: 11 }],
    [`${least}rpo: 50ms\n`, { problem: "rpo", line: 8, column: 6 }],
    [`${least}rpo: 25h\n`, { problem: "rpo", line: 8, column: 6 }],
    [`${least}limits: { read: fast }\n`, { problem: "rate", line: 8, column: 17 }],
    [`${least}limits: { workers: 0 }\n`, { problem: "too-small", line: 8, column: 20 }],
    [`${least}limits: { workers: two }\n`, { problem: "type", line: 8, column: 20 }],
    [least.replace("[./attachments]", "./attachments"), { problem: "type", line: 4, column: 10 }],
    [least.replace("[./attachments]", "[./a/x, ./b/x]"), { problem: "folder-twice", key: "x", line: 4, column: 18 }],
    [least.replace("name: acme", "name: ../acme"), { problem: "name", line: 2, column: 9 }],
    [least.replace("name: acme", "name: acme.journal"), { problem: "name", line: 2 }],
    [least.replace("  name: acme\n", ""), { problem: "missing", key: "name", line: 1, column: 1 }],
    [least.replace(/^crm:[^]*(?=repository)/, ""), { problem: "missing", key: "crm", line: 1, column: 1 }],
    [`${least}crms: [{ name: b }]\n`, { problem: "crm-and-crms", line: 8, column: 1 }],
    [`${least}crm: {}\n`, { problem: "yaml", line: 8, detail: "duplicate" }],
    ["crm: [\n", { problem: "yaml" }],
    ["just text\n", { problem: "type" }],
    ["", { problem: "type" }],
    [
      least.replace("repository:", "  attachments: [{ table: t, column: c, folder: atachments }]\nrepository:"),
      { problem: "folder-unknown", suggestion: "attachments", line: 5 },
    ],
    [
      "crms: [{ name: a }, { name: a }]\nrepository: { location: b, password: env:P }\n",
      { problem: "name-twice", key: "a", line: 1, column: 29 },
    ],
    [
      `${least}copies: [{ name: x, location: c, password: env:P }, { name: x, location: d, password: env:P }]\n`,
      { problem: "name-twice", key: "x", line: 8 },
    ],
  ];
  for (const [text, expected] of cases) {
    const problem = firstProblem(text);
    const seen = Object.fromEntries(Object.keys(expected).map((key) => [key, problem[key]]));
    assert.deepEqual(seen, expected, text);
  }
});

test("refuses a plain password and never repeats it", () => {
  for (const text of [
    least.replace("file:./password.txt", "hunter2"),
    least.replace("sqlite:./crm.db", "postgres://crm:hunter2@db/crm"),
  ]) {
    assert.equal(firstProblem(text)["problem"], "plain-secret");
    assert.throws(
      () => configFromText(text, file),
      (error) => isHoldfastError(error, "config-invalid") && !JSON.stringify(error).includes("hunter2"),
    );
  }
});

test("counts the problems after the first", () => {
  assert.throws(
    () => configFromText(least.replace("name:", "nam:").replace("location:", "locatoin:"), file),
    (error) => isHoldfastError(error, "config-invalid") && error.facts["more"] === 1 && error.facts["line"] === 2,
  );
});

test("a file that is not there is config-missing", async () => {
  await assert.rejects(loadConfig("/nowhere/holdfast.yaml"), (error) => isHoldfastError(error, "config-missing"));
});

test("retention: a preset, rules beside it, and others for one CRM and for a copy", () => {
  const text = `
crms:
  - { name: acme, database: "sqlite:./crm.db", retention: { last: all } }
  - { name: other, database: "sqlite:./other.db" }
repository: { location: ./backups, password: "file:./password.txt" }
copies:
  - { name: vault, location: ./vault, password: "file:./password.txt", retention: { yearly: 10, tags: [audit, "a,b"] } }
retention: { preset: standard, daily: 30, within: 2d, within-hourly: 1m12h }
`;
  const { retention, copies } = configFromText(text, file);
  assert.deepEqual(retention, {
    byCrm: { acme: { last: "all" } },
    others: {
      daily: 30,
      weekly: 5,
      monthly: 12,
      yearly: 3,
      within: { years: 0, months: 0, days: 2, hours: 0 },
      withinHourly: { years: 0, months: 1, days: 0, hours: 12 },
    },
  });
  assert.deepEqual(copies[0]?.retention, { yearly: 10, tags: [["audit"], ["a", "b"]] });
  for (const [rule, problem] of [
    ["{ preset: huge }", "value"],
    ["{ within: 2w }", "span"],
    ["{ within: 0d }", "span"],
    ["{ daily: -1 }", "too-small"],
    ["{ daly: 7 }", "unknown-key"],
  ] as const) {
    const wrong = text.replace(/^retention: .*$/m, `retention: ${rule}`);
    assert.equal(checkConfig(wrong, file).problems[0]?.problem, problem, rule);
  }
});

test("a service: the preset, schedules in place of its own, and each mistake by its place", () => {
  const config = configFromText(
    `${least}service:
  schedules:
    - {job: backup, kind: full, at: monthly 1 03:00, spread: 30m}
    - {job: verify, name: thorough, at: "0 5 1 * *", read: 100%, missed: skip}
  blackouts: [{days: mon-fri, from: "22:00", to: "06:00", jobs: [verify]}]
  retry: {times: 2, first: 30s}
  listen: off
`,
    file,
  );
  const { schedules, blackouts, retry, listen } = config.service;
  assert.deepEqual(
    schedules.map(({ name }) => name),
    ["differential", "incremental", "prune", "verify", "full", "thorough"],
  );
  assert.deepEqual([schedules.at(-2)?.spreadMs, schedules.at(-1)?.readPercent], [1_800_000, 100]);
  assert.deepEqual([blackouts[0]?.fromMinute, blackouts[0]?.days.size], [1320, 5]);
  // A minute a week is enough, and what no schedule begins may be shut out.
  for (const text of [
    "[{days: mon-sat, from: '00:00', to: '24:00'}, {days: sun, from: '00:01', to: '24:00'}]",
    "[{from: '00:00', to: '24:00', jobs: [drill]}]",
  ]) {
    assert.deepEqual(checkConfig(`${least}service: {blackouts: ${text}}\n`, file).problems, []);
  }
  assert.deepEqual([retry, listen], [{ times: 2, firstMs: 30_000, longestMs: 3_600_000 }, undefined]);

  const mistakes: readonly (readonly [string, string])[] = [
    ["service: {schedules: [{job: backup, at: sometimes}]}", "calendar"],
    ["service: {schedules: [{job: backup}]}", "at-or-after"],
    ["service: {schedules: [{job: follow, at: hourly}]}", "always-runs"],
    ["service: {schedules: [{job: prune, after: follow}]}", "value"],
    ["service: {schedules: [{job: prune, after: prune}]}", "after-itself"],
    // Whichever of them came first, the others would follow without end.
    ["service: {schedules: [{job: prune, after: verify}, {job: verify, after: prune, name: again}]}", "after-itself"],
    ["service: {schedules: [{job: backup, after: forget}]}\nretention: {last: 3}", "after-itself"],
    ["service: {schedules: [{job: prune, at: hourly, kind: full}]}", "only-for"],
    ["service: {schedules: [{job: backup, at: hourly, crms: [acne]}]}", "crm-unknown"],
    ["service: {listen: 9188}", "type"],
    ["service: {listen: '127.0.0.1:91880'}", "listen"],
    ["service: {blackouts: [{from: late, to: '06:00'}]}", "time-of-day"],
    // Nothing would ever begin, by one of them or by all together; of a job that nothing else begins either.
    ["service: {blackouts: [{from: '08:00', to: '08:00'}]}", "blackout-endless"],
    [
      "service: {blackouts: [{days: mon-fri, from: '00:00', to: '24:00'}, {days: fri, from: '23:59', to: '12:00'}, {days: sat, from: '12:00', to: '24:00'}, {days: sun, from: '00:00', to: '24:00'}]}",
      "blackout-endless",
    ],
    ["service: {blackouts: [{from: '00:00', to: '24:00', jobs: [verify]}]}", "blackout-endless"],
    ["alerts: {routes: [{name: a, kind: email, from: a@b.de, to: [c@d.de]}]}", "missing"],
    ["alerts: {routes: [{name: a, kind: email, server: 'smtp://a%@b', from: a@b.de, to: [c@d.de]}]}", "smtp-address"],
    [
      "alerts: {routes: [{name: a, kind: email, server: 'smtp://b:70000', from: a@b.de, to: [c@d.de]}]}",
      "smtp-address",
    ],
    ["alerts: {routes: [{name: a, kind: webhook, url: 'https://u:p@host/'}]}", "web-address"],
    ["alerts: {routes: [{name: a, kind: webhook, url: 'https://host/', to: [a@b.de]}]}", "only-for"],
  ];
  for (const [text, problem] of mistakes) {
    const { problems } = checkConfig(`${least}${text}\n`, file);
    assert.deepEqual(
      problems.map((one) => one.problem),
      [problem],
      text,
    );
  }
});
