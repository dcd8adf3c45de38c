import { lstatSync, readdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Anonymiser } from "../contents/anonymise/anonymised.ts";
import { planFolder, type FolderPlanItem } from "../contents/folders/plan-folder.ts";
import type { FolderManifest, Manifest } from "../contents/manifest.ts";
import { loadContent, nodeNamed, type OpenedSnapshot, subtreeAt, treeOf } from "../contents/open-snapshot.ts";
import { programFolder, type Neutralise, type OwnedFile, type PlacedParts, type Platform } from "../crm/platform.ts";
import type { DatabaseAddress, DatabaseEngine } from "../database/database.ts";
import { isChange } from "../contents/records/planned-row.ts";
import type { Id, TreeNode } from "../format/tree.ts";
import { nameFromText, nameText, type ByteName } from "../lib/byte-name.ts";
import { HoldfastError } from "../lib/errors.ts";
import type { Run } from "../lib/run.ts";
import type { BlobReader } from "../repository/repository.ts";
import type { AddressOf } from "./database-address.ts";
import { anonymisedExport, anonymiseRulesOf } from "./anonymise.ts";
import { databaseEngineFor, platformNamed, type Engine } from "./engine.ts";
import type { PointErasures } from "./erasures.ts";
import { escapePattern } from "./left-out.ts";
import { openPoint, type PointSource } from "./open-point.ts";
import type { RecordRoots, RecordSelection } from "./record-selection.ts";
import type { RecordFormat } from "./records-export.ts";
import {
  type PreparedExport,
  type PreparedRecords,
  prepareExport,
  prepareRecords,
  type RecordsInput,
} from "./records-prepare.ts";
import { countMerge, type DatabaseWork } from "./restore-database.ts";
import { placesFor, type Elsewhere, type Places } from "./restore-places.ts";
import type { Anonymised, PlannedAction, PlannedItem, RestorePlan, RestorePlanInput } from "./restore-plan.ts";
import type { PointName } from "./snapshots.ts";
import { freeBytesAt, TargetWitness } from "./restore-target.ts";

/** What a restore would do, worked out from the snapshot and the target as they are now; nothing is written. */
export interface PreparedRestore {
  readonly places: Places;
  /** Name of the CRM's platform. */
  readonly platform: string;
  readonly databases: readonly DatabaseWork[];
  /** Folders that are not there, built whole. */
  readonly folders: readonly FolderWork[];
  /** Folders that get single files, links and folders, swapped in one by one. */
  readonly items: readonly ItemWork[];
  readonly config: readonly ConfigWork[];
  readonly records?: PreparedRecords;
  /** Records that go to files. */
  readonly exported?: { readonly folder: string; readonly format: RecordFormat; readonly records: PreparedExport };
  readonly neutralise?: Neutralise;
  /** What was held back so far, each of one opening of the point. */
  readonly erased: readonly PointErasures[];
  readonly summary: Pick<
    RestorePlan,
    | "records"
    | "parts"
    | "counts"
    | "items"
    | "neededBytes"
    | "freeBytes"
    | "neutralised"
    | "maintenance"
    | "anonymised"
    | "afterRestore"
    | "seen"
  > & { readonly replacesLive: "yes" | "no" };
}

export interface FolderWork {
  readonly path: string;
  readonly node: TreeNode;
}

/** A folder that stays where it is and gets single things. */
export interface ItemWork {
  readonly root: string;
  /** Tree of the folder in the snapshot. */
  readonly tree: Id;
  /** To be created, updated or removed; nothing that lies in another of them. */
  readonly items: readonly FolderPlanItem[];
}

export interface ConfigWork {
  readonly name: string;
  readonly path: string;
  readonly node: TreeNode;
}

export type PrepareInput = Pick<RestorePlanInput, "scope" | "target" | "targetDatabase" | "purpose" | "switches"> & {
  /** Which records a saved plan had found. */
  readonly roots?: readonly RecordRoots[];
  /** `rules`: of a saved plan; absent: they are worked out. */
  readonly anonymise?: Pick<Anonymised, "files"> & Partial<Anonymised>;
};

type RecordsScope = Extract<RestorePlanInput["scope"], { kind: "records" }>;

/** Where what is restored is read from. */
export interface PrepareReading {
  /** Reads what the opened snapshot names. */
  readonly reader: BlobReader;
  readonly open: PointSource;
  /** The name of the point that was opened. */
  readonly point: PointName;
  /** What is held back of it. */
  readonly erased: PointErasures;
}

const shownItems = 1000;

export async function prepareRestore(
  engine: Engine,
  opened: OpenedSnapshot,
  reading: PrepareReading,
  input: PrepareInput,
  addressOf: AddressOf,
  run: Run,
): Promise<PreparedRestore> {
  return await new Preparation(engine, opened, reading, input, addressOf, run).prepare();
}

class Preparation {
  readonly #engine: Engine;
  readonly #opened: OpenedSnapshot;
  readonly #reader: BlobReader;
  readonly #open: PointSource;
  readonly #point: PointName;
  readonly #erased: PointErasures[];
  readonly #input: PrepareInput;
  readonly #addressOf: AddressOf;
  readonly #run: Run;
  readonly #places: Places;
  readonly #witness = new TargetWitness();
  readonly #databases: DatabaseWork[] = [];
  readonly #folders: FolderWork[] = [];
  readonly #items: ItemWork[] = [];
  readonly #config: ConfigWork[] = [];
  readonly #parts: RestorePlan["parts"][number][] = [];
  readonly #shown: PlannedItem[] = [];
  readonly #counts: Record<PlannedAction, number> = {
    create: 0,
    update: 0,
    remove: 0,
    skip: 0,
    replace: 0,
    conflict: 0,
  };
  #anonymised: Anonymised | undefined;
  #neededBytes = 0;
  #replacesLive: "yes" | "no" = "no";

  constructor(
    engine: Engine,
    opened: OpenedSnapshot,
    { reader, open, point, erased }: PrepareReading,
    input: PrepareInput,
    addressOf: AddressOf,
    run: Run,
  ) {
    this.#engine = engine;
    this.#opened = opened;
    this.#reader = reader;
    this.#open = open;
    this.#point = point;
    this.#erased = [erased];
    this.#input = input;
    this.#addressOf = addressOf;
    this.#run = run;
    const { folderPath } = platformNamed(engine, opened.manifest.crm.platform);
    const engineOf = (url: string) => databaseEngineFor(engine, url);
    this.#places = placesFor(opened.manifest, input.scope, elsewhereOf(input), engineOf, folderPath);
    if (
      input.scope.kind !== "records" &&
      input.targetDatabase !== undefined &&
      this.#places.databases.every(({ file }) => file !== undefined)
    ) {
      throw new HoldfastError("target-database-unused", {});
    }
  }

  async prepare(): Promise<PreparedRestore> {
    const { scope, target } = this.#input;
    const neutralise = this.#neutralise();
    this.#anonymised = await this.#anonymisation();
    const asFiles = scope.kind === "records" && scope.format !== undefined;
    if (target !== undefined && (isWhole(scope) || asFiles)) refuseUnlessEmpty(target);
    const exported = await this.#export(scope);
    const records = scope.kind === "records" && !exported ? await this.#records(scope) : undefined;
    if (scope.kind === "files") {
      for (const path of scope.paths) await this.#path(path);
    } else if (scope.kind !== "records") {
      for (const database of this.#places.databases) await this.#database(database);
      for (const folder of this.#places.folders) await this.#folder(folder);
      for (const file of this.#places.config) await this.#configFile(file);
    }
    const platform = platformNamed(this.#engine, this.#opened.manifest.crm.platform);
    await this.#refuseMix(platform);
    const { maintenance } = platform;
    const isLive = this.#replacesLive === "yes" && isWhole(scope) && !this.#isElsewhere();
    const [firstPlace = "/"] = [
      target,
      ...this.#places.databases.map(({ file }) => file),
      ...this.#placesOfFolders(),
    ].flatMap((place) => place ?? []);
    return {
      places: this.#places,
      platform: platform.name,
      databases: this.#databases,
      folders: this.#folders,
      items: this.#items,
      config: this.#config,
      ...(records && { records }),
      ...(exported && { exported }),
      ...(neutralise && { neutralise }),
      erased: this.#erased,
      summary: {
        ...(records && { records: records.summary }),
        ...(exported && { records: exported.records.summary }),
        parts: this.#parts,
        counts: this.#counts,
        items: this.#shown,
        neededBytes: this.#neededBytes,
        freeBytes: freeBytesAt(firstPlace),
        neutralised: neutralise?.summary ?? [],
        ...(this.#anonymised && { anonymised: this.#anonymised }),
        ...(isLive && maintenance && { maintenance }),
        afterRestore: isWhole(scope) ? platform.afterRestore : [],
        seen: this.#witness.digest(),
        replacesLive: this.#replacesLive,
      },
    };
  }

  /** A program of another version must not get these rows, unless the recovery point's program comes along. */
  async #refuseMix(platform: Platform): Promise<void> {
    const { crm, folders } = this.#opened.manifest;
    const { switches } = this.#input;
    const program = this.#places.folders.find(({ name }) => name === programFolder);
    const isNew = this.#folders.some(({ path }) => path === program?.path);
    const comesAlong = program !== undefined && (isNew || (switches.createMissing && switches.updateChanged));
    if (this.#databases.length === 0 || comesAlong || crm.version === undefined) return;
    const installed = await platform.installed?.(
      this.#input.scope.kind === "database" ? placedBefore(this.#opened.manifest) : this.#places,
    );
    if (installed === undefined || isSameVersion(crm.version, installed, platform.versionParts)) return;
    const remedy = folders.some(({ name }) => name === programFolder) ? "--system --exact" : undefined;
    throw new HoldfastError("crm-version-differs", { crm: crm.name, version: crm.version, installed, remedy });
  }

  #placesOfFolders(): readonly string[] {
    return this.#places.folders.map(({ path }) => path);
  }

  /** Only what is made harmless, or is no CRM any more, is made so. */
  async #anonymisation(): Promise<Anonymised | undefined> {
    const { anonymise, scope, purpose } = this.#input;
    if (!anonymise) return undefined;
    const isFiles = scope.kind === "records" && scope.format !== undefined;
    if (!isFiles && (!isWhole(scope) || purpose !== "clone")) {
      throw new HoldfastError("usage", { problem: "anonymise-where" });
    }
    const { files, rules } = anonymise;
    if (rules) return { files, rules };
    await using point = await openPoint(this.#open, this.#opened.manifest.crm.name, this.#point);
    return { files, rules: await anonymiseRulesOf(point, this.#run.signal) };
  }

  #anonymiser(database: DatabaseEngine): Anonymiser | undefined {
    const secret = this.#open.reader.repository.secret("anonymise");
    return this.#anonymised && new Anonymiser(this.#anonymised.rules, database, secret);
  }

  #neutralise(): Neutralise | undefined {
    const { scope, target, targetDatabase, purpose } = this.#input;
    const elsewhere = target ?? targetDatabase;
    if (!isWhole(scope) || elsewhere === undefined) return undefined;
    if (purpose === undefined) throw new HoldfastError("purpose-needed", { target: elsewhere });
    if (purpose === "replacement") return undefined;
    const { description, crm } = this.#opened.manifest;
    const neutralise = platformNamed(this.#engine, crm.platform).neutralise(description);
    if (!neutralise) throw new HoldfastError("clone-unsupported", { crm: crm.name });
    return neutralise;
  }

  async #database({ name, url, shown, file }: Places["databases"][number]): Promise<void> {
    const manifest = this.#opened.manifest.databases.find((one) => one.name === name);
    const tree = await subtreeAt(this.#reader, this.#opened.tree, ["databases", name], this.#run.signal);
    if (!manifest || tree === undefined) throw new HoldfastError("repository-damaged", { subject: name });
    const database = databaseEngineFor(this.#engine, url);
    const address = this.#addressOf(url);
    const exists = await this.#seeDatabase(database, address);
    const bytes = await treeBytes(this.#reader, tree, this.#run.signal);
    const rows = manifest.tables.reduce((total, table) => total + table.rows, 0);
    const part = { kind: "database", name, path: shown, rows, bytes } as const;
    const place = file === undefined ? { shown } : { shown, file: { path: file, owner: manifest.file } };
    const [erased] = this.#erased;
    if (!erased) throw new HoldfastError("internal", {});
    const anonymiser = this.#anonymiser(database);
    const anonymised = anonymiser && this.#anonymised && { anonymiser, files: this.#anonymised.files };
    const base = { name, engine: database, tree, address, erased, ...place } as const;
    const work = { ...base, ...(anonymised && { anonymised }) };
    if (file === undefined && exists === "yes" && this.#isElsewhere()) {
      // Nobody may lose a database by a slip of the hand: elsewhere means where nothing is.
      throw new HoldfastError("target-not-empty", { path: shown });
    }
    const { switches } = this.#input;
    if (exists === "no") {
      const action = switches.createMissing ? "create" : "skip";
      this.#add({ ...part, action, ...(action === "skip" && { reason: "missing" }) });
      if (action === "create") this.#databases.push({ ...work, how: "exact" });
      return;
    }
    if (isExact(switches)) {
      this.#replacesLive = "yes";
      this.#add({ ...part, action: "replace" });
      this.#databases.push({ ...work, how: "exact" });
      return;
    }
    const merge = { ...work, how: "merge" } as const;
    const counts = await countMerge(merge, this.#reader, switches, this.#run);
    if (typeof counts === "string") {
      this.#add({ ...part, action: "conflict", reason: counts });
    } else if (counts.created + counts.updated + counts.removed === 0) {
      const reason = counts.differ + counts.newer + counts.missing === 0 ? "same" : "left";
      this.#add({ ...part, action: "skip", reason, changes: counts });
    } else {
      this.#replacesLive = "yes";
      this.#add({ ...part, action: "update", changes: counts });
      this.#databases.push(merge);
    }
  }

  async #recordsInput(selection: RecordSelection): Promise<RecordsInput & AsyncDisposable> {
    const { switches, targetDatabase, roots } = this.#input;
    const point = await openPoint(this.#open, this.#opened.manifest.crm.name, this.#point);
    if (point.erased) this.#erased.push(point.erased);
    return {
      ...{ point, open: this.#open, selection, switches, addressOf: this.#addressOf },
      ...(targetDatabase !== undefined && { targetDatabase }),
      ...(roots && { roots }),
      [Symbol.asyncDispose]: () => point[Symbol.asyncDispose](),
    };
  }

  /** Rows go into the database as it is, and the files that they own beside it. */
  async #records({ selection }: RecordsScope): Promise<PreparedRecords> {
    const { targetDatabase, target } = this.#input;
    await using input = await this.#recordsInput(selection);
    const prepared = await prepareRecords(input, this.#run);
    const { planned, summary } = prepared;
    this.#witness.add(planned.seen);
    const rows = planned.rows.filter(isChange);
    if (rows.some(({ action }) => action === "remove")) this.#replacesLive = "yes";
    const bytes = rows.reduce((total, { after }) => total + (after?.length ?? 0), 0);
    const action = rows.length === 0 ? "skip" : "update";
    this.#parts.push({
      kind: "database",
      name: summary.database,
      path: summary.target,
      rows: rows.length,
      bytes,
      action,
    });
    // Files elsewhere only go where they are asked for.
    if (targetDatabase === undefined || target !== undefined) await this.#ownedFiles(prepared.files);
    return prepared;
  }

  async #export(scope: RestorePlanInput["scope"]): Promise<PreparedRestore["exported"]> {
    const { target: folder } = this.#input;
    if (scope.kind !== "records" || scope.format === undefined || folder === undefined) return undefined;
    await using input = await this.#recordsInput(scope.selection);
    const found = await prepareExport(input, folder, this.#run);
    const anonymiser = this.#anonymiser(found.engine);
    const records = anonymiser ? anonymisedExport(found, anonymiser) : found;
    const bytes = records.rows.reduce((total, { row }) => total + row.line.length, 0);
    const part = { kind: "database", name: records.summary.database, path: folder, bytes } as const;
    this.#add({ ...part, rows: records.rows.length, action: "create" });
    if (this.#anonymised?.files !== "left-out") await this.#ownedFiles(records.files);
    return { folder, format: scope.format, records };
  }

  /** Files that rows own, as far as the recovery point has them. */
  async #ownedFiles(owned: readonly OwnedFile[]): Promise<void> {
    const { switches, target } = this.#input;
    for (const [name, files] of Map.groupBy(owned, ({ folder }) => folder)) {
      const folder = this.#opened.manifest.folders.find((one) => one.name === name);
      const node = folder && (await this.#folderNode(name));
      if (!node) continue;
      const root = target === undefined ? folder.path : join(target, name);
      const paths = files.map(({ path }) => path);
      await this.#compare(folder, root, treeOf(node), paths, { ...switches, removeNewer: false });
    }
  }

  async #folder({ name, path }: Places["folders"][number]): Promise<void> {
    const manifest = this.#opened.manifest.folders.find((one) => one.name === name);
    const node = await this.#folderNode(name);
    if (!manifest || !node) throw new HoldfastError("repository-damaged", { subject: name });
    const part = { kind: "folder", name, path, files: manifest.files, bytes: manifest.bytes } as const;
    if (this.#anonymised?.files === "left-out" && name !== programFolder) {
      this.#add({ ...part, action: "skip", reason: "anonymised" });
      return;
    }
    const { switches } = this.#input;
    const exists = this.#seeAll([path]);
    if (exists === "no" && switches.createMissing) {
      this.#add({ ...part, action: "create" });
      this.#folders.push({ path, node });
    } else if (exists === "no") {
      this.#add({ ...part, action: "skip", reason: "missing" });
    } else {
      const changes = await this.#compare(manifest, path, treeOf(node), []);
      if (changes > 0) this.#replacesLive = "yes";
      this.#parts.push({ ...part, action: changes > 0 ? "update" : "skip" });
    }
  }

  /**
   * Compares a folder of the snapshot, or some paths of it, with the one on disk, thing by thing; gives the number of
   * changes. Folders that are there on both sides keep their own metadata: it cannot be swapped without the contents.
   */
  async #compare(
    folder: FolderManifest,
    root: string,
    tree: Id,
    paths: readonly ByteName[],
    /** Given for files of records, of which the recovery point may lack some. */
    ofRecords?: RestorePlan["switches"],
  ): Promise<number> {
    const switches = ofRecords ?? this.#input.switches;
    const planned = await planFolder(
      {
        reader: this.#reader,
        tree,
        target: nameFromText(root),
        switches,
        ...(paths.length > 0 && { paths }),
        keep: notInBackup(folder, this.#opened.manifest),
        signal: this.#run.signal,
      },
      Number.POSITIVE_INFINITY,
    );
    const [unmatched] = planned.unmatched;
    if (unmatched !== undefined && !ofRecords)
      throw new HoldfastError("nothing-matched", { path: nameText(unmatched) });
    this.#witness.add(planned.seen);
    const wanted = planned.items.filter((item) => item.type !== "dir" || item.action !== "update");
    for (const { action, path, bytes, reason } of wanted) {
      this.#counts[action]++;
      if (this.#shown.length >= shownItems) continue;
      this.#shown.push({ action, path, bytes, ...(reason !== undefined && { reason }) });
    }
    this.#counts.skip += planned.counts.skip - planned.items.filter(({ action }) => action === "skip").length;
    const items = outermost(wanted.filter(({ action }) => action !== "skip" && action !== "conflict"));
    if (items.length > 0) this.#items.push({ root, tree, items });
    this.#neededBytes += planned.bytes;
    return items.length;
  }

  async #configFile({ name, path }: Places["config"][number]): Promise<void> {
    const { target, purpose, switches } = this.#input;
    // a clone must not back itself up over the CRM that it was made from
    if (target !== undefined && purpose === "clone" && name === "holdfast.yaml") return;
    const folder = await subtreeAt(this.#reader, this.#opened.tree, ["config"], this.#run.signal);
    const node = folder && nodeNamed(await this.#reader.loadTree(folder, this.#run.signal), nameFromText(name));
    if (!node) throw new HoldfastError("repository-damaged", { subject: name });
    const exists = this.#seeAll([path]);
    const part = { kind: "config", name, path, files: 1, bytes: Number(node.size ?? 0) } as const;
    if (exists === "yes" && (await this.#isSameFile(path, node))) {
      this.#add({ ...part, action: "skip", reason: "same" });
    } else if (exists === "no" ? switches.createMissing : switches.updateChanged) {
      this.#add({ ...part, action: exists === "no" ? "create" : "update" });
      this.#config.push({ name, path, node });
    } else {
      this.#add({ ...part, action: "skip", reason: exists === "no" ? "missing" : "exists" });
    }
  }

  async #isSameFile(path: string, node: TreeNode): Promise<boolean> {
    const now = await readFile(path).catch(() => undefined);
    return now?.equals(await loadContent(this.#reader, node, this.#run.signal)) === true;
  }

  /** One path as `browse` shows it: below `/files/<folder>` or `/config`. */
  async #path(path: string): Promise<void> {
    const [part, name, ...rest] = path.split("/").filter((one) => one !== "");
    const { target } = this.#input;
    if (part === "config") {
      const place = this.#places.config.find((one) => one.name === name && rest.length === 0);
      if (!place) throw new HoldfastError("nothing-matched", { path });
      await this.#configFile(target === undefined ? place : { ...place, path: join(target, place.name) });
      return;
    }
    const folder = part === "files" ? this.#opened.manifest.folders.find((one) => one.name === name) : undefined;
    const node = folder && (await this.#folderNode(folder.name));
    if (!node) throw new HoldfastError("nothing-matched", { path });
    const root = target === undefined ? folder.path : join(target, folder.name);
    const inside = rest.length === 0 ? [] : [nameFromText(rest.join("/"))];
    const changes = await this.#compare(folder, root, treeOf(node), inside);
    const action = changes > 0 ? "update" : "skip";
    this.#parts.push({ kind: "folder", name: folder.name, path: join(root, ...rest), bytes: 0, action });
  }

  async #folderNode(name: string): Promise<TreeNode | undefined> {
    const { signal } = this.#run;
    const files = await subtreeAt(this.#reader, this.#opened.tree, ["files"], signal);
    return files === undefined ? undefined : nodeNamed(await this.#reader.loadTree(files, signal), nameFromText(name));
  }

  #add(part: RestorePlan["parts"][number]): void {
    this.#parts.push(part);
    this.#counts[part.action] += part.kind === "folder" ? (part.files ?? 0) : 1;
    if (part.action !== "skip" && part.action !== "conflict") this.#neededBytes += part.bytes;
  }

  #isElsewhere(): boolean {
    return elsewhereOf(this.#input) !== undefined;
  }

  /** Witnesses a database; whether it is there. */
  async #seeDatabase({ home }: DatabaseEngine, address: DatabaseAddress): Promise<"yes" | "no"> {
    if (home.kind === "file") {
      for (const path of home.dataFiles(address.url)) this.#witness.seeData(nameFromText(path));
      return lstatSync(home.files(address.url)[0] ?? "/", { throwIfNoEntry: false }) ? "yes" : "no";
    }
    const identity = await home.identity(address, this.#run.signal);
    this.#witness.add(identity === undefined ? "absent" : await home.witness(address, this.#run.signal));
    return identity === undefined ? "no" : "yes";
  }

  /** Witnesses these paths; whether the first is there. */
  #seeAll(paths: readonly string[]): "yes" | "no" {
    for (const path of paths) this.#witness.see(nameFromText(path));
    return lstatSync(paths[0] ?? "/", { throwIfNoEntry: false }) ? "yes" : "no";
  }
}

/** A database that is restored alone meets the program that the backup was made beside. */
function placedBefore({ databases, folders, config }: Manifest): PlacedParts {
  return { databases: databases.map(({ name, location }) => ({ name, url: location })), folders, config };
}

function isSameVersion(one: string, other: string, parts = Number.POSITIVE_INFINITY): boolean {
  const leading = (version: string) => version.split(".").slice(0, parts).join(".");
  return leading(one) === leading(other);
}

function elsewhereOf({ target, targetDatabase }: PrepareInput): Elsewhere | undefined {
  if (target === undefined && targetDatabase === undefined) return undefined;
  return { folder: target, database: targetDatabase };
}

/** Everything or the database, and not single things of it. */
function isWhole({ kind }: RestorePlanInput["scope"]): boolean {
  return kind === "system" || kind === "database";
}

function isExact(switches: RestorePlan["switches"]): boolean {
  return switches.createMissing && switches.updateChanged && switches.removeNewer;
}

/** What lies in a folder that is itself made or replaced comes with it. */
function outermost(items: readonly FolderPlanItem[]): readonly FolderPlanItem[] {
  const whole = new Set<string>(items.filter(({ type }) => type === "dir").map(({ inside }) => inside));
  return items.filter(({ inside }) => {
    for (let at = inside.lastIndexOf("/"); at > 0; at = inside.lastIndexOf("/", at - 1)) {
      if (whole.has(inside.slice(0, at))) return false;
    }
    return true;
  });
}

/** Patterns of what the backup left out by its excludes, or could not read: that is not newer, and stays. */
function notInBackup(folder: FolderManifest, manifest: Manifest): readonly string[] {
  const unreadable = manifest.warnings.filter(
    ({ code, subject }) => code === "file-unreadable" && subject.startsWith(`${folder.path}/`),
  );
  return [...folder.excludes, ...unreadable.map(({ subject }) => escapePattern(subject.slice(folder.path.length)))];
}

function refuseUnlessEmpty(target: string): void {
  const status = lstatSync(target, { throwIfNoEntry: false });
  if (!status) return;
  if (!status.isDirectory() || readdirSync(target).length > 0) {
    throw new HoldfastError("target-not-empty", { path: target });
  }
}

/** Sum of the sizes of all files below a tree. */
async function treeBytes(reader: BlobReader, tree: Id, signal: AbortSignal): Promise<number> {
  let bytes = 0;
  const rest = [tree];
  for (let id = rest.pop(); id !== undefined; id = rest.pop()) {
    for (const node of (await reader.loadTree(id, signal)).nodes) {
      bytes += Number(node.size ?? 0);
      if (node.subtree !== undefined) rest.push(node.subtree);
    }
  }
  return bytes;
}
