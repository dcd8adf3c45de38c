import { chmodSync, chownSync, closeSync, fstatSync, rmSync, statSync, writeFileSync } from "node:fs";
import { basename, dirname } from "node:path";
import { metadataOf } from "../contents/folders/node-metadata.ts";
import type { WriteFolderInput } from "../contents/folders/plan-folder.ts";
import { writeFolder } from "../contents/folders/write-folder.ts";
import { loadContent, treeOf } from "../contents/open-snapshot.ts";
import { FolderChain, openTarget } from "../files/open-folder.ts";
import { setMetadata } from "../files/write-entry.ts";
import { addAll } from "../lib/add-all.ts";
import { joinName, nameFromText, nameText, type ByteName } from "../lib/byte-name.ts";
import { HoldfastError } from "../lib/errors.ts";
import type { Limits } from "../lib/limits.ts";
import type { Run } from "../lib/run.ts";
import { hasSystemCode } from "../lib/system-code.ts";
import type { BlobReader, IndexedRepository } from "../repository/repository.ts";
import { platformNamed, type Engine } from "./engine.ts";
import { PlacesBeside } from "./mounts.ts";
import { buildDatabase, type DatabaseWork } from "./restore-database.ts";
import type { RestorePlan } from "./restore-plan.ts";
import type { Built } from "./restore-record.ts";
import type { ConfigWork, FolderWork, ItemWork } from "./restore-draft.ts";
import type { PreparedRestore } from "./restore-prepare.ts";
import { seeDatabase, TargetWitness } from "./restore-target.ts";
import type { Staging } from "./staging.ts";
import { identity, identityOf } from "./swap.ts";

/** Everything that a restore builds, each in its slot, before anything is swapped. */
export interface Build {
  readonly engine: Engine;
  readonly plan: RestorePlan;
  readonly prepared: PreparedRestore;
  readonly indexed: IndexedRepository;
  /** Reads what the plan's point names. */
  readonly reader: BlobReader;
  readonly limits: Limits;
  readonly staging: Staging;
  readonly run: Run;
}

/** What is built so far. */
interface Building extends Built {
  files: number;
  rows: number;
  bytes: number;
  readonly failed: Built["failed"][number][];
  readonly warnings: Built["warnings"][number][];
}

export async function buildAll(build: Build): Promise<Built> {
  const built: Building = { files: 0, rows: 0, bytes: 0, failed: [], warnings: [] };
  const { prepared } = build;
  // What lies in a folder that is built whole is built into it, so the folder comes first.
  const folders = prepared.folders.toSorted((a, b) => a.path.length - b.path.length);
  const holdsDatabase = ({ path }: FolderWork) =>
    prepared.databases.some(({ file }) => file?.path.startsWith(`${path}/`));
  const merged = prepared.databases.filter(({ how }) => how === "merge");
  const before = await Promise.all(merged.map((work) => seen(work, build.run.signal)));
  for (const work of folders.filter(holdsDatabase)) await buildFolder(build, work, built);
  for (const work of prepared.databases) await buildOneDatabase(build, work, built);
  for (const work of folders.filter((one) => !holdsDatabase(one))) await buildFolder(build, work, built);
  for (const work of prepared.items) await buildItems(build, work, built);
  for (const work of prepared.config) await buildConfig(build, work, built);
  // What somebody wrote since the rows were read would stay behind.
  for (const [at, work] of merged.entries()) {
    if ((await seen(work, build.run.signal)) !== before[at])
      throw new HoldfastError("plan-outdated", { path: work.shown });
  }
  return built;
}

async function seen({ engine, address }: DatabaseWork, signal: AbortSignal): Promise<string> {
  const witness = new TargetWitness();
  await seeDatabase(witness, engine, address, signal);
  return witness.digest();
}

async function buildOneDatabase(
  { prepared, staging, run, reader, plan, limits }: Build,
  work: DatabaseWork,
  built: Building,
) {
  const { engine, file } = work;
  const slot = file && (await staging.slot(dirname(file.path), basename(file.path)));
  const address =
    slot !== undefined && engine.home.kind === "file"
      ? { url: engine.home.urlOf(slot) }
      : await staging.databaseSlot(work.address);
  const refused = (statement: string, reason: string) =>
    built.warnings.push({ code: "grant-refused", subject: statement, detail: reason });
  const options = { grants: plan.grants ?? "restore", onRefused: refused } as const;
  const { rows } = await buildDatabase(work, address, reader, plan.switches, { ...options, limits }, run);
  built.rows += rows;
  if (prepared.neutralise) {
    await using source = await engine.connect(address, { signal: run.signal });
    const { tables } = await source.inspect(run.signal, "rows");
    await engine.execute(address, prepared.neutralise.statements(tables, work.name), run.signal);
  }
  if (file === undefined || slot === undefined || engine.home.kind !== "file") {
    await staging.putDatabase(work.address);
    return;
  }
  giveOwner(file, slot, staging.madeAbove(file.path));
  for (const beside of engine.home.files(work.address.url).slice(1)) {
    await staging.clear(nameFromText(beside), dirname(file.path));
  }
  staging.put(nameFromText(file.path), nameFromText(slot));
}

/**
 * The CRM must be able to write its database: it gets the permissions and owner of the file that it replaces, or that
 * was backed up; and so do folders that had to be made for it. Owners are root's to give.
 */
function giveOwner(
  { path, owner }: NonNullable<DatabaseWork["file"]>,
  slot: string,
  madeFolders: readonly string[],
): void {
  const live = statSync(path, { throwIfNoEntry: false });
  const wanted = live ? { permissions: live.mode & 0o7777, uid: live.uid, gid: live.gid } : owner;
  if (!wanted) return;
  if (owners() === "set") for (const one of [slot, ...madeFolders]) chownSync(one, wanted.uid, wanted.gid);
  chmodSync(slot, wanted.permissions);
}

async function buildFolder(build: Build, { path, node }: FolderWork, built: Building): Promise<void> {
  const slot = nameFromText(await build.staging.wholeSlot(path));
  const switches = { createMissing: true, updateChanged: true, removeNewer: false };
  await write(build, { tree: treeOf(node), target: slot, switches }, path, built);
  const target = nameFromText(path);
  setMetadata(slot, "dir", metadataOf(node, owners()), (what) =>
    built.warnings.push({ code: "metadata-lost", subject: path, detail: what }),
  );
  build.staging.put(target, slot);
}

async function buildItems(build: Build, { root, tree, items, writes }: ItemWork, built: Building): Promise<void> {
  const { staging } = build;
  const places = new PlacesBeside(root);
  const writesAt = Map.groupBy(writes, (inside) => places.of(inside));
  using folders = new FoldersInside(nameFromText(root));
  for (const [beside, some] of Map.groupBy(items, ({ inside }) => places.of(inside))) {
    const slot = nameFromText(await staging.slot(beside, basename(root)));
    const paths = writesAt.get(beside) ?? [];
    if (paths.length > 0) {
      const switches = { createMissing: true, updateChanged: true, removeNewer: false };
      await write(build, { tree, target: slot, switches, paths }, root, built);
    }
    for (const { action, inside } of some) {
      const target = joinName(nameFromText(root), inside);
      const parent = folders.identity(inside);
      if (action === "remove") await staging.moveAway(target, beside, parent);
      else if (identity(joinName(slot, inside)) !== undefined) staging.put(target, joinName(slot, inside), parent);
    }
  }
}

async function write(
  { indexed, reader, limits, run }: Build,
  input: Omit<WriteFolderInput, "reader" | "signal">,
  place: string,
  built: Building,
): Promise<void> {
  const written = await writeFolder(
    { ...input, reader, signal: run.signal },
    { repository: indexed, limits, run, target: "staged" },
  );
  built.files += written.files;
  built.bytes += written.bytes;
  const staged = nameText(input.target);
  const shown = (path: string) => (path.startsWith(staged) ? place + path.slice(staged.length) : path);
  addAll(
    built.failed,
    written.failed.map(({ path, reason }) => ({ path: shown(path), reason })),
  );
  addAll(
    built.warnings,
    written.warnings.map((warning) => ({ ...warning, subject: shown(warning.subject) })),
  );
}

async function buildConfig(build: Build, { name, path, node }: ConfigWork, built: Building): Promise<void> {
  const { engine, plan, prepared, staging, reader, run } = build;
  const content = await loadContent(reader, node, run.signal);
  const slot = await staging.slot(dirname(path), basename(path));
  rmSync(slot, { force: true }); // a folder of the CRM may hold it too
  writeFileSync(slot, adapted(engine, plan, prepared, name, content), { flag: "wx", mode: 0o600 });
  setMetadata(nameFromText(slot), "file", metadataOf(node, owners()), (what) =>
    built.warnings.push({ code: "metadata-lost", subject: path, detail: what }),
  );
  built.files += 1;
  built.bytes += content.length;
  staging.put(nameFromText(path), nameFromText(slot));
}

/** A configuration file as the restored copy needs it: harmless for a clone, and pointing to where the parts are. */
function adapted(engine: Engine, plan: RestorePlan, prepared: PreparedRestore, name: string, content: Buffer): Buffer {
  if (plan.target.kind === "in-place" || plan.scope.kind === "files" || name === "holdfast.yaml") return content;
  const platform = platformNamed(engine, prepared.platform);
  const before = content.toString("utf8");
  const harmless = prepared.neutralise?.config?.(name, before) ?? before;
  const after = platform.relocate?.(name, harmless, prepared.places) ?? harmless;
  return after === before ? content : Buffer.from(after);
}

function owners(): "set" | "keep" {
  return process.geteuid?.() === 0 ? "set" : "keep";
}

/** The folders inside a target that is in use, reached without following a link that somebody may have planted there. */
class FoldersInside implements Disposable {
  readonly #root: ByteName;
  readonly #descriptor: number | undefined;
  readonly #chain: FolderChain | undefined;

  constructor(root: ByteName) {
    this.#root = root;
    this.#descriptor = openTarget(root, "leave");
    this.#chain = this.#descriptor === undefined ? undefined : new FolderChain(this.#descriptor);
  }

  /** Of the folder that holds this; `undefined` while the target is not there. */
  identity(inside: ByteName): string | undefined {
    if (this.#chain === undefined) return undefined;
    const folder = inside.slice(0, Math.max(inside.lastIndexOf("/"), 0)) as ByteName;
    try {
      return identityOf(fstatSync(this.#chain.open(folder), { bigint: true }));
    } catch (error) {
      const path = nameText(joinName(this.#root, folder));
      if (hasSystemCode(error, "ENOENT")) throw new HoldfastError("plan-outdated", { path });
      if (hasSystemCode(error, "ENOTDIR") || hasSystemCode(error, "ELOOP"))
        throw new HoldfastError("target-unsafe", { path });
      throw error;
    }
  }

  [Symbol.dispose](): void {
    this.#chain?.[Symbol.dispose]();
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
  }
}
