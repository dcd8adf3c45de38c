import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as path from "node:path";
import { test } from "node:test";
import { temporaryFolder } from "../../../test/support/temp-folder.ts";
import { assertSameTrees } from "../../../test/support/compare-trees.ts";
import { testRepository, type TestRepository } from "../../../test/support/test-repository.ts";
import type { Id } from "../../format/tree.ts";
import { nameFromText } from "../../lib/byte-name.ts";
import type { Event } from "../../lib/events.ts";
import { setExtendedAttribute } from "../../lib/posix.ts";
import { captureFolder, type CaptureFolderInput, type FolderCapture } from "./capture-folder.ts";

type Options = Partial<Pick<CaptureFolderInput, "excludes" | "includes" | "kind" | "countAgainst">>;

async function capture(
  { upload, signal }: TestRepository,
  folder: string,
  compareWith?: Id,
  options: Options = {},
  report: (event: Event) => void = () => {},
): Promise<FolderCapture> {
  return await upload((writing, reader) =>
    captureFolder(
      {
        path: nameFromText(folder),
        excludes: [],
        kind: compareWith === undefined ? "full" : "incremental",
        upload: writing,
        reader,
        ...(compareWith !== undefined && { compareWith }),
        ...options,
      },
      { signal, report },
    ),
  );
}

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
  await using repository = await testRepository(place("repository"));
  const captured = await capture(repository, source);
  assert.deepEqual(captured.warnings, []);
  assert.deepEqual([captured.files, captured.newFiles, captured.dirs], [6, 6, 4]);
  const restic = repository.restic();
  await restic.check();
  await restic.restore("latest", place("restored"));
  assertSameTrees(place("restored"), source, ["root"]);

  // restic's own backup of the same folder names the same tree
  await restic.output("backup", source, "--tag", "theirs");
  const theirs = (await restic.snapshots()).find(({ tags }) => tags?.includes("theirs"));
  const indexed = await repository.index();
  const { nodes } = await indexed.loadTree(theirs?.tree ?? "", repository.signal);
  let node = nodes[0];
  for (const step of source.split("/").slice(2)) {
    const inside = await indexed.loadTree(node?.subtree ?? "", repository.signal);
    node = inside.nodes.find(({ name }) => name === step);
  }
  assert.equal(node?.subtree, captured.tree);
});
