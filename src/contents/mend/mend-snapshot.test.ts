import assert from "node:assert/strict";
import { test } from "node:test";
import { testRepository } from "../../../test/support/test-repository.ts";
import type { Id } from "../../format/tree.ts";
import type { BlobReader } from "../../repository/repository.ts";
import type { Manifest } from "../manifest.ts";
import { virtualFile, virtualFolder } from "../tables/virtual-nodes.ts";
import { sqliteEngine } from "../../database/sqlite/sqlite.ts";
import { planningSink } from "./mend-sink.ts";
import { SnapshotMender } from "./mend-snapshot.ts";

const time = "2026-03-12T14:00:00.000Z";

test("a root in which nothing is left is nothing; a folder that is still there is something", async () => {
  await using repository = await testRepository();
  const { signal } = repository;
  const {
    tree: root,
    ofCrm,
    files,
  } = await repository.upload(async (upload) => {
    const { id } = await upload.blob("data", Buffer.from("contract"), "hot");
    const inside = await upload.tree({ nodes: [virtualFile("contract.txt", [id], 8, time)] });
    const crm = await upload.tree({ nodes: [virtualFolder("files", inside, time)] });
    return { tree: await upload.tree({ nodes: [virtualFolder("acme", crm, time)] }), ofCrm: crm, files: inside };
  });
  const indexed = await repository.index();
  const mend = async (lost: Id) => {
    const reader = lacking(indexed, lost);
    const mender = new SnapshotMender({ reader, sink: planningSink(reader), signal, databases: [] });
    return await mender.mend(root, "acme", undefined);
  };
  const nothing = await mend(ofCrm);
  assert.equal(nothing.tree, undefined);
  assert.deepEqual(nothing.losses, [{ code: "lost-folder", subject: "/acme" }]);
  const rest = await mend(files);
  assert.ok(rest.tree !== undefined && rest.tree !== root);
  assert.deepEqual(rest.losses, [{ code: "lost-folder", subject: "/acme/files" }]);
  assert.deepEqual(await mend("none"), { tree: root, losses: [] });
});

test("by another backup's manifest, a database whose schema is lost is not said to be one", async () => {
  await using repository = await testRepository();
  const { signal } = repository;
  // As an earlier repair left it, whose manifest, and all that it said of it, is lost now.
  const { tree: root, manifest: lost } = await repository.upload(async (upload) => {
    const { id: script } = await upload.blob("data", Buffer.from("COMMIT;\n"), "hot");
    const { id: manifest } = await upload.blob("data", Buffer.from("{}"), "hot");
    const database = await upload.tree({ nodes: [virtualFile("schema.after.sql", [script], 8, time)] });
    const databases = await upload.tree({ nodes: [virtualFolder("main", database, time)] });
    const inside = [virtualFolder("databases", databases, time), virtualFile("holdfast.json", [manifest], 2, time)];
    const crm = await upload.tree({ nodes: inside });
    return { tree: await upload.tree({ nodes: [virtualFolder("acme", crm, time)] }), manifest };
  });
  const main = { name: "main", engine: "sqlite", engineVersion: "3.40.1", location: "sqlite:/crm.db", position: "1" };
  const like: Manifest = {
    format: 1,
    crm: { name: "acme", platform: "custom" },
    description: { name: "acme", platform: "custom", files: [], excludes: [], attachments: [], neutralise: [] },
    kind: "full",
    outcome: "ok",
    startedAt: time,
    finishedAt: time,
    databases: [{ ...main, tables: [] }],
    folders: [],
    config: [],
    warnings: [],
    known: [],
    program: "holdfast test",
  };
  const reader = lacking(await repository.index(), lost);
  const mender = new SnapshotMender({ reader, sink: planningSink(reader), signal, databases: [sqliteEngine] });
  const mended = await mender.mend(root, "acme", like);
  assert.deepEqual(mended.manifest?.databases, []);
  assert.deepEqual(mended.losses, [
    { code: "lost-schema", subject: "/databases/main" },
    { code: "lost-manifest", subject: "holdfast.json" },
  ]);
});

test("of a folder of very many files that are lost, each is named", async () => {
  await using repository = await testRepository();
  const { signal } = repository;
  const { tree: root, lost } = await repository.upload(async (upload) => {
    const { id } = await upload.blob("data", Buffer.from("the same in all of them"), "hot");
    const nodes = Array.from({ length: 200_000 }, (_, at) => virtualFile(`${at}`.padStart(6, "0"), [id], 23, time));
    const inside = await upload.tree({ nodes });
    const crm = await upload.tree({ nodes: [virtualFolder("files", inside, time)] });
    return { tree: await upload.tree({ nodes: [virtualFolder("acme", crm, time)] }), lost: id };
  });
  const reader = lacking(await repository.index(), lost);
  const mender = new SnapshotMender({ reader, sink: planningSink(reader), signal, databases: [] });
  const { losses } = await mender.mend(root, "acme", undefined);
  assert.deepEqual([losses.length, losses[0]?.subject], [200_000, "/acme/files/000000"]);
});

/** The same without one blob. */
function lacking(indexed: BlobReader, lost: Id): BlobReader {
  return {
    has: (type, id) => id !== lost && indexed.has(type, id),
    size: (type, id) => indexed.size(type, id),
    load: (type, id, during) => indexed.load(type, id, during),
    loadTree: (id, during) => indexed.loadTree(id, during),
    openTree: (id, during) => indexed.openTree(id, during),
  };
}
