import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { resticOn } from "../../test/support/restic.ts";
import { temporaryFolder } from "../../test/support/temp-folder.ts";
import { permissionsOf } from "../format/mode.ts";
import { treeBytes } from "../format/tree-encoder.ts";
import type { Id, Tree } from "../format/tree.ts";
import { nameBytes, nameText } from "../lib/byte-name.ts";
import { isHoldfastError } from "../lib/errors.ts";
import { localStorage } from "../storage/local.ts";
import { createRepository } from "./create.ts";
import { openRepository, type OpenOptions } from "./open.ts";
import type { IndexedRepository, VerifyOptions } from "./repository.ts";

const { signal } = new AbortController();
const host = { hostname: "here", username: "tester", uid: 0, gid: 0 };
const options: OpenOptions = { signal, now: () => new Date(), host };
const verifyOptions: VerifyOptions = { signal, limits: { workers: 2, priority: "normal" }, depth: "data" };

const nastyNames: readonly Buffer[] = [
  ..."plain|with space|quote\"s'|back\\slash|lt<gt>amp&|tab\ttab|new\nline|bell\x07|esc\x1b|del\x7f|nbsp\u00a0|合同.pdf|😀"
    .split("|")
    .map((name) => Buffer.from(name)),
  ...["\u{10ffff}", "\ufeff", "\ufffd", "\u2028", "\u200b", "u\u0308", "\ue000", "-dash", "...", "~", "\u{1f1e8}"].map(
    (name) => Buffer.from(name),
  ),
  ...[[0xff], [0xc0, 0xaf], [0xed, 0xa0, 0x80], [0xe4, 0xb8], [0xf4, 0x90, 0x80, 0x80], [0x61, 0xe4, 0x62], [0x80]].map(
    (bytes) => Buffer.from(bytes),
  ),
  Buffer.from("x".repeat(255)),
];

/** What a restic user's folder may hold. */
function makeNastyFolder(path: string): void {
  const at = (name: Buffer | string): Buffer => Buffer.concat([Buffer.from(`${path}/`), Buffer.from(name)]);
  fs.mkdirSync(path);
  for (const [index, name] of nastyNames.entries()) {
    fs.writeFileSync(at(name), `content ${index}`);
    fs.utimesSync(at(name), 1_700_000_000 + index, 1_700_000_000.123456 + index);
  }
  fs.writeFileSync(at("empty"), "");
  fs.writeFileSync(at("large"), Buffer.alloc(3_000_000, "0123456789abcdef"));
  fs.linkSync(at("large"), at("hard-link"));
  fs.symlinkSync('target <with> "quotes" & ü', at("symlink"));
  fs.symlinkSync("/nowhere", at("dangling"));
  fs.mkdirSync(at("empty-folder"));
  fs.mkdirSync(at("sticky"));
  fs.chmodSync(at("sticky"), 0o1777);
  fs.writeFileSync(at("setuid"), "x");
  fs.chmodSync(at("setuid"), 0o6755);
  fs.mkdirSync(at("many"));
  for (let index = 0; index < 3000; index++) fs.writeFileSync(`${path}/many/file-${index}.json`, `{"n":${index}}`);
}

async function walk(
  indexed: IndexedRepository,
  id: Id,
  visit: (tree: Tree, path: string) => void,
  path = "",
): Promise<void> {
  const tree = await indexed.loadTree(id, signal);
  // Byte for byte what restic wrote, or its id would be another.
  const written = await indexed.load("tree", id, signal);
  assert.ok(treeBytes(tree).equals(written), `tree of ${path || "/"} is written another way`);
  visit(tree, path);
  for (const node of tree.nodes) {
    if (node.subtree !== undefined) await walk(indexed, node.subtree, visit, `${path}/${nameText(node.name)}`);
  }
}

describe("a repository that restic made", () => {
  test("is opened, listed, read to the byte and verified", async () => {
    using folder = temporaryFolder();
    const location = join(folder.path, "repository");
    const source = join(folder.path, "source");
    makeNastyFolder(source);
    const restic = resticOn(location, "pw");
    await restic.output("init");
    await restic.output("backup", "--tag", "one,two", "--host", "crm", source);
    fs.appendFileSync(join(source, "plain"), "more");
    await restic.output("backup", "--compression", "off", "--host", "crm", source);

    await using repository = await openRepository(localStorage(location), "pw", options);
    const snapshots = await repository.snapshots(signal);
    const listed = await restic.snapshots();
    assert.deepEqual(
      snapshots.map(({ id, snapshot }) => [id, snapshot.tree, snapshot.hostname, snapshot.paths, snapshot.tags]),
      listed.map(({ id, tree, hostname, paths, tags }) => [id, tree, hostname, paths, tags]),
    );
    assert.deepEqual(snapshots[0]?.snapshot.tags, ["one", "two"]);
    assert.equal(snapshots[1]?.snapshot.parent, snapshots[0]?.id);

    const indexed = await repository.index(signal);
    const seen = new Map<string, Tree>();
    for (const { snapshot } of snapshots) await walk(indexed, snapshot.tree, (tree, path) => seen.set(path, tree));
    const tree = seen.get(source);
    const read = new Map(tree?.nodes.map((node) => [nameBytes(node.name).toString("hex"), node]));
    const onDisk = fs.readdirSync(source, { encoding: "buffer" });
    assert.deepEqual([...read.keys()], onDisk.map((name) => name.toString("hex")).toSorted());
    for (const name of onDisk) {
      const stat = fs.lstatSync(Buffer.concat([Buffer.from(`${source}/`), name]), { bigint: true });
      const node = read.get(name.toString("hex"));
      assert.equal(permissionsOf(node?.mode ?? 0), Number(stat.mode & 0o7777n), name.toString());
      assert.equal(BigInt(node?.inode ?? 0), stat.ino);
    }
    const large = read.get(Buffer.from("large").toString("hex"));
    const blobs = await Promise.all((large?.content ?? []).map((id) => indexed.load("data", id, signal)));
    assert.ok(Buffer.concat(blobs).equals(fs.readFileSync(join(source, "large"))));

    const report = await repository.verify(verifyOptions);
    assert.deepEqual(report.defects, []);
    assert.equal(report.snapshots, 2);
    assert.equal(report.unusedBlobs + report.unindexedPacks, 0);
  });

  test("what forget and prune leave is still sound", async () => {
    using folder = temporaryFolder();
    const location = join(folder.path, "repository");
    const source = join(folder.path, "source");
    fs.mkdirSync(source);
    const restic = resticOn(location, "pw");
    await using repository = await createRepository(localStorage(location), "pw", options);
    for (const text of ["first", "second"]) {
      fs.writeFileSync(join(source, text), text);
      await restic.output("backup", source);
    }
    await restic.output("forget", "latest");
    const before = await repository.verify(verifyOptions);
    assert.deepEqual(before.defects, []);
    assert.ok(before.unusedBlobs > 0);
    await restic.output("prune", "--max-unused", "0");
    const after = await repository.verify(verifyOptions);
    assert.deepEqual(after.defects, []);
    assert.equal(after.unusedBlobs, 0);
    assert.equal(after.snapshots, 1);
  });
});

describe("locks between restic and us", () => {
  test("each respects the other's, and restic's unlock leaves us alive", async () => {
    using folder = temporaryFolder();
    const restic = resticOn(folder.path, "pw");
    await using repository = await createRepository(localStorage(folder.path), "pw", options);
    {
      await using lock = await repository.lock("shared", { signal, now: options.now, waitMs: 0 });
      await lock.check(signal);
      const check = await restic.run("check");
      assert.notEqual(check.code, 0);
      assert.match(check.stderr, /already locked by PID \d+ on here by tester/);
      // Only a lock with the name of this machine makes restic send a signal to its holder.
      await using own = await openRepository(localStorage(folder.path), "pw", {
        ...options,
        host: { ...host, hostname: fs.readFileSync("/proc/sys/kernel/hostname", "utf8").trim() },
      });
      await using second = await own.lock("shared", { signal, now: options.now, waitMs: 0 });
      await restic.output("unlock");
      await Promise.all([lock.check(signal), second.check(signal)]);
    }
    await restic.check();

    const holder = spawn("/usr/bin/env", ["restic", "--no-cache", "-v", "-r", folder.path, "backup", "--stdin"], {
      env: { ...process.env, RESTIC_PASSWORD: "pw" },
      stdio: ["pipe", "pipe", "ignore"],
    });
    const ended = new Promise((resolve) => holder.once("close", resolve));
    try {
      // What it says once it is past its own second look.
      for await (const said of holder.stdout.iterator({ destroyOnReturn: false })) {
        if (String(said).includes("load index files")) break;
      }
      holder.stdout.resume();
      await assert.rejects(repository.lock("exclusive", { signal, now: options.now, waitMs: 0 }), (error) => {
        assert.ok(isHoldfastError(error, "repository-locked"));
        assert.equal(error.facts["pid"], holder.pid);
        return true;
      });
      await using shared = await repository.lock("shared", { signal, now: options.now, waitMs: 0 });
      await shared.check(signal);
    } finally {
      holder.stdin.end("the end");
      await ended;
    }
    await using alone = await repository.lock("exclusive", { signal, now: options.now, waitMs: 0 });
    await alone.check(signal);
  });
});
