import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { after, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { buildCrm } from "../../demo/build-crm.ts";
import { s3Storage } from "../../src/storage/s3.ts";
import { startCeph } from "../support/ceph-server.ts";
import { holdfast } from "../support/holdfast.ts";
import { bareEnvironment } from "../support/page-commands.ts";
import { fails, fileOf } from "../support/storage-probes.ts";
import { tamperingProxy } from "../support/tampering-proxy.ts";
import { temporaryFolder } from "../support/temp-folder.ts";

/** Who we are, from where AWS' own programs take it, on Ceph's gateway: what a cloud's machine would be told, servers of this test tell. */
const ceph = await startCeph();
after(() => ceph[Symbol.asyncDispose]());
const home = temporaryFolder();
after(() => home[Symbol.dispose]());
const { AWS_ACCESS_KEY_ID: id = "", AWS_SECRET_ACCESS_KEY: secret = "" } = ceph.environment;
const passwordFile = join(home.path, "password.txt");
writeFileSync(passwordFile, "a password\n", { mode: 0o600 });

const { signal } = new AbortController();

/** The key that is given now, and how often it was. */
const given = { id, secret, times: 0, seconds: 3600 };
const keys = () => {
  given.times++;
  const Expiration = new Date(Date.now() + given.seconds * 1000).toISOString();
  return { Code: "Success", AccessKeyId: given.id, SecretAccessKey: given.secret, Token: "", Expiration };
};

/** The machine's server of metadata, a container's, and the service that gives keys for a pod's token. */
async function answer(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
  const { method, url = "", headers } = incoming;
  const sent = await text(incoming);
  if (method === "PUT" && url === "/latest/api/token") return void response.end("token-of-the-machine");
  if (url.startsWith("/latest/meta-data/iam/security-credentials/")) {
    if (headers["x-aws-ec2-metadata-token"] !== "token-of-the-machine") return void response.writeHead(401).end();
    return void response.end(url.endsWith("/") ? "backup-role" : JSON.stringify(keys()));
  }
  if (url === "/container" && headers.authorization === "token-of-the-container") {
    response.setHeader("content-type", "application/json");
    return void response.end(JSON.stringify(keys()));
  }
  if (new URLSearchParams(sent).get("WebIdentityToken") === "token-of-the-pod") {
    const { AccessKeyId, SecretAccessKey, Expiration } = keys();
    response.setHeader("content-type", "text/xml");
    const credentials = `<AccessKeyId>${AccessKeyId}</AccessKeyId><SecretAccessKey>${SecretAccessKey}</SecretAccessKey><SessionToken></SessionToken><Expiration>${Expiration}</Expiration>`;
    const result = `<AssumeRoleWithWebIdentityResult><Credentials>${credentials}</Credentials></AssumeRoleWithWebIdentityResult>`;
    return void response.end(
      `<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">${result}</AssumeRoleWithWebIdentityResponse>`,
    );
  }
  response.writeHead(404).end();
}

const server = createServer((incoming, response) => void answer(incoming, response).catch(() => response.destroy()));
server.listen(0, "127.0.0.1");
await once(server, "listening");
after(() => {
  server.close();
  server.closeAllConnections();
});
const place = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

/** `init` of a repository of its own, by somebody who has this at home and in the environment. */
async function init(name: string, files: Readonly<Record<string, string>>, login: Readonly<Record<string, string>>) {
  const own = join(home.path, name);
  mkdirSync(join(own, ".aws"), { recursive: true });
  buildCrm(join(own, "crm"));
  for (const [path, contents] of Object.entries(files)) writeFileSync(join(own, path), contents, { mode: 0o600 });
  const location = `s3:${ceph.endpoint}/logins/${name}`;
  const env = { ...bareEnvironment(own), AWS_EC2_METADATA_DISABLED: "true", ...login };
  const args = ["init", "--yes", "--repository", location, "--password-file", passwordFile];
  const { code, stderr } = await holdfast(args, { cwd: join(own, "crm"), env });
  assert.equal(code, 0, `${name}: ${stderr}`);
}

test("a profile, with its region, and one whose program gives the key", async () => {
  let regions = "";
  await using proxy = await tamperingProxy(ceph.port);
  proxy.tamper = ({ headers }) => {
    regions = /Credential=[^/]+\/\d+\/([^/]+)\//.exec(headers.authorization ?? "")?.[1] ?? "";
    return undefined;
  };
  const credentials = `[default]\naws_access_key_id = NOBODY\naws_secret_access_key = x\n[backup]\naws_access_key_id = ${id}\naws_secret_access_key = ${secret}\n`;
  const config = "[profile backup]\nregion = eu-test-7\n";
  // Who makes a bucket names a region that the server has.
  await s3Storage(`s3:${ceph.endpoint}/logins`, { ...process.env, ...ceph.environment }).create(signal);
  await init("profile", { ".aws/credentials": credentials, ".aws/config": config }, { AWS_PROFILE: "backup" });
  const own = join(home.path, "profile");
  const location = `s3:http://127.0.0.1:${proxy.port}/logins/profile`;
  const args = ["--repository", location, "--password-file", passwordFile, "snapshots"];
  const env = { ...bareEnvironment(own), AWS_EC2_METADATA_DISABLED: "true", AWS_PROFILE: "backup" };
  const { code, stderr } = await holdfast(args, { cwd: own, env });
  assert.ok(code === 0 || code === 4, stderr);
  assert.equal(regions, "eu-test-7");
  const said = JSON.stringify({ Version: 1, AccessKeyId: id, SecretAccessKey: secret });
  const program = `[default]\ncredential_process = /bin/cat ${join(home.path, "program/said.json")}\n`;
  await init("program", { ".aws/config": program, "said.json": said }, {});
});

test("the machine's role, a container's, and a pod's token", async () => {
  await init("machine", {}, { AWS_EC2_METADATA_DISABLED: "", AWS_EC2_METADATA_SERVICE_ENDPOINT: place });
  const container = { AWS_CONTAINER_CREDENTIALS_FULL_URI: `${place}/container` };
  await init("container", {}, { ...container, AWS_CONTAINER_AUTHORIZATION_TOKEN: "token-of-the-container" });
  const pod = {
    AWS_WEB_IDENTITY_TOKEN_FILE: join(home.path, "pod/token"),
    AWS_ROLE_ARN: "arn:aws:iam::123456789012:role/backup",
    AWS_ENDPOINT_URL_STS: place,
  };
  await init("pod", { token: "token-of-the-pod" }, pod);
  assert.ok(given.times >= 3);
});

test("a key that runs out in the middle of a run is renewed, by whoever gave it", async () => {
  for (const name of ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]) delete process.env[name];
  Object.assign(process.env, { AWS_EC2_METADATA_SERVICE_ENDPOINT: place, HOME: home.path, AWS_REGION: "us-east-1" });
  const user = await ceph.admin("user", "info", `--access-key=${id}`);
  const uid = /"user_id": "([^"]+)"/.exec(user)?.[1] ?? assert.fail(user);
  await ceph.admin("key", "create", `--uid=${uid}`, "--key-type=s3", "--access-key=FIRST", "--secret-key=first");
  Object.assign(given, { id: "FIRST", secret: "first", seconds: 2 });
  await using storage = s3Storage(`s3:${ceph.endpoint}/logins/renewed`, process.env);
  const files = [fileOf(), fileOf()] as const;
  await storage.create(signal);
  await storage.save(files[0], randomBytes(100), signal);
  await ceph.admin("key", "create", `--uid=${uid}`, "--key-type=s3", "--access-key=NEXT", "--secret-key=next");
  await ceph.admin("key", "rm", `--uid=${uid}`, "--key-type=s3", "--access-key=FIRST");
  Object.assign(given, { id: "NEXT", secret: "next", seconds: 3600 });
  // Until it has run out: before, the next one is fetched beside.
  await wait(2500);
  await storage.save(files[1], randomBytes(100), signal);
  assert.equal((await Array.fromAsync(storage.list("data", signal))).length, 2);
});

test("keys that a command gives are asked for again when they have run out", async () => {
  const user = await ceph.admin("user", "info", `--access-key=${given.id}`);
  const uid = /"user_id": "([^"]+)"/.exec(user)?.[1] ?? assert.fail(user);
  const key = (what: string, name: string) =>
    ceph.admin("key", what, `--uid=${uid}`, "--key-type=s3", `--access-key=${name}`, `--secret-key=${name}-secret`);
  const login = (name: string) => ({ AWS_ACCESS_KEY_ID: name, AWS_SECRET_ACCESS_KEY: `${name}-secret` });
  await key("create", "EARLY");
  let asked = 0;
  const renewLogin = async () => login(asked++ === 0 ? "EARLY" : "LATE");
  await using storage = s3Storage(`s3:${ceph.endpoint}/logins/asked`, login("EARLY"), { renewLogin });
  const files = [fileOf(), fileOf(), fileOf()] as const;
  await storage.create(signal);
  await storage.save(files[0], randomBytes(100), signal);
  await key("create", "LATE");
  await ceph.admin("key", "rm", `--uid=${uid}`, "--key-type=s3", "--access-key=EARLY");
  await fails(storage.save(files[1], randomBytes(100), signal), "storage-login");
  await Promise.all([files[1], files[2]].map((file) => storage.save(file, randomBytes(100), signal)));
  assert.equal(asked, 2, "the first time nobody had others yet; then one asked for both");
  assert.equal((await Array.fromAsync(storage.list("data", signal))).length, 3);

  // As `holdfast.yaml` says it: what the command gives first has run out.
  const own = join(home.path, "by-command");
  buildCrm(join(own, "crm"));
  const lateByThen = `sh -c 'test -e ${own}/asked && echo LATE-secret || { touch ${own}/asked; echo EARLY-secret; }'`;
  writeFileSync(
    join(own, "crm/holdfast.yaml"),
    `crm: { name: crm, platform: custom, database: "sqlite:./crm.db" }
repository:
  location: s3:${ceph.endpoint}/logins/by-command
  password: file:${passwordFile}
  credentials: { AWS_ACCESS_KEY_ID: "cmd:echo LATE", AWS_SECRET_ACCESS_KEY: ${JSON.stringify(`cmd:${lateByThen}`)} }
`,
  );
  const env = { ...bareEnvironment(own), AWS_EC2_METADATA_DISABLED: "true" };
  const { code, stderr } = await holdfast(["init", "--yes"], { cwd: join(own, "crm"), env });
  assert.equal(code, 0, stderr);
});
