import assert from "node:assert/strict";
import { chmodSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { badLine } from "../../test/support/bad-line.ts";
import {
  craftedNode,
  craftInMemory,
  craftRepository,
  type CraftedRepository,
} from "../../test/support/crafted-repository.ts";
import { resticOn } from "../../test/support/restic.ts";
import { temporaryFolder } from "../../test/support/temp-folder.ts";
import { testRepository } from "../../test/support/test-repository.ts";
import { indexJson } from "../format/index-file.ts";
import type { PackedBlob } from "../format/pack.ts";
import type { Id } from "../format/tree.ts";
import { sealUnpacked } from "../format/unpacked.ts";
import { virtualFolder } from "../contents/tables/virtual-nodes.ts";
import { isHoldfastError } from "../lib/errors.ts";
import { localStorage } from "../storage/local.ts";
import { openRepository } from "./open.ts";
import type { VerifyOptions, VerifyReport } from "./repository.ts";
import { verifyRepository } from "./verify.ts";

const { signal } = new AbortController();
const options: VerifyOptions = { signal, limits: { workers: 2, priority: "normal" }, depth: "data" };
const hello = "hello, this is the content of a file";

function verify(crafted: CraftedRepository, changes: Partial<VerifyOptions> = {}): Promise<VerifyReport> {
  return verifyRepository(crafted, { ...options, ...changes });
}

function codes(report: VerifyReport): string[] {
  return [...new Set(report.defects.map(({ code }) => code))].toSorted();
}

/** `/file` with right content; `fields` make it wrong. */
function fileNode(crafted: CraftedRepository, fields: object): object {
  const id = crafted.blob("data", hello);
  return craftedNode("file", "file", { size: hello.length, content: [id], ...fields });
}

interface Mutation {
  readonly title: string;
  readonly expected: readonly string[];
  /** What restic 0.14's `check --read-data` says of it, where that is worth knowing. */
  readonly restic?: "green";
  readonly build: (crafted: CraftedRepository) => Promise<Id>;
}

/** A snapshot whose root tree is made by `nodes`. */
function ofNodes(nodes: (crafted: CraftedRepository) => readonly object[]): Mutation["build"] {
  return async (crafted) => {
    const root = crafted.tree(...nodes(crafted));
    await crafted.flush();
    return crafted.snapshot(root);
  };
}

function withoutField(node: object, field: string): object {
  return Object.fromEntries(Object.entries(node).filter(([name]) => name !== field));
}

const mutations: readonly Mutation[] = [
  { title: "nothing wrong", expected: [], restic: "green", build: ofNodes((crafted) => [fileNode(crafted, {})]) },
  {
    title: "size too small",
    expected: ["file-size"],
    restic: "green",
    build: ofNodes((crafted) => [fileNode(crafted, { size: 5 })]),
  },
  {
    title: "size too large",
    expected: ["file-size"],
    restic: "green",
    build: ofNodes((crafted) => [fileNode(crafted, { size: 5000 })]),
  },
  {
    title: "size missing",
    expected: ["file-size"],
    restic: "green",
    build: ofNodes((crafted) => [withoutField(fileNode(crafted, {}), "size")]),
  },
  {
    title: "uncompressed length wrong in index and header, file size as the sum",
    expected: ["blob-length", "file-damaged"],
    restic: "green",
    build: async (crafted) => {
      const id = crafted.blob("data", "a blob of its own", (blob) => ({ ...blob, uncompressedLength: 24 }));
      const root = crafted.tree(craftedNode("file", "file", { size: 24, content: [id] }));
      await crafted.flush();
      return crafted.snapshot(root);
    },
  },
  {
    title: "two files of one inode with different contents",
    expected: ["hard-link-conflict"],
    restic: "green",
    build: ofNodes((crafted) => {
      const other = crafted.blob("data", "something else");
      const linked = { inode: 77, device_id: 5, links: 2 };
      return [
        craftedNode("a", "file", { ...linked, size: 14, content: [other] }),
        craftedNode("b", "file", { ...linked, size: hello.length, content: [crafted.blob("data", hello)] }),
      ];
    }),
  },
  {
    title: "names out of order",
    expected: ["node-order"],
    restic: "green",
    build: ofNodes(() => [craftedNode("b", "file", {}), craftedNode("a", "file", {})]),
  },
  {
    title: "a name twice",
    expected: ["node-duplicate"],
    restic: "green",
    build: ofNodes(() => [craftedNode("a", "file", {}), craftedNode("a", "file", {})]),
  },
  ...["..", ".", "a/b", "/etc"].map((name): Mutation => ({
    title: `the name ${name}`,
    expected: ["node-name-invalid"],
    restic: "green",
    build: ofNodes(() => [craftedNode(name, "file", {})]),
  })),
  ...["", "a\0b", 'a"b', "\\q", "\\x4"].map((name): Mutation => ({
    title: `the name ${JSON.stringify(name)}`,
    expected: ["node-name-invalid"],
    build: ofNodes(() => [craftedNode(name, "file", {})]),
  })),
  {
    title: "mode missing",
    expected: ["node-mode-missing"],
    restic: "green",
    build: ofNodes((crafted) => [withoutField(fileNode(crafted, {}), "mode")]),
  },
  {
    title: "nodes null",
    expected: ["tree-unreadable"],
    restic: "green",
    build: async (crafted) => {
      const root = crafted.blob("tree", '{"nodes":null}\n');
      await crafted.flush();
      return crafted.snapshot(root);
    },
  },
  {
    title: "a tree that is no JSON",
    expected: ["tree-unreadable"],
    build: async (crafted) => {
      const root = crafted.blob("tree", "{nodes:[]}");
      await crafted.flush();
      return crafted.snapshot(root);
    },
  },
  ...(
    [
      ["uid", -1],
      ["gid", 1.5],
      ["mode", "420"],
      ["mtime", "2026-11-22T08:00:00"],
      ["atime", 5],
      ["type", "directory"],
      ["size", -1],
      ["inode", 2 ** 70],
      ["content", ["ab"]],
      ["user", 5],
    ] as const
  ).map(([field, value]): Mutation => ({
    title: `${field} is ${JSON.stringify(value)}`,
    expected: field === "size" || field === "content" ? ["file-size", "node-invalid"] : ["node-invalid"],
    build: ofNodes((crafted) => [fileNode(crafted, { [field]: value })]),
  })),
  {
    title: "a file whose content is null",
    expected: ["file-content-missing"],
    build: ofNodes(() => [craftedNode("a", "file", { content: null })]),
  },
  {
    title: "a folder without a tree",
    expected: ["dir-subtree-missing"],
    build: ofNodes(() => [craftedNode("a", "dir", {})]),
  },
  {
    title: "a folder whose tree is nowhere",
    expected: ["tree-missing"],
    build: ofNodes(() => [craftedNode("a", "dir", { subtree: "ab".repeat(32) })]),
  },
  {
    title: "a file whose blob is nowhere",
    expected: ["blob-missing"],
    build: ofNodes(() => [craftedNode("a", "file", { content: ["ab".repeat(32)] })]),
  },
  {
    title: "a link that points nowhere at all",
    expected: ["node-invalid"],
    build: ofNodes(() => [{ ...craftedNode("a", "file", {}), type: "symlink", content: null }]),
  },
  ...(
    [
      ["time without a zone", { time: "2026-11-22T08:00:00" }],
      ["uid below zero", { uid: -1 }],
      ["empty parent", { parent: "" }],
      ["tree missing", { tree: null }],
      ["paths no list", { paths: "/crm" }],
    ] as const
  ).map(([title, fields]): Mutation => ({
    title: `snapshot: ${title}`,
    expected: ["snapshot-unreadable"],
    build: async (crafted) => {
      const root = crafted.tree();
      await crafted.flush();
      return crafted.snapshot(root, fields);
    },
  })),
  {
    title: "no index for a pack",
    expected: ["tree-missing"],
    build: async (crafted) => {
      const root = crafted.tree(fileNode(crafted, {}));
      await crafted.flush(() => []);
      return crafted.snapshot(root);
    },
  },
  {
    title: "gaps between blobs in the index",
    expected: ["blob-damaged", "file-damaged", "pack-header", "pack-layout"],
    build: async (crafted) => {
      const root = crafted.tree(fileNode(crafted, {}));
      await crafted.flush((packs) =>
        packs.map(({ id, blobs }) => ({
          id,
          blobs: blobs.map((blob) => (blob.type === "data" ? { ...blob, offset: blob.offset + 1 } : blob)),
        })),
      );
      return crafted.snapshot(root);
    },
  },
  {
    title: "an index that lacks a blob of its pack",
    expected: ["blob-missing", "pack-header", "pack-layout", "pack-size"],
    build: async (crafted) => {
      const first = crafted.blob("data", hello);
      const second = crafted.blob("data", "second");
      const root = crafted.tree(craftedNode("a", "file", { size: hello.length + 6, content: [first, second] }));
      await crafted.flush((packs) =>
        packs.map(({ id, blobs }) => ({ id, blobs: blobs.filter((blob) => blob.id !== first) })),
      );
      return crafted.snapshot(root);
    },
  },
  ...(
    [
      ["type", { type: "tree" }],
      ["length", { uncompressedLength: 24 }],
      ["id", { id: "cd".repeat(32) }],
    ] as const
  ).map(([title, lie]): Mutation => ({
    title: `a pack that gives a blob another ${title} than the index, which is right`,
    expected: ["pack-header"],
    build: async (crafted) => {
      let right: PackedBlob | undefined;
      const id = crafted.blob("data", "a blob of its own", (blob) => ({ ...(right = blob), ...lie }));
      const root = crafted.tree(craftedNode("file", "file", { size: 17, content: [id] }));
      await crafted.flush((packs) =>
        packs.map((pack) => (right && pack.blobs[0]?.length === right.length ? { ...pack, blobs: [right] } : pack)),
      );
      return crafted.snapshot(root);
    },
  })),
  {
    title: "two indexes that differ about a pack",
    expected: ["index-conflict"],
    build: async (crafted) => {
      const root = crafted.tree();
      const packs = await crafted.flush();
      await crafted.flush(() =>
        packs.map(({ id, blobs }) => ({ id, blobs: blobs.map((blob) => ({ ...blob, id: "cd".repeat(32) })) })),
      );
      return crafted.snapshot(root);
    },
  },
  {
    title: "an index that was cut off",
    expected: ["index-unreadable", "tree-missing"],
    build: async (crafted) => {
      const root = crafted.tree();
      await crafted.flush(() => []);
      await crafted.save("index", Buffer.alloc(100));
      return crafted.snapshot(root);
    },
  },
  {
    title: "an index under a name that its contents have not",
    expected: ["index-unreadable", "tree-missing"],
    build: async (crafted) => {
      const root = crafted.tree();
      const packs = await crafted.flush(() => []);
      const { bytes } = sealUnpacked(crafted.key, indexJson(packs));
      await crafted.storage.save({ kind: "index", name: "ab".repeat(32) }, bytes, signal);
      return crafted.snapshot(root);
    },
  },
  {
    title: "a key file that is none",
    expected: ["key-damaged"],
    build: async (crafted) => {
      await crafted.save("key", Buffer.from("{}"));
      return ofNodes(() => [])(crafted);
    },
  },
];

describe("verify rejects", () => {
  for (const { title, expected, build } of mutations) {
    test(title, async () => {
      const crafted = craftInMemory();
      const snapshot = await build(crafted);
      const report = await verify(crafted);
      assert.deepEqual(codes(report), expected);
      for (const { code, snapshots } of report.defects) {
        if (code.startsWith("node-") || code.startsWith("file-")) assert.deepEqual(snapshots, [snapshot]);
      }
    });
  }

  test("what restic's own check passes", async () => {
    using folder = temporaryFolder();
    const crafted = await craftRepository(localStorage(folder.path));
    const green = mutations.filter(({ restic }) => restic === "green");
    for (const { build } of green) await build(crafted);
    await resticOn(folder.path, crafted.password).check();
    const expected = new Set(green.flatMap((mutation) => mutation.expected));
    assert.deepEqual(codes(await verify(crafted)), [...expected].toSorted());
  });
});

test("a tree of another length than the index says is found without reading packs", async () => {
  for (const off of [7, -7]) {
    const crafted = craftInMemory();
    const lie = (blob: PackedBlob) => ({ ...blob, uncompressedLength: blob.uncompressedLength + off });
    const root = crafted.blob("tree", `${JSON.stringify({ nodes: [craftedNode("a", "file", {})] })}\n`, lie);
    await crafted.flush();
    const snapshot = await crafted.snapshot(root);
    const { defects } = await verify(crafted, { depth: "structure" });
    assert.deepEqual(
      defects.map(({ code, snapshots }) => [code, snapshots]),
      [["tree-damaged", [snapshot]]],
    );
  }
});

test("a config that is damaged, or gone, is told with all that cannot be opened for it", async () => {
  using folder = temporaryFolder();
  const crafted = await craftRepository(localStorage(folder.path));
  const snapshot = await ofNodes(() => [])(crafted);
  const config = join(folder.path, "config");
  chmodSync(config, 0o600);
  for (const spoil of [() => truncateSync(config, 20), () => rmSync(config)]) {
    spoil();
    const host = { hostname: "test", username: "tester", uid: 0, gid: 0 };
    const opening = { signal, now: () => new Date(), host, config: "stand-in" } as const;
    await using repository = await openRepository(localStorage(folder.path), crafted.password, opening);
    const { defects } = await repository.verify(options);
    assert.deepEqual(
      defects.map(({ code, snapshots }) => [code, snapshots]),
      [["config-damaged", [snapshot]]],
    );
  }
});

describe("verify of damaged files", () => {
  const build = async (crafted: CraftedRepository): Promise<{ snapshot: Id; dataPack: Id; treePack: Id }> => {
    const root = crafted.tree(fileNode(crafted, {}));
    const packs = await crafted.flush();
    const of = (type: string): Id => packs.find(({ blobs }) => blobs.some((blob) => blob.type === type))?.id ?? "";
    return { snapshot: await crafted.snapshot(root), dataPack: of("data"), treePack: of("tree") };
  };

  test("a bit flipped anywhere in a data pack", async () => {
    using folder = temporaryFolder();
    const crafted = await craftRepository(localStorage(folder.path));
    const { dataPack, snapshot } = await build(crafted);
    const path = join(folder.path, "data", dataPack.slice(0, 2), dataPack);
    chmodSync(path, 0o600);
    const right = readFileSync(path);
    for (const at of [0, 17, 40, right.length - 50, right.length - 10, right.length - 1]) {
      const wrong = Buffer.from(right);
      wrong[at] = (wrong[at] ?? 0) ^ 1;
      writeFileSync(path, wrong);
      const report = await verify(crafted);
      assert.ok(codes(report).includes("pack-hash"), `byte ${at}`);
      const file = report.defects.find(({ code }) => code === "file-damaged");
      if (at < 40)
        assert.deepEqual({ ...file }, { code: "file-damaged", subject: "/file", detail: "1/1", snapshots: [snapshot] });
      assert.deepEqual(codes(await verify(crafted, { depth: "structure" })), []);
    }
  });

  test("a pack that is cut off, or gone", async () => {
    using folder = temporaryFolder();
    const crafted = await craftRepository(localStorage(folder.path));
    const { dataPack, treePack } = await build(crafted);
    for (const [pack, damaged] of [
      [dataPack, "file-damaged"],
      [treePack, "tree-damaged"],
    ] as const) {
      const path = join(folder.path, "data", pack.slice(0, 2), pack);
      chmodSync(path, 0o600);
      const right = readFileSync(path);
      writeFileSync(path, right.subarray(0, 20));
      for (const depth of ["structure", "data"] as const) {
        const found = codes(await verify(crafted, { depth }));
        assert.ok(found.includes("pack-size") && found.includes(damaged), `${depth}: ${found.join(" ")}`);
      }
      await crafted.storage.remove({ kind: "data", name: pack }, signal);
      for (const depth of ["structure", "data"] as const) {
        const found = codes(await verify(crafted, { depth }));
        assert.ok(found.includes("pack-missing") && found.includes(damaged), `${depth}: ${found.join(" ")}`);
      }
      await crafted.storage.save({ kind: "data", name: pack }, right, signal);
      assert.deepEqual(codes(await verify(crafted)), []);
    }
  });

  test("a damaged copy of a blob does no harm while another is whole", async () => {
    const crafted = craftInMemory();
    const root = crafted.tree(fileNode(crafted, {}));
    await crafted.flush();
    crafted.blob("data", hello);
    const [copy] = await crafted.flush();
    await crafted.snapshot(root);
    assert.deepEqual((await verify(crafted)).defects, []);
    const bytes = await crafted.storage.load({ kind: "data", name: copy?.id ?? "" }, undefined, signal);
    await crafted.storage.remove({ kind: "data", name: copy?.id ?? "" }, signal);
    bytes[20] = (bytes[20] ?? 0) ^ 1;
    await crafted.storage.save({ kind: "data", name: copy?.id ?? "" }, bytes, signal);
    assert.deepEqual(codes(await verify(crafted)), ["blob-damaged", "pack-hash"]);
  });
});

test("a shared tree is walked once, and its defects name every snapshot that has it", async () => {
  const crafted = craftInMemory();
  const wrong = crafted.tree(craftedNode("b", "file", {}), craftedNode("a", "file", {}));
  const first = crafted.tree(craftedNode("one", "dir", { subtree: wrong }));
  const second = crafted.tree(craftedNode("two", "dir", { subtree: wrong }));
  const sound = crafted.tree(craftedNode("x", "file", {}));
  await crafted.flush();
  const touched = [await crafted.snapshot(first), await crafted.snapshot(second)];
  const healthy = await crafted.snapshot(sound);
  const report = await verify(crafted);
  assert.equal(report.trees, 4);
  assert.equal(report.defects.length, 1);
  assert.deepEqual([...(report.defects[0]?.snapshots ?? [])].toSorted(), touched.toSorted());
  assert.deepEqual((await verify(crafted, { snapshots: [healthy] })).defects, []);
});

test("a folder of more folders than a function takes arguments is walked, and what no snapshot names is found", async () => {
  await using repository = await testRepository();
  const node = (name: string, subtree: Id) => virtualFolder(name, subtree, "2026-11-22T08:00:00Z");
  const { tree } = await repository.upload(async (upload) => {
    const empty = await upload.tree({ nodes: [] });
    const nodes = Array.from({ length: 200_000 }, (_, at) => node(`${at}`.padStart(6, "0"), empty));
    return { tree: await upload.tree({ nodes }) };
  });
  const { defects } = await repository.repository.verify({ ...options, depth: "structure" });
  assert.deepEqual(defects, []);
  const lost = await (await repository.index()).lostSnapshots(signal);
  assert.deepEqual([lost.roots, lost.unreadable], [[], []], tree);
});

test("hard links may change from one snapshot to the next", async () => {
  const crafted = craftInMemory();
  for (const content of ["before", "after!"]) {
    const linked = { inode: 77, device_id: 5, links: 2, size: 6, content: [crafted.blob("data", content)] };
    const root = crafted.tree(craftedNode("a", "file", linked), craftedNode("b", "file", linked));
    await crafted.flush();
    await crafted.snapshot(root);
  }
  assert.deepEqual((await verify(crafted)).defects, []);
});

test("what an interrupted backup leaves is counted, not blamed", async () => {
  const crafted = craftInMemory();
  const root = crafted.tree();
  crafted.blob("data", "needed by no snapshot");
  await crafted.flush();
  await crafted.snapshot(root);
  crafted.blob("data", "in no index");
  await crafted.flush(() => []);
  const report = await verify(crafted);
  assert.deepEqual(report.defects, []);
  assert.equal(report.unusedBlobs, 1);
  assert.equal(report.unindexedPacks, 1);
});

test("a pack that came damaged over the line is read once more before anything is said of it", async () => {
  const crafted = craftInMemory();
  const root = crafted.tree(fileNode(crafted, {}));
  await crafted.flush();
  await crafted.snapshot(root);
  const storage = badLine(crafted.storage);
  storage.begin();
  assert.deepEqual((await verifyRepository({ ...crafted, storage }, options)).defects, []);
  assert.ok(storage.counts.damaged > 0);
});

test("progress ends at the whole, and an abort ends the walk", async () => {
  const crafted = craftInMemory();
  const root = crafted.tree(fileNode(crafted, {}));
  await crafted.flush();
  await crafted.snapshot(root);
  const seen: [number, number][] = [];
  await verify(crafted, { onProgress: (done, total) => seen.push([done, total]) });
  const [done, total] = seen.at(-1) ?? [];
  assert.ok(done !== undefined && done > 0 && done === total);
  const reason = new Error("stopped");
  await assert.rejects(verify(crafted, { signal: AbortSignal.abort(reason) }), reason);
});

test("a snapshot that the storage does not give is a defect, and hides no other one; whoever needs all of them fails", async () => {
  using folder = temporaryFolder();
  await using made = await testRepository(folder.path);
  await made.upload(async (upload) => ({ tree: await upload.tree({ nodes: [] }) }));
  const name = "ab".repeat(32);
  // As a bad sector: this one is too large to be read.
  writeFileSync(join(folder.path, "snapshots", name), "");
  truncateSync(join(folder.path, "snapshots", name), 3 * 2 ** 30);
  const { repository, limits } = made;
  const report = await repository.verify({ ...options, limits });
  assert.deepEqual(
    report.defects.map(({ code, snapshots }) => [code, snapshots]),
    [["snapshot-unreadable", [name]]],
  );
  assert.equal(report.snapshots, 1);
  await assert.rejects(repository.snapshots(signal), (error) => isHoldfastError(error, "storage-failed"));
  const pruning = { keepMarkedMs: 0, maxUnused: { share: 0 }, maxRepackBytes: Infinity, now: () => new Date() };
  const plan = repository.planPrune({ signal, limits, ...pruning });
  await assert.rejects(plan, (error) => isHoldfastError(error, "prune-unsafe"));
});
