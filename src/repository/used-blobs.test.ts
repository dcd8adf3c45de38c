import assert from "node:assert/strict";
import { test } from "node:test";
import { craftedNode, craftInMemory, type CraftedRepository } from "../../test/support/crafted-repository.ts";
import type { Id } from "../format/tree.ts";
import { DefectList } from "./defects.ts";
import { walkUsedBlobs, type UsedBlobs } from "./used-blobs.ts";
import { verifyIndexes } from "./verify-index.ts";

const { signal } = new AbortController();

interface Walked extends UsedBlobs {
  /** Ids of what is needed. */
  readonly ids: ReadonlySet<Id>;
}

async function walk({ storage, key }: CraftedRepository, ...roots: readonly Id[]): Promise<Walked> {
  const { index, packs } = await verifyIndexes(storage, key, new DefectList(), signal);
  const packName = (pack: number): Id => packs[pack]?.id ?? "";
  const limits = { workers: 2, priority: "normal" } as const;
  const found = await walkUsedBlobs(roots, { storage, key, index, packName, limits, signal });
  const ids = new Set<Id>();
  for (let entry = 0; entry < index.count; entry++) if (found.used.has(entry)) ids.add(index.id(entry));
  return { ...found, ids };
}

function file(crafted: CraftedRepository, name: string, ...contents: readonly string[]): object {
  const content = contents.map((text) => crafted.blob("data", text));
  return craftedNode(name, "file", { size: contents.join("").length, content });
}

function folder(name: string, subtree: Id): object {
  return craftedNode(name, "dir", { subtree });
}

test("what hangs below the roots is needed, nothing else, and each tree is read once", async () => {
  const crafted = craftInMemory();
  const shared = crafted.tree(file(crafted, "a", "one", "two"));
  const deep = "abcdefgh".split("").reduce((below, name) => crafted.tree(folder(name, below)), shared);
  const wide = crafted.tree(
    ...Array.from({ length: 300 }, (_, number) => {
      const name = `f${String(number).padStart(3, "0")}`;
      return folder(name, crafted.tree(file(crafted, "x", `contents of ${name}`)));
    }),
  );
  const first = crafted.tree(folder("deep", deep), folder("wide", wide));
  const second = crafted.tree(file(crafted, "b", "two", "three"), folder("deep", deep));
  const forgotten = crafted.tree(file(crafted, "c", "forgotten"), folder("shared", shared));
  const forgottenBlob = crafted.blob("data", "forgotten");
  await crafted.flush();

  const found = await walk(crafted, first, second, first);
  assert.deepEqual(found.problems, []);
  // shared, eight above it, 300 and their folder, two roots
  assert.equal(found.trees, 1 + 8 + 300 + 1 + 2);
  assert.equal(found.ids.size, found.trees + 3 + 300);
  assert.ok(!found.ids.has(forgotten) && !found.ids.has(forgottenBlob));
  const all = await walk(crafted, first, second, forgotten);
  assert.ok(all.ids.has(forgottenBlob));
  assert.equal((await walk(crafted)).ids.size, 0);
});

test("what is missing or damaged is named, and the rest is found all the same", async () => {
  const crafted = craftInMemory();
  const absent = "ab".repeat(32);
  const whole = crafted.tree(file(crafted, "a", "one"));
  const holed = crafted.tree(craftedNode("b", "file", { size: 3, content: [absent] }));
  const broken = crafted.blob("tree", '{"nodes":null}');
  const lying = crafted.blob("tree", '{"nodes":[]}\n   ', (blob) => ({ ...blob, id: "cd".repeat(32) }));
  assert.ok(lying);
  const root = crafted.tree(
    folder("a", whole),
    folder("b", holed),
    folder("c", broken),
    folder("d", "cd".repeat(32)),
    folder("e", absent),
  );
  await crafted.flush();
  const found = await walk(crafted, root, "ef".repeat(32));
  const problems = found.problems.map(({ code, blob, tree }) => ({ code, blob, tree }));
  const expected = [
    { code: "tree-missing", blob: "ef".repeat(32), tree: undefined },
    { code: "tree-missing", blob: absent, tree: root },
    { code: "blob-missing", blob: absent, tree: holed },
    { code: "tree-damaged", blob: broken, tree: undefined },
    { code: "tree-damaged", blob: "cd".repeat(32), tree: undefined },
  ];
  const byText = (list: readonly object[]): readonly string[] => list.map((one) => JSON.stringify(one)).toSorted();
  assert.deepEqual(byText(problems), byText(expected));
  assert.equal(found.problemCount, 5);
  assert.ok(found.ids.has(crafted.blob("data", "one")));
});

test("a tree whose pack is gone or cut off is read from another pack", async () => {
  for (const harm of ["gone", "cut off"]) {
    const crafted = craftInMemory();
    const first = crafted.tree(file(crafted, "a", "one"));
    const packs = await crafted.flush();
    const second = crafted.tree(file(crafted, "a", "one"));
    assert.equal(second, first);
    const root = crafted.tree(folder("x", first));
    await crafted.flush();
    for (const { id, blobs } of packs) {
      if (blobs[0]?.type !== "tree") continue;
      const bytes = await crafted.storage.load({ kind: "data", name: id }, undefined, signal);
      await crafted.storage.remove({ kind: "data", name: id }, signal);
      if (harm === "cut off") {
        await crafted.storage.save({ kind: "data", name: id }, bytes.subarray(0, 40), signal);
      }
    }
    const found = await walk(crafted, root);
    assert.deepEqual(found.problems, [], harm);
    assert.ok(found.ids.has(crafted.blob("data", "one")));
  }
});
