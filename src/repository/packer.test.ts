import assert from "node:assert/strict";
import { hash, randomBytes } from "node:crypto";
import { test, type TestContext } from "node:test";
import { compress } from "../format/compress.ts";
import { SealRun } from "../format/crypto.ts";
import { newMasterKey } from "../format/key-file.ts";
import { ZstdEncoder } from "../format/zstd-context.ts";
import { isHoldfastError } from "../lib/errors.ts";
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

test("whether text can be compressed is not tried first, and it is stored as it is where it cannot be", (t) => {
  const packer = new Packer({
    key: newMasterKey(),
    index: BlobIndex.forIndexBytes(0, 10),
    onPack: () => {},
    reuse: () => undefined,
  });
  const compressInto = t.mock.method(ZstdEncoder.prototype, "compressInto");
  const rows = Buffer.from("1\tsome name\n".repeat(10_000));
  assert.ok(packer.add("data", "bulk", rows, "text").storedBytes < rows.length / 10);
  assert.equal(compressInto.mock.callCount(), 1);
  const noise = randomBytes(MiB);
  assert.equal(packer.add("data", "bulk", noise, "text").storedBytes, MiB + 32);
  assert.equal(compressInto.mock.callCount(), 2);
});

type Faulty = "compressor" | "memory";

/** From now on, what a compressor makes of a blob is a good frame of something else, or a bit of what was sealed flips. */
function spoil(t: TestContext, faulty: Faulty): void {
  const { compressInto } = ZstdEncoder.prototype;
  const { sealInto, sealAllInto } = SealRun.prototype;
  if (faulty === "compressor") {
    t.mock.method(ZstdEncoder.prototype, "compressInto", function (this: ZstdEncoder, target, at, bytes) {
      const wrong = Buffer.from(bytes);
      wrong[wrong.length >> 1] = (wrong[wrong.length >> 1] ?? 0) ^ 1;
      return compressInto.call(this, target, at, wrong);
    } satisfies typeof compressInto);
    return;
  }
  const flip = (bytes: Buffer, at: number): void => void (bytes[at] = (bytes[at] ?? 0) ^ 1);
  t.mock.method(SealRun.prototype, "sealInto", function (this: SealRun, target, at, plain) {
    sealInto.call(this, target, at, plain);
    flip(target, at + 20);
  } satisfies typeof sealInto);
  t.mock.method(SealRun.prototype, "sealAllInto", function (this: SealRun, target, at, staged, lengths) {
    const length = sealAllInto.call(this, target, at, staged, lengths);
    flip(target, at + 20);
    return length;
  } satisfies typeof sealAllInto);
}

const text = Buffer.from("a note of what was said on the telephone, ".repeat(5000));
const frame = compress(text);
const blobs: Readonly<Record<string, (packer: Packer) => void>> = {
  "a small blob": (packer) => packer.add("data", "hot", text.subarray(0, 1000)),
  "a small blob that cannot be compressed": (packer) => packer.add("data", "hot", randomBytes(1000)),
  "a large blob": (packer) => packer.add("data", "bulk", text),
  "a large blob that cannot be compressed": (packer) => packer.add("data", "bulk", randomBytes(MiB)),
  "a tree": (packer) => packer.add("tree", "hot", text.subarray(0, 1000)),
  "a tree that came compressed": (packer) => packer.addFrame(hash("sha256", text, "buffer"), frame, text.length),
};

function onePacker(): { readonly packer: Packer; readonly packs: readonly FinishedPack[] } {
  const packs: FinishedPack[] = [];
  const index = BlobIndex.forIndexBytes(0, 100);
  const key = newMasterKey();
  return { packs, packer: new Packer({ key, index, onPack: (pack) => packs.push(pack), reuse: () => undefined }) };
}

for (const [what, add] of Object.entries(blobs)) {
  for (const faulty of ["compressor", "memory"] as const) {
    // What is stored as it is, or came compressed, meets no compressor.
    if (faulty === "compressor" && /cannot|came/.test(what)) continue;
    test(`what cannot be read back never leaves: ${what}, ${faulty}`, (t) => {
      const { packer, packs } = onePacker();
      spoil(t, faulty);
      assert.throws(
        () => {
          add(packer);
          packer.flush();
        },
        (error) => isHoldfastError(error, "verify-failed") || isHoldfastError(error, "repository-damaged"),
      );
      assert.deepEqual(packs, []);
    });
  }
}

test("what cannot be read back never leaves: a frame that is another's, and a pack's header", (t) => {
  const { packer, packs } = onePacker();
  const other = hash("sha256", "something else", "buffer");
  assert.throws(
    () => packer.addFrame(other, frame, text.length),
    (error) => isHoldfastError(error, "verify-failed"),
  );
  // A small blob is sealed with others; what is sealed alone is the header.
  const { sealInto } = SealRun.prototype;
  packer.add("data", "hot", randomBytes(1000));
  t.mock.method(SealRun.prototype, "sealInto", function (this: SealRun, target, at, plain) {
    sealInto.call(this, target, at, Buffer.alloc(plain.length, 1));
  } satisfies typeof sealInto);
  assert.throws(
    () => packer.flush(),
    (error) => isHoldfastError(error, "verify-failed"),
  );
  assert.deepEqual(packs, []);
});
