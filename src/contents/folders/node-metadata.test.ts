import assert from "node:assert/strict";
import { test } from "node:test";
import { goMode } from "../../format/mode.ts";
import type { TreeNode } from "../../format/tree.ts";
import { nameFromText } from "../../lib/byte-name.ts";
import { metadataOf } from "./node-metadata.ts";

const own = { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 };

function node(more: Partial<TreeNode>): TreeNode {
  return {
    name: nameFromText("x"),
    type: "file",
    mode: goMode("file", 0o6755),
    mtime: "2026-11-22T08:00:00.5+08:00",
    atime: "2026-11-22T00:00:01Z",
    ctime: "2026-11-22T00:00:02Z",
    ...own,
    ...more,
  };
}

test("times with any zone, attributes as bytes, owners where they can be set", () => {
  const metadata = metadataOf(node({ uid: 12, extendedAttributes: [{ name: "user.a", value: "AAE=" }] }), "set");
  assert.deepEqual(metadata, {
    mode: 0o6755,
    uid: 12,
    gid: own.gid,
    mtimeNs: BigInt(Date.UTC(2026, 10, 22)) * 1_000_000n + 500_000_000n,
    atimeNs: BigInt(Date.UTC(2026, 10, 22, 0, 0, 1)) * 1_000_000n,
    extendedAttributes: [{ name: "user.a", value: Buffer.from([0, 1]) }],
  });
});

test("no set-user-id bit for another owner than it was meant for", () => {
  const foreign = { uid: own.uid + 1 };
  assert.equal(metadataOf(node({}), "keep").mode, 0o6755);
  assert.equal(metadataOf(node(foreign), "keep").mode, 0o0755);
  assert.equal(metadataOf(node(foreign), "set").mode, 0o6755);
  assert.equal(metadataOf(node({ ...foreign, type: "dir", mode: goMode("dir", 0o3775) }), "keep").mode, 0o3775);
  assert.equal("uid" in metadataOf(node(foreign), "keep"), false);
});
