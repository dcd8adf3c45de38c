import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { createCheapRepository } from "../../test/support/cheap-key.ts";
import { uploadFlatFolder, writeFlatFolder } from "../../test/support/flat-folder.ts";
import { badLine } from "../../test/support/bad-line.ts";
import { assertSameTrees } from "../../test/support/compare-trees.ts";
import { temporaryFolder } from "../../test/support/temp-folder.ts";
import { unseal, type MasterKey } from "../format/crypto.ts";
import { openKeyFile } from "../format/key-file.ts";
import { decodePackHeader, sealedHeaderLength } from "../format/pack.ts";
import type { Id } from "../format/tree.ts";
import { nameFromText, type ByteName } from "../lib/byte-name.ts";
import { isHoldfastError } from "../lib/errors.ts";
import { getExtendedAttribute } from "../lib/posix.ts";
import { memoryStorage } from "../storage/memory.ts";
import type { Storage } from "../storage/storage.ts";
import { beginFile, reopenFile } from "./restored-file.ts";
import type { FileMetadata, FileToWrite, IndexedRepository, Placing, Repository, Upload } from "./repository.ts";

const MiB = 1 << 20;
const { signal } = new AbortController();
const now = (): Date => new Date();
const host = { hostname: "test", username: "tester", uid: 0, gid: 0 };
const limits = { workers: 2, priority: "normal" } as const;
const plain: FileMetadata = { mode: 0o640, atimeNs: 1n, mtimeNs: 2n, extendedAttributes: [] };

async function created(): Promise<{ storage: Storage; repository: Repository }> {
  const storage = memoryStorage();
  return { storage, repository: await createCheapRepository(storage, "pw", { signal, now, host }) };
}

async function stored<T extends { readonly tree: Id }>(
  repository: Repository,
  use: (upload: Upload) => Promise<T>,
): Promise<T> {
  await using lock = await repository.lock("shared", { signal, now, waitMs: 0 });
  const indexed = await repository.index(signal);
  await using upload = await indexed.upload({ signal, lock, limits });
  const answer = await use(upload);
  await upload.finish({ time: now().toISOString(), tree: answer.tree, paths: ["/x"], hostname: "test" });
  return answer;
}

/** Writes files to a folder; their errors in the same order. */
async function written(
  indexed: IndexedRepository,
  target: string,
  files: readonly { name: string; content: readonly Id[]; size: number; metadata?: FileMetadata }[],
  placing: Placing = "rename",
): Promise<{ errors: (Error | undefined)[]; lost: string[]; bytes: number }> {
  const folder = fs.openSync(target, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY);
  const errors = files.map((): Error | undefined => new Error("not answered"));
  const lost: string[] = [];
  let bytes = 0;
  const list = files.map(({ name, content, size, metadata = plain }, number): FileToWrite => {
    const done = (error: Error | undefined): void => {
      errors[number] = error;
    };
    return { folder, name: nameFromText(name), content, size, metadata, done };
  });
  try {
    await indexed.writeFiles(list, {
      signal,
      limits,
      placing,
      onBytes: (count) => (bytes += count),
      onMetadataLost: (name: ByteName, what) => lost.push(`${name} ${what}`),
    });
  } finally {
    fs.closeSync(folder);
  }
  return { errors, lost, bytes };
}

test("metadata is set to the nanosecond, after the contents", async () => {
  using temporary = temporaryFolder();
  const { repository } = await created();
  const { id } = await stored(repository, async (upload) => {
    const { id: blob } = await upload.blob("data", Buffer.from("contents"), "bulk");
    return { id: blob, tree: await upload.tree({ nodes: [] }) };
  });
  const metadata: FileMetadata = {
    mode: 0o6750,
    atimeNs: 1_700_000_000_123_456_789n,
    mtimeNs: -1_234_567_891n,
    extendedAttributes: [{ name: "user.colour", value: Buffer.from("blue") }],
  };
  const own = process.getuid?.() === 0 ? { uid: 1234, gid: 5678 } : {};
  const { errors, lost, bytes } = await written(await repository.index(signal), temporary.path, [
    { name: "file", content: [id], size: 8, metadata: { ...metadata, ...own } },
    {
      name: "odd",
      content: [],
      size: 0,
      metadata: { ...metadata, extendedAttributes: [{ name: "no.such", value: Buffer.alloc(1) }] },
    },
  ]);
  assert.deepEqual(errors, [undefined, undefined]);
  assert.deepEqual(lost, ["odd no.such"]);
  assert.equal(bytes, 8);
  const file = join(temporary.path, "file");
  const status = fs.statSync(file, { bigint: true });
  assert.equal(fs.readFileSync(file, "utf8"), "contents");
  assert.equal(status.mode & 0o7777n, 0o6750n);
  assert.equal(status.mtimeNs, metadata.mtimeNs);
  if ("uid" in own) assert.deepEqual([status.uid, status.gid], [1234n, 5678n]);
  assert.equal(getExtendedAttribute(file as ByteName, "user.colour")?.toString(), "blue");
  assert.deepEqual(fs.readdirSync(temporary.path).toSorted(), ["file", "odd"]);
});

test("blobs shared between files, repeated in one, and from several packs, land where they belong", async () => {
  using temporary = temporaryFolder();
  const { repository } = await created();
  const pieces = Array.from({ length: 30 }, (_, number) =>
    randomBytes(number % 3 === 0 ? MiB + number : 1000 + number),
  );
  const { ids } = await stored(repository, async (upload) => {
    const saved = await Promise.all(pieces.map((bytes) => upload.blob("data", Buffer.from(bytes), "bulk")));
    return { ids: saved.map((blob) => blob.id), tree: await upload.tree({ nodes: [] }) };
  });
  const files = Array.from({ length: 60 }, (_, number) => {
    const parts = Array.from(
      { length: number % 9 },
      (_unused, step) => (number * 7 + step * (number % 5)) % pieces.length,
    );
    const bytes = Buffer.concat(parts.map((part) => pieces[part] ?? Buffer.alloc(0)));
    return { name: `file-${number}`, content: parts.map((part) => ids[part] ?? ""), size: bytes.length, bytes };
  });
  for (const placing of ["rename", "direct"] as const) {
    const target = join(temporary.path, placing);
    fs.mkdirSync(target);
    const { errors, bytes } = await written(await repository.index(signal), target, files, placing);
    assert.deepEqual(
      errors,
      files.map(() => undefined),
    );
    assert.equal(
      bytes,
      files.reduce((sum, file) => sum + file.size, 0),
    );
    for (const file of files) assert.ok(fs.readFileSync(join(target, file.name)).equals(file.bytes), file.name);
    assert.equal(fs.readdirSync(target).length, files.length);
  }
});

test("a damaged or missing blob fails the files that need it, unless another pack has it whole", async () => {
  using temporary = temporaryFolder();
  const source = join(temporary.path, "source");
  fs.mkdirSync(source);
  for (let number = 0; number < 40; number++) fs.writeFileSync(join(source, `f${number}`), randomBytes(1000));
  fs.writeFileSync(join(source, "long"), randomBytes(20 * MiB));
  const { storage, repository } = await created();
  const { tree } = await stored(repository, (upload) => uploadFlatFolder(upload, source));
  const { nodes } = await (await repository.index(signal)).loadTree(tree, signal);
  const [victim] = nodes.find((node) => node.name === "f7")?.content ?? [];
  assert.ok(victim !== undefined);
  await damageBlob(storage, await masterKey(storage), victim);

  const broken = await writeFlatFolder(await repository.index(signal), tree, join(temporary.path, "one"), signal);
  assert.deepEqual([...broken.keys()], ["f7"]);
  assert.ok(isHoldfastError(broken.get("f7"), "repository-damaged"));
  const names = fs.readdirSync(join(temporary.path, "one"));
  assert.equal(names.length, 40, "no leftovers");

  // Stored once more by a run that did not see the first: then there is a whole copy.
  const indexes: { name: string; bytes: Buffer }[] = [];
  for await (const { name } of storage.list("index", signal)) {
    indexes.push({ name, bytes: await storage.load({ kind: "index", name }, undefined, signal) });
    await storage.remove({ kind: "index", name }, signal);
  }
  {
    await using _other = await repository.lock("shared", { signal, now, waitMs: 0 });
    await stored(repository, (upload) => uploadFlatFolder(upload, source));
  }
  for (const { name, bytes: index } of indexes) await storage.save({ kind: "index", name }, index, signal);
  const whole = await writeFlatFolder(await repository.index(signal), tree, join(temporary.path, "two"), signal);
  assert.deepEqual([...whole.keys()], []);
  assert.ok(fs.readFileSync(join(temporary.path, "two", "f7")).equals(fs.readFileSync(join(source, "f7"))));

  const missing = await written(await repository.index(signal), temporary.path, [
    { name: "nowhere", content: ["ab".repeat(32)], size: 1 },
    { name: "wrong-size", content: [victim], size: 999 },
    { name: "good", content: [victim], size: 1000 },
  ]);
  assert.deepEqual(
    missing.errors.map((error) => isHoldfastError(error, "repository-damaged")),
    [true, true, false],
  );
  assert.equal(missing.errors[2], undefined);
});

test("what came damaged over the line is asked for once more, and no whole file is read again", async () => {
  using temporary = temporaryFolder();
  const source = join(temporary.path, "source");
  fs.mkdirSync(source);
  fs.writeFileSync(join(source, "long"), randomBytes(20 * MiB));
  for (let number = 0; number < 40; number++) fs.writeFileSync(join(source, `f${number}`), randomBytes(1000));
  const line = badLine(memoryStorage());
  const repository = await createCheapRepository(line, "pw", { signal, now, host });
  const { tree } = await stored(repository, (upload) => uploadFlatFolder(upload, source));
  const restore = async (name: string): Promise<void> => {
    const failed = await writeFlatFolder(await repository.index(signal), tree, join(temporary.path, name), signal);
    assert.deepEqual([...failed.keys()], []);
    assertSameTrees(join(temporary.path, name), source, ["root", "times"]);
  };
  const before = line.counts.reads;
  await restore("usual");
  const usual = line.counts.reads - before;
  line.begin();
  await restore("damaged");
  const { reads, damaged } = line.counts;
  assert.ok(damaged > 1);
  assert.equal(reads, usual + damaged);
});

test("a pack that is gone fails its files and no others", async () => {
  using temporary = temporaryFolder();
  const { storage, repository } = await created();
  const one = await stored(repository, async (upload) => {
    const { id } = await upload.blob("data", randomBytes(500), "bulk");
    return { id, tree: await upload.tree({ nodes: [] }) };
  });
  const before = new Set<string>();
  for await (const { name } of storage.list("data", signal)) before.add(name);
  const two = await stored(repository, async (upload) => {
    const { id } = await upload.blob("data", randomBytes(500), "bulk");
    return { id, tree: await upload.tree({ nodes: [] }) };
  });
  for await (const { name } of storage.list("data", signal)) {
    if (!before.has(name)) await storage.remove({ kind: "data", name }, signal);
  }
  const { errors } = await written(await repository.index(signal), temporary.path, [
    { name: "lost", content: [two.id], size: 500 },
    { name: "both", content: [one.id, two.id], size: 1000 },
    { name: "kept", content: [one.id], size: 500 },
  ]);
  assert.deepEqual(
    errors.map((error) => error !== undefined),
    [true, true, false],
  );
  assert.deepEqual(fs.readdirSync(temporary.path), ["kept"]);
});

test("what cannot be written fails alone, with the system's code", async () => {
  using temporary = temporaryFolder();
  const { repository } = await created();
  const { id } = await stored(repository, async (upload) => {
    const blob = await upload.blob("data", Buffer.from("x"), "bulk");
    return { id: blob.id, tree: await upload.tree({ nodes: [] }) };
  });
  fs.mkdirSync(join(temporary.path, "folder"));
  const { errors } = await written(await repository.index(signal), temporary.path, [
    { name: "folder", content: [id], size: 1 },
    { name: "fine", content: [id], size: 1 },
  ]);
  assert.equal(errors[0] && "code" in errors[0] ? errors[0].code : undefined, "EISDIR");
  assert.equal(errors[1], undefined);
  assert.deepEqual(fs.readdirSync(temporary.path).toSorted(), ["fine", "folder"]);
});

/** Changes one byte of a blob, in a pack that keeps its name and size. */
async function damageBlob(storage: Storage, key: MasterKey, id: Id): Promise<void> {
  for await (const { name, size } of storage.list("data", signal)) {
    const bytes = Buffer.from(await storage.load({ kind: "data", name }, undefined, signal));
    const length = sealedHeaderLength(bytes, size);
    const header = unseal(key, bytes.subarray(size - 4 - length, size - 4));
    const blob = decodePackHeader(header, size - 4 - length).find((one) => one.id === id);
    if (blob === undefined) continue;
    bytes[blob.offset + 20] = (bytes[blob.offset + 20] ?? 0) ^ 1;
    await storage.remove({ kind: "data", name }, signal);
    await storage.save({ kind: "data", name }, bytes, signal);
  }
}

async function masterKey(storage: Storage): Promise<MasterKey> {
  for await (const { name } of storage.list("key", signal)) {
    const key = await openKeyFile(name, await storage.load({ kind: "key", name }, undefined, signal), "pw");
    if (key !== undefined) return key;
  }
  throw new Error("no key");
}

test("a file that somebody put in the place of one that is being written is not written to", () => {
  using folder = temporaryFolder();
  const descriptor = fs.openSync(folder.path, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY);
  try {
    const { fd, temporary } = beginFile(descriptor, nameFromText("contract"), "rename");
    const { ino } = fs.fstatSync(fd);
    fs.closeSync(fd);
    fs.closeSync(reopenFile(descriptor, temporary, ino));
    const [place, precious] = [join(folder.path, temporary), join(folder.path, "precious")];
    fs.writeFileSync(precious, "precious");
    for (const plant of [fs.linkSync, fs.symlinkSync]) {
      fs.rmSync(place);
      plant(precious, place);
      assert.throws(
        () => reopenFile(descriptor, temporary, ino),
        (error) => isHoldfastError(error, "target-unsafe") || (error as { code?: unknown }).code === "ELOOP",
      );
    }
  } finally {
    fs.closeSync(descriptor);
  }
});
