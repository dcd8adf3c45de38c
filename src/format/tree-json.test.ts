import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import * as fc from "fast-check";
import { byteName, nameFromText } from "../lib/byte-name.ts";
import { isHoldfastError } from "../lib/errors.ts";
import { treeBytes } from "./tree-encoder.ts";
import { inspectNodes, parseTree } from "./tree-json.ts";
import type { TreeProblem } from "./tree-node-fields.ts";
import { formatTime } from "./time.ts";
import type { Tree, TreeNode } from "./tree.ts";

function inspectTree(bytes: Buffer): {
  readonly nodes: readonly TreeNode[];
  readonly problems: readonly TreeProblem[];
} {
  const problems: TreeProblem[] = [];
  // Pieces of a length that falls anywhere, in memory that is used again.
  const memory = Buffer.alloc(4099);
  const pieces = function* () {
    for (let at = 0; at < bytes.length; at += memory.length) yield memory.subarray(0, bytes.copy(memory, 0, at));
  };
  const nodes = [
    ...inspectNodes(bytes.length > 4 << 20 ? pieces() : [bytes], bytes.length, (one) => problems.push(one)),
  ];
  return { nodes, problems };
}

const time = "2026-11-22T08:00:00.5Z";
const base = { mode: 420, mtime: time, atime: time, ctime: time, uid: 0, gid: 0 };

test("an empty folder has the id that restic gives it", () => {
  const bytes = treeBytes({ nodes: [] });
  assert.equal(bytes.toString(), '{"nodes":[]}\n');
  const id = createHash("sha256").update(bytes).digest("hex");
  assert.equal(id, "ac08ce34ba4f8123618661bef2425f7028ffb9ac740578a3ee88684d2523fee8");
});

test("fields stand in restic's order, empty ones are left out", () => {
  const nodes: readonly TreeNode[] = [
    { ...base, name: nameFromText("a<"), type: "file", size: 0, links: 1, content: [], user: "", group: "名" },
    { ...base, name: nameFromText("b"), type: "symlink", linkTarget: byteName(Buffer.from([0x78, 0xff])) },
    { ...base, name: nameFromText("c"), type: "dir", subtree: "ab".repeat(32), inode: 2n ** 63n },
    { ...base, mode: 0, name: nameFromText("d"), type: "file", size: 3, content: ["cd".repeat(32)] },
  ];
  const common = `"mtime":"${time}","atime":"${time}","ctime":"${time}","uid":0,"gid":0`;
  const expected = [
    `{"name":"a\\u003c","type":"file","mode":420,${common},"group":"名","links":1,"content":[]}`,
    `{"name":"b","type":"symlink","mode":420,${common},"linktarget":"x\ufffd","linktarget_raw":"eP8=","content":null}`,
    `{"name":"c","type":"dir","mode":420,${common},"inode":9223372036854775808,"content":null,"subtree":"${"ab".repeat(32)}"}`,
    `{"name":"d","type":"file","mode":0,${common},"size":3,"content":["${"cd".repeat(32)}"]}`,
  ];
  const bytes = treeBytes({ nodes });
  assert.equal(bytes.toString(), `{"nodes":[${expected.join(",")}]}\n`);
  assert.deepEqual(treeBytes(parseTree(bytes)), bytes);
});

const number64 = fc.oneof(fc.nat(), fc.bigInt({ min: 2n ** 53n, max: 2n ** 64n - 1n }));
const id = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes).toString("hex"));
const name = fc
  .uint8Array({ minLength: 1, maxLength: 9 })
  .map((bytes) => byteName(bytes))
  .filter((text) => !/^\.\.?$|[/\0]/.test(text));
const moment = fc.bigInt({ min: 0n, max: 2n ** 62n }).map(formatTime);
const nodeBase = {
  name,
  mode: fc.nat(0o777),
  mtime: moment,
  atime: moment,
  ctime: moment,
  uid: fc.nat(),
  gid: fc.nat(),
};
const shortText = fc.string({ unit: "grapheme", minLength: 1, maxLength: 5 });
const anyNode: fc.Arbitrary<TreeNode> = fc.oneof(
  fc.record({
    ...nodeBase,
    type: fc.constant("file" as const),
    user: shortText,
    inode: number64,
    deviceId: number64,
    size: number64,
    links: fc.nat(),
    content: fc.array(id, { maxLength: 3 }),
    extendedAttributes: fc.array(fc.record({ name: fc.constant("user.x"), value: fc.constantFrom("", "YQ==") }), {
      minLength: 1,
      maxLength: 2,
    }),
  }),
  fc.record({ ...nodeBase, type: fc.constant("dir" as const), subtree: id }),
  fc.record({ ...nodeBase, type: fc.constant("symlink" as const), linkTarget: name }),
  fc.record({ ...nodeBase, type: fc.constantFrom("dev" as const, "chardev" as const), device: number64 }),
);
const anyTree: fc.Arbitrary<Tree> = fc
  .uniqueArray(anyNode, { selector: (node) => node.name, maxLength: 6 })
  .map((nodes) => ({ nodes: nodes.toSorted((left, right) => (left.name < right.name ? -1 : 1)) }));

test("any tree comes back, numbers beyond 2^53 included", () => {
  fc.assert(
    fc.property(anyTree, (tree) => {
      const bytes = treeBytes(tree);
      const { problems } = inspectTree(bytes);
      assert.deepEqual(problems, []);
      assert.deepEqual(treeBytes(parseTree(bytes)), bytes);
    }),
  );
});

test("whatever the bytes are, a tree is read or refused", () => {
  const json = fc.json().map((nodes) => `{"nodes":[${nodes}]}`);
  const garbage = fc.oneof(
    fc.uint8Array({ maxLength: 50 }),
    json.map((value) => Buffer.from(value)),
  );
  fc.assert(
    fc.property(garbage, (bytes) => {
      try {
        parseTree(bytes);
      } catch (error) {
        assert.ok(isHoldfastError(error, "repository-damaged"));
      }
    }),
  );
});

test("unknown fields are passed over, nulls count as absent", () => {
  const node = { ...base, name: "a", type: "file", content: [], size: null, user: null, extended_attributes: null };
  const text = JSON.stringify({ before: 1, nodes: [{ ...node, generic_attributes: { "windows.x": 1 } }], after: {} });
  const [read] = parseTree(Buffer.from(text)).nodes;
  assert.equal(read?.size, 0);
});

test("a huge folder is read in pieces: the same nodes, and the same problems", () => {
  const nodes = Array.from({ length: 16_000 }, (_, number): TreeNode => {
    const given = nameFromText(`${String(number).padStart(6, "0")} "]}, {[ 张伟`);
    const inode = number % 1000 === 0 ? 2n ** 63n + BigInt(number) : number + 1;
    return { ...base, name: given, type: "file", inode, size: 5, content: ["ab".repeat(32)] };
  });
  const bytes = treeBytes({ nodes });
  assert.ok(bytes.length > 4 << 20, `${bytes.length} bytes`);
  assert.deepEqual(treeBytes(parseTree(bytes)), bytes);
  const spaced = Buffer.from(bytes.toString().replaceAll("},{", "} ,\n {"));
  assert.deepEqual(parseTree(spaced), parseTree(bytes));

  const middle = bytes.indexOf("},{", bytes.length / 2);
  const changed = (at: number, text: string) => {
    const copy = Buffer.from(bytes);
    copy.write(text, at);
    return inspectTree(copy);
  };
  assert.deepEqual(inspectTree(bytes), { nodes, problems: [] });
  const unreadable = [{ code: "tree-unreadable", node: "", field: "" }];
  assert.deepEqual(inspectTree(bytes.subarray(0, -10)).problems, unreadable);
  assert.deepEqual(changed(middle, ";").problems, unreadable);
  assert.deepEqual(changed(middle + 1, ";").problems, unreadable);
  assert.deepEqual(changed(2, "x").problems, unreadable, "no list of nodes");
  for (const text of [`{"nodes":null,"x":"@"}`, `{"nodes":[,"@"]}`, `{"nodes":[]} x@`, `{"nodes":[]}]@`]) {
    const bent = Buffer.from(text.replace("@", " ".repeat(5 << 20)));
    assert.deepEqual(inspectTree(bent).problems, unreadable, text);
  }
  const at = bytes.indexOf('"type":"file"', middle);
  const { nodes: left, problems } = changed(at, '"type":"fool"');
  assert.equal(left.length, nodes.length - 1);
  assert.deepEqual(
    problems.map(({ code, field }) => [code, field]),
    [["node-invalid", "type"]],
  );
});
