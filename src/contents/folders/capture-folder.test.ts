import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { after, test } from "node:test";
import { temporaryFolder } from "../../../test/support/temp-folder.ts";
import { until } from "../../../test/support/until.ts";
import { assertSameTrees } from "../../../test/support/compare-trees.ts";
import { testRepository, type TestRepository } from "../../../test/support/test-repository.ts";
import type { Id } from "../../format/tree.ts";
import { nameFromText } from "../../lib/byte-name.ts";
import type { Event } from "../../lib/events.ts";
import { setExtendedAttribute } from "../../lib/posix.ts";
import type { FileReadResult, FileToRead, Upload } from "../../repository/repository.ts";
import { captureFolder, type CaptureFolderInput, type FolderCapture } from "./capture-folder.ts";

process.env["TZ"] = "UTC"; // restic writes times in the zone of the machine

/** One for all tests that do not look at it with restic: making one takes a while, by design. */
const repository = await testRepository();
after(() => repository[Symbol.asyncDispose]());

type Options = Partial<Pick<CaptureFolderInput, "excludes" | "includes" | "kind" | "countAgainst" | "onFile">> & {
  /** Stands between the capture and the upload, to do something at the worst moment. */
  readonly beforeFile?: (file: FileToRead) => FileReadResult | undefined;
};

async function capture(
  { upload, signal }: TestRepository,
  folder: string,
  compareWith?: Id,
  { beforeFile, ...options }: Options = {},
  report: (event: Event) => void = () => {},
): Promise<FolderCapture> {
  return await upload((writing, reader) =>
    captureFolder(
      {
        path: nameFromText(folder),
        excludes: [],
        kind: compareWith === undefined ? "full" : "incremental",
        upload: beforeFile ? meddling(writing, beforeFile) : writing,
        reader,
        ...(compareWith !== undefined && { compareWith }),
        ...options,
      },
      { signal, report },
    ),
  );
}

function meddling(upload: Upload, beforeFile: (file: FileToRead) => FileReadResult | undefined): Upload {
  return new Proxy(upload, {
    get(target, property) {
      if (property === "file") return async (file: FileToRead) => beforeFile(file) ?? (await target.file(file));
      const value: unknown = Reflect.get(target, property, target);
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  });
}

const byText = (a: string, b: string): number => (a < b ? -1 : 1);

function touch(folder: string, files: Readonly<Record<string, string | Buffer>>): void {
  for (const [name, content] of Object.entries(files)) {
    fs.mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
    fs.writeFileSync(path.join(folder, name), content);
  }
}

test("restic restores what was captured, and takes over the very same trees", async () => {
  using temporary = temporaryFolder();
  const place = (name: string): string => path.join(temporary.path, name);
  const source = place("source");
  touch(source, {
    "a/empty": "",
    "a/small": "small",
    "b/large": Buffer.alloc(3 << 20, "0123456789abcdef-"),
    "中文/附件 <1>&.txt": "内容",
  });
  fs.writeFileSync(Buffer.concat([Buffer.from(`${source}/bad-`), Buffer.from([0xff])]), "x");
  fs.linkSync(path.join(source, "a/small"), path.join(source, "b/linked"));
  fs.symlinkSync("../a/small", path.join(source, "b/link"));
  fs.mkdirSync(path.join(source, "empty folder"));
  fs.chmodSync(path.join(source, "a/small"), 0o4751);
  setExtendedAttribute(nameFromText(path.join(source, "a/small")), "user.x", Buffer.from([0, 1]));
  setExtendedAttribute(nameFromText(path.join(source, "a")), "user.folder", Buffer.from("y"));
  await using visible = await testRepository(place("repository"));
  const captured = await capture(visible, source);
  assert.deepEqual(captured.warnings, []);
  assert.deepEqual([captured.files, captured.newFiles, captured.dirs], [6, 6, 4]);
  const restic = visible.restic();
  await restic.check();
  await restic.restore("latest", place("restored"));
  assertSameTrees(place("restored"), source, ["root"]);

  // restic's own backup of the same folder names the same tree
  await restic.output("backup", source, "--tag", "theirs");
  const theirs = (await restic.snapshots()).find(({ tags }) => tags?.includes("theirs"));
  const indexed = await visible.index();
  const { nodes } = await indexed.loadTree(theirs?.tree ?? "", visible.signal);
  let node = nodes[0];
  for (const step of source.split("/").slice(2)) {
    const inside = await indexed.loadTree(node?.subtree ?? "", visible.signal);
    node = inside.nodes.find(({ name }) => name === step);
  }
  assert.equal(node?.subtree, captured.tree);
});

test("what has not changed is not read, and gives the same tree", async () => {
  using temporary = temporaryFolder();
  const source = temporary.path;
  touch(source, { "a/one": "1", "a/two": "22", "b/c/three": "333", top: "4444" });
  fs.symlinkSync("top", path.join(source, "link"));
  const first = await capture(repository, source);
  const read: string[] = [];
  const beforeFile = (file: FileToRead): undefined => void read.push(path.basename(file.path));
  const second = await capture(repository, source, first.tree, { beforeFile });
  assert.deepEqual(read, []);
  assert.equal(second.tree, first.tree);
  assert.deepEqual(
    [second.unmodifiedFiles, second.unmodifiedDirs, second.readBytes, second.changedBytes],
    [4, 3, 0, 0],
  );
  assert.deepEqual([second.files, second.bytes], [4, 10]);

  fs.writeFileSync(path.join(source, "a/two"), "2x"); // same size
  fs.utimesSync(path.join(source, "a/one"), 5, 5); // same contents
  fs.chmodSync(path.join(source, "top"), 0o600); // neither
  touch(source, { "b/new": "55555" });
  const third = await capture(repository, source, second.tree, { beforeFile });
  assert.deepEqual(read.toSorted(byText), ["new", "one", "top", "two"]);
  assert.deepEqual([third.newFiles, third.changedFiles, third.unmodifiedFiles, third.removedFiles], [1, 1, 3, 0]);
  assert.deepEqual([third.changedBytes, third.readBytes], [7, 12]);
  assert.deepEqual([third.newDirs, third.changedDirs, third.unmodifiedDirs], [0, 2, 1]);

  // a differential counts against the last full and, for the report, against the last backup
  const differential = await capture(repository, source, first.tree, {
    kind: "differential",
    countAgainst: third.tree,
  });
  assert.equal(differential.tree, third.tree);
  assert.deepEqual([differential.changedBytes, differential.changedBytesAlso], [7, 0]);
});

for (const [what, replace] of [
  ["a link to another one", (at: string) => fs.symlinkSync("release-2", at)],
  ["a file", (at: string) => fs.writeFileSync(at, "")],
] as const) {
  test(`a folder that makes room for ${what} while its files are read loses those, and ends no backup`, async () => {
    using temporary = temporaryFolder();
    const at = (name: string): string => path.join(temporary.path, name);
    touch(temporary.path, { "current/one": "old", "release-2/one": "new", last: "x" });
    const beforeFile = (file: FileToRead): undefined => {
      if (!file.path.endsWith("current/one") || fs.existsSync(at("release-1"))) return;
      fs.renameSync(at("current"), at("release-1"));
      replace(at("current"));
    };
    const captured = await capture(repository, temporary.path, undefined, { beforeFile });
    assert.deepEqual(captured.warnings, [{ code: "file-vanished", subject: at("current/one") }]);
    const { nodes } = await (await repository.index()).loadTree(captured.tree, repository.signal);
    assert.deepEqual(
      nodes.map(({ name }) => name),
      ["current", "last", "release-2"],
    );
  });
}

test("a full reads everything again and still tells what changed", async () => {
  using temporary = temporaryFolder();
  touch(temporary.path, { a: "1", b: "22" });
  const first = await capture(repository, temporary.path);
  fs.writeFileSync(path.join(temporary.path, "b"), "333");
  const again = await capture(repository, temporary.path, first.tree, { kind: "full" });
  assert.deepEqual([again.readBytes, again.changedFiles, again.unmodifiedFiles, again.changedBytes], [4, 1, 1, 3]);
});

test("what is gone, and what became something else", async () => {
  using temporary = temporaryFolder();
  const source = temporary.path;
  touch(source, { "a/1": "", "a/b/2": "", "c/3": "", d: "", e: "", z: "" });
  const first = await capture(repository, source);
  fs.rmSync(path.join(source, "a"), { recursive: true }); // two files
  fs.rmSync(path.join(source, "c"), { recursive: true }); // one, and a new one in its place
  fs.rmSync(path.join(source, "d"));
  fs.rmSync(path.join(source, "z"));
  touch(source, { c: "", "d/4": "" });
  const second = await capture(repository, source, first.tree);
  assert.deepEqual([second.files, second.newFiles, second.removedFiles, second.unmodifiedFiles], [3, 2, 5, 1]);
});

test("hard links are read once", async () => {
  using temporary = temporaryFolder();
  touch(temporary.path, { a: "content" });
  for (const name of ["b", "c"]) fs.linkSync(path.join(temporary.path, "a"), path.join(temporary.path, name));
  const captured = await capture(repository, temporary.path);
  assert.deepEqual([captured.files, captured.bytes, captured.readBytes], [3, 21, 7]);
});

test("files that vanish, are replaced, change or cannot be read: one warning each at most", async () => {
  using temporary = temporaryFolder();
  const source = temporary.path;
  const at = (name: string): string => path.join(source, name);
  touch(source, { broken: "x", changing: "x", fine: "x", replaced: "old", vanishing: "x" });
  let changes = 0;
  const beforeFile = (file: FileToRead): FileReadResult | undefined => {
    const name = path.basename(file.path);
    if (name === "vanishing") fs.rmSync(at(name));
    if (name === "replaced" && fs.readFileSync(at(name), "utf8") === "old") {
      fs.writeFileSync(at("beside"), "new");
      fs.renameSync(at("beside"), at(name));
    }
    if (name === "broken") return { state: "unreadable", reason: "EIO" };
    if (name !== "changing") return undefined;
    changes += 1;
    const nothing = { addedBlobs: 0, addedBytes: 0, storedBytes: 0 };
    return { state: "read", content: [], extendedAttributes: [], size: 0, changed: true, ...nothing };
  };
  const events: Event[] = [];
  const captured = await capture(repository, source, undefined, { beforeFile }, (event) => void events.push(event));
  const expected = [
    { code: "file-unreadable", subject: at("broken"), detail: "EIO" },
    { code: "file-changed", subject: at("changing") },
    { code: "file-vanished", subject: at("vanishing") },
  ];
  assert.equal(changes, 2);
  assert.deepEqual(
    captured.warnings.toSorted((a, b) => (a.subject < b.subject ? -1 : 1)),
    expected,
  );
  assert.deepEqual(
    events.flatMap((event) => (event.type === "warning" ? [event.warning] : [])).length,
    expected.length,
  );
  const indexed = await repository.index();
  const { nodes } = await indexed.loadTree(captured.tree, repository.signal);
  assert.deepEqual(
    nodes.map(({ name, size }) => [name, size]),
    [
      ["changing", 0],
      ["fine", 1],
      ["replaced", 3],
    ],
  );
});

test("an attribute whose name is no text is told of with its path, and the others are kept", async () => {
  using temporary = temporaryFolder();
  const source = path.join(temporary.path, "source");
  touch(source, { "inside/file": "x" });
  for (const inside of ["inside/file", "inside"]) {
    const at = path.join(source, inside);
    setExtendedAttribute(nameFromText(at), "user.colour", Buffer.from("blue"));
    const made = spawnSync("sh", ["-c", `setfattr -n "$(printf 'user.caf\\351')" -v x "$0"`, at], { encoding: "utf8" });
    assert.equal(made.status, 0, made.stderr);
  }
  const { warnings, tree } = await capture(repository, source);
  assert.deepEqual(
    warnings.toSorted((a, b) => byText(a.subject, b.subject)),
    ["inside", "inside/file"].map((inside) => ({
      code: "metadata-lost",
      subject: path.join(source, inside),
      detail: "user.caf\ufffd",
    })),
  );
  const index = await repository.index();
  const [folder] = (await index.loadTree(tree, repository.signal)).nodes;
  const [file] = (await index.loadTree(folder?.subtree ?? assert.fail(), repository.signal)).nodes;
  const kept = [{ name: "user.colour", value: Buffer.from("blue").toString("base64") }];
  assert.deepEqual([folder?.extendedAttributes, file?.extendedAttributes], [kept, kept]);
});

test("excludes, includes and what is told of each file", async () => {
  using temporary = temporaryFolder();
  const source = temporary.path;
  touch(source, { "a/b/keep.pdf": "", "a/skip.txt": "", "cache/x.pdf": "", "empty/y.txt": "", "z.pdf": "" });
  const told: string[] = [];
  const options = { excludes: ["cache/"], includes: ["*.pdf"], onFile: (file: string) => void told.push(file) };
  const captured = await capture(repository, source, undefined, options);
  assert.deepEqual(told.toSorted(byText), ["a/b/keep.pdf", "z.pdf"]);
  const { nodes } = await (await repository.index()).loadTree(captured.tree, repository.signal);
  assert.deepEqual(
    nodes.map(({ name }) => name),
    ["a", "z.pdf"],
  );
});

test("a damaged or missing tree to compare with only means reading again", async () => {
  using temporary = temporaryFolder();
  touch(temporary.path, { "a/b": "1" });
  const first = await capture(repository, temporary.path);
  const again = await capture(repository, temporary.path, "0".repeat(64));
  assert.deepEqual([again.tree, again.newFiles, again.readBytes], [first.tree, 1, 1]);
});

test("a folder that is not there fails; an abort leaves nothing open", async () => {
  using temporary = temporaryFolder();
  await assert.rejects(capture(repository, path.join(temporary.path, "none")), { code: "source-missing" });
  for (let index = 0; index < 2000; index += 1) touch(temporary.path, { [`${index % 7}/${index}`]: "" });
  const before = fs.readdirSync("/proc/self/fd").length;
  const abort = new AbortController();
  const options = { beforeFile: () => abort.abort(new Error("enough")) as undefined };
  const stopped = capture({ ...repository, signal: abort.signal }, temporary.path, undefined, options);
  await assert.rejects(stopped, { message: "enough" });
  // The system takes a moment to close what an ended thread had open.
  await until(() => fs.readdirSync("/proc/self/fd").length <= before);
});
