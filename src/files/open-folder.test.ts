import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { after, before, test } from "node:test";
import { nameFromText, type ByteName } from "../lib/byte-name.ts";
import { FolderChain, isSafeName, makeFolderIn, openFolderIn, openTarget } from "./open-folder.ts";

let base = "";
before(() => {
  base = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), "holdfast-open-")));
});
after(() => fs.rmSync(base, { recursive: true, force: true }));

/** What a descriptor is open on; closes it. */
function whereIs(descriptor: number | undefined): string | undefined {
  if (descriptor === undefined) return undefined;
  const place = fs.readlinkSync(`/proc/self/fd/${descriptor}`);
  fs.closeSync(descriptor);
  return place;
}

const target = (inside: string, missing: "create" | "leave" = "leave"): string | undefined =>
  whereIs(openTarget(nameFromText(path.join(base, inside)), missing));

test("names that are one step", () => {
  for (const name of ["", ".", "..", "a/b", "/", "a\0b", "n".repeat(256)]) {
    assert.equal(isSafeName(name as ByteName), false, JSON.stringify(name));
  }
  for (const name of ["a", "...", "-", " ", "a\nb", "\xff", "n".repeat(255)]) {
    assert.equal(isSafeName(name as ByteName), true, JSON.stringify(name));
  }
});

test("opens, leaves or makes a target", () => {
  assert.equal(target("no/where"), undefined);
  assert.equal(target("x/y/z", "create"), path.join(base, "x/y/z"));
  assert.equal(target("x/y"), path.join(base, "x/y"));
  assert.equal(whereIs(openTarget("/" as ByteName, "leave")), "/");
  fs.writeFileSync(path.join(base, "file"), "");
  assert.throws(() => target("file"), { code: "target-unsafe" });
  assert.throws(() => target("file/below", "create"), { code: "target-unsafe" });
});

test("a link at the end of a target is refused, one of our own on the way is followed", () => {
  fs.mkdirSync(path.join(base, "real/inner"), { recursive: true });
  fs.symlinkSync("real", path.join(base, "link"));
  fs.symlinkSync(path.join(base, "link"), path.join(base, "absolute"));
  fs.symlinkSync("loop", path.join(base, "loop"));
  assert.throws(() => target("link"), { code: "target-unsafe" });
  assert.throws(() => target("link", "create"), { code: "target-unsafe" });
  assert.equal(target("link/inner"), path.join(base, "real/inner"));
  assert.equal(target("absolute/inner"), path.join(base, "real/inner"));
  assert.throws(() => target("loop/inner"), { code: "target-unsafe" });
  if (process.getuid?.() !== 0) return; // only root can plant as somebody else
  fs.lchownSync(path.join(base, "link"), 65534, 65534);
  assert.throws(() => target("link/inner"), { code: "target-unsafe" });
});

test("no step inside a target follows a link", () => {
  const descriptor = fs.openSync(base, "r");
  fs.mkdirSync(path.join(base, "outside"));
  fs.symlinkSync("outside", path.join(base, "planted"));
  assert.throws(() => openFolderIn(descriptor, nameFromText("planted")), { code: "ENOTDIR" });
  assert.throws(() => makeFolderIn(descriptor, nameFromText("planted")), { code: "EEXIST" });
  const made = makeFolderIn(descriptor, nameFromText("made"));
  assert.equal(fs.fstatSync(made).mode & 0o777, 0o700);
  assert.equal(whereIs(made), path.join(base, "made"));
  fs.closeSync(descriptor);
});

test("a chain opens folders again and keeps only the way open", () => {
  fs.mkdirSync(path.join(base, "chain/a/b/c"), { recursive: true });
  fs.mkdirSync(path.join(base, "chain/a/x"));
  const root = fs.openSync(path.join(base, "chain"), "r");
  const open = (): number => fs.readdirSync("/proc/self/fd").length;
  const start = open();
  {
    using chain = new FolderChain(root);
    const at = (inside: string): string => fs.readlinkSync(`/proc/self/fd/${chain.open(nameFromText(inside))}`);
    assert.equal(at(""), path.join(base, "chain"));
    assert.equal(at("a/b/c"), path.join(base, "chain/a/b/c"));
    assert.equal(open(), start + 3);
    assert.equal(at("a/x"), path.join(base, "chain/a/x"));
    assert.equal(open(), start + 2);
    assert.throws(() => at("a/none"), { code: "ENOENT" });
    assert.equal(at("a"), path.join(base, "chain/a"));
  }
  assert.equal(open(), start);
  fs.closeSync(root);
});
