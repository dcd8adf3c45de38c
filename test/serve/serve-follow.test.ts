import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { configAdditions } from "../support/doc-commands.ts";
import { freePort } from "../support/free-port.ts";
import { startPostgres } from "../support/postgres-server.ts";
import { PostgresWorkload } from "../support/postgres-workload.ts";
import { holdfastProgram, programFolder } from "../support/program.ts";
import { resticOn } from "../support/restic.ts";
import { cheapProcess, runCommand } from "../support/run-command.ts";
import { temporaryFolder } from "../support/temp-folder.ts";

const root = join(import.meta.dirname, "../..");
const page = readFileSync(join(root, "docs/continuous.md"), "utf8");

interface Status {
  readonly outcome: string;
  readonly crms: readonly { readonly backups: number; readonly gaps: number }[];
  readonly jobs: readonly { readonly job: string; readonly outcome?: string; readonly durableTo?: string }[];
  readonly running: readonly { readonly job: string; readonly state: string }[];
}

test("the service follows beside hourly backups, through its own kill -9, and a gap is closed by a backup", async (t) => {
  using folder = temporaryFolder();
  await using server = await startPostgres({ settings: ["wal_level=logical", "track_commit_timestamp=on"] });
  await server.sql("CREATE DATABASE acme; CREATE ROLE holdfast SUPERUSER LOGIN");
  await server.sql("CREATE TABLE contact (id serial PRIMARY KEY, name text)", "acme");
  const cwd = join(folder.path, "crm");
  mkdirSync(cwd);
  const port = await freePort();
  const host = `127.0.0.1:${server.port}`;
  const schedules = configAdditions(page).find(({ text }) => text.includes("job: follow"));
  assert.ok(schedules, "the page says how");
  writeFileSync(
    join(cwd, "holdfast.yaml"),
    `crm:\n  name: acme\n  platform: custom\n  database: postgresql://holdfast@${host}/acme\n` +
      `repository: { location: ../backups, password: "file:../password.txt" }\n${schedules.text}` +
      `    - { job: backup, kind: incremental, at: "${(new Date().getMinutes() + 30) % 60} * * * *" }\n` +
      `  preset: none\n  listen: 127.0.0.1:${port}\n  jobsAtOnce: 1\n` +
      "  retry: {times: 3, first: 1s}\n",
  );
  writeFileSync(join(folder.path, "password.txt"), "correct horse\n", { mode: 0o600 });
  const env = {
    ...cheapProcess(),
    PATH: `${programFolder}:/usr/bin:/bin`,
    HOME: folder.path,
    HOLDFAST_STATE: join(folder.path, "state"),
  };
  const shell = (command: string) => runCommand("/bin/sh", ["-c", command], { cwd, env });
  assert.equal((await shell("holdfast init --yes")).code, 0);

  const serve = () => {
    const child = spawn(holdfastProgram, ["--json", "serve"], {
      cwd,
      env,
      stdio: ["ignore", "pipe", "inherit"],
    });
    t.after(() => child.kill("SIGKILL"));
    let text = "";
    child.stdout.on("data", (piece: Buffer) => (text += piece.toString()));
    const end = async (signal: NodeJS.Signals) => {
      const ended = once(child, "exit");
      child.kill(signal);
      await ended;
      return child.exitCode;
    };
    return { end, text: () => text };
  };
  const status = async () => JSON.parse((await shell("holdfast --json status")).stdout) as Status;
  const until = async (what: string, is: (now: Status) => boolean, running: { readonly text: () => string }) => {
    for (const end = performance.now() + 180_000; ; await wait(300)) {
      const now = await status();
      if (is(now)) return now;
      assert.ok(performance.now() < end, `${what}: ${JSON.stringify(now)}\n${running.text().slice(-3000)}`);
    }
  };
  const followed = ({ jobs }: Status) => jobs.find(({ job }) => job === "follow");
  const durable = (time: string) => (now: Status) => (followed(now)?.durableTo ?? "") >= time;

  let running = serve();
  // It asks for the backup that it goes on from, and that one runs beside it although one job at once is allowed.
  const begun = await until("a first backup", ({ crms }) => crms[0]?.backups === 1, running);
  assert.ok(begun.running.some(({ job, state }) => job === "follow" && state === "running"));
  await using workload = await PostgresWorkload.open(server.url("acme"));
  const commits = [];
  for (let count = 0; count < 5; count++) {
    commits.push(
      await workload.commit(`INSERT INTO contact (name) SELECT 'c${count} ' || i FROM generate_series(1, 20) i`),
    );
  }
  await running.end("SIGKILL");
  for (let count = 0; count < 5; count++) {
    commits.push(await workload.commit(`UPDATE contact SET name = name || '!' WHERE id % 7 = ${count}`));
  }
  running = serve();
  await until("what was committed is kept", durable(commits.at(-1)?.time ?? ""), running);
  const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  assert.match(metrics, /^holdfast_outcome\{job="follow",subject="acme",schedule="follow",outcome="ok"\} 1$/m);
  assert.match(metrics, /^holdfast_journal_durable_timestamp_seconds\{job="follow".*\} \d/m);
  assert.match(
    (await shell("holdfast status")).stdout,
    /Running: Continuous protection of acme, .* is in the repository/,
  );

  // The server has no log any more of what is committed meanwhile: a gap, which the service's own backup closes.
  assert.equal(await running.end("SIGTERM"), 0);
  await workload.run("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots");
  await workload.commit("UPDATE contact SET name = 'lost' WHERE id = 1");
  running = serve();
  await until("a backup closes the gap", ({ crms }) => crms[0]?.backups === 2 && crms[0].gaps === 0, running);
  const restic = resticOn(join(folder.path, "backups"), "correct horse");
  const day = `/acme.reports/${new Date().toISOString().slice(0, 7)}/${new Date().toISOString().slice(8, 10)}.jsonl`;
  const reports = await restic.run("dump", "--path", "/acme.reports", "latest", day);
  assert.match(reports.stdout, /"kind":"gap"/);
  commits.push(await workload.commit("DELETE FROM contact WHERE id % 2 = 0"));
  await until("followed beyond it", durable(commits.at(-1)?.time ?? ""), running);
  assert.equal((await status()).crms[0]?.backups, 2, "one backup, not two");
  assert.equal(await running.end("SIGTERM"), 0);
  assert.equal(followed(await status())?.outcome, "missed");
  await restic.check();

  for (const [at, commit] of [commits[2], commits[7], commits.at(-1)].entries()) {
    assert.ok(commit);
    const to = `postgresql://holdfast@${host}/then${at}`;
    const planned = await shell(
      `holdfast restore plan '@${commit.time}#${commit.transaction}' --database --to-database ${to} --as replacement`,
    );
    assert.equal(planned.code, 0, planned.stderr + planned.stdout);
    const plan = /restore apply (\S+)/.exec(planned.stdout)?.[1] ?? "";
    const applied = await shell(`holdfast restore apply ${plan}`);
    assert.equal(applied.code, 0, applied.stderr);
    await using back = await PostgresWorkload.open(server.url(`then${at}`));
    assert.equal(await back.hash(), commit.hash);
  }
});
