import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { configAdditions, holdfastCommands } from "../support/doc-commands.ts";
import { startPostgres } from "../support/postgres-server.ts";
import { PostgresWorkload } from "../support/postgres-workload.ts";
import { holdfastProgram, programFolder } from "../support/program.ts";
import { resticOn } from "../support/restic.ts";
import { cheapProcess, runCommand } from "../support/run-command.ts";
import { temporaryFolder } from "../support/temp-folder.ts";

const root = join(import.meta.dirname, "../..");
const page = readFileSync(join(root, "docs/continuous.md"), "utf8");

test("followed through its own kill -9 and the server's, as the page says", async () => {
  using folder = temporaryFolder();
  await using server = await startPostgres({ settings: ["wal_level=logical", "track_commit_timestamp=on"] });
  await server.sql("CREATE DATABASE acme; CREATE ROLE holdfast SUPERUSER LOGIN");
  await server.sql(
    "CREATE TABLE contact (id serial PRIMARY KEY, name text); INSERT INTO contact (name) VALUES ('张伟')",
    "acme",
  );
  const cwd = join(folder.path, "crm");
  const attachments = join(cwd, "attachments");
  mkdirSync(attachments, { recursive: true });
  writeFileSync(join(attachments, "contract.txt"), "signed\n");
  const [addition] = configAdditions(page);
  const host = `127.0.0.1:${server.port}`;
  writeFileSync(
    join(cwd, "holdfast.yaml"),
    `crm:\n  name: acme\n  platform: custom\n  database: postgresql://holdfast@${host}/acme\n  files: [./attachments]\n` +
      `repository: { location: ../backups, password: "file:../password.txt" }\n${addition?.text ?? ""}`,
  );
  writeFileSync(join(folder.path, "password.txt"), "correct horse\n", { mode: 0o600 });
  const env = {
    ...cheapProcess(),
    PATH: `${programFolder}:/usr/bin:/bin`,
    HOME: folder.path,
    HOLDFAST_STATE: join(folder.path, "state"),
  };
  const shell = (command: string) => runCommand("/bin/sh", ["-c", command], { cwd, env });
  const made = await shell("holdfast init --yes");
  assert.equal(made.code, 0, made.stderr);

  const follow = () => {
    const child = spawn(holdfastProgram, ["--json", "follow"], {
      cwd,
      env,
      stdio: ["ignore", "pipe", "inherit"],
    });
    let durable = "";
    let text = "";
    child.stdout.on("data", (piece: Buffer) => {
      text += piece.toString();
      for (const [, time] of text.matchAll(/"durableTo":"([^"]+)"/g)) durable = time ?? durable;
    });
    const end = async (signal: NodeJS.Signals) => {
      const ended = once(child, "exit");
      child.kill(signal);
      const [code] = (await ended) as [number | null];
      // In good order it gives its locks back; cut short, it leaves them to the next run.
      if (signal === "SIGINT") assert.equal(code, 0, text.slice(-2000));
    };
    const reached = async (what: () => boolean) => {
      for (const until = performance.now() + 180_000; !what(); await wait(50)) {
        assert.ok(performance.now() < until && child.exitCode === null, text.slice(-2000));
      }
    };
    return { end, reached, durable: (time: string) => reached(() => durable >= time), text: () => text };
  };
  const first = follow();
  // It makes the backup that it goes on from by itself.
  await first.reached(() => first.text().includes("follow-backup"));
  for (let seconds = 0; !(await shell("holdfast --json snapshots")).stdout.includes('"kind":"full"'); seconds++) {
    assert.ok(seconds < 180);
    await wait(500);
  }
  const url = server.url("acme");
  let workload = await PostgresWorkload.open(url);
  const commits = [];
  let running = first;
  for (let round = 0; round < 3; round++) {
    for (let count = 0; count < 5; count++) {
      commits.push(
        await workload.commit(
          `INSERT INTO contact (name) SELECT 'r${round}c${count} ' || i FROM generate_series(1, 20) i`,
        ),
      );
      await wait(Math.random() * 100);
    }
    await running.end("SIGKILL");
    commits.push(await workload.commit(`UPDATE contact SET name = name || '!' WHERE id % 3 = ${round}`));
    if (round === 1) {
      await workload[Symbol.asyncDispose]();
      await server.kill();
      await server.start();
      workload = await PostgresWorkload.open(url);
    }
    if (round === 2) {
      // What nobody sees happen.
      writeFileSync(join(attachments, "unseen.txt"), "made while it was dead\n");
      rmSync(join(attachments, "contract.txt"));
      await wait(20);
      commits.push(await workload.commit("INSERT INTO contact (name) VALUES ('its row')"));
    }
    running = follow();
  }
  await running.reached(() => running.text().includes('"follow-files"'));
  await running.durable(commits.at(-1)?.time ?? "");
  await running.end("SIGINT");
  assert.ok(!/"reason":"(slot-lost|acknowledged-elsewhere)"/.test(running.text()), running.text());
  await resticOn(join(folder.path, "backups"), "correct horse").check();

  const whileDead = commits.at(-1)?.time ?? "";
  const files = "/files/attachments --target ../then";
  const planned = await shell(`holdfast --json restore plan @${whileDead} ${files}`);
  assert.equal(planned.code, 0, planned.stdout + planned.stderr);
  assert.match(planned.stdout, /"files-unseen"/);
  const applied = await shell(`holdfast restore apply ${/"id":"([^"]+)"/.exec(planned.stdout)?.[1]}`);
  assert.equal(applied.code, 0, applied.stdout + applied.stderr);
  // What went while nobody looked is given back; what is there since before the moment too.
  assert.deepEqual(readdirSync(join(folder.path, "then", "attachments")).toSorted(), ["contract.txt", "unseen.txt"]);

  const listed = await shell("holdfast --json transactions --within 1h");
  const { transactions } = JSON.parse(listed.stdout) as {
    readonly transactions: readonly { readonly transaction: string }[];
  };
  assert.deepEqual(
    transactions.map(({ transaction }) => transaction).slice(-commits.length),
    commits.map(({ transaction }) => transaction),
  );
  const then = commits[9];
  assert.ok(then);
  let plan = "";
  let undone: Awaited<ReturnType<typeof shell>> | undefined;
  for (const { command } of holdfastCommands(page)) {
    const moment: string = command.includes("restore") ? `${then.time}#${then.transaction}` : then.time;
    const line: string = command
      .replaceAll("2026-03-12T14:00:05", moment)
      .replaceAll("db.example.com", host)
      .replaceAll("PLAN", plan)
      .replace(" 4711", ` ${then.transaction}`);
    const { code, stdout, stderr }: Awaited<ReturnType<typeof shell>> = await shell(line);
    assert.equal(code, 0, `${line}\n${stdout}${stderr}`);
    // What it says that can be typed.
    const undo: string | undefined = /^ +(holdfast restore plan .*)$/m.exec(
      line.startsWith("holdfast history") ? stdout : "",
    )?.[1];
    if (undo !== undefined) undone = await shell(undo);
    plan = /restore apply (\S+)/.exec(stdout)?.[1] ?? plan;
  }
  assert.match(undone?.stdout ?? "", /restore apply/, undone?.stderr ?? "not run");
  await workload[Symbol.asyncDispose]();
  await using back = await PostgresWorkload.open(server.url("acme_then"));
  assert.equal(await back.hash(), then.hash);
});
