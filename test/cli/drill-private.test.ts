import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, chownSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { DrillReport } from "../../src/engine/drill.ts";
import { startMariadb } from "../support/mariadb-server.ts";
import { startPostgres } from "../support/postgres-server.ts";
import { cheapProcess, commandOutput } from "../support/run-command.ts";
import { temporaryFolder } from "../support/temp-folder.ts";
import { until } from "../support/until.ts";
import { type CliCrm, cliCrm, configText, password, program } from "./cli-crm.ts";

const contacts = `
  CREATE TABLE contacts (id integer PRIMARY KEY, name varchar(99) NOT NULL);
  INSERT INTO contacts VALUES (1, 'Ada'), (2, '王芳'), (3, 'Grace');`;
const checks = `  neutralise: ["UPDATE contacts SET name = concat(name, ' (copy)') WHERE id = 3"]
  drill:
    checks: [{ name: copied, sql: "SELECT count(*) = 1 FROM contacts WHERE name LIKE '%(copy)'" }]
`;

async function backedUp(url: string): Promise<CliCrm> {
  const crm = cliCrm();
  writeFileSync(crm.config, configText.replace("sqlite:./crm.db", url).replace("repository:", `${checks}repository:`));
  for (const command of ["init", "backup"]) {
    const { code, stderr } = await crm.run([command]);
    assert.equal(code, 0, stderr);
  }
  return crm;
}

/** Where the account of a server may enter. */
function openFolder(): ReturnType<typeof temporaryFolder> {
  const folder = temporaryFolder();
  chmodSync(folder.path, 0o755);
  return folder;
}

async function drilled(crm: CliCrm, ...args: readonly string[]) {
  const { code, records, stderr } = await crm.json(["drill", ...args]);
  return { code, stderr, report: records.find(({ type }) => type === "drill") as unknown as DrillReport | undefined };
}

const passed = ["rows ok", "references ok", "files ok", "sql ok", "application skipped"];
const statesOf = (report: DrillReport | undefined) => report?.checks.map(({ kind, state }) => `${kind} ${state}`);

/** Processes that run with something of this folder in their arguments. */
function processesIn(folder: string): readonly string[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const line = readFileSync(`/proc/${pid}/cmdline`, "utf8");
        return line.includes(`${folder}/holdfast-server-`) ? [line.replaceAll("\0", " ")] : [];
      } catch {
        return []; // it has ended meanwhile
      }
    });
}

test("whoever may make no database on PostgreSQL is offered a server of the drill's own; it goes however the drill ends", async () => {
  await using server = await startPostgres();
  await server.sql("CREATE ROLE crm LOGIN; CREATE DATABASE crm OWNER crm");
  await server.sql(`SET ROLE crm; ${contacts}`, "crm");
  const databases = () => server.sql("SELECT datname FROM pg_database ORDER BY 1");
  const before = await databases();
  using crm = await backedUp(server.url("crm", "crm"));
  using scratch = openFolder();

  const refused = await crm.run(["drill"]);
  assert.equal(refused.code, 40, refused.stderr);
  assert.match(refused.stdout, /may not[^]*holdfast drill --to-database private/);

  const page = join(crm.folder, "evidence.html");
  const { code, report, stderr } = await drilled(
    crm,
    ...["--to-database", "private", "--scratch", scratch.path, "--page", page],
  );
  assert.equal(code, 0, stderr + JSON.stringify(report));
  assert.deepEqual(statesOf(report), passed);
  assert.equal(report?.database?.place, "private-server");
  assert.match(
    JSON.stringify(report.database),
    /"server":"PostgreSQL 15\.\d+","program":"\/usr\/lib\/postgresql\/15\/bin\/postgres"/,
  );
  assert.match(readFileSync(page, "utf8"), /started for this drill alone, and removed: PostgreSQL 15/);
  assert.deepEqual([readdirSync(scratch.path), processesIn(scratch.path)], [[], []]);
  assert.equal(await databases(), before, "the CRM's server is as it was");

  for (const signal of ["SIGINT", "SIGKILL"] as const) {
    const child = spawn(
      process.execPath,
      [...program, "drill", "--to-database", "private", "--scratch", scratch.path],
      {
        cwd: crm.folder,
        env: {
          PATH: process.env["PATH"],
          HOME: join(crm.folder, "../home"),
          HOLDFAST_STATE: join(crm.folder, "../home/state"),
          ...cheapProcess(),
        },
        stdio: "ignore",
      },
    );
    const ended = once(child, "exit");
    const isServing = () => processesIn(scratch.path).some((line) => line.includes("bin/postgres -D"));
    await until(async () => isServing() || child.exitCode !== null);
    child.kill(signal);
    const [exitCode] = (await ended) as [number | null];
    if (signal === "SIGINT") {
      assert.equal(exitCode, 130);
      assert.deepEqual([readdirSync(scratch.path), processesIn(scratch.path)], [[], []]);
      continue;
    }
    // Nobody is left to clean up but what was started with the server.
    await until(async () => processesIn(scratch.path).length === 0);
    const left = readdirSync(scratch.path).filter((name) => name.startsWith("holdfast-server-"));
    assert.deepEqual(
      left.flatMap((name) => readdirSync(join(scratch.path, name))),
      [],
    );
  }
});

test("the copy of a database whose name is as long as any fits, and goes again", async () => {
  await using server = await startPostgres();
  const long = `crm_${"客".repeat(19)}ab`;
  assert.equal(Buffer.byteLength(long), 63);
  await server.sql(`CREATE DATABASE "${long}"`);
  await server.sql(contacts, long);
  using crm = await backedUp(server.url(long));
  const { code, report, stderr } = await drilled(crm);
  assert.equal(code, 0, stderr + JSON.stringify(report));
  assert.equal(report?.database?.place, "same-server");
  assert.deepEqual(statesOf(report), passed);
  const left = await server.sql("SELECT datname FROM pg_database WHERE datname NOT LIKE 'template%' ORDER BY 1");
  assert.deepEqual(left.trim().split("\n"), [long, "postgres"]);
});

test("MariaDB: a server of the drill's own, whatever ~/.my.cnf says", async () => {
  await using server = await startMariadb();
  await server.sql("CREATE DATABASE crm CHARACTER SET utf8mb4");
  await server.sql(contacts, "crm");
  using crm = await backedUp(server.url("crm"));
  using scratch = openFolder();
  writeFileSync(join(crm.folder, "../home/.my.cnf"), `[client]\nuser=nobody\npassword=${password}\n`);
  writeFileSync(
    crm.config,
    readFileSync(crm.config, "utf8").replace("  drill:\n", "  drill:\n    database: private\n"),
  );
  // What a server of the CRM works with at this moment, where servers have such tables when nobody says otherwise.
  const temporary = `/tmp/#sql-temptable-${process.pid}-1-1.MAD`;
  writeFileSync(temporary, "");
  // Of the account that such servers have, so that the drill's could delete it.
  const account = "for one in mysql mariadb nobody; do id -u $one 2>/dev/null && break; done";
  if (process.getuid?.() === 0) chownSync(temporary, Number(await commandOutput("sh", ["-c", account])), -1);
  const { code, report, stderr } = await drilled(crm, "--scratch", scratch.path);
  const survived = existsSync(temporary);
  rmSync(temporary, { force: true });
  assert.equal(code, 0, stderr + JSON.stringify(report));
  assert.ok(survived, "temporary tables of other servers are not the drill's to delete");
  assert.deepEqual(statesOf(report), passed);
  assert.match(
    JSON.stringify(report?.database),
    /"private-server","server":"MariaDB 10\.\d+\.\d+","program":".*mariadbd"/,
  );
  assert.deepEqual([readdirSync(scratch.path), processesIn(scratch.path)], [[], []]);
  assert.equal(await server.sql("SHOW DATABASES LIKE 'crm%'"), "crm\n");
});

test("what a drill left on the CRM's server when it was killed is taken away by the next one", async () => {
  await using server = await startPostgres();
  await server.sql("CREATE DATABASE crm");
  await server.sql(`${contacts} INSERT INTO contacts SELECT n, 'more ' || n FROM generate_series(10, 3000) n`, "crm");
  const databases = () => server.sql("SELECT datname FROM pg_database ORDER BY 1");
  const before = await databases();
  using crm = await backedUp(server.url("crm"));
  const quick = readFileSync(crm.config, "utf8");
  const home = join(crm.folder, "../home");
  const copies = () => readdirSync(join(home, "state/drills")).filter((name) => name.startsWith("copy-"));
  writeFileSync(crm.config, `${quick}limits: {rows: 10}\n`);
  const child = spawn(process.execPath, [...program, "drill"], {
    cwd: crm.folder,
    env: { ...cheapProcess(), PATH: process.env["PATH"], HOME: home, HOLDFAST_STATE: join(home, "state") },
    stdio: "ignore",
  });
  const ended = once(child, "exit");
  await until(async () => (await databases()).includes("_drill_") || child.exitCode !== null);
  child.kill("SIGKILL");
  await ended;
  assert.deepEqual([copies().length, (await databases()) === before], [1, false]);
  writeFileSync(crm.config, quick);
  const { code, stderr } = await drilled(crm);
  assert.equal(code, 0, stderr);
  assert.deepEqual([copies(), readdirSync(join(home, "state/drills/running")), await databases()], [[], [], before]);
});
