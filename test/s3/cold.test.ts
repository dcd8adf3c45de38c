import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, test } from "node:test";
import { applyRestore } from "../../src/engine/restore-apply.ts";
import { planRestore } from "../../src/engine/restore-plan.ts";
import { backup } from "../../src/engine/backup.ts";
import { createRepositoryAt } from "../../src/engine/init.ts";
import { verify } from "../../src/engine/verify.ts";
import { prune } from "../../src/engine/prune.ts";
import { isHoldfastError } from "../../src/lib/errors.ts";
import { s3Storage } from "../../src/storage/s3.ts";
import { startCeph } from "../support/ceph-server.ts";
import { assertSameTrees } from "../support/compare-trees.ts";
import { glacierProxy } from "../support/glacier-proxy.ts";
import { limits, missingOnly, smallCrm } from "../support/small-crm.ts";
import { temporaryFolder } from "../support/temp-folder.ts";
import { until } from "../support/until.ts";

/** Cold classes: Ceph keeps and lists them, and a proxy before it makes them have to be thawed, as AWS does. */
const storageClass = "DEEP_ARCHIVE";
const ceph = await startCeph({ storageClasses: [storageClass] });
after(() => ceph[Symbol.asyncDispose]());
Object.assign(process.env, ceph.environment, { AWS_REGION: "us-east-1", AWS_EC2_METADATA_DISABLED: "true" });

test("only the contents of files go cold; a restore says what has to be thawed, asks for it and goes on", async () => {
  await using proxy = await glacierProxy(ceph.port, storageClass);
  using place = temporaryFolder();
  const crm = await smallCrm(place.path);
  const location = `s3:http://127.0.0.1:${proxy.port}/cold-${randomUUID()}`;
  const opening = { coldClass: storageClass };
  const engine = { ...crm.engine, openStorage: () => s3Storage(location, process.env, opening) };
  const repository = { location, password: crm.access.password, keeping: { coldClass: storageClass } };
  await createRepositoryAt(engine, repository, crm.run);
  const source = { crm: crm.description, configFile: crm.configFile, repository, limits, waitMs: 0 };
  const run = () => backup(engine, { ...source, inconsistencies: "warn" }, crm.run);
  await run();
  const packs = proxy.cold.size;
  assert.ok(packs >= 1, "attachments went cold");
  // What an incremental backup reads again is at hand: rows, trees, manifests.
  crm.sql("UPDATE contact SET name = 'changed' WHERE id < 20; INSERT INTO attachment VALUES (3, 1, 'more.txt')");
  writeFileSync(join(crm.attachments, "more.txt"), "more\n");
  await run();
  assert.ok(proxy.cold.size > packs);
  const report = await verify(engine, { repository, read: { kind: "all" }, limits }, crm.run);
  assert.deepEqual(report.defects, []);
  assert.equal(report.coldPacks, proxy.cold.size);
  const pruning = {
    maxUnused: { bytes: 0 },
    maxRepackBytes: Infinity,
    keepMarkedMs: 0,
    mode: "apply",
    waitMs: 0,
  } as const;
  await prune(engine, { repository, limits, ...pruning }, crm.run);
  assert.equal(proxy.requested.size, 0, "nothing of it read a cold pack");

  const target = join(crm.folder, "../restored");
  const input = {
    repository,
    point: { kind: "latest" },
    target,
    purpose: "replacement",
    switches: missingOnly,
  } as const;
  // The database alone needs nothing cold.
  const rows = await planRestore(engine, { ...input, scope: { kind: "database" } }, crm.run);
  assert.equal(rows.cold, undefined);
  const plan = await planRestore(engine, { ...input, scope: { kind: "system" } }, crm.run);
  assert.equal(plan.cold?.packs, proxy.cold.size);
  const apply = { plan: plan.id, password: repository.password, limits };
  await assert.rejects(applyRestore(engine, apply, crm.run), (error) => isHoldfastError(error, "storage-cold"));
  assert.equal(proxy.requested.size, 0, "nothing is asked for unless somebody says so");
  const waiting = applyRestore(engine, { ...apply, thaw: { days: 3, pollMs: 100 } }, crm.run);
  while (!crm.events.some((event) => event.type === "note" && event.code === "waiting-for-thaw")) {
    await Promise.race([waiting, new Promise((resolve) => setTimeout(resolve, 50))]);
  }
  assert.deepEqual([...proxy.requested].toSorted(), [...proxy.cold.keys()].toSorted());
  proxy.thawAll();
  await waiting;
  assertSameTrees(join(target, "attachments"), crm.attachments, ["root"]);
  using database = new DatabaseSync(join(target, "crm.db"), { readOnly: true });
  assert.equal(database.prepare("SELECT count(*) AS n FROM contact WHERE name = 'changed'").get()?.["n"], 19);
  // Thawed already: the next restore begins at once.
  rmSync(target, { recursive: true });
  const again = await planRestore(engine, { ...input, scope: { kind: "system" } }, crm.run);
  assert.equal(again.cold, undefined);
  await applyRestore(engine, { ...apply, plan: again.id }, crm.run);

  // As of a moment, too: what is asked for is that version.
  crm.sql("INSERT INTO attachment VALUES (4, 1, 'cold.txt')");
  writeFileSync(join(crm.attachments, "cold.txt"), "cold\n");
  await run();
  const moment = new Date();
  const openStorage = () => s3Storage(location, process.env, opening).asOf?.(moment) ?? assert.fail();
  const past = { ...engine, openStorage };
  rmSync(target, { recursive: true });
  const then = await planRestore(past, { ...input, scope: { kind: "system" } }, crm.run);
  assert.equal(then.cold?.packs, 1);
  const late = { ...apply, plan: then.id };
  await assert.rejects(applyRestore(past, late, crm.run), (error) => isHoldfastError(error, "storage-cold"));
  const asked = proxy.requested.size;
  const thawing = applyRestore(past, { ...late, thaw: { days: 3, pollMs: 100 } }, crm.run);
  await Promise.race([thawing, until(() => proxy.requested.size === asked + 1)]);
  proxy.thawAll();
  await thawing;
  assertSameTrees(join(target, "attachments"), crm.attachments, ["root"]);
});
