import assert from "node:assert/strict";
import { test } from "node:test";
import { testRepository } from "../../../test/support/test-repository.ts";
import type { Id } from "../../format/tree.ts";
import type { BlobReader } from "../../repository/repository.ts";
import { virtualFile, virtualFolder } from "../tables/virtual-nodes.ts";
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
    const reader: BlobReader = {
      has: (type, id) => id !== lost && indexed.has(type, id),
      size: (type, id) => indexed.size(type, id),
      load: (type, id, during) => indexed.load(type, id, during),
      loadTree: (id, during) => indexed.loadTree(id, during),
      openTree: (id, during) => indexed.openTree(id, during),
    };
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
