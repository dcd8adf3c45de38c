import assert from "node:assert/strict";
import { randomBytes, randomUUID } from "node:crypto";
import { after, test } from "node:test";
import { storageContract } from "../../src/storage/contract.ts";
import { gsStorage } from "../../src/storage/gs.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { cloudImpostor } from "../support/cloud-impostor.ts";
import { testClouds } from "../support/cloud-tests.ts";
import { freePort } from "../support/free-port.ts";
import { startGcs } from "../support/gcs-emulator.ts";
import { bareEnvironment, pageCommands } from "../support/page-commands.ts";
import { remoteFlow } from "../support/remote-flow.ts";
import { fails, fileOf, listed } from "../support/storage-probes.ts";
import { tamperingProxy } from "../support/tampering-proxy.ts";
import { temporaryFolder } from "../support/temp-folder.ts";

/** Google's storage on our emulator of it, whose own judge is restic's client. */
const gcs = await startGcs();
after(() => gcs[Symbol.asyncDispose]());

const { signal } = new AbortController();
const environment = (port = gcs.port) => ({
  STORAGE_EMULATOR_HOST: `http://127.0.0.1:${port}`,
  GOOGLE_ACCESS_TOKEN: gcs.token,
  GOOGLE_PROJECT_ID: "a-project",
});
const freshPlace = () => `gs:bucket-${randomUUID()}:/a prefix`;
const storageAt = (location: string, more: NodeJS.ProcessEnv = {}, silentMs = 5000): Storage =>
  gsStorage(location, { ...environment(), ...more }, { silentMs });

storageContract("Google Cloud Storage, on an emulator", async () => storageAt(freshPlace()));

test("a token that is wrong or missing, no such bucket, and nobody there", async () => {
  const location = freshPlace();
  await storageAt(location).create(signal);
  const wrong = { GOOGLE_ACCESS_TOKEN: "SECRET" };
  await fails(listed(storageAt(location, wrong), "key"), "storage-login", "authError");
  await fails(storageAt(location, { GOOGLE_ACCESS_TOKEN: "" }).save(fileOf(), randomBytes(9), signal), "storage-login");
  const key = { STORAGE_EMULATOR_HOST: "", GOOGLE_ACCESS_TOKEN: "", GOOGLE_CREDENTIALS: "{SECRET" };
  await fails(storageAt(location, key).stat(fileOf(), signal), "storage-login", "GOOGLE_CREDENTIALS");
  await fails(listed(storageAt(freshPlace()), "key"), "storage-missing", "notFound");
  const { GOOGLE_PROJECT_ID: _none, ...others } = environment();
  await fails(gsStorage(freshPlace(), others).create(signal), "storage-missing");
  assert.equal(await storageAt(freshPlace()).stat({ kind: "config", name: "" }, signal), undefined);
  const nobody = environment(await freePort());
  await fails(storageAt(location, nobody).stat(fileOf(), signal), "storage-unreachable", "ECONNREFUSED");
});

test("a bucket that is full keeps what it has; what keeps all that it has says so", async () => {
  const location = freshPlace();
  const storage = storageAt(location);
  await storage.create(signal);
  const kept = fileOf();
  await storage.save(kept, Buffer.from("kept"), signal);
  gcs.full.add(location.split(":")[1] ?? "");
  await fails(storage.save(fileOf(), randomBytes(100), signal), "storage-full", "quotaExceeded");
  assert.equal(String(await storage.load(kept, undefined, signal)), "kept");
  await using proxy = await tamperingProxy(gcs.port);
  const locked = storageAt(location, environment(proxy.port));
  proxy.tamper = ({ method }, answer) => {
    if (method !== "DELETE") return undefined;
    const error = { code: 403, errors: [{ reason: "retentionPolicyNotMet" }] };
    answer.writeHead(403, { "content-type": "application/json", connection: "close" });
    answer.end(JSON.stringify({ error }));
    return "answered";
  };
  await fails(locked.remove(kept, signal), "storage-append-only", "retentionPolicyNotMet");
});

test("what was damaged on its way is sent again", async () => {
  await using proxy = await tamperingProxy(gcs.port);
  const storage = storageAt(freshPlace(), environment(proxy.port));
  await storage.create(signal);
  // As Google answers when the sum does not fit.
  proxy.tamper = (_incoming, answer) => {
    const error = { code: 400, message: "Provided MD5 hash doesn't match calculated MD5 hash.", errors: [] };
    answer.writeHead(400, { "content-type": "application/json", connection: "close" }).end(JSON.stringify({ error }));
    return "answered";
  };
  await fails(storage.save(fileOf(), randomBytes(9), signal), "storage-unreachable", "HTTP 400");
});

test("what something in between answers with success is neither an empty list nor a stored file", async () => {
  await using proxy = await tamperingProxy(gcs.port);
  const storage = storageAt(freshPlace(), environment(proxy.port));
  await storage.create(signal);
  for (const body of ["<html><body>Sign in</body></html>", "", "{}", `{"size":"8"}`]) {
    proxy.tamper = (incoming, answer) => {
      const headers = { "content-type": "text/html", connection: "close" };
      incoming.resume().once("end", () => answer.writeHead(200, headers).end(body));
      return "answered";
    };
    await fails(storage.save(fileOf(), randomBytes(9), signal), "storage-failed");
    await fails(listed(storage, "lock"), "storage-failed", "a list that is none");
  }
  proxy.tamper = () => undefined;
  assert.deepEqual(await listed(storage, "lock"), []);
});

testClouds({
  port: gcs.port,
  at: (port, silentMs) => storageAt(freshPlace(), environment(port), silentMs),
  isUpload: ({ url = "" }) => url.startsWith("/upload/"),
});

test("a CRM, from its first backup to its restore, with restic's own client as the judge", async () => {
  using folder = temporaryFolder();
  await using impostor = await cloudImpostor({ "storage.googleapis.com": gcs.port }, folder.path);
  await storageAt("gs:crm-backups:/").create(signal);
  const location = (name: string) => `gs:crm-backups:/${name}`;
  const login = { GOOGLE_ACCESS_TOKEN: gcs.token, GOOGLE_PROJECT_ID: "a-project" };
  await remoteFlow({
    location,
    storageAt,
    resticLocation: location,
    resticAccess: { environment: { ...impostor.environment, ...login }, options: impostor.options },
    environment: (home) => ({ ...bareEnvironment(home), ...environment() }),
  });
  assert.ok(gcs.uploads.multipart > 0);
});

test("the page on it says what works", () =>
  pageCommands({
    section: "Google Cloud Storage",
    example: "gs:crm-backups:/acme",
    place: (page) => `gs:crm-backups:/${page}`,
    environment: (home) => ({ ...bareEnvironment(home), ...environment() }),
  }));
