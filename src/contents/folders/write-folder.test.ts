import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";
import { after, test } from "node:test";
import * as fc from "fast-check";
import { assertSameTrees, compareTrees } from "../../../test/support/compare-trees.ts";
import { lossyDisk, lossyDiskLacks } from "../../../test/support/lossy-disk.ts";
import { makeTree, randomTree } from "../../../test/support/random-tree.ts";
import { temporaryFolder } from "../../../test/support/temp-folder.ts";
import { createCheapRepository } from "../../../test/support/cheap-key.ts";
import { testRepository } from "../../../test/support/test-repository.ts";
import { setMetadata } from "../../files/write-entry.ts";
import type { Id, TreeNode } from "../../format/tree.ts";
import { nameFromText, nameText, type ByteName } from "../../lib/byte-name.ts";
import { HoldfastError, isHoldfastError } from "../../lib/errors.ts";
import type { Event } from "../../lib/events.ts";
import type { Upload } from "../../repository/repository.ts";
import { memoryStorage } from "../../storage/memory.ts";
import type { Storage } from "../../storage/storage.ts";
import { captureFolder, type FolderCapture } from "./capture-folder.ts";
import { metadataOf } from "./node-metadata.ts";
import { planFolder, type FolderPlan, type FolderSwitches, type WriteFolderInput } from "./plan-folder.ts";
import { writeFolder, type FolderWritten, type WriteFolderOptions } from "./write-folder.ts";

const repository = await testRepository();
after(() => repository[Symbol.asyncDispose]());
const { signal, limits } = repository;
const isRoot = process.getuid?.() === 0;

async function capture(folder: string): Promise<FolderCapture> {
  return await repository.upload((upload, reader) =>
    captureFolder(
      { path: nameFromText(folder), excludes: [], kind: "full", upload, reader },
      { signal, report: () => {} },
    ),
  );
}

const createOnly: FolderSwitches = { createMissing: true, updateChanged: false, removeNewer: false };
const everything: FolderSwitches = { createMissing: true, updateChanged: true, removeNewer: true };

type Options = Partial<Pick<WriteFolderInput, "paths" | "keep" | "signal">> &
  Partial<Pick<WriteFolderOptions, "onItem" | "limits">> & { readonly report?: (event: Event) => void };

async function write(
  tree: Id,
  target: string,
  switches: FolderSwitches,
  options: Options = {},
): Promise<FolderWritten> {
  const { paths, keep, onItem, report = () => {} } = options;
  const indexed = await repository.index();
  const run = { signal: options.signal ?? signal, report };
  return await writeFolder(
    {
      reader: indexed,
      tree,
      target: nameFromText(target),
      switches,
      signal: run.signal,
      ...(paths && { paths }),
      ...(keep && { keep }),
    },
    { repository: indexed, limits: options.limits ?? limits, run, ...(onItem && { onItem }) },
  );
}

async function plan(tree: Id, target: string, switches: FolderSwitches, options: Options = {}): Promise<FolderPlan> {
  const { paths, keep } = options;
  const reader = await repository.index();
  return await planFolder({
    reader,
    tree,
    target: nameFromText(target),
    switches,
    signal,
    ...(paths && { paths }),
    ...(keep && { keep }),
  });
}

/** `action path reason`, in the order of the plan. */
function lines({ items }: FolderPlan): readonly string[] {
  return items.map(({ action, inside, reason }) => [action, nameText(inside), reason].filter(Boolean).join(" "));
}

function touch(folder: string, files: Readonly<Record<string, string>>): void {
  for (const [name, content] of Object.entries(files)) {
    fs.mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
    fs.writeFileSync(path.join(folder, name), content);
  }
}

/** Stores trees made by hand; gives the root. */
async function stored(
  make: (save: (nodes: readonly TreeNode[]) => Promise<Id>, data: (text: string) => Promise<Id>) => Promise<Id>,
): Promise<Id> {
  const { tree } = await repository.upload(async (upload) => ({
    tree: await make(
      (nodes) => upload.tree({ nodes }),
      async (text) => (await upload.blob("data", Buffer.from(text), "bulk")).id,
    ),
  }));
  return tree;
}

const numbers = {
  mtime: "2026-01-02T03:04:05Z",
  atime: "2026-01-02T03:04:05Z",
  ctime: "2026-01-02T03:04:05Z",
  uid: process.getuid?.() ?? 0,
  gid: process.getgid?.() ?? 0,
};

function file(name: string, id: Id, size: number, more: Partial<TreeNode> = {}): TreeNode {
  return { name: nameFromText(name), type: "file", mode: 0o644, ...numbers, size, content: [id], ...more };
}

function dir(name: string, subtree: Id): TreeNode {
  return { name: nameFromText(name), type: "dir", mode: 2 ** 31 + 0o755, ...numbers, subtree };
}

test("any tree comes back the same, and then there is nothing left to do", async () => {
  await fc.assert(
    fc.asyncProperty(randomTree({ devices: isRoot ? "yes" : "no" }), async (tree) => {
      using temporary = temporaryFolder();
      const source = path.join(temporary.path, "source");
      const target = path.join(temporary.path, "target");
      makeTree(source, tree);
      const captured = await capture(source);
      const written = await write(captured.tree, target, createOnly);
      assert.deepEqual([written.failed, written.warnings], [[], []]);
      setMetadata(nameFromText(target), "dir", metadataOf(captured.node, isRoot ? "set" : "keep"), assert.fail);
      assertSameTrees(target, source);
      const again = await plan(captured.tree, target, everything);
      assert.deepEqual(lines(again), []);
      assert.deepEqual([again.bytes, again.counts.create, again.counts.update, again.counts.remove], [0, 0, 0, 0]);
    }),
    { numRuns: 8 },
  );
});

test("whatever stands at the target, everything makes it equal, and the plan said how", async () => {
  await fc.assert(
    fc.asyncProperty(randomTree({ devices: "no" }), randomTree({ devices: "no" }), async (wanted, present) => {
      using temporary = temporaryFolder();
      const source = path.join(temporary.path, "source");
      const target = path.join(temporary.path, "target");
      makeTree(source, wanted);
      makeTree(target, present);
      const captured = await capture(source);
      const before = fs.readdirSync(target, { recursive: true }).length;
      const planned = await plan(captured.tree, target, everything);
      assert.equal(fs.readdirSync(target, { recursive: true }).length, before);
      assert.equal((await plan(captured.tree, target, everything)).seen, planned.seen);
      const written = await write(captured.tree, target, everything);
      assert.deepEqual(written.failed, []);
      assert.deepEqual(written.counts, planned.counts);
      // attributes that only the target has are left alone
      assert.deepEqual(compareTrees(target, source, ["root", "attributes"]), []);
    }),
    { numRuns: 8 },
  );
});

test("the switches decide one by one", async () => {
  using temporary = temporaryFolder();
  const source = path.join(temporary.path, "source");
  const target = path.join(temporary.path, "target");
  touch(source, { "a/changed": "old", "a/missing": "m", "a/same": "s", "a/time": "t" });
  const { tree } = await capture(source);
  fs.cpSync(source, target, { recursive: true, preserveTimestamps: true });
  // copies keep milliseconds only
  for (const name of ["a/same", "a/changed"]) fs.utimesSync(path.join(source, name), 1000, 1000);
  const again = await capture(source);
  fs.utimesSync(path.join(target, "a/same"), 1000, 1000);
  fs.rmSync(path.join(target, "a/missing"));
  touch(target, { "a/changed": "new", "a/newer": "n", "newer/x": "y" });
  assert.notEqual(tree, again.tree);
  const changed = { createMissing: false, updateChanged: true, removeNewer: false };
  const newer = { createMissing: false, updateChanged: false, removeNewer: true };
  const report = async (switches: FolderSwitches): Promise<readonly string[]> =>
    lines(await plan(again.tree, target, switches)).toSorted();
  assert.deepEqual(await report(createOnly), [
    "create a/missing",
    "skip a/changed exists",
    "skip a/newer newer",
    "skip a/time exists",
    "skip newer newer",
  ]);
  assert.deepEqual(await report(changed), [
    "skip a/missing missing",
    "skip a/newer newer",
    "skip newer newer",
    "update a/changed",
    "update a/time",
  ]);
  assert.deepEqual(await report(newer), [
    "remove a/newer",
    "remove newer",
    "skip a/changed exists",
    "skip a/missing missing",
    "skip a/time exists",
  ]);
  assert.deepEqual((await plan(again.tree, target, changed)).bytes, 3);
  await write(again.tree, target, createOnly);
  assert.equal(fs.readFileSync(path.join(target, "a/missing"), "utf8"), "m");
  assert.equal(fs.readFileSync(path.join(target, "a/changed"), "utf8"), "new");
  await write(again.tree, target, changed);
  assert.equal(fs.readFileSync(path.join(target, "a/changed"), "utf8"), "old");
  assert.ok(fs.existsSync(path.join(target, "newer/x")));
  await write(again.tree, target, newer);
  assert.deepEqual(compareTrees(target, source, ["root", "folder-times"]), []);
});

test("what the backup left out is not newer", async () => {
  using temporary = temporaryFolder();
  const source = path.join(temporary.path, "source");
  touch(source, { "a/b": "1" });
  const { tree } = await capture(source);
  touch(source, { "a/cache/x": "1", "a/deep/er/cache/y": "1", "gone/z": "1", "note.tmp": "1" });
  const keep = ["cache/", "*.tmp"];
  assert.deepEqual(lines(await plan(tree, source, everything, { keep })).toSorted(), [
    "remove gone",
    "skip a/deep newer",
  ]);
  await write(tree, source, everything, { keep });
  assert.deepEqual(fs.readdirSync(source).toSorted(), ["a", "note.tmp"]);
  assert.ok(fs.existsSync(path.join(source, "a/deep/er/cache/y")));
});

test("chosen paths only, and names that match nothing", async () => {
  using temporary = temporaryFolder();
  const source = path.join(temporary.path, "source");
  const target = path.join(temporary.path, "target");
  touch(source, { "a/b/1": "1", "a/b/2": "2", "a/c/3": "3", "d/4": "4" });
  const { tree } = await capture(source);
  const paths = ["a/b", "/d/4/", "a/none", "e"].map((one) => nameFromText(one));
  const planned = await plan(tree, target, everything, { paths });
  assert.deepEqual(planned.unmatched, ["a/none", "e"]);
  assert.deepEqual(lines(planned), [
    "create a",
    "create a/b",
    "create a/b/1",
    "create a/b/2",
    "create d",
    "create d/4",
  ]);
  touch(target, { "a/other": "stays", "a/b/newer": "goes" });
  await write(tree, target, everything, { paths });
  const found = fs.readdirSync(target, { recursive: true, encoding: "utf8" }).toSorted();
  assert.deepEqual(found, ["a", "a/b", "a/b/1", "a/b/2", "a/other", "d", "d/4"]);
});

test("links planted in the way are conflicts or replaced, never followed", async () => {
  using temporary = temporaryFolder();
  const at = (name: string): string => path.join(temporary.path, name);
  touch(at("source"), { "a/b/file": "from the snapshot", c: "c" });
  touch(at("outside"), { file: "precious" });
  const { tree } = await capture(at("source"));
  const plant = (): void => {
    fs.rmSync(at("target"), { recursive: true, force: true });
    fs.mkdirSync(at("target/a"), { recursive: true });
    fs.symlinkSync(at("outside"), at("target/a/b"));
    fs.symlinkSync(at("outside/file"), at("target/c"));
  };
  plant();
  assert.deepEqual(lines(await plan(tree, at("target"), createOnly)), ["conflict a/b link", "conflict c link"]);
  assert.deepEqual((await write(tree, at("target"), createOnly)).counts.conflict, 2);
  assert.equal(fs.readlinkSync(at("target/a/b")), at("outside"));
  await write(tree, at("target"), { ...createOnly, updateChanged: true });
  assertSameTrees(at("target"), at("source"), ["root", "folder-times"]);
  // planted after the decision
  fs.rmSync(at("target"), { recursive: true });
  const written = await write(tree, at("target"), createOnly, {
    onItem: ({ inside }) => {
      if (inside === "a/b") fs.symlinkSync(at("outside"), at("target/a/b"));
      assert.notEqual(inside, "a/b/file");
    },
  });
  assert.deepEqual(written.failed, [{ path: at("target/a/b"), reason: "EEXIST" }]);
  assert.deepEqual(fs.readdirSync(at("outside")), ["file"]);
  assert.equal(fs.readFileSync(at("outside/file"), "utf8"), "precious");
  // the target itself
  fs.rmSync(at("target"), { recursive: true });
  fs.symlinkSync(at("outside"), at("target"));
  await assert.rejects(write(tree, at("target"), everything), { code: "target-unsafe" });
});

test("a folder in the way of a file goes only where newer things may go", async () => {
  using temporary = temporaryFolder();
  const at = (name: string): string => path.join(temporary.path, name);
  touch(at("source"), { a: "file" });
  const { tree } = await capture(at("source"));
  touch(at("target"), { "a/inside": "x" });
  assert.deepEqual(lines(await plan(tree, at("target"), { ...createOnly, updateChanged: true })), ["conflict a type"]);
  assert.deepEqual(lines(await plan(tree, at("target"), everything, { keep: ["inside"] })), ["conflict a type"]);
  await write(tree, at("target"), everything);
  assertSameTrees(at("target"), at("source"), ["root"]);
});

test("a hostile snapshot", async () => {
  using temporary = temporaryFolder();
  const at = (name: string): string => path.join(temporary.path, name);
  const other = { inode: 7, deviceId: 1, links: 2 };
  const root = await stored(async (save, data) => {
    const content = await data("evil");
    const different = await data("good");
    const hostileNames: readonly TreeNode[][] = [
      [file("..", content, 4)],
      [file("../../outside", content, 4)],
      [file("/etc/evil", content, 4)],
      [file("a", content, 4), file("a", content, 4)],
      [file("b", content, 4), file("a", content, 4)],
    ];
    const nodes: TreeNode[] = [];
    for (const [index, bad] of hostileNames.entries()) nodes.push(dir(`bad-${index}`, await save(bad)));
    nodes.push(dir("damaged", "0".repeat(64)));
    nodes.push({ ...dir("escape", ""), type: "symlink", linkTarget: ".." as ByteName });
    nodes.push(file("lost", "1".repeat(64), 5));
    nodes.push(file("one", content, 4, other), file("two", different, 4, other));
    return await save(nodes);
  });
  const written = await write(root, at("target"), everything);
  assert.deepEqual(fs.readdirSync(temporary.path), ["target"]);
  assert.deepEqual(fs.readdirSync(at("target")).toSorted(), ["escape", "one", "two"]);
  assert.equal(written.counts.conflict, 6);
  assert.deepEqual(
    written.failed.map((failed) => failed.path),
    [at("target/lost")],
  );
  assert.equal(fs.readFileSync(at("target/one"), "utf8"), "evil");
  assert.equal(fs.readFileSync(at("target/two"), "utf8"), "good");
});

test("interrupted anywhere, the next run finishes and leaves nothing behind", async () => {
  using temporary = temporaryFolder();
  const at = (name: string): string => path.join(temporary.path, name);
  const files = Object.fromEntries(Array.from({ length: 300 }, (_, index) => [`${index % 9}/${index}`, `${index}`]));
  touch(at("source"), { ...files, large: "x".repeat(5 << 20) });
  fs.linkSync(at("source/large"), at("source/0/again"));
  const { tree } = await capture(at("source"));
  const abort = new AbortController();
  let items = 0;
  const onItem = (): void => {
    items += 1;
    if (items === 150) abort.abort(new Error("enough"));
  };
  await assert.rejects(write(tree, at("target"), createOnly, { onItem, signal: abort.signal }));
  touch(at("target"), { "0/.holdfast-0123456789abcdef": "half", "0/.holdfast-other": "not ours" });
  const written = await write(tree, at("target"), createOnly);
  assert.deepEqual(written.failed, []);
  assert.deepEqual(compareTrees(at("target"), at("source"), ["root", "folder-times"]), [
    "0/.holdfast-other: should not be there",
  ]);
});

test("a walk that fails ends the batch that is being written, and says why", { timeout: 60_000 }, async () => {
  using temporary = temporaryFolder();
  const inner = memoryStorage();
  const lost = new Set<string>();
  let isStalled = false;
  const stalling: Storage = {
    ...inner,
    load: async (of, range, during) => {
      if (lost.has(of.name)) throw new HoldfastError("storage-failed", { reason: "EIO" });
      if (!isStalled || of.kind !== "data") return inner.load(of, range, during);
      const { promise, reject } = Promise.withResolvers<never>();
      during.addEventListener("abort", () => reject(during.reason), { once: true });
      return promise;
    },
  };
  const opening = { signal, now: () => new Date(), host: { hostname: "test", username: "tester", uid: 0, gid: 0 } };
  await using slow = await createCheapRepository(stalling, "correct horse", opening);
  const upload = async (make: (to: Upload) => Promise<Id>): Promise<Id> => {
    await using lock = await slow.lock("shared", { ...opening, waitMs: 0 });
    await using to = await (await slow.index(signal)).upload({ signal, lock, limits });
    const made = await make(to);
    await to.finish({ time: new Date().toISOString(), tree: made, paths: ["/test"], hostname: "test" });
    return made;
  };
  const second = await upload((to) => to.tree({ nodes: [] }));
  for await (const { name } of inner.list("data", signal)) lost.add(name);
  const tree = await upload(async (to) => {
    const nodes: TreeNode[] = [];
    for (let at = 0; at < 600; at++) {
      const { id } = await to.blob("data", Buffer.from(`text ${at + 1000}`), "bulk");
      nodes.push(file(`f${at + 1000}`, id, 9));
    }
    return to.tree({ nodes: [dir("a", await to.tree({ nodes })), dir("z", second)] });
  });
  const indexed = await slow.index(signal);
  const target = nameFromText(path.join(temporary.path, "target"));
  const run = { signal, report: () => {} };
  const onItem = ({ inside }: { readonly inside: ByteName }): void => {
    isStalled ||= nameText(inside).includes("f");
  };
  const input = { reader: indexed, tree, target, switches: createOnly, signal };
  await assert.rejects(writeFolder(input, { repository: indexed, limits, run, onItem }), (error) =>
    isHoldfastError(error, "storage-failed"),
  );
  assert.ok(isStalled);
  assert.deepEqual(fs.readdirSync(path.join(temporary.path, "target/a")), []);
});

test("progress, and files are as many as were written", async () => {
  using temporary = temporaryFolder();
  const at = (name: string): string => path.join(temporary.path, name);
  touch(at("source"), { a: "1", b: "22", "c/d": "333" });
  const { tree } = await capture(at("source"));
  const events: Event[] = [];
  const written = await write(tree, at("target"), createOnly, { report: (event) => void events.push(event) });
  assert.deepEqual([written.files, written.bytes, written.counts.create], [3, 6, 4]);
  const last = events.at(-1);
  assert.ok(last?.type === "progress" && last.doneBytes === 6 && last.doneItems >= 3);
});

const lacks = await lossyDiskLacks();
const needsDisk = lacks === undefined ? {} : { skip: lacks };

test("what the disk took and lost is told, though the kernel tells it only once", needsDisk, async () => {
  using temporary = temporaryFolder();
  await using disk = await lossyDisk(8);
  const source = path.join(temporary.path, "source");
  fs.mkdirSync(source);
  for (let at = 0; at < 60; at++) fs.writeFileSync(path.join(source, `${at}`), randomBytes(400_000));
  const { tree } = await capture(source);
  // Slow enough that some of it is written out meanwhile.
  const slow = { limits: { ...limits, writeBytesPerSecond: 16_000_000 } };
  await assert.rejects(
    write(tree, path.join(disk.path, "target"), createOnly, slow),
    (error) => isHoldfastError(error, "target-unwritten") && error.facts["reason"] === "EIO",
  );
  await write(tree, path.join(temporary.path, "target"), createOnly);
});

test("a tree deeper than a path can be", async () => {
  using temporary = temporaryFolder();
  const at = (name: string): string => path.join(temporary.path, name);
  fs.mkdirSync(at("source"));
  const name = "deep".repeat(40);
  let descriptor = fs.openSync(at("source"), "r");
  for (let level = 0; level < 60; level += 1) {
    const next = `/proc/self/fd/${descriptor}/${name}`;
    fs.mkdirSync(next);
    fs.writeFileSync(`/proc/self/fd/${descriptor}/file`, String(level));
    const below = fs.openSync(next, "r");
    fs.closeSync(descriptor);
    descriptor = below;
  }
  fs.closeSync(descriptor);
  const captured = await capture(at("source"));
  assert.deepEqual([captured.files, captured.warnings], [60, []]);
  const written = await write(captured.tree, at("target"), createOnly);
  assert.deepEqual(written.failed, []);
  assertSameTrees(at("target"), at("source"), ["root"]);
});
