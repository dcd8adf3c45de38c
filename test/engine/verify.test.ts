import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { openFor } from "../../src/engine/access.ts";
import { type ReadChoice } from "../../src/engine/verify-memory.ts";
import { verify } from "../../src/engine/verify.ts";
import type { Id, Tree, TreeNode } from "../../src/format/tree.ts";
import { nameText } from "../../src/lib/byte-name.ts";
import type { Upload } from "../../src/repository/repository.ts";
import { limits, type SmallCrm, smallCrm } from "../support/small-crm.ts";
import { temporaryFolder } from "../support/temp-folder.ts";

const look = (crm: SmallCrm, read: ReadChoice) => verify(crm.engine, { repository: crm.access, read, limits }, crm.run);

/** The tree with another file at a path; everything above it is written anew. */
async function replaced(
  upload: Upload,
  id: Id,
  [name, ...rest]: readonly string[],
  change: (node: TreeNode) => Promise<TreeNode>,
): Promise<Id> {
  const tree: Tree = await upload.loadTree(id, new AbortController().signal);
  const nodes = await Promise.all(
    tree.nodes.map(async (node) => {
      if (nameText(node.name) !== name) return node;
      if (rest.length === 0) return change(node);
      return { ...node, subtree: await replaced(upload, node.subtree ?? "", rest, change) };
    }),
  );
  return upload.tree({ nodes });
}

test("rows that do not add up to what was noted of them are found, though every hash is right", async () => {
  using folder = temporaryFolder();
  const crm = await smallCrm(folder.path);
  const { snapshot } = await crm.backup("full");
  const sound = await look(crm, { kind: "all" });
  assert.deepEqual(sound.defects, []);
  assert.equal(sound.tables, 3);

  const wrong = await withFile(crm, snapshot, ["contact", "ranges"], (bytes) => {
    const text = bytes.toString("latin1");
    const changed = text.replace(/\n3000\t/, "\n2999\t");
    assert.notEqual(changed, text);
    return Buffer.from(changed, "latin1");
  });
  assert.deepEqual((await look(crm, { kind: "none" })).defects, []);
  const found = await look(crm, { kind: "all" });
  assert.deepEqual(
    found.defects.map(({ code, detail, snapshots }) => ({ code, detail, snapshots })),
    [{ code: "table-sums", detail: "main.contact: 3000/2999", snapshots: [wrong] }],
  );
  assert.deepEqual(readdirSync(join(crm.access.location, "locks")), []);
});

test("a signature by which a search would pass over rows is found, with the recovery points that it touches", async () => {
  using folder = temporaryFolder();
  const crm = await smallCrm(folder.path);
  crm.sql(`
    CREATE TABLE note (id INTEGER PRIMARY KEY, body TEXT);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
      INSERT INTO note SELECT i, 'what was said the ' || i || 'th time' FROM n;
  `);
  const { snapshot } = await crm.backup("full");
  assert.deepEqual((await look(crm, { kind: "all" })).defects, []);
  const wrong = await withFile(crm, snapshot, ["note", "base", "0000", "search"], (bytes) => {
    const changed = Buffer.from(bytes);
    const at = changed.findLastIndex((byte) => byte !== 0);
    changed[at] = 0;
    return changed;
  });
  const found = await look(crm, { kind: "all" });
  assert.deepEqual(
    found.defects.map(({ code, subject, snapshots }) => ({ code, subject, snapshots })),
    [{ code: "table-search", subject: "/acme/databases/main/note", snapshots: [wrong] }],
  );
  assert.match(found.defects[0]?.detail ?? "", /^main\.note: 1\/\d+$/);
});

/** Stores the recovery point once more, with another file in a folder of a table. Gives its id. */
async function withFile(
  crm: SmallCrm,
  snapshot: Id,
  file: readonly string[],
  change: (bytes: Buffer) => Buffer,
): Promise<Id> {
  const { signal } = crm.run;
  await using repository = await openFor(crm.engine, crm.access, crm.run);
  await using lock = await repository.lock("shared", { signal, now: crm.run.now, waitMs: 0 });
  const stored = (await repository.snapshots(signal)).find(({ id }) => id === snapshot);
  assert.ok(stored);
  const indexed = await repository.index(signal);
  await using upload = await indexed.upload({ signal, lock, limits });
  const path = ["acme", "databases", "crm", "tables", "main", ...file];
  const tree = await replaced(
    upload,
    stored.snapshot.tree,
    await databasePath(indexed, stored.snapshot.tree, path),
    async (node) => {
      const blobs = await Promise.all((node.content ?? []).map((id) => indexed.load("data", id, signal)));
      const bytes = change(Buffer.concat(blobs));
      return { ...node, size: bytes.length, content: await upload.bytes(bytes, "hot") };
    },
  );
  return (await upload.finish({ ...stored.snapshot, tree, time: crm.run.now().toISOString() })).id;
}

/** The path with the name that the database has in this snapshot. */
async function databasePath(
  reader: Pick<Upload, "loadTree">,
  root: Id,
  path: readonly string[],
): Promise<readonly string[]> {
  const { signal } = new AbortController();
  let at = root;
  for (const name of path.slice(0, 2)) {
    at = (await reader.loadTree(at, signal)).nodes.find((node) => nameText(node.name) === name)?.subtree ?? "";
  }
  const [database] = (await reader.loadTree(at, signal)).nodes;
  return path.map((name, position) => (position === 2 && database ? nameText(database.name) : name));
}

test("a part at a time goes round, and says how much was read since when", async () => {
  using folder = temporaryFolder();
  const crm = await smallCrm(folder.path);
  for (const kind of ["full", "full", "full"] as const) {
    crm.sql(`INSERT INTO log VALUES ('${kind}')`);
    await crm.backup(kind);
  }
  const first = await look(crm, { kind: "percent", percent: 30 });
  assert.ok(first.read.packs > 0 && first.read.packs < first.read.ofPacks);
  assert.equal(first.read.neverPacks, first.read.ofPacks - first.read.packs);
  let last = first;
  for (let run = 0; run < 20 && last.read.neverPacks > 0; run++)
    last = await look(crm, { kind: "percent", percent: 30 });
  assert.equal(last.read.neverPacks, 0);
  assert.ok(last.read.oldest !== undefined && Date.parse(last.read.oldest) <= Date.now());
  // Looking without reading says it too, and forgets nothing.
  const shallow = await look(crm, { kind: "none" });
  assert.deepEqual([shallow.read.packs, shallow.read.oldest], [0, last.read.oldest]);
});

test("a repository that is open and idle holds no lock", async () => {
  using folder = temporaryFolder();
  const crm = await smallCrm(folder.path);
  await crm.backup();
  const locks = join(crm.access.location, "locks");
  const { signal } = crm.run;
  await using repository = await openFor(crm.engine, crm.access, crm.run);
  const hangUps = process.listenerCount("SIGHUP");
  for (let round = 0; round < 3; round++) {
    {
      await using lock = await repository.lock("shared", { signal, now: crm.run.now, waitMs: 0 });
      await lock.check(signal);
      await repository.index(signal);
      assert.equal(readdirSync(locks).length, 1);
    }
    await repository.snapshots(signal);
    assert.deepEqual(readdirSync(locks), []);
    assert.equal(process.listenerCount("SIGHUP"), hangUps);
  }
});
