import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { byteName } from "../lib/byte-name.ts";
import { isHoldfastError } from "../lib/errors.ts";
import { treeBytes } from "./tree-encoder.ts";
import { scanTree } from "./tree-scan.ts";
import type { Id, TreeNode } from "./tree.ts";

interface Found {
  readonly data: readonly Id[];
  readonly subtrees: readonly Id[];
}

function scan(text: string | Uint8Array): Found {
  const data: Id[] = [];
  const subtrees: Id[] = [];
  scanTree(Buffer.from(text), {
    data: (id) => data.push(Buffer.from(id).toString("hex")),
    subtree: (id) => subtrees.push(Buffer.from(id).toString("hex")),
  });
  return { data, subtrees };
}

const id = fc.nat().map((number) => createHash("sha256").update(String(number)).digest("hex"));
const time = "2026-11-22T08:00:00Z";
/** Names that look like what is searched for, and names of any bytes. */
const name = fc.oneof(
  fc.constantFrom('"content":["', '\\"subtree":"', "},{", "]}", "nodes", "\\", "张伟"),
  fc.uint8Array({ minLength: 1, maxLength: 12 }).map((bytes) => byteName(bytes)),
);
const node: fc.Arbitrary<TreeNode> = fc
  .record({
    name,
    kind: fc.constantFrom("file", "dir", "symlink"),
    content: fc.array(id, { maxLength: 4 }),
    subtree: id,
  })
  .map(({ name: given, kind, content, subtree }) => ({
    name: given as TreeNode["name"],
    type: kind as TreeNode["type"],
    mode: 420,
    mtime: time,
    atime: time,
    ctime: time,
    uid: 0,
    gid: 0,
    ...(kind === "file" && { size: 12, content }),
    ...(kind === "dir" && { subtree }),
    ...(kind === "symlink" && { linkTarget: given as TreeNode["name"] }),
  }));

test("it finds what stands in any tree, however it is written", () => {
  fc.assert(
    fc.property(fc.array(node, { maxLength: 8 }), fc.constantFrom(0, 1, 2), (nodes, indent) => {
      const bytes = treeBytes({ nodes });
      const expected = {
        data: nodes.flatMap(({ content = [] }) => content),
        subtrees: nodes.flatMap(({ subtree }) => (subtree === undefined ? [] : [subtree])),
      };
      assert.deepEqual(scan(bytes), expected);
      const json = JSON.parse(bytes.toString("utf8")) as { readonly nodes: readonly object[] };
      const reversed = json.nodes.map((one) => Object.fromEntries(Object.entries(one).toReversed()));
      const foreign = { before: [{ content: [1, {}] }, "x", -1.5e3, true], nodes: reversed, after: { nodes: null } };
      assert.deepEqual(scan(JSON.stringify(foreign, undefined, indent)), expected);
      assert.throws(() => scan(bytes.subarray(0, Math.floor(bytes.length * 0.6))), isHoldfastError);
    }),
  );
});

const some = "ab".repeat(32);
const refused: Readonly<Record<string, string>> = {
  "nothing at all": "",
  "no list": "{}",
  "null in place of a list": '{"nodes":null}',
  "a list of no objects": '{"nodes":[1]}',
  "an id that is too short": '{"nodes":[{"type":"file","content":["abcd"]}]}',
  "an id in capitals": `{"nodes":[{"type":"file","content":["${some.toUpperCase()}"]}]}`,
  "a number for an id": '{"nodes":[{"type":"file","content":[5]}]}',
  "a folder without a tree": '{"nodes":[{"type":"dir","content":null}]}',
  "a folder whose tree is null": '{"nodes":[{"subtree":null,"type":"dir"}]}',
  "something after it": '{"nodes":[]}\n{}',
  "a missing comma": `{"nodes":[{"type":"file" "content":["${some}"]}]}`,
  "a bracket too many": '{"nodes":[]]}',
  "a text that does not end": '{"nodes":[{"name":"',
};

for (const [what, text] of Object.entries(refused)) {
  test(`refused: ${what}`, () => {
    assert.throws(
      () => scan(text),
      (error) => isHoldfastError(error, "repository-damaged"),
    );
  });
}

test("null contents are none", () => {
  assert.deepEqual(scan('{"nodes":[{"type":"symlink","content":null,"subtree":null}]}\n'), { data: [], subtrees: [] });
});
