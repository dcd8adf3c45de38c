import assert from "node:assert/strict";
import { randomBytes, randomUUID } from "node:crypto";
import { after, test } from "node:test";
import { BlobServiceClient, ContainerSASPermissions } from "@azure/storage-blob";
import { isHoldfastError } from "../../src/lib/errors.ts";
import { azureError } from "../../src/storage/azure-error.ts";
import { azureStorage } from "../../src/storage/azure.ts";
import { storageContract } from "../../src/storage/contract.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { startAzurite } from "../support/azurite-server.ts";
import { cloudImpostor } from "../support/cloud-impostor.ts";
import { freePort } from "../support/free-port.ts";
import { bareEnvironment, pageCommands } from "../support/page-commands.ts";
import { remoteFlow } from "../support/remote-flow.ts";
import { fails, fileOf, listed } from "../support/storage-probes.ts";
import { tamperingProxy } from "../support/tampering-proxy.ts";
import { temporaryFolder } from "../support/temp-folder.ts";
import { testClouds } from "../support/cloud-tests.ts";

/** Azure storage on Azurite: one server for all. */
const azurite = await startAzurite();
after(() => azurite[Symbol.asyncDispose]());

const { signal } = new AbortController();
const freshPlace = () => `azure:bucket-${randomUUID()}:/a prefix`;
const storageAt = (
  location: string,
  environment: NodeJS.ProcessEnv = azurite.environment(),
  silentMs = 5000,
): Storage => azureStorage(location, environment, { silentMs });
const service = BlobServiceClient.fromConnectionString(azurite.environment()["AZURE_STORAGE_CONNECTION_STRING"] ?? "");

storageContract("Azure, on Azurite", async () => storageAt(freshPlace()));

test("a key that is wrong or missing, a token that may not, no such container, and nobody there", async () => {
  const location = freshPlace();
  await storageAt(location).create(signal);
  const wrong = azurite.environment()["AZURE_STORAGE_CONNECTION_STRING"]?.replace(azurite.key, "U0VDUkVU");
  // Azurite's word for it; Azure's is tried below.
  const denied = listed(storageAt(location, { AZURE_STORAGE_CONNECTION_STRING: wrong }), "key");
  await fails(denied, "storage-denied", "AuthorizationFailure", "U0VDUkVU");
  await fails(listed(storageAt(location, {}), "key"), "storage-login", "no AZURE_ACCOUNT_NAME");
  const nonsense = { AZURE_STORAGE_CONNECTION_STRING: "AccountKey=SECRET" };
  await fails(listed(storageAt(location, nonsense), "key"), "storage-login", "AZURE_STORAGE_CONNECTION_STRING");
  const noKey = listed(storageAt(location, { AZURE_ACCOUNT_NAME: "holdfasttest" }), "key");
  assert.equal((await fails(noKey, "storage-library"))["library"], "@azure/identity");
  await fails(listed(storageAt(freshPlace()), "key"), "storage-missing", "ContainerNotFound");
  assert.equal(await storageAt(freshPlace()).stat({ kind: "config", name: "" }, signal), undefined);
  const nobody = azurite.environment(await freePort());
  await fails(storageAt(location, nobody).stat(fileOf(), signal), "storage-unreachable", "ECONNREFUSED");

  const container = service.getContainerClient(location.split(":")[1] ?? "");
  const url = await container.generateSasUrl({
    permissions: ContainerSASPermissions.parse("rl"),
    expiresOn: new Date(Date.now() + 3_600_000),
  });
  const reading = storageAt(location, {
    AZURE_STORAGE_CONNECTION_STRING: `BlobEndpoint=${url.slice(0, url.indexOf(`/${container.containerName}`))};SharedAccessSignature=${url.slice(url.indexOf("?") + 1)}`,
  });
  await reading.create(signal);
  assert.deepEqual(await listed(reading, "key"), []);
  await fails(reading.save(fileOf(), randomBytes(9), signal), "storage-denied", "AuthorizationPermissionMismatch");
});

test("a wrong key, and a clock that is an hour off, in Azure's words", async () => {
  await using proxy = await tamperingProxy(azurite.port);
  const storage = storageAt(freshPlace(), azurite.environment(proxy.port));
  // As Azure documents it: the same words for both, and its own time in a header.
  for (const [hoursOff, code] of [
    [0, "storage-login"],
    [1, "storage-clock"],
  ] as const) {
    proxy.tamper = (_incoming, answer) => {
      const date = new Date(Date.now() - hoursOff * 3_600_000).toUTCString();
      answer.writeHead(403, { date, "x-ms-error-code": "AuthenticationFailed", connection: "close" }).end();
      return "answered";
    };
    await fails(storage.stat(fileOf(), signal), code, "AuthenticationFailed");
  }
});

test("what something in between answers with success is neither an empty list nor a stored file", async () => {
  await using proxy = await tamperingProxy(azurite.port);
  const storage = storageAt(freshPlace(), azurite.environment(proxy.port));
  await storage.create(signal);
  for (const [type, body] of [
    ["text/html", "<html><body><p>Sign in</p></body></html>"],
    ["application/xml", "<Answer><State>ok</State></Answer>"],
    ["application/xml", ""],
    ["application/json", "{}"],
  ] as const) {
    for (const status of [200, 201]) {
      proxy.tamper = (incoming, answer) => {
        const headers = { connection: "close", "content-type": type };
        incoming.resume().once("end", () => answer.writeHead(status, headers).end(body));
        return "answered";
      };
      await fails(storage.save(fileOf(), randomBytes(9), signal), "storage-failed");
      await fails(listed(storage, "lock"), "storage-failed");
    }
  }
  proxy.tamper = () => undefined;
  assert.deepEqual(await listed(storage, "lock"), []);
});

test("who gives tokens may be too busy for a moment: that is waited for, and a refusal is not", () => {
  for (const [statusCode, code] of [
    [503, "storage-unreachable"],
    [401, "storage-login"],
  ] as const) {
    // As `@azure/identity` throws it.
    const failure = Object.assign(new Error("more details"), { name: "AuthenticationError", statusCode });
    const subject = { location: "azure:a:/b", bucket: "a", path: "azure:a:/b" };
    assert.ok(isHoldfastError(azureError(failure, subject, signal, Date.now()), code));
  }
});

testClouds({
  port: azurite.port,
  at: (port, silentMs) => storageAt(freshPlace(), azurite.environment(port), silentMs),
  isUpload: ({ method }) => method === "PUT",
});

test("a CRM, from its first backup to its restore, with restic's own client as the judge", async () => {
  using folder = temporaryFolder();
  const host = `${azurite.account}.blob.core.windows.net`;
  await using impostor = await cloudImpostor({ [host]: azurite.port }, folder.path);
  const login = { AZURE_ACCOUNT_NAME: azurite.account, AZURE_ACCOUNT_KEY: azurite.key };
  await service.createContainer("crm-backups");
  const location = (name: string) => `azure:crm-backups:/${name}`;
  await remoteFlow({
    location,
    storageAt,
    resticLocation: location,
    resticAccess: { environment: { ...impostor.environment, ...login }, options: impostor.options },
    environment: (home) => ({ ...bareEnvironment(home), ...azurite.environment() }),
  });
});

test("the page on it says what works", () =>
  pageCommands({
    section: "Azure",
    example: "azure:crm-backups:/acme",
    place: (page) => `azure:crm-backups:/${page}`,
    environment: (home) => ({ ...bareEnvironment(home), ...azurite.environment() }),
  }));
