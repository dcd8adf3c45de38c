import assert from "node:assert/strict";
import { createVerify, generateKeyPairSync } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { after, test } from "node:test";
import { buildCrm } from "../../demo/build-crm.ts";
import { gsStorage } from "../../src/storage/gs.ts";
import { cloudImpostor } from "../support/cloud-impostor.ts";
import { fails } from "../support/storage-probes.ts";
import { startGcs } from "../support/gcs-emulator.ts";
import { holdfast } from "../support/holdfast.ts";
import { bareEnvironment } from "../support/page-commands.ts";
import { tamperingProxy } from "../support/tampering-proxy.ts";
import { temporaryFolder } from "../support/temp-folder.ts";

/**
 * Who we are, from where Google's own programs take it. Google's library speaks to servers of this test under Google's own
 * names: they give tokens to whoever proves as Google documents it who he is, and the storage lets in nobody but their bearers.
 */
const gcs = await startGcs();
after(() => gcs[Symbol.asyncDispose]());

const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const email = "backup@a-project.iam.gserviceaccount.com";
const accountKey = (key = privateKey) =>
  JSON.stringify({
    type: "service_account",
    project_id: "a-project",
    private_key_id: "1",
    private_key: key.export({ type: "pkcs8", format: "pem" }),
    client_email: email,
  });

/** Gives tokens for as many seconds, of which the storage takes the newest few. */
let seconds = 3600;
let given = 0;
/** So many requests for a token are answered that the server is too busy. */
let busy = 0;
const token = () => ({ access_token: `token-${++given}`, token_type: "Bearer", expires_in: seconds });
const refusal = (error: string, error_description: string) => ({ error, error_description });

/** As `oauth2.googleapis.com`, `sts.googleapis.com` and the machine's own server of metadata answer. */
async function answerOf(incoming: IncomingMessage): Promise<object | string> {
  const path = incoming.url?.split("?")[0] ?? "";
  if (incoming.headers["metadata-flavor"] === "Google") {
    if (path.endsWith("/project/project-id")) return "a-project";
    return path.endsWith("/service-accounts/default/token") ? token() : "";
  }
  const sent = await text(incoming);
  const asked = new URLSearchParams(sent);
  if (asked.get("grant_type") === "refresh_token") {
    return asked.get("refresh_token") === "of-gcloud" ? token() : refusal("invalid_grant", "Bad Request");
  }
  if (asked.get("subject_token") !== null) {
    return asked.get("subject_token") === "of-the-pod" ? token() : refusal("invalid_grant", "The token is invalid.");
  }
  const [head = "", claims = "", signature = ""] = (asked.get("assertion") ?? "").split(".");
  const { iss, exp } = JSON.parse(Buffer.from(claims, "base64url").toString()) as { iss: string; exp: number };
  const isSigned = createVerify("sha256").update(`${head}.${claims}`).verify(publicKey, signature, "base64url");
  if (!isSigned || iss !== email) return refusal("invalid_grant", "Invalid JWT Signature.");
  // Google's own words.
  const inTime = Math.abs(exp * 1000 - 3_600_000 - Date.now()) < 600_000;
  return inTime
    ? token()
    : refusal(
        "invalid_grant",
        "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your iat and exp values in the JWT claim.",
      );
}

async function answer(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
  response.setHeader("metadata-flavor", "Google");
  if (busy > 0) {
    busy--;
    response.writeHead(503).end();
    return;
  }
  const said = await answerOf(incoming);
  if (typeof said === "string") return void response.end(said);
  response.writeHead("error" in said ? 400 : 200, { "content-type": "application/json" }).end(JSON.stringify(said));
}

const tokens = createServer((incoming, response) => void answer(incoming, response).catch(() => response.destroy()));
tokens.listen(0, "127.0.0.1");
await once(tokens, "listening");
after(() => {
  tokens.close();
  tokens.closeAllConnections();
});
const tokenPort = (tokens.address() as { port: number }).port;

/** The storage, for bearers of a token that is not too old. */
const storage = await tamperingProxy(gcs.port);
after(() => storage[Symbol.asyncDispose]());
storage.tamper = (incoming, response) => {
  const number = Number(/^Bearer token-(\d+)$/.exec(incoming.headers.authorization ?? "")?.[1]);
  if (number > given - 10) {
    incoming.headers.authorization = `Bearer ${gcs.token}`;
    return undefined;
  }
  const error = { code: 401, errors: [{ reason: "authError" }] };
  response.writeHead(401, { "content-type": "application/json" }).end(JSON.stringify({ error }));
  return "answered";
};

const home = temporaryFolder();
after(() => home[Symbol.dispose]());
const impostor = await cloudImpostor(
  {
    "storage.googleapis.com": storage.port,
    "oauth2.googleapis.com": tokenPort,
    "sts.googleapis.com": tokenPort,
  },
  home.path,
);
after(() => impostor[Symbol.asyncDispose]());
const passwordFile = join(home.path, "password.txt");
writeFileSync(passwordFile, "a password\n", { mode: 0o600 });

/** `init` of a repository of its own, which makes a bucket where there is none. */
function init(name: string, login: Readonly<Record<string, string>>, folder = home.path) {
  const cwd = join(home.path, name);
  mkdirSync(cwd);
  buildCrm(cwd);
  const env = { ...bareEnvironment(folder), ...impostor.environment, METADATA_SERVER_DETECTION: "none", ...login };
  const args = ["init", "--yes", "--repository", `gs:logins:/${name}`, "--password-file", passwordFile];
  return { cwd, env, made: holdfast(args, { cwd, env }) };
}

test("a service account's key, in a file and as a secret", async () => {
  const file = join(home.path, "account.json");
  writeFileSync(file, accountKey(), { mode: 0o600 });
  const named = await init("by-file", { GOOGLE_APPLICATION_CREDENTIALS: file }).made;
  assert.equal(named.code, 0, named.stderr);
  const held = await init("by-secret", { GOOGLE_CREDENTIALS: accountKey() }).made;
  assert.equal(held.code, 0, held.stderr);
});

test("gcloud's login, and a pod's identity", async () => {
  const folder = join(home.path, "of-gcloud");
  mkdirSync(join(folder, ".config/gcloud"), { recursive: true });
  const login = { client_id: "id", client_secret: "secret", refresh_token: "of-gcloud", type: "authorized_user" };
  writeFileSync(join(folder, ".config/gcloud/application_default_credentials.json"), JSON.stringify(login));
  const project = { GOOGLE_PROJECT_ID: "a-project" };
  const gcloud = await init("by-gcloud", project, folder).made;
  assert.equal(gcloud.code, 0, gcloud.stderr);
  writeFileSync(join(home.path, "pod-token"), "of-the-pod");
  const pod = {
    type: "external_account",
    audience: "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/provider",
    subject_token_type: "urn:ietf:params:oauth:token-type:jwt",
    token_url: "https://sts.googleapis.com/v1/token",
    credential_source: { file: join(home.path, "pod-token") },
  };
  const file = join(home.path, "pod.json");
  writeFileSync(file, JSON.stringify(pod));
  const made = await init("by-pod", { ...project, GOOGLE_APPLICATION_CREDENTIALS: file }).made;
  assert.equal(made.code, 0, made.stderr);
});

test("the machine's own account, whose tokens run out in the middle of a run and are renewed", async () => {
  seconds = 1;
  const before = given;
  const machine = { METADATA_SERVER_DETECTION: "assume-present", GCE_METADATA_HOST: `127.0.0.1:${tokenPort}` };
  const { cwd, env, made } = init("by-machine", machine);
  assert.equal((await made).code, 0, (await made).stderr);
  const { code, stderr } = await holdfast(["backup"], { cwd, env });
  assert.ok(code === 0 || code === 3, stderr);
  // The storage takes the newest ten only.
  assert.ok(given - before > 20, `${given - before} tokens`);
  seconds = 3600;
});

test("a token that cannot be had for a moment is waited for", async () => {
  busy = 12;
  const { made } = init("by-and-by", { GOOGLE_CREDENTIALS: accountKey() });
  const { code, stderr } = await made;
  assert.equal(code, 0, stderr);
  assert.match(stderr, /cannot be reached \(HTTP 503\); trying again/);
  assert.equal(busy, 0);
});

test("a token that never comes keeps nobody who wants to stop, and is given up", async () => {
  const silent = createServer(() => undefined);
  silent.listen(0, "127.0.0.1");
  await once(silent, "listening");
  const port = (silent.address() as { port: number }).port;
  Object.assign(process.env, { METADATA_SERVER_DETECTION: "assume-present", GCE_METADATA_HOST: `127.0.0.1:${port}` });
  using _ending = {
    [Symbol.dispose]() {
      silent.closeAllConnections();
      silent.close();
    },
  };
  const waiting = gsStorage("gs:logins:/silent", { HOME: home.path }, { silentMs: 500 });
  const stopping = new AbortController();
  const asked = waiting.stat({ kind: "config", name: "" }, stopping.signal);
  stopping.abort(new Error("enough"));
  await assert.rejects(asked, /enough/);
  await fails(waiting.stat({ kind: "config", name: "" }, new AbortController().signal), "storage-unreachable");
});

test("a key that is another's, a clock that is an hour off, and no login at all: one line and a hint each", async () => {
  const { privateKey: other } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const clock = join(home.path, "clock.mjs");
  writeFileSync(
    clock,
    "const now = Date.now; Date.now = () => now() + 3_600_000;\nconst Real = Date;\nglobalThis.Date = class extends Real { constructor(...given) { super(...(given.length ? given : [Real.now()])); } };\n",
  );
  for (const [name, login, sentence] of [
    ["wrong-key", { GOOGLE_CREDENTIALS: accountKey(other) }, /does not accept the login.*invalid_grant/],
    [
      "wrong-clock",
      { GOOGLE_CREDENTIALS: accountKey(), NODE_OPTIONS: `--import=${clock}` },
      /clock of this machine and that of the storage are too far apart/,
    ],
    ["no-login", {}, /does not accept the login.*no credentials of Google's/],
  ] as const) {
    const { code, stderr } = await init(name, login, join(home.path, "nobody")).made;
    assert.equal(code, 1, stderr);
    assert.match(stderr, sentence);
    assert.ok(stderr.trim().split("\n").length <= 4, stderr);
    assert.ok(!stderr.includes("PRIVATE KEY"), stderr);
  }
});
