import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { civicrm } from "../../src/crm/civicrm.ts";
import { dolibarr } from "../../src/crm/dolibarr.ts";
import { espocrm } from "../../src/crm/espocrm.ts";
import type { CrmModel } from "../../src/crm/model.ts";
import { odoo } from "../../src/crm/odoo.ts";
import type { CrmDescription, DetectedCrm, Platform, StoredSecret } from "../../src/crm/platform.ts";
import { suitecrm } from "../../src/crm/suitecrm.ts";
import { twenty } from "../../src/crm/twenty.ts";
import { vtiger } from "../../src/crm/vtiger.ts";
import type { Relations } from "../../src/contents/records/relations.ts";
import { mysqlEngine } from "../../src/database/mysql/mysql.ts";
import { openFor } from "../../src/engine/access.ts";
import { backup, type BackupReport } from "../../src/engine/backup.ts";
import { doctor, type DoctorReport } from "../../src/engine/doctor.ts";
import type { Engine } from "../../src/engine/engine.ts";
import { browse } from "../../src/engine/browse.ts";
import { compare } from "../../src/engine/compare.ts";
import { history } from "../../src/engine/history.ts";
import { crmOf } from "../../src/engine/points.ts";
import { applyRestore, type RestoreReport } from "../../src/engine/restore-apply.ts";
import { openPoint } from "../../src/engine/open-point.ts";
import { undoRestore, type UndoReport } from "../../src/engine/undo.ts";
import { search } from "../../src/engine/search.ts";
import { placedFiles } from "../../src/engine/point-files.ts";
import { viewOf } from "../../src/engine/point-model.ts";
import { planRestore, type RestorePlan, type RestorePlanInput } from "../../src/engine/restore-plan.ts";
import type { Warning } from "../../src/lib/events.ts";
import type { Run } from "../../src/lib/run.ts";
import { localStorage } from "../../src/storage/local.ts";
import { createCheapRepository } from "../support/cheap-key.ts";
import { postgres } from "../support/postgres-capture.ts";
import { exact, limits, missingOnly } from "../support/small-crm.ts";

/** A CRM in a folder, as its platform sees it, with a repository beside it and the use cases as the door calls them. */
export interface PlatformScene {
  readonly detected: DetectedCrm;
  readonly description: CrmDescription;
  readonly engine: Engine;
  backup(): Promise<BackupReport>;
  doctor(): Promise<DoctorReport>;
  plan(input: Partial<RestorePlanInput>): Promise<RestorePlan>;
  apply(plan: RestorePlan, crms?: readonly CrmDescription[]): Promise<RestoreReport>;
  /** A clone in `folder` and in that database, which is made. */
  clone(folder: string, database: string): Promise<RestoreReport>;
  /** The same, anonymised: what becomes of which column, as `table.column kind`. */
  anonymised(folder: string, database: string): Promise<readonly string[]>;
  /** The CRM as its restored configuration describes it. */
  asRestored(configuration: string): CrmDescription;
  /** Ids of recovery points, oldest first. */
  points(): Promise<readonly string[]>;
  /** What the newest backup's tables mean. */
  model(): Promise<{ readonly model: CrmModel; readonly relations: Relations }>;
  /** What people call the fields of a record there, of those that the CRM has a word for. */
  labels(handle: string, where?: "live"): Promise<LabelsOf>;
  /** A record of the first backup that is gone, with what belongs to it. */
  bringBack(handle: string): Promise<RestoreReport>;
  /** Takes the newest restore back. */
  undo(): Promise<UndoReport>;
  /** Records that are gone since the oldest backup, in entities or tables of these names. */
  deleted(names?: readonly string[]): Promise<readonly string[]>;
  /** How a record there is named in a list. */
  title(handle: string): Promise<string | undefined>;
  /** The same of what changed between the last two backups, in its history, and where a search finds the word. */
  labelsTold(handle: string, word: string): Promise<Readonly<Record<"compare" | "history" | "search", LabelsOf>>>;
}

type LabelsOf = Readonly<Record<string, string>>;

function labelsIn(fields: readonly { readonly column: string; readonly label?: string }[]): LabelsOf {
  return Object.fromEntries(fields.flatMap(({ column, label }) => (label === undefined ? [] : [[column, label]])));
}

const platforms: readonly Platform[] = [dolibarr, suitecrm, espocrm, vtiger, civicrm, odoo, twenty];

/** Writes files below a folder, by their paths. */
export function writeFiles(folder: string, files: Readonly<Record<string, string>>): void {
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), content);
  }
}

/** Warnings as `code subject`, sorted. */
export function codesOf(warnings: readonly Warning[]): readonly string[] {
  return warnings.map(({ code, subject }) => `${code} ${subject}`).toSorted();
}

/** Keys of a restored copy, read from where its configuration says that its parts are. */
export async function openSecrets(platform: Platform, description: CrmDescription): Promise<readonly StoredSecret[]> {
  const secrets = await platform.secrets?.(placedFiles(await platform.parts(description)));
  return secrets ?? [];
}

/** The CRM must be detected by its own platform in `folder`, and by no other. */
export async function platformScene(
  root: string,
  folder: string,
  change?: Partial<CrmDescription>,
): Promise<PlatformScene> {
  const found = (await Promise.all(platforms.map(async (platform) => platform.detect(folder)))).flat();
  const [detected] = found;
  assert.ok(detected && found.length === 1, JSON.stringify(found));
  const { name, platform, database, configuration = "" } = detected;
  const description: CrmDescription = {
    name,
    platform,
    configuration,
    database,
    files: [],
    excludes: [],
    attachments: [],
    neutralise: [],
    ...change,
  };
  const configFile = join(root, "holdfast.yaml");
  writeFileSync(configFile, `crm:\n  name: ${name}\n`);
  const access = { location: join(root, "backups"), password: "correct horse" };
  const engine: Engine = {
    program: "holdfast test",
    openStorage: localStorage,
    platforms,
    databases: [postgres, mysqlEngine],
    stateFolder: join(root, "state"),
    readSecret: async (reference) => reference,
    host: { hostname: "test", username: "test", uid: 0, gid: 0 },
  };
  const run: Run = { signal: new AbortController().signal, now: () => new Date(), report: () => {} };
  const opening = { signal: run.signal, now: run.now, host: engine.host };
  await using _repository = await createCheapRepository(localStorage(access.location), access.password, opening);
  const crms = [description];
  const plan: PlatformScene["plan"] = (input) =>
    planRestore(
      engine,
      { repository: access, point: { kind: "latest" }, scope: { kind: "system" }, switches: exact, crms, ...input },
      run,
    );
  const apply: PlatformScene["apply"] = ({ id, confirm }, known = crms) =>
    applyRestore(
      engine,
      { plan: id, password: access.password, limits, crms: known, ...(confirm && { confirm }) },
      run,
    );
  const points = async (): Promise<readonly string[]> => {
    await using repository = await openFor(engine, access, run);
    const snapshots = await repository.snapshots(run.signal);
    return snapshots.filter((stored) => crmOf(stored) === name).map(({ id }) => id);
  };
  return {
    detected,
    description,
    engine,
    backup: () =>
      backup(
        engine,
        { crm: description, configFile, repository: access, limits, waitMs: 0, inconsistencies: "warn" },
        run,
      ),
    doctor: () => doctor(engine, { crms, configFile, repository: access }, run),
    asRestored: (path) => {
      const { database: _, ...rest } = description;
      return { ...rest, configuration: path };
    },
    plan,
    apply,
    points,
    clone: async (target, targetDatabase) =>
      apply(
        await plan({
          target,
          targetDatabase,
          purpose: "clone",
          point: { kind: "id", prefix: (await points()).at(-1) ?? "" },
        }),
      ),
    async anonymised(target, targetDatabase) {
      const point = { kind: "id", prefix: (await points()).at(-1) ?? "" } as const;
      const made = await plan({ target, targetDatabase, purpose: "clone", point, anonymise: { files: "left-out" } });
      await apply(made);
      return (made.anonymised?.rules ?? []).map(({ table, column, kind }) => `${table}.${column} ${kind}`);
    },
    async model() {
      await using repository = await openFor(engine, access, run);
      const snapshots = await repository.snapshots(run.signal);
      const reader = await repository.index(run.signal);
      const newest = { kind: "id", prefix: snapshots.at(-1)?.id ?? "" } as const;
      await using point = await openPoint({ engine, reader, snapshots, run }, undefined, newest);
      const [first] = point.databases;
      assert.ok(first);
      const { model, relations } = await viewOf(point, first, run.signal);
      assert.ok(model);
      return { model, relations };
    },
    async labels(path, where) {
      const newest = { kind: "id", prefix: (await points()).at(-1) ?? "" } as const;
      const point = where === "live" ? ({ kind: "live" } as const) : newest;
      return browse(engine, { repository: access, point, path, crms }, run, async (answer) => {
        return labelsIn(answer.type === "record" ? answer.fields : []);
      });
    },
    async bringBack(handle) {
      const point = { kind: "id", prefix: (await points())[0] ?? "" } as const;
      const selection = { handles: [handle], keys: [], compared: [], in: [], related: "all", renames: [] } as const;
      return apply(await plan({ point, scope: { kind: "records", selection }, switches: missingOnly }));
    },
    undo: () => undoRestore(engine, { crms, password: access.password }, run),
    async deleted(names = []) {
      const point = { kind: "id", prefix: (await points())[0] ?? "" } as const;
      const selection = {
        ...{ handles: [], keys: [], compared: ["deleted"] as const, in: names },
        ...{ related: "all" as const, renames: [] },
      };
      const { records } = await plan({ point, scope: { kind: "records", selection }, switches: missingOnly });
      return (records?.rows ?? []).flatMap(({ record, why }) => (why === "chosen" ? [record] : [])).toSorted();
    },
    async title(path) {
      const point = { kind: "id", prefix: (await points()).at(-1) ?? "" } as const;
      return browse(engine, { repository: access, point, path }, run, async (answer) => {
        return answer.type === "record" ? answer.title : undefined;
      });
    },
    async labelsTold(handle, text) {
      const [from = "", to = ""] = (await points()).slice(-2);
      const [was, is] = [from, to].map((prefix) => ({ kind: "id", prefix }) as const);
      assert.ok(was && is);
      const repository = access;
      const changed = await compare(engine, { repository, from: was, to: is, only: [] }, run, async (comparison) => {
        const differences = await Array.fromAsync(comparison.differences);
        return differences.flatMap((one) => (one.type === "change" && one.handle === handle ? one.fields : []));
      });
      const { versions } = await history(engine, { repository, record: handle, live: "without" }, run);
      const hitFields = await search(
        engine,
        { repository, point: is, text, state: "there", only: [] },
        run,
        async (answer) => {
          const hits = await Array.fromAsync(answer.hits);
          return hits.flatMap((hit) => (hit.type === "record" && hit.handle === handle ? hit.fields : []));
        },
      );
      const last = versions.at(-1)?.fields ?? [];
      return { compare: labelsIn(changed), history: labelsIn(last), search: labelsIn(hitFields) };
    },
  };
}
