import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { isHoldfastError } from "../../src/lib/errors.ts";
import type { Catalogue, VolumeFile, VolumeStart } from "../../src/volumes/catalogue.ts";
import { folderDrive } from "../../src/volumes/folder-drive.ts";
import { VolumeAccess } from "../../src/volumes/volume-access.ts";
import { writeVolume } from "../../src/volumes/write-volume.ts";
import { noise } from "../support/noise.ts";
import { tapeLibrary } from "../support/tape-library.ts";
import { temporaryFolder } from "../support/temp-folder.ts";

/** A medium that ends at each block there is: in the label, the catalogue, a file, its padding, and behind the last one. */
const { signal } = new AbortController();
const blockBytes = 512;
const sizes = [0, 1, 511, 512, 513, 1024, 3000, 40, 2048];
const contents = sizes.map((size, at) => noise(`volume ${at}`, size));
const files: readonly VolumeFile[] = contents.map((bytes) => {
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  return { path: `data/${sha256.slice(0, 2)}/${sha256}`, size: bytes.length, sha256 };
});
const set: Omit<Catalogue, "volumes"> = {
  format: 1,
  set: "acme",
  kind: "full",
  repository: "ab".repeat(32),
  created: "2026-11-22T08:00:00Z",
  snapshots: [],
  files,
};

/** Writes the set on as many tapes as it takes. */
async function write(folder: string, capacity: number, warning: number): Promise<number> {
  await using drive = tapeLibrary({ folder, blockBytes, capacity, warning });
  const volumes: VolumeStart[] = [];
  for (let next: VolumeStart | undefined = { file: 0, offset: 0, begins: "file" }; next !== undefined;) {
    volumes.push(next);
    const volume = { set: "acme", number: volumes.length };
    assert.ok(await drive.load(volume, "write", signal));
    const written = await writeVolume(drive, {
      volume,
      catalogue: { ...set, volumes },
      label: "a label\n",
      load: async ({ path }) => contents[files.findIndex((file) => file.path === path)] ?? assert.fail(),
      signal,
      onBytes: () => undefined,
    });
    await drive.accept(signal);
    assert.ok(written.blocks <= Math.max(1, capacity - warning), "nothing is written behind the warning");
    next = written.next;
    assert.ok(volumes.length < 40, "each volume holds something");
  }
  return volumes.length;
}

test("wherever the medium ends, the set is whole on the next ones, and each file is read from those that hold it", async () => {
  const seen = new Set<number>();
  let small = 0;
  for (const warning of [0, 1, 3]) {
    for (let capacity = 1; capacity < 45; capacity++) {
      using folder = temporaryFolder();
      let count = 0;
      try {
        count = await write(folder.path, capacity, warning);
      } catch (error) {
        assert.ok(isHoldfastError(error, "volume-small"), `${capacity} blocks, ${warning}: ${String(error)}`);
        assert.equal(seen.size > 0 && warning === 0, false, `${capacity} blocks are enough for less`);
        small++;
        continue;
      }
      seen.add(count);
      const what = `${capacity} blocks, warned ${warning} before the end, ${count} volumes`;
      await using drive = tapeLibrary({ folder: folder.path, blockBytes, capacity, warning });
      const access = new VolumeAccess(drive);
      const [found] = await access.sets(signal);
      assert.ok(found && (await access.isComplete(found, signal)), what);
      for (const [at, file] of files.entries()) {
        assert.deepEqual(await access.load(file.path, undefined, signal), contents[at], `${what}: file ${at}`);
        const range = { offset: Math.floor(file.size / 3), length: Math.ceil(file.size / 3) };
        const part = contents[at]?.subarray(range.offset, range.offset + range.length);
        assert.deepEqual(await access.load(file.path, range, signal), part, `${what}: a part of file ${at}`);
      }
      // Of one file of a byte, the one volume is put in that has it, after the last, whose catalogue knows where that is.
      await using again = tapeLibrary({ folder: folder.path, blockBytes, capacity, warning });
      await new VolumeAccess(again).load(files[1]?.path ?? "", undefined, signal);
      assert.ok(
        again.loads.length <= 2 && Number(again.loads[0]?.slice(-4)) === count,
        `${what}: ${again.loads.join()}`,
      );
    }
  }
  assert.ok(small > 10 && seen.size > 3, `${small} were too small, ${[...seen].join()} volumes`);
});

test("a medium that gives back something else does not count, and one that is damaged later gives no file", async () => {
  using folder = temporaryFolder();
  const volume = { set: "acme", number: 1 };
  const start = { file: 0, offset: 0, begins: "file" } as const;
  let written = 0;
  await using drive = tapeLibrary({
    folder: folder.path,
    blockBytes,
    capacity: 100,
    onWrite: () => void (++written === 10 && drive.damage("acme-0001", 100)),
  });
  const once = async () => {
    await drive.load(volume, "write", signal);
    await writeVolume(drive, {
      volume,
      catalogue: { ...set, volumes: [start] },
      label: "a label\n",
      load: async ({ path }) => contents[files.findIndex((file) => file.path === path)] ?? assert.fail(),
      signal,
      onBytes: () => undefined,
    });
  };
  await assert.rejects(once(), (error) => isHoldfastError(error, "volume-unverified"));
  await once();
  await drive.accept(signal);
  const access = new VolumeAccess(drive);
  const large = files[6] ?? assert.fail();
  assert.equal((await access.load(large.path, undefined, signal)).length, large.size);
  // Somewhere in the bytes of that file, each block of which has a mark before it on the tape.
  const tape = readFileSync(join(folder.path, "acme-0001.tape"));
  const at = tape.indexOf(contents[6]?.subarray(0, 500) ?? assert.fail());
  drive.damage("acme-0001", at + 20);
  const again = new VolumeAccess(drive);
  await assert.rejects(again.load(large.path, undefined, signal), (error) => isHoldfastError(error, "volume-damaged"));
});

test("a catalogue that says more of a file than any storage would take is damaged", async () => {
  using folder = temporaryFolder();
  const [only] = files.slice(-1);
  const volume = { set: "acme", number: 1 };
  await using drive = folderDrive(folder.path);
  await drive.load(volume, "write", signal);
  await writeVolume(drive, {
    volume,
    catalogue: { ...set, files: [only ?? assert.fail()], volumes: [{ file: 0, offset: 0, begins: "file" }] },
    label: "a label\n",
    load: async () => contents.at(-1) ?? assert.fail(),
    signal,
    onBytes: () => undefined,
  });
  await drive.accept(signal);
  const path = join(folder.path, "acme-0001.tar");
  const bytes = readFileSync(path);
  bytes.write("9e12", bytes.indexOf('"size":2048') + '"size":'.length);
  writeFileSync(path, bytes);
  // A hole, which costs whoever made it nothing, and whoever reads it all his memory.
  truncateSync(path, 300_000_000);
  const access = new VolumeAccess(drive);
  await assert.rejects(
    access.load(only?.path ?? "", undefined, signal),
    (error) => isHoldfastError(error, "volume-damaged") && error.facts["reason"] === "catalogue",
  );
});

test("a volume in a folder that counts is never written over", async () => {
  using folder = temporaryFolder();
  const volume = { set: "acme", number: 1 };
  await using drive = folderDrive(folder.path);
  await drive.load(volume, "write", signal);
  await drive.accept(signal);
  await assert.rejects(drive.load(volume, "write", signal), (error) => isHoldfastError(error, "storage-exists"));
});

/** A file of the kernel, which comes a page or so at a time. */
const source = "/proc/kallsyms";
const skip = existsSync(source) ? false : "this kernel does not list its symbols";

test("a file system that gives less at once than was asked for gives the same blocks", { skip }, async () => {
  using folder = temporaryFolder();
  symlinkSync(source, join(folder.path, "acme-0001.tar"));
  await using drive = folderDrive(folder.path);
  assert.ok(await drive.load({ set: "acme", number: 1 }, "read", signal));
  const blocks: Buffer[] = [];
  for (let block = await drive.read(signal); block !== "end"; block = await drive.read(signal)) blocks.push(block);
  assert.ok(blocks.slice(0, -1).every((block) => block.length === drive.blockBytes));
  const read = Buffer.concat(blocks);
  assert.equal(
    createHash("sha256").update(read).digest("hex"),
    createHash("sha256").update(readFileSync(source)).digest("hex"),
  );
});
