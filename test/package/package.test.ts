import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, before, test } from "node:test";
import { identityVersion } from "../../src/storage/azure-connection.ts";
import { cloudImpostor } from "../support/cloud-impostor.ts";
import { commandOutput, type CommandResult, runCommand } from "../support/run-command.ts";
import { temporaryFolder } from "../support/temp-folder.ts";

/**
 * The package as somebody installs it: packed, installed globally by the machine's own npm and Node.js, and run where
 * PATH holds neither, as under cron and systemd.
 */
const root = join(import.meta.dirname, "../..");
const folder = temporaryFolder();
after(() => folder[Symbol.dispose]());

// A space, since paths have them.
const prefix = join(folder.path, "npm global");
const program = join(prefix, "bin/holdfast");
const installed = join(prefix, "lib/node_modules/holdfast");
/** The machine's own tools: without what npm puts in front for scripts. */
const machinePath = (process.env["PATH"] ?? "")
  .split(delimiter)
  .filter((one) => !one.includes("node_modules"))
  .join(delimiter);
const login = { PATH: machinePath, HOME: process.env["HOME"] ?? tmpdir() };
// With --prefix npm looks for the machine's settings, such as its certificates, in that folder.
const globalconfig = (await commandOutput("npm", ["config", "get", "globalconfig"], { env: login })).trim();
const machine = { ...login, npm_config_globalconfig: globalconfig };
// `bin/holdfast` finds by itself where compiled code is kept.
const bare = { PATH: "/usr/bin:/bin", NODE_COMPILE_CACHE: undefined };
let tarball = "";

before(async () => {
  const packed = await commandOutput("npm", ["pack", "--json", "--pack-destination", folder.path], {
    cwd: root,
    env: machine,
  });
  const [{ filename } = { filename: "" }] = JSON.parse(packed.slice(packed.indexOf("["))) as { filename: string }[];
  tarball = join(folder.path, filename);
  await installPackage();
});

async function installPackage(...more: readonly string[]): Promise<void> {
  const args = ["install", "--global", "--prefix", prefix, "--prefer-offline", "--no-audit", ...more, tarball];
  await commandOutput("npm", args, { env: machine, timeoutMs: 300_000 });
}

function makeCrm(name: string): string {
  const crm = join(folder.path, name);
  mkdirSync(join(crm, "attachments"), { recursive: true });
  writeFileSync(join(crm, "attachments/合同.txt"), "signed\n");
  using database = new DatabaseSync(join(crm, "crm.db"));
  database.exec("CREATE TABLE contact (id INTEGER PRIMARY KEY, name TEXT); INSERT INTO contact VALUES (1, '张伟')");
  const lines = [
    "crm:",
    "  name: acme",
    "  database: sqlite:./crm.db",
    "  files: [./attachments]",
    "repository:",
    "  location: ./backups",
    "  password: file:./password.txt",
    "",
  ];
  writeFileSync(join(crm, "holdfast.yaml"), lines.join("\n"));
  writeFileSync(join(crm, "password.txt"), "correct horse\n", { mode: 0o600 });
  return crm;
}

test("the tarball is small and holds what runs, nothing else", async () => {
  const names = (await commandOutput("tar", ["--list", "--file", tarball])).trim().split("\n");
  const strange = names.filter((name) => !/^package\/(bin|deploy|dist|docs)\/|^package\/[A-Za-z.-]+$/.test(name));
  assert.deepEqual(strange, []);
  const unwanted = names.filter((name) =>
    /\.test\.|\.map$|(?<!\.d)\.ts$|contract\.js|node_modules|^package\/docs\/evidence/.test(name),
  );
  assert.deepEqual(unwanted, []);
  for (const name of ["bin/holdfast", "dist/main.js", "package.json", "LICENSE", "README.md", "README.zh-CN.md"]) {
    assert.ok(names.includes(`package/${name}`), name);
  }
  const unpacked = await runCommand("tar", ["--extract", "--to-stdout", "--file", tarball]);
  assert.ok(!unpacked.stdout.includes(root), "a path of the machine that built it");
  assert.ok(statSync(tarball).size < 1_000_000, `${statSync(tarball).size} bytes`);
});

const places: Readonly<Record<string, Readonly<Record<string, string | undefined>>>> = {
  "a bare PATH": { ...bare, HOLDFAST_STATE: join(folder.path, "state-bare") },
  cron: { ...bare, SHELL: "/bin/sh", LOGNAME: "root", HOME: join(folder.path, "home") },
  systemd: {
    ...bare,
    PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    LANG: "C.UTF-8",
    INVOCATION_ID: "0123456789abcdef0123456789abcdef",
    HOLDFAST_STATE: join(folder.path, "state-systemd"),
  },
};
mkdirSync(join(folder.path, "home"));

for (const [place, env] of Object.entries(places)) {
  test(`backs up and restores under ${place}`, async () => {
    const crm = makeCrm(`crm under ${place}`);
    const config = join(crm, "holdfast.yaml");
    const holdfast = (...args: readonly string[]) =>
      commandOutput(program, ["--config", config, "--json", ...args], { cwd: "/", env });
    await holdfast("init", "--yes");
    await holdfast("backup");
    const back = join(folder.path, `back ${place}`);
    const planned = await holdfast("restore", "plan", "latest", "--system", "--target", back, "--as", "replacement");
    const id = /"type":"restore-plan","id":"([^"]+)"/.exec(planned)?.[1] ?? "";
    await holdfast("restore", "apply", id);

    const files = readdirSync(back, { recursive: true, encoding: "utf8" });
    assert.ok(
      files.some((file) => file.endsWith("attachments/合同.txt")),
      files.join("\n"),
    );
    const database = files.find((file) => file.endsWith("crm.db")) ?? "crm.db";
    using restored = new DatabaseSync(join(back, database), { readOnly: true });
    assert.equal(restored.prepare("SELECT name FROM contact").get()?.["name"], "张伟");
    assert.ok(!readdirSync(crm).some((name) => name.startsWith("core")));
  });
}

/** What is said without a library, and what comes of the line that mends it. */
interface Lack {
  readonly library: string;
  /** Absent: that of `package.json`. */
  readonly version?: string;
  readonly location: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly afterwards: RegExp;
}

const lacks: readonly Lack[] = [
  {
    library: "@aws-sdk/client-s3",
    location: "s3:http://127.0.0.1:9/bucket",
    environment: { AWS_EC2_METADATA_DISABLED: "true" },
    afterwards: /does not accept the login .*CredentialsProviderError/,
  },
  {
    library: "google-auth-library",
    location: "gs:bucket:/acme",
    environment: { METADATA_SERVER_DETECTION: "none" },
    afterwards: /does not accept the login .*no credentials of Google's/,
  },
  {
    library: "@azure/storage-blob",
    location: "azure:bucket:/acme",
    afterwards: /does not accept the login .*no AZURE_ACCOUNT_NAME/,
  },
  {
    library: "@azure/identity",
    version: identityVersion,
    location: "azure:bucket:/acme",
    environment: { AZURE_ACCOUNT_NAME: "holdfasttest", AZURE_TOKEN_CREDENTIALS: "EnvironmentCredential" },
    afterwards: /does not accept the login .*AggregateAuthenticationError/,
  },
];

async function ask(location: string, environment: Readonly<Record<string, string>> = {}): Promise<CommandResult> {
  writeFileSync(join(folder.path, "password.txt"), "any\n", { mode: 0o600 });
  const args = ["--repository", location, "--password-file", "password.txt", "snapshots"];
  return await runCommand(program, args, {
    cwd: folder.path,
    env: { ...bare, LANG: "C", HOME: folder.path, ...environment },
  });
}

for (const { library, version, location, environment, afterwards } of lacks) {
  test(`without ${library} it says so, and the line it names mends it`, async () => {
    const { peerDependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
      peerDependencies: Readonly<Record<string, string>>;
    };
    const missing = await ask(location, environment);
    assert.equal(missing.code, 1, missing.stderr);
    const [, named = ""] = /`npm install --global (\S+)`/.exec(missing.stderr) ?? [];
    assert.equal(named, `${library}@${version ?? peerDependencies[library]}`, missing.stderr);
    const install = ["install", "--global", "--prefix", prefix, "--prefer-offline", "--no-audit", named];
    await commandOutput("npm", install, { env: machine, timeoutMs: 300_000 });
    const there = await ask(location, environment);
    assert.match(there.stderr, afterwards);
  });
}

test("on Azure the machine's own identity is let in, with the library for it", async () => {
  const asked: string[] = [];
  const server = createServer(({ url = "", headers }, response) => {
    if (url.startsWith("/token")) {
      assert.equal(headers["x-identity-header"], "of the machine");
      asked.push(new URL(url, "http://here").searchParams.get("resource") ?? "");
      const expires_on = Math.floor(Date.now() / 1000) + 3600;
      response.writeHead(200, { "content-type": "application/json" });
      response.end(JSON.stringify({ access_token: "token-of-the-machine", token_type: "Bearer", expires_on }));
    } else {
      const isOurs = headers.authorization === "Bearer token-of-the-machine";
      response.writeHead(404, { "x-ms-error-code": isOurs ? "ContainerNotFound" : "AuthenticationFailed" }).end();
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  await using impostor = await cloudImpostor({ "holdfasttest.blob.core.windows.net": port }, folder.path);
  const { stderr } = await ask("azure:bucket:/acme", {
    ...impostor.environment,
    AZURE_ACCOUNT_NAME: "holdfasttest",
    IDENTITY_ENDPOINT: `http://127.0.0.1:${port}/token`,
    IDENTITY_HEADER: "of the machine",
  });
  server.close();
  assert.match(stderr, /There is no bucket bucket/);
  assert.deepEqual(asked, ["https://storage.azure.com"]);
});

test("without any Node.js that is new enough it says so in one line, and the line it names mends it", async () => {
  const optional = readdirSync(join(installed, "node_modules")).find((name) => name.startsWith("node-linux-")) ?? "";
  const aside = join(folder.path, "node-aside");
  renameSync(join(installed, "node_modules", optional), aside);

  const missing = await runCommand(program, ["--version"], { env: machine });
  assert.deepEqual([missing.code, missing.stdout], [1, ""]);
  assert.match(missing.stderr, /^holdfast: Node\.js 26 or newer is needed .*\n$/);
  const chinese = await runCommand(program, ["--version"], { env: { ...bare, LANG: "zh_CN.UTF-8" } });
  assert.match(chinese.stderr, /^holdfast：需要 Node\.js 26 .*\n$/);

  const version = await commandOutput(program, ["--version"], {
    env: { ...bare, HOLDFAST_NODE: join(aside, "bin/node") },
  });
  assert.match(version, /^\d+\.\d+\.\d+\n$/);
  const onPath = { PATH: `${join(aside, "bin")}${delimiter}${bare.PATH}` };
  assert.equal(await commandOutput(program, ["--version"], { env: onPath }), version);

  const line = /Run: (npm install .*), or set/.exec(missing.stderr)?.[1] ?? "";
  await commandOutput("sh", ["-c", `${line} --prefer-offline`], { env: machine, timeoutMs: 300_000 });
  assert.equal(await commandOutput(program, ["--version"], { env: bare }), version);
  rmSync(aside, { recursive: true });
});
