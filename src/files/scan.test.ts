import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as net from "node:net";
import * as os from "node:os";
import * as path from "node:path";
import { after, before, test } from "node:test";
import { byteName, nameFromText, nameText, type ByteName } from "../lib/byte-name.ts";
import type { Warning } from "../lib/events.ts";
import { makeNode, setExtendedAttribute } from "../lib/posix.ts";
import type { Entry, FolderScan, ScanOptions } from "./files.ts";
import { rootEntry, scanFolder } from "./scan.ts";

let base = "";
before(() => {
  base = fs.mkdtempSync(path.join(os.tmpdir(), "holdfast-scan-"));
});
after(() => fs.rmSync(base, { recursive: true, force: true }));

function emptyFolder(): string {
  return fs.mkdtempSync(path.join(base, "one-"));
}

interface Walked {
  readonly paths: readonly string[];
  readonly warnings: readonly Warning[];
}

/** Paths as text, folders with `/` at their end, in the order of the scan. */
function walk(folder: string, options: Partial<ScanOptions> = {}): Walked {
  const paths: string[] = [];
  const warnings: Warning[] = [];
  const inside = (scan: FolderScan, prefix: string): void => {
    for (const entry of scan.entries()) {
      const shown = prefix + nameText(entry.name);
      paths.push(entry.type === "dir" ? `${shown}/` : shown);
      if (entry.type !== "dir") continue;
      using child = scan.child(entry);
      inside(child, `${shown}/`);
    }
  };
  const all = { excludes: [], includes: [], onWarning: (warning: Warning) => void warnings.push(warning), ...options };
  using root = scanFolder(nameFromText(folder), all);
  inside(root, "");
  return { paths, warnings };
}

function touch(folder: string, ...names: readonly string[]): void {
  for (const name of names) {
    fs.mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
    fs.writeFileSync(path.join(folder, name), name);
  }
}

const quiet: ScanOptions = { excludes: [], includes: [], onWarning: (warning) => assert.fail(JSON.stringify(warning)) };

test("every type, every number, in byte order", async () => {
  const folder = emptyFolder();
  fs.mkdirSync(path.join(folder, "dir"), { mode: 0o751 });
  fs.writeFileSync(path.join(folder, "file"), "12345", { mode: 0o640 });
  fs.linkSync(path.join(folder, "file"), path.join(folder, "hard"));
  fs.symlinkSync("/no/where", path.join(folder, "link"));
  makeNode(nameFromText(path.join(folder, "fifo")), fs.constants.S_IFIFO | 0o600, 0);
  fs.utimesSync(path.join(folder, "file"), 1, 1_234_567_890.5);
  setExtendedAttribute(nameFromText(path.join(folder, "file")), "user.color", Buffer.from("blue"));
  const server = net.createServer().listen(path.join(folder, "socket"));
  await new Promise((resolve) => server.once("listening", resolve));
  using scan = scanFolder(nameFromText(folder), quiet);
  const entries = [...scan.entries()];
  server.close();
  assert.deepEqual(
    entries.map(({ name, type }) => [name, type]),
    [
      ["dir", "dir"],
      ["fifo", "fifo"],
      ["file", "file"],
      ["hard", "file"],
      ["link", "symlink"],
      ["socket", "socket"],
    ],
  );
  const [, , file, hard, link] = entries;
  assert.ok(file && hard && link);
  const expected = fs.lstatSync(path.join(folder, "file"), { bigint: true });
  assert.deepEqual(
    [file.permissions, file.size, file.links, file.mtimeNs, file.ctimeNs, BigInt(file.inode), BigInt(file.deviceId)],
    [0o640, 5, 2, 1_234_567_890_500_000_000n, expected.ctimeNs, expected.ino, expected.dev],
  );
  assert.equal(hard.inode, file.inode);
  assert.equal(file.user, os.userInfo().username);
  assert.deepEqual(scan.details(file), {
    linkTarget: undefined,
    extendedAttributes: [{ name: "user.color", value: Buffer.from("blue") }],
  });
  assert.equal(scan.details(link)?.linkTarget, "/no/where");
  assert.equal(scan.openablePath(file.name), path.join(folder, "file"));
});

test("names that are no text", () => {
  const folder = emptyFolder();
  const names = [Buffer.from([0xff, 0xfe]), Buffer.from("new\nline"), Buffer.alloc(255, 0xe9), Buffer.from("中文")];
  for (const name of names) fs.writeFileSync(Buffer.concat([Buffer.from(`${folder}/`), name]), "x");
  using scan = scanFolder(nameFromText(folder), quiet);
  const found = [...scan.entries()];
  assert.deepEqual(
    found.map(({ name }) => name),
    names.map((name) => byteName(name)).toSorted(),
  );
  for (const entry of found) assert.deepEqual(scan.details(entry)?.extendedAttributes, []);
});

test("excludes and includes", () => {
  const folder = emptyFolder();
  touch(folder, "a.txt", "b.tmp", "cache/x", "keep/cache/y", "keep/deep/z.pdf", "logs/1", "logs/2", "other/q.txt");
  const { paths } = walk(folder, { excludes: ["*.tmp", "/cache/", "logs/1"] });
  assert.deepEqual(paths, [
    "a.txt",
    "keep/",
    "keep/cache/",
    "keep/cache/y",
    "keep/deep/",
    "keep/deep/z.pdf",
    "logs/",
    "logs/2",
    "other/",
    "other/q.txt",
  ]);
  const included = walk(folder, { includes: ["/keep/deep", "a.txt"], excludes: ["cache"] }).paths;
  assert.deepEqual(
    included.filter((one) => !one.endsWith("/")),
    ["a.txt", "keep/deep/z.pdf"],
  );
  assert.deepEqual(walk(folder, { includes: ["/logs/2"] }).paths, ["logs/", "logs/2"]);
});

test("what vanishes between listing and looking is told once", () => {
  const folder = emptyFolder();
  touch(folder, "a", "b", "c", "d/e");
  const warnings: Warning[] = [];
  using scan = scanFolder(nameFromText(folder), { ...quiet, onWarning: (warning) => void warnings.push(warning) });
  const entries = scan.entries();
  const { value: first } = entries.next();
  fs.rmSync(path.join(folder, "b"));
  const rest = [...entries];
  assert.deepEqual([first?.name, ...rest.map(({ name }) => name)], ["a", "c", "d"]);
  const [, last] = rest;
  assert.ok(first && last);
  fs.rmSync(path.join(folder, "d"), { recursive: true });
  using gone = scan.child(last);
  assert.deepEqual([...gone.entries()], []);
  assert.equal(gone.readable, false);
  fs.rmSync(path.join(folder, "a"));
  assert.equal(scan.details(first), undefined);
  assert.equal(scan.lookAgain(first.name), undefined);
  assert.deepEqual(
    warnings.map(({ code, subject }) => [code, path.basename(subject)]),
    [
      ["file-vanished", "b"],
      ["file-vanished", "d"],
      ["file-vanished", "a"],
    ],
  );
});

test("another folder or a link in the place of a folder is not read", () => {
  const folder = emptyFolder();
  const outside = emptyFolder();
  touch(folder, "in/side");
  touch(outside, "secret");
  const warnings: Warning[] = [];
  const options = { ...quiet, onWarning: (warning: Warning) => void warnings.push(warning) };
  using scan = scanFolder(nameFromText(folder), options);
  const [entry] = scan.entries();
  assert.ok(entry);
  fs.renameSync(path.join(folder, "in"), path.join(folder, "was"));
  for (const plant of [(place: string) => fs.symlinkSync(outside, place), (place: string) => fs.mkdirSync(place)]) {
    plant(path.join(folder, "in"));
    using child = scan.child(entry);
    assert.deepEqual([...child.entries()], []);
    fs.rmSync(path.join(folder, "in"), { recursive: true });
  }
  assert.equal(warnings.length, 2);
});

test("a tree deeper than a path can be, with few descriptors", () => {
  const folder = emptyFolder();
  const name = "d".repeat(200);
  const levels = 60;
  let descriptor = fs.openSync(folder, "r");
  for (let level = 0; level < levels; level += 1) {
    fs.mkdirSync(`/proc/self/fd/${descriptor}/${name}`);
    const next = fs.openSync(`/proc/self/fd/${descriptor}/${name}`, "r");
    fs.closeSync(descriptor);
    descriptor = next;
  }
  fs.writeFileSync(`/proc/self/fd/${descriptor}/bottom`, "found");
  fs.closeSync(descriptor);
  const atFirst = fs.readdirSync("/proc/self/fd").length;
  let deepest: string | undefined;
  let held = 0;
  const inside = (scan: FolderScan): void => {
    for (const entry of scan.entries()) {
      held = Math.max(held, fs.readdirSync("/proc/self/fd").length - atFirst);
      if (entry.type === "file") deepest = fs.readFileSync(scan.openablePath(entry.name), "utf8");
      if (entry.type !== "dir") continue;
      using child = scan.child(entry);
      inside(child);
    }
  };
  {
    using root = scanFolder(nameFromText(folder), quiet);
    inside(root);
  }
  assert.equal(deepest, "found");
  assert.ok(held <= 6, `${held} descriptors`);
  assert.equal(fs.readdirSync("/proc/self/fd").length, atFirst);
});

test("a folder that cannot be read is one warning for root, and a note for others", () => {
  const folder = emptyFolder();
  touch(folder, "open/a", "shut/b", "z");
  fs.chmodSync(folder, 0o755);
  fs.chmodSync(base, 0o755);
  fs.chmodSync(path.join(folder, "shut"), 0o000);
  const script = `
    import { scanFolder } from ${JSON.stringify(new URL("./scan.ts", import.meta.url).href)};
    const told = { forbidden: [], warnings: [], files: [] };
    const walk = (scan) => {
      for (const entry of scan.entries()) {
        if (entry.type === "dir") walk(scan.child(entry));
        else told.files.push(entry.name);
      }
    };
    scanFolder(process.argv[1], { excludes: [], includes: [], onWarning: () => {} }); // all that is loaded late
    if (process.getuid() === 0) {
      process.setgroups([]);
      process.setegid(65534);
      process.seteuid(65534);
    }
    walk(scanFolder(process.argv[1], {
      excludes: [], includes: [],
      onWarning: (warning) => told.warnings.push(warning.code),
      ...(process.argv[2] === "note" && { onForbidden: (path) => told.forbidden.push(path) }),
    }));
    console.log(JSON.stringify(told));
  `;
  const run = (how: string): unknown => {
    const args = ["--input-type=module", "-e", script, folder, how];
    const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
    assert.equal(stderr, "");
    return JSON.parse(stdout);
  };
  const shut = path.join(folder, "shut");
  assert.deepEqual(run("note"), { forbidden: [shut], warnings: [], files: ["a", "z"] });
  assert.deepEqual(run("warning"), { forbidden: [], warnings: ["file-unreadable"], files: ["a", "z"] });
  fs.chmodSync(shut, 0o700);
});

test("stays on one file system when told to", () => {
  const mounts = "/proc/sys" as ByteName; // binfmt_misc or nothing: another file system below /proc on some machines
  assert.ok([...scanFolder(mounts, { ...quiet, oneFileSystem: "yes" }).entries()].length > 0);
  using root = scanFolder("/" as ByteName, { ...quiet, oneFileSystem: "yes", onWarning: () => {} });
  const proc = [...root.entries()].find(({ name }) => name === "proc") as Entry;
  using child = root.child(proc);
  assert.deepEqual([...child.entries()], []);
});

test("the root itself, by way of a link that the operator named", () => {
  const folder = emptyFolder();
  touch(folder, "real/file");
  fs.symlinkSync("real", path.join(folder, "link"));
  assert.deepEqual(walk(path.join(folder, "link")).paths, ["file"]);
  assert.equal(rootEntry(nameFromText(path.join(folder, "link"))).entry.type, "dir");
  assert.equal(rootEntry(nameFromText(path.join(folder, "real/file"))).entry.size, 9);
  assert.throws(() => scanFolder(nameFromText(path.join(folder, "none")), quiet), { code: "ENOENT" });
});
