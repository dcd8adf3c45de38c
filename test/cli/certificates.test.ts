import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { freePort } from "../support/free-port.ts";
import { holdfast } from "../support/holdfast.ts";
import { bareEnvironment } from "../support/page-commands.ts";
import { commandOutput } from "../support/run-command.ts";
import { tamperingProxy } from "../support/tampering-proxy.ts";
import { temporaryFolder } from "../support/temp-folder.ts";

/** A certificate of one's own, before storages that are spoken to by HTTPS: what is behind it is never asked. That of S3 is in its own tests. */
test("a certificate that nobody vouches for ends the command with one line and a hint, on each kind of storage", async () => {
  using folder = temporaryFolder();
  const [key, cert] = [join(folder.path, "key.pem"), join(folder.path, "cert.pem")];
  await commandOutput("openssl", [
    ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"],
    ...["-keyout", key, "-out", cert, "-subj", "/CN=backup", "-addext", "subjectAltName=IP:127.0.0.1"],
  ]);
  await using proxy = await tamperingProxy(await freePort(), { key: readFileSync(key), cert: readFileSync(cert) });
  let asked = 0;
  proxy.tamper = (_incoming, answer) => {
    asked++;
    answer.writeHead(401, { connection: "close" }).end();
    return "answered";
  };
  const place = `https://127.0.0.1:${proxy.port}`;
  const azure = `DefaultEndpointsProtocol=https;AccountName=holdfasttest;AccountKey=U0VDUkVU;BlobEndpoint=${place}/holdfasttest`;
  writeFileSync(join(folder.path, "password.txt"), "a password\n", { mode: 0o600 });
  for (const [location, login] of [
    [`s3:${place}/bucket`, { AWS_ACCESS_KEY_ID: "id", AWS_SECRET_ACCESS_KEY: "SECRET" }],
    ["azure:bucket:/acme", { AZURE_STORAGE_CONNECTION_STRING: azure }],
    ["gs:bucket:/acme", { STORAGE_EMULATOR_HOST: place, GOOGLE_ACCESS_TOKEN: "SECRET" }],
    [`rest:${place}/acme`, { RESTIC_REST_USERNAME: "me", RESTIC_REST_PASSWORD: "SECRET" }],
  ] as const) {
    const ask = (env: Readonly<Record<string, string>>) =>
      holdfast(["--repository", location, "--password-file", "password.txt", "snapshots"], {
        cwd: folder.path,
        env: { ...bareEnvironment(folder.path), ...login, ...env },
      });
    const { code, stderr } = await ask({});
    assert.equal(code, 1, stderr);
    assert.match(stderr, /The certificate of \S+ is not trusted \(DEPTH_ZERO_SELF_SIGNED_CERT\)/);
    assert.match(stderr, /NODE_EXTRA_CA_CERTS/);
    assert.ok(stderr.trim().split("\n").length <= 2 && !stderr.includes("SECRET"), stderr);
    assert.equal(asked, 0, "nobody is told anything");
    // With it, whoever is behind is asked, and refuses.
    const named = await ask({ NODE_EXTRA_CA_CERTS: cert });
    assert.match(named.stderr, /does not accept the login/, location);
    assert.ok(asked > 0);
    asked = 0;
  }
});
