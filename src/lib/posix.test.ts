import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { after, before, test } from "node:test";
import { nameFromText } from "./byte-name.ts";
import * as posix from "./posix.ts";

let folder = "";
before(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "holdfast-posix-"));
});
after(() => fs.rmSync(folder, { recursive: true, force: true }));

const place = (name: string): string => path.join(folder, name);
const bytes = (name: string): Buffer => Buffer.from(place(name));

test("looks at a name inside an open folder as lstat does", () => {
  fs.writeFileSync(place("looked-at"), "12345");
  fs.symlinkSync("looked-at", place("looking"));
  const fd = fs.openSync(folder, "r");
  for (const name of ["looked-at", "looking", "."]) {
    const seen = posix.statAt(fd, nameFromText(name));
    const expected = fs.lstatSync(place(name), { bigint: true });
    assert.deepEqual(
      [seen.mode, seen.links, seen.uid, seen.gid, seen.size, seen.inode, seen.deviceId, seen.device].map(BigInt),
      [expected.mode, expected.nlink, expected.uid, expected.gid, expected.size, expected.ino, expected.dev, 0n],
    );
    assert.deepEqual(
      [seen.atimeNs, seen.mtimeNs, seen.ctimeNs],
      [expected.atimeNs, expected.mtimeNs, expected.ctimeNs],
    );
  }
  assert.throws(() => posix.statAt(fd, nameFromText("absent")), { code: "ENOENT" });
  assert.equal(posix.statAt(fd, nameFromText("")).inode, fs.fstatSync(fd).ino);
  fs.closeSync(fd);
  const devices = fs.openSync("/dev", "r");
  assert.equal(posix.statAt(devices, nameFromText("null")).device, fs.statSync("/dev/null").rdev);
  fs.closeSync(devices);
});

test("times are set to the nanosecond, also before 1970, and on a link itself", () => {
  fs.writeFileSync(place("times"), "");
  const fd = fs.openSync(place("times"), "r+");
  for (const time of [1_790_000_000_123_456_789n, 0n, 1n, -1n, -1_500_000_000n]) {
    posix.setTimes(fd, time, time + 5n);
    const seen = fs.fstatSync(fd, { bigint: true });
    assert.equal(seen.atimeNs, time);
    assert.equal(seen.mtimeNs, time + 5n);
  }
  fs.closeSync(fd);
  fs.symlinkSync("nowhere", place("link"));
  posix.setLinkTimes(bytes("link"), 7n, 1_000_000_008n);
  assert.equal(fs.lstatSync(place("link"), { bigint: true }).mtimeNs, 1_000_000_008n);
});

test("errors look like those of node:fs", () => {
  assert.throws(() => posix.setLinkTimes(bytes("absent"), 0n, 0n), {
    code: "ENOENT",
    syscall: "utimensat",
    path: place("absent"),
  });
  assert.throws(() => posix.setTimes(987_654, 0n, 0n), { code: "EBADF" });
  assert.throws(() => posix.setLinkTimes(Buffer.from(`${place("a")}\0b`), 0n, 0n), { code: "EINVAL" });
  assert.throws(() => posix.setLinkTimes(Buffer.alloc(5000, 97), 0n, 0n), { code: "ENAMETOOLONG" });
});

test("extended attributes by path and by descriptor, binary and empty values, none", () => {
  fs.writeFileSync(place("attributes"), "");
  const fd = fs.openSync(place("attributes"), "r+");
  assert.deepEqual(posix.listExtendedAttributes(fd), []);
  posix.setExtendedAttribute(fd, "user.一", Buffer.from([0, 255, 10]));
  posix.setExtendedAttribute(bytes("attributes"), "user.empty", Buffer.alloc(0));
  const expected = [
    { name: "user.empty", value: Buffer.alloc(0) },
    { name: "user.一", value: Buffer.from([0, 255, 10]) },
  ];
  const sorted = (target: Buffer | number): readonly posix.NativeAttribute[] =>
    posix.readExtendedAttributes(target).toSorted((a, b) => (a.name < b.name ? -1 : 1));
  assert.deepEqual(sorted(fd), expected);
  assert.deepEqual(sorted(bytes("attributes")), expected);
  assert.equal(posix.getExtendedAttribute(fd, "user.none"), undefined);
  posix.removeExtendedAttribute(fd, "user.empty");
  posix.removeExtendedAttribute(bytes("attributes"), "user.一");
  assert.deepEqual(posix.readExtendedAttributes(fd), []);
  fs.closeSync(fd);
});

test("more names than the first buffer holds", () => {
  // in memory: ext4 keeps all attributes of a file within one block of 4 KiB
  const file = Buffer.from(path.join("/dev/shm", `holdfast-posix-${process.pid}`));
  fs.writeFileSync(file, "");
  try {
    const names = Array.from({ length: 60 }, (_, index) => `user.${"n".repeat(200)}${index}`);
    const value = Buffer.alloc(9000, "v");
    for (const name of names) posix.setExtendedAttribute(file, name, name === names[7] ? value : Buffer.from("v"));
    assert.deepEqual(posix.listExtendedAttributes(file).toSorted(), names.toSorted());
    assert.deepEqual(posix.getExtendedAttribute(file, names[7] ?? ""), value);
  } finally {
    fs.rmSync(file);
  }
});

test("attributes of a link are not those of its target", () => {
  fs.writeFileSync(place("pointed-at"), "");
  posix.setExtendedAttribute(bytes("pointed-at"), "user.a", Buffer.from("1"));
  fs.symlinkSync("pointed-at", place("pointer"));
  assert.deepEqual(posix.readExtendedAttributes(bytes("pointer")), []);
  assert.throws(() => posix.setExtendedAttribute(bytes("pointer"), "user.b", Buffer.from("1")), { code: "EPERM" });
});

test("data and holes", () => {
  const mebibyte = 1 << 20;
  const fd = fs.openSync(place("sparse"), "w+");
  fs.writeSync(fd, Buffer.alloc(mebibyte, 1), 0, mebibyte, 4 * mebibyte);
  fs.ftruncateSync(fd, 9 * mebibyte);
  assert.deepEqual([...posix.dataRanges(fd, 9 * mebibyte)], [{ offset: 4 * mebibyte, length: mebibyte }]);
  assert.deepEqual([...posix.dataRanges(fd, 4.5 * mebibyte)], [{ offset: 4 * mebibyte, length: mebibyte / 2 }]);
  fs.ftruncateSync(fd, 0);
  fs.ftruncateSync(fd, mebibyte);
  assert.deepEqual([...posix.dataRanges(fd, mebibyte)], []);
  assert.deepEqual([...posix.dataRanges(fd, 0)], []);
  fs.closeSync(fd);
});

test("FIFOs and devices", () => {
  posix.makeNode(bytes("fifo"), fs.constants.S_IFIFO | 0o640, 0);
  assert.ok(fs.lstatSync(place("fifo")).isFIFO());
  assert.throws(() => posix.makeNode(bytes("fifo"), fs.constants.S_IFIFO, 0), { code: "EEXIST" });
  const { rdev } = fs.statSync("/dev/null", { bigint: true });
  const make = (): void => posix.makeNode(bytes("null"), fs.constants.S_IFCHR | 0o600, rdev);
  if (process.getuid?.() !== 0) return assert.throws(make, { code: "EPERM" });
  make();
  assert.equal(fs.lstatSync(place("null"), { bigint: true }).rdev, rdev);
  posix.makeNode(nameFromText(place("far")), fs.constants.S_IFBLK | 0o600, 0xfff00fffn);
  assert.equal(fs.lstatSync(place("far"), { bigint: true }).rdev, 0xfff00fffn);
});

test("a lock is held by one descriptor at a time", () => {
  const first = fs.openSync(place("lock"), "w");
  const second = fs.openSync(place("lock"), "w");
  assert.equal(posix.tryLockFile(first), true);
  assert.equal(posix.tryLockFile(first), true);
  assert.equal(posix.tryLockFile(second), false);
  fs.closeSync(first);
  assert.equal(posix.tryLockFile(second), true);
  fs.closeSync(second);
});

test("exchange and rename without replacing", () => {
  fs.writeFileSync(place("one"), "1");
  fs.mkdirSync(place("two"));
  posix.exchange(bytes("one"), bytes("two"));
  assert.equal(fs.readFileSync(place("two"), "utf8"), "1");
  assert.ok(fs.statSync(place("one")).isDirectory());
  assert.throws(() => posix.exchange(bytes("one"), bytes("absent")), { code: "ENOENT" });
  assert.throws(() => posix.renameNoReplace(bytes("two"), bytes("one")), { code: "EEXIST" });
  posix.renameNoReplace(bytes("two"), bytes("three"));
  assert.equal(fs.readFileSync(place("three"), "utf8"), "1");
});

test("syncs a file system", () => {
  const fd = fs.openSync("/dev/shm", "r"); // memory: a sync of a busy disk may take long
  posix.syncFileSystem(fd);
  fs.closeSync(fd);
  assert.throws(() => posix.syncFileSystem(fd), { code: "EBADF" });
});

test("lowers the priority of this thread and of the threads that it starts, and loads nothing before it is used", () => {
  const script = `
    import * as fs from "node:fs";
    import * as os from "node:os";
    import { Worker } from "node:worker_threads";
    import { lowerPriority } from ${JSON.stringify(new URL("./posix.ts", import.meta.url).href)};
    const maps = () => fs.readFileSync("/proc/self/maps", "utf8").includes("koffi");
    const before = maps();
    lowerPriority();
    const worker = new Worker("postMessage(require('os').getPriority())", { eval: true, execArgv: [] });
    worker.on("message", (inherited) => console.log(JSON.stringify([before, maps(), os.getPriority(), inherited])));
  `.replaceAll("postMessage(", "require('worker_threads').parentPort.postMessage(");
  const answer = execFileSync(process.execPath, ["--input-type=module", "-e", script], { encoding: "utf8" });
  assert.deepEqual(JSON.parse(answer), [false, true, 10, 10]);
});
