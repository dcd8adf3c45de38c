import assert from "node:assert/strict";
import { hash, randomBytes } from "node:crypto";
import { test } from "node:test";
import { newMasterKey } from "../format/key-file.ts";
import { BlobIndex } from "./blob-index.ts";
import { type FinishedPack, Packer } from "./packer.ts";

const fullPack = 16 << 20;
const MiB = 1 << 20;

/** A packer with one pack open that lacks 10 KiB of being full, and 40 KiB staged for it. */
function almostFull(): { readonly packer: Packer; readonly packs: readonly FinishedPack[] } {
  const packs: FinishedPack[] = [];
  const packer = new Packer({
    key: newMasterKey(),
    index: BlobIndex.forIndexBytes(0, 100),
    onPack: (pack) => packs.push(pack),
    reuse: () => undefined,
  });
  const sealed = 32;
  let length = 0;
  for (; length < fullPack - 2 * MiB; length += MiB + sealed) packer.add("data", "hot", randomBytes(MiB));
  packer.add("data", "hot", randomBytes(fullPack - (10 << 10) - sealed - length));
  packer.add("data", "hot", randomBytes(40 << 10));
  return { packer, packs };
}

/** As a storage would keep it, once the packer is through. */
function check(packs: readonly FinishedPack[]): void {
  for (const { name, buffer, length } of packs) {
    assert.equal(hash("sha256", new Uint8Array(buffer, 0, length)), name);
  }
  assert.equal(new Set(packs.map(({ buffer }) => buffer)).size, packs.length, "a buffer given away twice");
}

test("a pack that its last small blobs fill is given away once: at a flush", () => {
  const { packer, packs } = almostFull();
  packer.flush();
  assert.equal(packs.length, 1);
  check(packs);
  packer.flush();
  assert.equal(packs.length, 1);
});

test("a pack that its last small blobs fill is given away once: for a blob that has no room in it", () => {
  const { packer, packs } = almostFull();
  packer.add("data", "hot", randomBytes(8 * MiB));
  assert.equal(packs.length, 1);
  packer.flush();
  assert.equal(packs.length, 2);
  check(packs);
});
