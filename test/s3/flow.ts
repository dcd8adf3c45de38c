import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { buildCrm } from "../../demo/build-crm.ts";
import type { Storage } from "../../src/storage/storage.ts";
import type { CephServer } from "../support/ceph-server.ts";
import { holdfastCommands } from "../support/doc-commands.ts";
import { freePort } from "../support/free-port.ts";
import { holdfast } from "../support/holdfast.ts";
import { programFolder } from "../support/program.ts";
import { remoteFlow } from "../support/remote-flow.ts";
import { commandOutput, runCommand } from "../support/run-command.ts";
import { tamperingProxy } from "../support/tampering-proxy.ts";
import { temporaryFolder } from "../support/temp-folder.ts";

const root = join(import.meta.dirname, "../..");
const password = "a password";

/** Through the command line, beside restic's own client of S3. */
export function testFlow(ceph: CephServer, storageAt: (location: string) => Storage): void {
  test("a CRM, from its first backup to its restore, with restic as the judge", () => {
    const location = (name: string) => `s3:${ceph.endpoint}/the-crm/${name}`;
    return remoteFlow({ location, storageAt, resticLocation: location, environment });
  });

  test("a certificate of one's own: refused until it is named", async () => {
    using folder = temporaryFolder();
    const [key, cert] = [join(folder.path, "key.pem"), join(folder.path, "cert.pem")];
    const subject = ["-subj", "/CN=backup", "-addext", "subjectAltName=IP:127.0.0.1"];
    await commandOutput("openssl", [
      ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"],
      ...["-keyout", key, "-out", cert, ...subject],
    ]);
    await using proxy = await tamperingProxy(ceph.port, { key: readFileSync(key), cert: readFileSync(cert) });
    writeFileSync(join(folder.path, "password.txt"), `${password}\n`, { mode: 0o600 });
    buildCrm(join(folder.path, "crm"));
    const location = `s3:https://127.0.0.1:${proxy.port}/tls-bucket`;
    const init = ["init", "--yes", "--repository", location, "--password-file", "../password.txt"];
    const cwd = join(folder.path, "crm");
    const refused = await holdfast(init, { cwd, env: environment(folder.path) });
    assert.equal(refused.code, 1, refused.stderr);
    assert.match(refused.stderr, /certificate of s3:https.*not trusted \(DEPTH_ZERO_SELF_SIGNED_CERT\)/);
    const env = { ...environment(folder.path), NODE_EXTRA_CA_CERTS: cert };
    const made = await holdfast(init, { cwd, env });
    assert.equal(made.code, 0, made.stderr);
  });

  test("bad input is one line and a hint", async () => {
    using folder = temporaryFolder();
    writeFileSync(join(folder.path, "password.txt"), `${password}\n`, { mode: 0o600 });
    const env = environment(folder.path);
    const ask = (location: string, more: Readonly<Record<string, string>> = {}) =>
      holdfast(["--repository", location, "--password-file", "password.txt", "snapshots"], {
        cwd: folder.path,
        env: { ...env, ...more },
      });
    for (const [location, more, code, sentence] of [
      [`s3:${ceph.endpoint}/nowhere`, {}, 1, /There is no bucket nowhere/],
      [`s3:${ceph.endpoint}/nowhere`, { AWS_SECRET_ACCESS_KEY: "wrong" }, 1, /does not accept the login/],
      ["s3:https://KEY:SECRET@host/bucket", {}, 2, /no place that backups can be kept in/],
      ["s3:host.invalid/bucket", {}, 2, /host\.invalid\/bucket is no place .*ENOTFOUND/],
      ["s4:host/bucket", {}, 2, /no place/],
    ] as const) {
      const answer = await ask(location, more);
      assert.match(answer.stderr, sentence);
      assert.equal(answer.code, code, answer.stderr);
      assert.ok(!answer.stderr.includes("SECRET"), answer.stderr);
      assert.ok(answer.stderr.trim().split("\n").length <= 4, answer.stderr);
    }
  });

  test("nobody there: it waits, and says so", async () => {
    using folder = temporaryFolder();
    writeFileSync(join(folder.path, "password.txt"), `${password}\n`, { mode: 0o600 });
    const location = `s3:http://127.0.0.1:${await freePort()}/bucket`;
    const args = ["--repository", location, "--password-file", "password.txt", "snapshots"];
    const options = { cwd: folder.path, env: environment(folder.path), timeoutMs: 8000 };
    const { code, stderr } = await holdfast(args, options);
    assert.equal(code, null, "still waiting when it was ended");
    assert.match(stderr, /The storage cannot be reached \(ECONNREFUSED\); trying again in 1 s\./);
  });

  test("the page on S3 says what works", async () => {
    using folder = temporaryFolder();
    const page = readFileSync(join(root, "docs/targets.md"), "utf8");
    const [, section = ""] = /^## S3\n([^]*?)(?=^## |$(?![^]))/m.exec(page) ?? [];
    const cwd = join(folder.path, "crm");
    buildCrm(cwd);
    const env = environment(folder.path);
    const commands = holdfastCommands(section);
    assert.ok(commands.length >= 4);
    for (const { command } of commands) {
      const real = command.replaceAll("https://s3.example.com", ceph.endpoint);
      const { code, stdout, stderr } = await runCommand("/bin/sh", ["-c", real], { cwd, env });
      assert.ok(code === 0 || code === 3, `${command} ended with ${code}\n${stdout}${stderr}`);
    }
  });

  const environment = (home: string): Readonly<Record<string, string>> => ({
    ...ceph.environment,
    PATH: `${programFolder}:/usr/bin:/bin`,
    HOME: home,
    LANG: "C",
    HOLDFAST_STATE: join(home, "state"),
  });
}
