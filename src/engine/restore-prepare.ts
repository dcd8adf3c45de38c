import { lstatSync, readdirSync } from "node:fs";
import { Anonymiser } from "../contents/anonymise/anonymised.ts";
import type { Manifest } from "../contents/manifest.ts";
import type { OpenedSnapshot } from "../contents/open-snapshot.ts";
import { programFolder, type Neutralise, type PlacedParts, type Platform } from "../crm/platform.ts";
import type { DatabaseEngine } from "../database/database.ts";
import { isChange } from "../contents/records/planned-row.ts";
import { HoldfastError } from "../lib/errors.ts";
import type { Run } from "../lib/run.ts";
import type { BlobReader } from "../repository/repository.ts";
import type { AddressOf } from "./database-address.ts";
import { anonymisedExport, anonymiseRulesOf } from "./anonymise.ts";
import { databaseEngineFor, platformNamed, type Engine } from "./engine.ts";
import type { PointErasures } from "./erasures.ts";
import { openPoint, type PointSource } from "./open-point.ts";
import type { ChosenRoots, RecordSelection } from "./record-selection.ts";
import type { RecordFormat } from "./records-export.ts";
import {
  type PreparedExport,
  type PreparedRecords,
  prepareExport,
  prepareRecords,
  type RecordsInput,
} from "./records-prepare.ts";
import type { DatabaseWork } from "./restore-database.ts";
import { type ConfigWork, type FolderWork, type ItemWork, RestoreDraft } from "./restore-draft.ts";
import { placesFor, type Elsewhere, type Places } from "./restore-places.ts";
import type { Anonymised, RestorePlan, RestorePlanInput } from "./restore-plan.ts";
import { prepareDatabase } from "./restore-prepare-database.ts";
import { FilesPreparation } from "./restore-prepare-files.ts";
import type { PointName } from "./snapshots.ts";
import { freeAt } from "./restore-target.ts";

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
    | "neededFiles"
    | "freeFiles"
    | "neutralised"
    | "maintenance"
    | "anonymised"
    | "afterRestore"
    | "warnings"
    | "seen"
  > & { readonly replacesLive: "yes" | "no" };
}

export type PrepareInput = Pick<RestorePlanInput, "scope" | "target" | "targetDatabase" | "purpose" | "switches"> & {
  /** Which records a saved plan had found. */
  readonly roots?: ChosenRoots;
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
  readonly #reading: PrepareReading;
  readonly #erased: PointErasures[];
  readonly #input: PrepareInput;
  readonly #addressOf: AddressOf;
  readonly #run: Run;
  readonly #places: Places;
  readonly #draft = new RestoreDraft();
  #anonymised: Anonymised | undefined;

  constructor(
    engine: Engine,
    opened: OpenedSnapshot,
    reading: PrepareReading,
    input: PrepareInput,
    addressOf: AddressOf,
    run: Run,
  ) {
    this.#engine = engine;
    this.#opened = opened;
    this.#reading = reading;
    this.#erased = [reading.erased];
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
    const attachments = this.#anonymised?.files ?? "kept";
    const filesInput = { ...this.#input, places: this.#places, attachments };
    const files = new FilesPreparation(this.#draft, this.#opened, this.#reading.reader, filesInput, this.#run.signal);
    const exported = await this.#export(scope, files);
    const records = scope.kind === "records" && !exported ? await this.#records(scope, files) : undefined;
    if (scope.kind === "files") {
      for (const path of scope.paths) await files.path(path);
    } else if (scope.kind !== "records") {
      for (const database of this.#places.databases) await this.#database(database);
      for (const folder of this.#places.folders) await files.folder(folder);
      for (const file of this.#places.config) await files.configFile(file);
    }
    const platform = platformNamed(this.#engine, this.#opened.manifest.crm.platform);
    await this.#refuseMix(platform);
    const { maintenance } = platform;
    const isLive = this.#draft.replacesLive === "yes" && isWhole(scope) && !this.#isElsewhere();
    const [firstPlace = "/"] = [
      target,
      ...this.#draft.databases.map(({ file }) => file?.path),
      ...this.#places.databases.map(({ file }) => file),
      ...this.#placesOfFolders(),
    ].flatMap((place) => place ?? []);
    const free = freeAt(firstPlace);
    return {
      places: this.#places,
      platform: platform.name,
      databases: this.#draft.databases,
      folders: this.#draft.folders,
      items: this.#draft.items,
      config: this.#draft.config,
      ...(records && { records }),
      ...(exported && { exported }),
      ...(neutralise && { neutralise }),
      erased: this.#erased,
      summary: {
        ...(records && { records: records.summary }),
        ...(exported && { records: exported.records.summary }),
        parts: this.#draft.parts,
        counts: this.#draft.counts,
        items: this.#draft.shown,
        neededBytes: this.#draft.neededBytes,
        freeBytes: free.bytes,
        neededFiles: this.#draft.neededFiles,
        ...(free.files !== undefined && { freeFiles: free.files }),
        neutralised: neutralise?.summary ?? [],
        ...(this.#anonymised && { anonymised: this.#anonymised }),
        ...(isLive && maintenance && { maintenance }),
        afterRestore: isWhole(scope) ? platform.afterRestore : [],
        warnings: this.#draft.warnings,
        seen: this.#draft.witness.digest(),
        replacesLive: this.#draft.replacesLive,
      },
    };
  }

  /** A program of another version must not get these rows, unless the recovery point's program comes along. */
  async #refuseMix(platform: Platform): Promise<void> {
    const { crm, folders } = this.#opened.manifest;
    const { switches } = this.#input;
    const program = this.#places.folders.find(({ name }) => name === programFolder);
    const isNew = this.#draft.folders.some(({ path }) => path === program?.path);
    const comesAlong = program !== undefined && (isNew || (switches.createMissing && switches.updateChanged));
    if (this.#draft.databases.length === 0 || comesAlong || crm.version === undefined) return;
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
    await using point = await this.#openPoint();
    const found = await anonymiseRulesOf(point, this.#run.signal);
    for (const subject of found.keys) this.#draft.warnings.push({ code: "personal-key", subject });
    return { files, rules: found.rules };
  }

  #openPoint() {
    const { open, point } = this.#reading;
    return openPoint(open, this.#opened.manifest.crm.name, point);
  }

  #anonymiser(database: DatabaseEngine, { rules }: Anonymised): Anonymiser {
    return new Anonymiser(rules, database, this.#reading.open.reader.repository.secret("anonymise"));
  }

  #neutralise(): Neutralise | undefined {
    const { scope, target, targetDatabase, purpose } = this.#input;
    const elsewhere = target ?? targetDatabase;
    if (!isWhole(scope) || elsewhere === undefined) return undefined;
    if (purpose === undefined) throw new HoldfastError("purpose-needed", { target: elsewhere });
    if (purpose === "replacement") return undefined;
    const { description, crm } = this.#opened.manifest;
    // What is written here today also goes for what was backed up before it was.
    const here = this.#reading.open.crms?.find(({ name, platform }) => name === crm.name && platform === crm.platform);
    const neutralise = platformNamed(this.#engine, crm.platform).neutralise(here ?? description);
    if (!neutralise) throw new HoldfastError("clone-unsupported", { crm: crm.name });
    return neutralise;
  }

  async #database(place: Places["databases"][number]): Promise<void> {
    const { switches } = this.#input;
    const { reader, erased } = this.#reading;
    const anonymised = this.#anonymised;
    const input = {
      ...{ engine: this.#engine, opened: this.#opened, addressOf: this.#addressOf, reader, erased, switches },
      isElsewhere: this.#isElsewhere(),
      ...(anonymised && {
        anonymised: (database: DatabaseEngine) => ({
          anonymiser: this.#anonymiser(database, anonymised),
          files: anonymised.files,
        }),
      }),
    };
    await prepareDatabase(this.#draft, place, input, this.#run);
  }

  async #recordsInput(selection: RecordSelection): Promise<RecordsInput & AsyncDisposable> {
    const { switches, targetDatabase, roots } = this.#input;
    const point = await this.#openPoint();
    if (point.erased) this.#erased.push(point.erased);
    return {
      ...{ point, open: this.#reading.open, selection, switches, addressOf: this.#addressOf },
      ...(targetDatabase !== undefined && { targetDatabase }),
      ...(roots && { roots }),
      [Symbol.asyncDispose]: () => point[Symbol.asyncDispose](),
    };
  }

  /** Rows go into the database as it is, and the files that they own beside it. */
  async #records({ selection }: RecordsScope, files: FilesPreparation): Promise<PreparedRecords> {
    const { targetDatabase, target } = this.#input;
    await using input = await this.#recordsInput(selection);
    const prepared = await prepareRecords(input, this.#run);
    const { planned, summary } = prepared;
    this.#draft.witness.add(planned.seen);
    const rows = planned.rows.filter(isChange);
    if (rows.some(({ action }) => action === "remove")) this.#draft.replacesLive = "yes";
    const bytes = rows.reduce((total, { after }) => total + (after?.length ?? 0), 0);
    const action = rows.length === 0 ? "skip" : "update";
    this.#draft.parts.push({
      kind: "database",
      name: summary.database,
      path: summary.target,
      rows: rows.length,
      bytes,
      action,
    });
    // Files elsewhere only go where they are asked for.
    if (targetDatabase === undefined || target !== undefined) await files.ownedFiles(prepared.files);
    return prepared;
  }

  async #export(scope: RestorePlanInput["scope"], files: FilesPreparation): Promise<PreparedRestore["exported"]> {
    const { target: folder } = this.#input;
    if (scope.kind !== "records" || scope.format === undefined || folder === undefined) return undefined;
    await using input = await this.#recordsInput(scope.selection);
    const found = await prepareExport(input, folder, this.#run);
    const anonymised = this.#anonymised;
    const records = anonymised
      ? await anonymisedExport(found, this.#anonymiser(found.engine, anonymised), input.point, this.#run.signal)
      : found;
    const bytes = records.rows.reduce((total, { row }) => total + row.line.length, 0);
    const part = { kind: "database", name: records.summary.database, path: folder, bytes } as const;
    this.#draft.add({ ...part, rows: records.rows.length, action: "create" });
    if (anonymised?.files !== "left-out") await files.ownedFiles(records.files);
    return { folder, format: scope.format, records };
  }

  #isElsewhere(): boolean {
    return elsewhereOf(this.#input) !== undefined;
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

function refuseUnlessEmpty(target: string): void {
  const status = lstatSync(target, { throwIfNoEntry: false });
  if (!status) return;
  if (!status.isDirectory() || readdirSync(target).length > 0) {
    throw new HoldfastError("target-not-empty", { path: target });
  }
}
