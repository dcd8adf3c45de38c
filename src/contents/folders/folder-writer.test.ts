import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { testRepository } from "../../../test/support/test-repository.ts";
import type { TreeNode } from "../../format/tree.ts";
import { nameFromText } from "../../lib/byte-name.ts";
import { FolderWriter } from "./folder-writer.ts";
import { OldFolder } from "./old-folder.ts";

const time = "2026-01-01T00:00:00Z";
const base = { type: "file" as const, mode: 0o644, mtime: time, atime: time, ctime: time, uid: 0, gid: 0 };

function node(number: number, size: number): TreeNode {
  return { ...base, name: nameFromText(`file-${number}`), size, content: [] };
}

test("whatever changed, and in whatever order contents are stored: the tree of what is there", async () => {
  await using repository = await testRepository();
  const { signal } = repository;
  await repository.upload(async (upload) => {
    // For each of ten names: what becomes of it, and when it is stored.
    const fate = fc.constantFrom("same", "changed", "new", "gone", "unreadable", "none");
    await fc.assert(
      fc.asyncProperty(
        fc.array(fate, { minLength: 10, maxLength: 10 }),
        fc.array(fc.nat(9), { minLength: 10, maxLength: 10 }),
        async (fates, order) => {
          const before = fates.flatMap((one, at) => (one === "new" || one === "none" ? [] : [node(at, 1)]));
          const old = await OldFolder.load(upload, await upload.tree({ nodes: before }), signal);
          const expected = fates.flatMap((one, at) =>
            one === "same" ? [node(at, 1)] : one === "changed" || one === "new" ? [node(at, 2)] : [],
          );
          let begun = 0;
          const writer = new FolderWriter(old, () => {
            begun++;
            return upload.treeWriter();
          });
          const puts: { readonly when: number; readonly put: () => void }[] = [];
          for (const [at, one] of fates.entries()) {
            if (one === "gone" || one === "none") continue;
            const known = old?.take(node(at, 0).name);
            const oldPlace = known && old?.placeOfTaken;
            const place = writer.reserve();
            const put = () => {
              if (one === "same") writer.put(place, known, oldPlace);
              else writer.put(place, one === "unreadable" ? undefined : node(at, 2));
            };
            puts.push({ when: order[at] ?? 0, put });
          }
          for (const { put } of puts.toSorted((a, b) => a.when - b.when)) put();
          const written = writer.finish();
          assert.equal(written, await upload.tree({ nodes: expected }));
          assert.equal(writer.isEmpty, expected.length === 0);
          if (fates.every((one) => one === "same" || one === "none")) assert.equal(begun, 0, "nothing was encoded");
        },
      ),
    );
    return { tree: await upload.tree({ nodes: [] }) };
  });
});
