import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { BlobServiceClient } from "@azure/storage-blob";
import { backup } from "../../src/engine/backup.ts";
import { createRepositoryAt } from "../../src/engine/init.ts";
import { listSnapshots } from "../../src/engine/snapshots.ts";
import { verify } from "../../src/engine/verify.ts";
import { azureStorage } from "../../src/storage/azure.ts";
import { storageContract } from "../../src/storage/contract.ts";
import { startAzureEmulator } from "../support/azure-emulator.ts";
import { startAzurite } from "../support/azurite-server.ts";
import { retentionContract } from "../support/retention-contract.ts";
import { limits, smallCrm } from "../support/small-crm.ts";
import { fails, fileOf, listed } from "../support/storage-probes.ts";
import { tamperingProxy } from "../support/tampering-proxy.ts";
import { temporaryFolder } from "../support/temp-folder.ts";

/** Azure's immutability and versions on an emulator of our own, since Azurite has neither; tiers on Azurite. */
const azure = await startAzureEmulator();
after(() => azure[Symbol.asyncDispose]());
const { signal } = new AbortController();
const lock = { mode: "compliance", days: 10 } as const;
const freshLocation = () => `azure:locked-${randomUUID()}:/a prefix`;
const open = (location: string) => azureStorage(location, azure.environment, { lock });
const service = BlobServiceClient.fromConnectionString(azure.environment["AZURE_STORAGE_CONNECTION_STRING"] ?? "");

storageContract("Azure with immutability, on an emulator", async () => open(freshLocation()));
retentionContract("Azure", { location: freshLocation, open, momentMs: 30 });

test("a container that was made without immutability is refused; of governance the server's word is taken", async () => {
  const location = freshLocation();
  const container = location.split(":")[1] ?? "";
  azure.plain.add(container);
  await fails(open(location).create(signal), "storage-lock-unsupported");
  azure.plain.delete(container);
  const governed = azureStorage(location, azure.environment, { lock: { mode: "governance", days: 1 } });
  const file = fileOf();
  await governed.save(file, Buffer.from("x"), signal);
  assert.equal(await governed.retention?.tryToDestroy(file, signal), "refused");
  // A weaker lock than is wanted counts as none.
  assert.equal(await open(location).retention?.until(file, signal), undefined);
  azure.careless.add(container);
  const loose = fileOf();
  await governed.save(loose, Buffer.from("x"), signal);
  assert.equal(await governed.retention?.tryToDestroy(loose, signal), "destroyed");
});

test("with the owner's key nothing that is locked can be destroyed, and it opens as of before", async () => {
  using place = temporaryFolder();
  const crm = await smallCrm(place.path);
  const container = `locked-${randomUUID()}`;
  const location = `azure:${container}:/acme`;
  const keeping = { lock: { mode: "compliance", days: 5 } } as const;
  const repository = { location, password: crm.access.password, keeping };
  const openStorage = () => azureStorage(location, azure.environment, keeping);
  const engine = { ...crm.engine, openStorage };
  await createRepositoryAt(engine, repository, crm.run);
  const source = { crm: crm.description, configFile: crm.configFile, repository, limits, waitMs: 0 };
  const report = await backup(engine, { ...source, inconsistencies: "warn" }, crm.run);
  assert.deepEqual(
    report.lock?.proofs.map(({ result }) => result),
    ["refused", "refused", "refused"],
  );
  await wait(30);
  const before = new Date();
  await wait(30);
  const client = service.getContainerClient(container);
  const names: string[] = [];
  for await (const { name, versionId } of client.listBlobsFlat({ includeVersions: true })) {
    names.push(name);
    const sooner = { expiriesOn: new Date(Date.now() + 1000), policyMode: "Locked" } as const;
    const blob = client.getBlobClient(name).withVersion(versionId ?? "");
    await assert.rejects(blob.setImmutabilityPolicy(sooner), { statusCode: 409 });
    await assert.rejects(blob.deleteImmutabilityPolicy(), { statusCode: 409 });
  }
  assert.equal(names.length, report.lock?.files, "all is locked, and of lock files nothing is left");
  for (const name of names) await client.deleteBlob(name);
  for await (const { name, versionId } of client.listBlobsFlat({ includeVersions: true })) {
    const old = client.getBlobClient(name).withVersion(versionId ?? "");
    await assert.rejects(old.delete(), { statusCode: 409 });
  }
  await using gone = openStorage();
  assert.deepEqual(await listed(gone, "snapshot"), []);
  const past = { ...engine, openStorage: () => openStorage().asOf?.(before) ?? assert.fail() };
  const verified = await verify(past, { repository, read: { kind: "all" }, limits }, crm.run);
  assert.deepEqual(verified.defects, []);
  assert.equal((await listSnapshots(past, { repository }, crm.run)).snapshots.length, 1);
  // Of what somebody removed, old versions are left, which Azure would not thaw.
  await using then = past.openStorage();
  const [pack] = await Array.fromAsync(then.list("data", signal));
  assert.ok(pack && then.thaw);
  const file = { kind: "data", name: pack.name } as const;
  assert.equal(await then.thaw.state(file, signal), "ready");
  await fails(then.thaw.request(file, 7, signal), "storage-cold-version");
});

test("a login that may not ask for a lock to be taken off proves nothing, and is told of", async () => {
  using place = temporaryFolder();
  const crm = await smallCrm(place.path);
  const container = `locked-${randomUUID()}`;
  const keeping = { lock: { mode: "compliance", days: 5 } } as const;
  const repository = { location: `azure:${container}:/acme`, password: crm.access.password, keeping };
  const engine = { ...crm.engine, openStorage: () => azureStorage(repository.location, azure.environment, keeping) };
  await createRepositoryAt(engine, repository, crm.run);
  azure.unwilling.add(container);
  const source = { crm: crm.description, configFile: crm.configFile, repository, limits, waitMs: 0 };
  const { lock: found, warnings } = await backup(engine, { ...source, inconsistencies: "warn" }, crm.run);
  assert.deepEqual(
    [found?.proofs.map(({ result }) => result), warnings.map(({ code }) => code)],
    [["unproved", "unproved", "unproved"], ["lock-unproved"]],
  );
  assert.ok(found?.until, "the storage says that it is locked");
});

test("only the contents of files go to the archive; what is there has to be thawed, and says so", async () => {
  await using azurite = await startAzurite();
  await using proxy = await tamperingProxy(azurite.port);
  using place = temporaryFolder();
  const crm = await smallCrm(place.path);
  const location = "azure:cold:/acme";
  const keeping = { coldClass: "Archive" };
  const openStorage = () => azureStorage(location, azurite.environment(proxy.port), keeping);
  const repository = { location, password: crm.access.password, keeping };
  const engine = { ...crm.engine, openStorage };
  await createRepositoryAt(engine, repository, crm.run);
  const source = { crm: crm.description, configFile: crm.configFile, repository, limits, waitMs: 0 };
  await backup(engine, { ...source, inconsistencies: "warn" }, crm.run);
  crm.sql("UPDATE contact SET name = 'changed' WHERE id < 20");
  writeFileSync(join(crm.attachments, "more.txt"), "more\n");
  await backup(engine, { ...source, inconsistencies: "warn" }, crm.run);
  await using storage = openStorage();
  const packs = await Array.fromAsync(storage.list("data", signal));
  const cold = packs.filter(({ access }) => access === "cold");
  assert.ok(cold.length === 2 && packs.length > cold.length, JSON.stringify(packs));
  for (const kind of ["index", "snapshot", "key"] as const) {
    for await (const { access } of storage.list(kind, signal)) assert.equal(access, undefined);
  }
  const report = await verify(engine, { repository, read: { kind: "all" }, limits }, crm.run);
  assert.deepEqual([report.defects, report.coldPacks], [[], 2]);
  const file = { kind: "data", name: cold[0]?.name ?? "" } as const;
  const thaw = storage.thaw ?? assert.fail();
  assert.equal(await thaw.state(file, signal), "cold");
  // As of a moment no less: Azurite has no versions, so what was there then is what is there now.
  await using then = storage.asOf?.(new Date()) ?? assert.fail();
  const old = await Array.fromAsync(then.list("data", signal));
  assert.deepEqual(old.toSorted(byName), packs.toSorted(byName));
  assert.equal(await then.thaw?.state(file, signal), "cold");
  // Azurite reads it all the same: Azure's words for it.
  for (const word of ["BlobArchived", "BlobBeingRehydrated"]) {
    proxy.tamper = (_incoming, answer) => {
      answer.writeHead(409, { "x-ms-error-code": word, connection: "close" }).end();
      return "answered";
    };
    await fails(storage.load(file, undefined, signal), "storage-cold", word);
  }
  proxy.tamper = ({ method, headers }, answer) => {
    if (method !== "HEAD") return undefined;
    assert.ok(headers["x-ms-date"]);
    const about = { "x-ms-access-tier": "Archive", "x-ms-archive-status": "rehydrate-pending-to-hot" };
    answer.writeHead(200, { ...about, "content-length": "9", connection: "close" }).end();
    return "answered";
  };
  assert.equal(await thaw.state(file, signal), "thawing");
  proxy.tamper = () => undefined;
  await thaw.request(file, 7, signal);
  assert.equal(await thaw.state(file, signal), "ready");
});

function byName(a: { readonly name: string }, b: { readonly name: string }): number {
  return a.name < b.name ? -1 : 1;
}
