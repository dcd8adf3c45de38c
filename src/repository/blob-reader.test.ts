import assert from "node:assert/strict";
import { test } from "node:test";
import { countedStorage } from "../../test/support/counted-storage.ts";
import { craftedNode, craftInMemory } from "../../test/support/crafted-repository.ts";
import { newConfig } from "../format/config-file.ts";
import type { Id } from "../format/tree.ts";
import { OpenedRepository } from "./opened-repository.ts";

const { signal } = new AbortController();

test("a folder deep down is reached by one request, though its parents stand behind it in the pack", async () => {
  const crafted = craftInMemory();
  let root = crafted.tree();
  for (let depth = 0; depth < 30; depth++) root = crafted.tree(craftedNode("inner", "dir", { subtree: root }));
  await crafted.flush();
  const storage = countedStorage(crafted.storage);
  const host = { hostname: "test", username: "tester", uid: 0, gid: 0 };
  const parts = { masterKey: crafted.key, keyId: "", config: newConfig(), host };
  await using repository = new OpenedRepository({ ...parts, storage });
  const reader = await repository.index(signal);
  let depth = 0;
  for (let at: Id | undefined = root; at !== undefined; depth++) {
    at = (await reader.loadTree(at, signal)).nodes[0]?.subtree;
  }
  assert.equal(depth, 31);
  assert.equal(storage.loaded().get("data"), 1);
});
