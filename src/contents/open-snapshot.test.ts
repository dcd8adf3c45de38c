import assert from "node:assert/strict";
import { test } from "node:test";
import { testRepository } from "../../test/support/test-repository.ts";
import { isHoldfastError } from "../lib/errors.ts";
import { openSnapshot } from "./open-snapshot.ts";
import { virtualFile, virtualFolder } from "./tables/virtual-nodes.ts";

const time = "2026-11-30T00:00:00Z";

test("a description that names one blob again and again is refused before it fills the memory", async () => {
  await using scene = await testRepository();
  const { signal } = scene;
  const { stored } = await scene.upload(async (upload) => {
    const [id = ""] = await upload.bytes(Buffer.alloc(1 << 20, " "), "hot");
    const node = virtualFile("holdfast.json", Array<string>(100_000).fill(id), 100, time);
    const crm = await upload.tree({ nodes: [node] });
    return { tree: await upload.tree({ nodes: [virtualFolder("test", crm, time)] }) };
  });
  const indexed = await scene.index();
  const opened = openSnapshot(indexed, stored, signal);
  await assert.rejects(
    opened,
    (error) => isHoldfastError(error, "repository-damaged") && error.facts["detail"] === "size",
  );
});
