import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { after, before, test } from "node:test";
import { nameFromText, type ByteName } from "../lib/byte-name.ts";
import { readExtendedAttributes } from "../lib/posix.ts";
import { pathIn } from "./open-folder.ts";
import { placeHardLink, placeSmallEntry, removeIn, setMetadata, type EntryMetadata } from "./write-entry.ts";

let base = "";
let folder = -1;
before(() => {
  base = fs.mkdtempSync(path.join(os.tmpdir(), "holdfast-write-"));
  folder = fs.openSync(base, "r");
});
after(() => {
  fs.closeSync(folder);
  fs.rmSync(base, { recursive: true, force: true });
});

const at = (name: string): string => path.join(base, name);
const named = (name: string): ByteName => nameFromText(name);
const metadata: EntryMetadata = { mode: 0o640, atimeNs: 1n, mtimeNs: 1_000_000_007n, extendedAttributes: [] };
const nothingLost = (what: string): never => assert.fail(what);

test("links, FIFOs and devices come whole, over what was there, but never over a folder", () => {
  fs.writeFileSync(at("link"), "in the way");
  const linkTarget = "\xff/../\n" as ByteName;
  placeSmallEntry(folder, named("link"), { type: "symlink", linkTarget }, metadata, nothingLost);
  assert.deepEqual(fs.readlinkSync(at("link"), "buffer"), Buffer.from(linkTarget, "latin1"));
  assert.equal(fs.lstatSync(at("link"), { bigint: true }).mtimeNs, 1_000_000_007n);
  placeSmallEntry(folder, named("fifo"), { type: "fifo" }, metadata, nothingLost);
  const fifo = fs.lstatSync(at("fifo"), { bigint: true });
  assert.deepEqual([fifo.isFIFO(), fifo.mode & 0o7777n, fifo.mtimeNs], [true, 0o640n, 1_000_000_007n]);
  fs.mkdirSync(at("folder"));
  assert.throws(() => placeSmallEntry(folder, named("folder"), { type: "fifo" }, metadata, nothingLost));
  assert.deepEqual(fs.readdirSync(base).toSorted(), ["fifo", "folder", "link"]);
});

test("another link to a file, also where it is one already", () => {
  fs.writeFileSync(at("first"), "1");
  fs.writeFileSync(at("second"), "2");
  for (let round = 0; round < 2; round += 1) {
    placeHardLink(folder, named("second"), folder, named("first"));
    assert.equal(fs.statSync(at("second")).ino, fs.statSync(at("first")).ino);
    assert.equal(fs.readdirSync(base).filter((name) => name.startsWith(".")).length, 0);
  }
});

test("metadata of a thing itself, and what could not be set", () => {
  fs.writeFileSync(at("file"), "");
  const attribute = { name: "user.a", value: Buffer.from("1") };
  const lost: string[] = [];
  setMetadata(
    pathIn(folder, named("file")),
    "file",
    { ...metadata, mode: 0o4755, extendedAttributes: [attribute, { name: "no-such-space.a", value: Buffer.from("") }] },
    (what) => void lost.push(what),
  );
  const status = fs.lstatSync(at("file"), { bigint: true });
  assert.deepEqual([status.mode & 0o7777n, status.mtimeNs, status.atimeNs], [0o4755n, 1_000_000_007n, 1n]);
  assert.deepEqual(readExtendedAttributes(named(at("file"))), [attribute]);
  assert.deepEqual(lost, ["no-such-space.a"]);
  if (process.getuid?.() !== 0) return;
  setMetadata(pathIn(folder, named("file")), "file", { ...metadata, mode: 0o6755, uid: 12, gid: 34 }, nothingLost);
  const owned = fs.lstatSync(at("file"));
  assert.deepEqual([owned.uid, owned.gid, owned.mode & 0o7777], [12, 34, 0o6755]);
});

test("metadata is never set through a link", () => {
  fs.writeFileSync(at("victim"), "", { mode: 0o600 });
  fs.symlinkSync("victim", at("planted"));
  const untouched = fs.lstatSync(at("victim"), { bigint: true });
  const lost: string[] = [];
  setMetadata(pathIn(folder, named("planted")), "file", { ...metadata, mode: 0o777 }, (what) => void lost.push(what));
  const now = fs.lstatSync(at("victim"), { bigint: true });
  assert.deepEqual([now.mode, now.mtimeNs, lost], [untouched.mode, untouched.mtimeNs, ["mode"]]);
});

test("removes all that is below, but not what links point to", () => {
  fs.mkdirSync(at("gone/a/b"), { recursive: true });
  fs.mkdirSync(at("stays"));
  fs.writeFileSync(at("stays/file"), "");
  fs.writeFileSync(at("gone/a/b/file"), "");
  fs.symlinkSync(at("stays"), at("gone/a/link"));
  removeIn(folder, named("gone"));
  removeIn(folder, named("gone"));
  assert.equal(fs.existsSync(at("gone")), false);
  assert.ok(fs.existsSync(at("stays/file")));
  fs.symlinkSync("stays", at("to-folder"));
  removeIn(folder, named("to-folder"));
  assert.ok(fs.existsSync(at("stays/file")));
});
