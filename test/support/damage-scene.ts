import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { copyFileSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import type { DatabaseEngine, TableSchema } from "../../src/database/database.ts";
import { readDatabase } from "../../src/contents/databases.ts";
import { escapeName, layout } from "../../src/contents/layout.ts";
import type { Manifest } from "../../src/contents/manifest.ts";
import { openSnapshot } from "../../src/contents/open-snapshot.ts";
import { keyAt, rowOrder, type RowOrder } from "../../src/contents/tables/row-order.ts";
import { findNode, loadPart } from "../../src/contents/tables/stored-parts.ts";
import { sqliteEngine } from "../../src/database/sqlite/sqlite.ts";
import { openFor } from "../../src/engine/access.ts";
import { addKey } from "../../src/engine/keys.ts";
import { applyRestore } from "../../src/engine/restore-apply.ts";
import { isHoldfastError } from "../../src/lib/errors.ts";
import { nameText } from "../../src/lib/byte-name.ts";
import type { Id, Tree } from "../../src/format/tree.ts";
import type { IndexedRepository, StoredSnapshot } from "../../src/repository/repository.ts";
import { DefectList } from "../../src/repository/defects.ts";
import { verifyIndexes } from "../../src/repository/verify-index.ts";
import { findMasterKey } from "../../src/repository/master-key.ts";
import { localStorage } from "../../src/storage/local.ts";
import { cheapenKey } from "./cheap-key.ts";
import { compareDatabases } from "./compare-databases.ts";
import { noise } from "./noise.ts";
import { copyFolder, type Damage, repositoryFiles } from "./repository-copy.ts";
import { limits, smallCrm, type SmallCrm } from "./small-crm.ts";

/**
 * A small repository of which everything is known: where each blob stands, and what each file and row of each snapshot
 * needs. So a test can work out by itself what a damaged file takes away, and what must be left.
 */
const second = "the other password";

export interface Scene {
  readonly crm: SmallCrm;
  /** The repository as it is damaged, and a sound copy. */
  readonly location: string;
  readonly kept: string;
  readonly before: readonly SnapshotContents[];
  /** The database as it was at each of them. */
  readonly databases: readonly string[];
  /** Where each blob stands: `type id` to the packs that have it. */
  readonly places: ReadonlyMap<string, readonly Place[]>;
  /** Index files, by name, with the packs that they name. */
  readonly indexes: ReadonlyMap<Id, readonly Id[]>;
}

interface Place {
  readonly pack: Id;
  readonly offset: number;
  readonly length: number;
}

/** A file or a row, and the blobs without which it cannot be had. */
interface Content {
  readonly hash: string;
  readonly needs: ReadonlySet<string>;
}

export interface SnapshotContents {
  readonly id: Id;
  readonly time: string;
  /** By path. */
  readonly files: ReadonlyMap<string, Content>;
  /** By table and key. */
  readonly rows: ReadonlyMap<string, Content>;
  /** Everything that it needs. */
  readonly needs: ReadonlySet<string>;
}

export async function buildScene(root: string): Promise<Scene> {
  const crm = await smallCrm(root);
  crm.sql(`WITH RECURSIVE n(i) AS (SELECT 3001 UNION ALL SELECT i + 1 FROM n WHERE i < 16000)
    INSERT INTO contact SELECT i, '客户 ' || i || hex(randomblob(12)), i / 8.0 FROM n`);
  for (let number = 0; number < 4; number++) {
    writeFileSync(join(crm.attachments, `letter-${number}.txt`), `letter ${number}\n`.repeat(200));
  }
  const databases: string[] = [];
  const backUp = async (kind?: "full"): Promise<void> => {
    await crm.backup(kind);
    const copy = join(root, `backed-up-${databases.length}.db`);
    copyFileSync(crm.database, copy);
    databases.push(copy);
  };
  await backUp("full");
  crm.sql("UPDATE contact SET name = 'changed' WHERE id % 5 = 1; DELETE FROM contact WHERE id % 7 = 3");
  writeFileSync(join(crm.attachments, "2026", "later.bin"), noise("later", 30_000));
  await backUp();
  crm.sql("UPDATE contact SET amount = -1 WHERE id % 11 = 2; INSERT INTO log VALUES ('c')");
  rmSync(join(crm.attachments, "letter-0.txt"));
  await backUp();
  await addKey(crm.engine, { repository: crm.access, newPassword: second }, crm.run);
  const { location } = crm.access;
  await cheapenKey(location, second);
  const kept = join(root, "kept");
  copyFolder(location, kept);
  const { signal } = crm.run;
  await using repository = await openFor(crm.engine, crm.access, crm.run);
  const indexed = await repository.index(signal);
  const before: SnapshotContents[] = [];
  for (const stored of await repository.snapshots(signal)) before.push(await contentsOf(indexed, stored, signal));
  return { crm, location, kept, before, databases, ...(await placesOf(location, crm.access.password, signal)) };
}

/** What it may be swapped with: the next of its kind, and of other kinds so many that every pair of kinds is there. */
export function partnersOf(folder: string, file: string): readonly string[] {
  const kind = (path: string): string => path.split("/")[0] ?? "";
  const files = repositoryFiles(folder);
  const same = files.filter((other) => kind(other) === kind(file));
  const next = same[(same.indexOf(file) + 1) % same.length];
  const kinds = ["config", "keys", "index", "snapshots", "data"];
  if (!["index", "snapshots", "data"].includes(kind(file))) {
    // Few files, so each with one of every kind after its own.
    const after = kinds.slice(kinds.indexOf(kind(file)) + 1);
    const others = after.map((wanted) => files.find((other) => kind(other) === wanted));
    return [next, ...others].filter((other) => other !== undefined && other !== file) as string[];
  }
  const others = files.filter((other) => kinds.indexOf(kind(other)) > 1 && kind(other) !== kind(file));
  const another = others[files.indexOf(file) % Math.max(1, others.length)];
  return [next, another].filter((other) => other !== undefined && other !== file) as string[];
}

async function placesOf(location: string, password: string, signal: AbortSignal) {
  const storage = localStorage(location);
  const { masterKey } = await findMasterKey(storage, password, signal);
  const { index, packs, files } = await verifyIndexes(storage, masterKey, new DefectList(), signal);
  const places = new Map<string, Place[]>();
  for (let entry = 0; entry < index.count; entry++) {
    const { pack = 0, offset = 0, length = 0 } = index.location(entry) ?? {};
    const name = `${index.type(entry)} ${index.id(entry)}`;
    places.set(name, [...(places.get(name) ?? []), { pack: packs[pack]?.id ?? "", offset, length }]);
  }
  const indexes = new Map(files.map((file) => [file.name, file.packs.map((pack) => packs[pack]?.id ?? "")]));
  return { places, indexes };
}

/** Everything in a snapshot, with what each thing needs. */
async function contentsOf(
  reader: IndexedRepository,
  stored: StoredSnapshot,
  signal: AbortSignal,
): Promise<SnapshotContents> {
  const files = new Map<string, Content>();
  const rows = new Map<string, Content>();
  const needs = new Set<string>();
  const databases = new Map<string, { readonly tree: Id; readonly needs: ReadonlySet<string> }>();
  const walk = async (id: Id, path: string, above: ReadonlySet<string>): Promise<void> => {
    const with_ = new Set([...above, `tree ${id}`]);
    needs.add(`tree ${id}`);
    for (const node of (await reader.loadTree(id, signal)).nodes) {
      const at = `${path}/${nameText(node.name)}`;
      const found = /^\/[^/]+\/databases\/([^/]+)$/.exec(at)?.[1];
      if (found !== undefined && node.subtree !== undefined) databases.set(found, { tree: node.subtree, needs: with_ });
      if (node.subtree !== undefined) await walk(node.subtree, at, with_);
      for (const blob of node.content ?? []) needs.add(`data ${blob}`);
      if (node.type !== "file" || !/^\/[^/]+\/(files|config)\//.test(at)) continue;
      const bytes: Buffer[] = [];
      for (const blob of node.content ?? []) bytes.push(await reader.load("data", blob, signal));
      const own = new Set([...with_, ...(node.content ?? []).map((blob) => `data ${blob}`)]);
      files.set(at, { hash: hash("sha256", Buffer.concat(bytes), "hex"), needs: own });
    }
  };
  await walk(stored.snapshot.tree, "", new Set());
  for (const [, database] of databases) await rowsOf(reader, database.tree, database.needs, rows, signal);
  return { id: stored.id, time: stored.snapshot.time, files, rows, needs };
}

/** The rows of a database: each from the newest part that says something of it. */
async function rowsOf(
  reader: IndexedRepository,
  tree: Id,
  above: ReadonlySet<string>,
  rows: Map<string, Content>,
  signal: AbortSignal,
): Promise<void> {
  const engine: DatabaseEngine = sqliteEngine;
  const root = await reader.loadTree(tree, signal);
  // Without it nobody knows what the tables were: a mended snapshot then has their rows as files only.
  if (findNode(root, layout.schema) === undefined) return;
  const { schema } = await readDatabase(reader, tree, engine, signal);
  const schemaBlobs = (findNode(root, layout.schema)?.content ?? []).map((blob) => `data ${blob}`);
  for (const table of schema.tables) {
    const order = rowOrder(table, engine);
    const path = [tree];
    let at: Tree = root;
    for (const name of [layout.tables, escapeName(table.schema), escapeName(table.name)]) {
      const id = findNode(at, name)?.subtree;
      if (id === undefined) throw new Error(`no ${name}`);
      path.push(id);
      at = await reader.loadTree(id, signal);
    }
    const needs = new Set([...above, ...schemaBlobs, ...path.map((id) => `tree ${id}`)]);
    for (const name of [layout.base, layout.runs]) {
      const id = findNode(at, name)?.subtree;
      if (id === undefined) continue;
      for (const part of (await reader.loadTree(id, signal)).nodes) {
        if (part.subtree === undefined) continue;
        const all = new Set([...needs, `tree ${id}`, `tree ${part.subtree}`]);
        await partRows({ reader, order, table, signal }, part.subtree, all, rows);
      }
    }
  }
}

interface PartReading {
  readonly reader: IndexedRepository;
  readonly order: RowOrder;
  readonly table: TableSchema;
  readonly signal: AbortSignal;
}

async function partRows(
  { reader, order, table, signal }: PartReading,
  tree: Id,
  needs: ReadonlySet<string>,
  rows: Map<string, Content>,
): Promise<void> {
  const { rows: chunks, deleted } = await loadPart({ reader, order, subject: table.name, signal }, tree);
  for (const { chunk, kind } of [
    ...chunks.map((one) => ({ chunk: one, kind: "rows" })),
    ...deleted.map((one) => ({ chunk: one, kind: "deleted" })),
  ]) {
    const bytes = Buffer.concat(await Promise.all(chunk.blobs.map(({ id }) => reader.load("data", id, signal))));
    const own = new Set([...needs, ...chunk.blobs.map(({ id }) => `data ${id}`)]);
    let twins = 0;
    for (let start = 0; start < bytes.length;) {
      const end = bytes.indexOf(10, start);
      const key = keyAt(order, bytes, start, end);
      // Equal rows of a table without a key.
      const name = `${table.name} ${key}${order.keyLength === 0 ? ` ${twins++}` : ""}`;
      if (kind === "deleted") rows.delete(name);
      else rows.set(name, { hash: hash("sha256", bytes.subarray(start, end), "hex"), needs: own });
      start = end + 1;
    }
  }
}

/** Blobs that are nowhere any more, reckoned from where they stood. */
export function lostBlobs({ places }: Scene, file: string, damage: Damage): ReadonlySet<string> {
  const pack = /^data\/..\/(.*)$/.exec(file)?.[1];
  if (pack === undefined || damage.kind === "swap") return new Set();
  const isHit = (place: Place): boolean => {
    if (place.pack !== pack) return false;
    if (damage.kind === "delete") return true;
    const end = place.offset + place.length;
    return damage.kind === "cut" ? end > damage.to : place.offset <= damage.at && damage.at < end;
  };
  return new Set([...places].filter(([, found]) => found.every(isHit)).map(([blob]) => blob));
}

/** Snapshots that cannot be had as they are until something is repaired. */
export function touchedBy(scene: Scene, file: string, damage: Damage): ReadonlySet<Id> {
  const { before, places, indexes } = scene;
  const spoiled = new Set([file, ...(damage.kind === "swap" ? [damage.other] : [])]);
  const deadPacks = new Set(
    [...spoiled].map((path) => /^data\/..\/(.*)$/.exec(path)?.[1]).filter((id) => id !== undefined),
  );
  const deadIndexes = new Set([...spoiled].filter((path) => path.startsWith("index/")).map((path) => path.slice(6)));
  const named = new Set([...indexes].flatMap(([name, packs]) => (deadIndexes.has(name) ? [] : packs)));
  const lost = lostBlobs(scene, file, damage);
  const cannot = (blob: string): boolean => {
    const found = places.get(blob) ?? [];
    if (lost.has(blob)) return true;
    return found.every(({ pack }) => !named.has(pack) || (damage.kind === "swap" && deadPacks.has(pack)));
  };
  return new Set(
    before
      .filter(({ id, needs }) => spoiled.has("config") || spoiled.has(`snapshots/${id}`) || [...needs].some(cannot))
      .map(({ id }) => id),
  );
}

const noCounts = {
  found: 0,
  "not to be told from a removal": 0,
  unharmed: 0,
  mended: 0,
  healed: 0,
  "files lost": 0,
  "rows lost": 0,
  restored: 0,
  "databases compared": 0,
};
export type Counts = Record<keyof typeof noCounts, number>;

export function newCounts(): Counts {
  return { ...noCounts };
}

export function passwords({ crm }: Scene): readonly string[] {
  return [crm.access.password, second];
}

export async function passwordThatOpens(scene: Scene): Promise<string> {
  const { crm, location } = scene;
  for (const password of passwords(scene)) {
    try {
      await using _repository = await openFor(crm.engine, { location, password }, crm.run, "stand-in");
      return password;
    } catch (error) {
      if (!isHoldfastError(error, "password-wrong") && !isHoldfastError(error, "repository-damaged")) throw error;
    }
  }
  throw new Error("no password opens it any more");
}

/** Nothing was lost, so each password opens it as before. */
export async function opens({ crm, location }: Scene, password: string, what: string): Promise<void> {
  const opening = openFor(crm.engine, { location, password }, crm.run);
  await using _repository = await opening.catch((error: unknown) => assert.fail(`${what}: ${String(error)}`));
}

/** Everything that can be there is there, as it was; what is not is told. */
export async function compare(
  scene: Scene,
  access: { readonly location: string; readonly password: string },
  lost: ReadonlySet<string>,
  what: string,
  counts: Counts,
  round: number,
): Promise<void> {
  const { crm } = scene;
  const { signal } = crm.run;
  const isLeft = ({ needs }: Content): boolean => [...lost].every((blob) => !needs.has(blob));
  await using repository = await openFor(crm.engine, access, crm.run);
  const indexed = await repository.index(signal);
  const snapshots = await repository.snapshots(signal);
  for (const [position, was] of scene.before.entries()) {
    const stored =
      snapshots.find(({ id }) => id === was.id) ?? snapshots.find(({ snapshot }) => snapshot.time === was.time);
    const isWhole = [...lost].every((blob) => !was.needs.has(blob));
    const saved = [...was.files.values(), ...was.rows.values()].filter(isLeft).length;
    if (stored === undefined) {
      assert.equal(saved, 0, `${what}: ${was.id} is gone`);
      continue;
    }
    const now = await contentsOf(indexed, stored, signal);
    const { manifest } = await openSnapshot(indexed, stored, signal);
    for (const [path, content] of was.files) {
      if (isLeft(content)) assert.equal(now.files.get(path)?.hash, content.hash, `${what}: ${path}`);
      else counts["files lost"]++;
    }
    for (const path of now.files.keys()) assert.ok(was.files.has(path) || path.includes(".damaged"), path);
    for (const [name, content] of was.rows) {
      if (isLeft(content)) assert.equal(now.rows.get(name)?.hash, content.hash, `${what}: row ${name}`);
      else counts["rows lost"]++;
    }
    tellsDeviations(was, now, manifest, what);
    if (isWhole) counts.unharmed++;
    else if (stored.id !== was.id) {
      counts.mended++;
      assert.equal(manifest.outcome, "warning", what);
      assert.ok(stored.snapshot.tags?.includes("mended"), what);
      assert.equal(stored.snapshot.original, was.id, what);
    } else {
      // All that was lost of it could be made anew.
      counts.healed++;
      for (const [path, content] of was.files) assert.equal(now.files.get(path)?.hash, content.hash, what);
      for (const [name, content] of was.rows) assert.equal(now.rows.get(name)?.hash, content.hash, what);
    }
    if (round % scene.before.length !== position) continue;
    const target = join(access.location, "..", `restored-${round}`);
    const plan = await crm.plan({
      repository: access,
      point: { kind: "id", prefix: stored.id },
      target,
      purpose: "replacement",
    });
    await applyRestore(crm.engine, { plan: plan.id, password: access.password, limits, crms: [] }, crm.run);
    for (const [path, { hash: sum }] of now.files) {
      const inside = /^\/[^/]+\/files\/(.*)$/.exec(path)?.[1];
      if (inside === undefined) continue;
      assert.equal(hash("sha256", readFileSync(join(target, inside)), "hex"), sum, `${what}: ${path} as restored`);
    }
    if (isWhole || stored.id === was.id) {
      const restored = join(target, basename(crm.database));
      const differences = compareDatabases(scene.databases[position] ?? "", restored);
      assert.deepEqual(differences, [], `${what}: the database as restored`);
      counts["databases compared"]++;
    }
    counts.restored++;
    rmSync(target, { recursive: true, force: true });
  }
}

/** A row that is not as it was lies in a stretch of keys that the manifest names; so does a table's loss as a whole. */
function tellsDeviations(was: SnapshotContents, now: SnapshotContents, manifest: Manifest, what: string): void {
  const named = new Set(manifest.warnings.filter(({ code }) => code.startsWith("lost-")).map(({ subject }) => subject));
  for (const name of new Set([...was.rows.keys(), ...now.rows.keys()])) {
    if (was.rows.get(name)?.hash === now.rows.get(name)?.hash) continue;
    const table = name.split(" ")[0] ?? "";
    const isNamed = [...named].some(
      (subject) => subject.endsWith(`/${table}`) || /^\/databases(\/[^/]+)?$/.test(subject),
    );
    assert.ok(isNamed, `${what}: ${name} differs and nothing says so: ${[...named].join(", ")}`);
  }
  for (const path of was.files.keys()) {
    if (now.files.get(path)?.hash === was.files.get(path)?.hash) continue;
    const inside = path.replace(/^\/[^/]+/, "");
    assert.ok(
      [...named].some((subject) => inside === subject || inside.startsWith(`${subject}/`)),
      `${what}: ${path} is lost and nothing says so`,
    );
  }
}
