import { fieldChangesOf, type FieldChange } from "../contents/compare/record-changes.ts";
import { pointRecords } from "../contents/records/point-records.ts";
import {
  entityFacts,
  extensionRows,
  fieldsOf,
  type FieldValue,
  namedRecord,
  type RecordScene,
} from "../contents/records/record-details.ts";
import { parseHandle, type RecordHandle } from "../contents/records/record-handle.ts";
import { entityOf, isDeleted } from "../contents/records/record-row.ts";
import { relationsOf, sameTable } from "../contents/records/relations.ts";
import { schemaReader } from "../contents/stored-database.ts";
import type { CrmDescription } from "../crm/platform.ts";
import { HoldfastError } from "../lib/errors.ts";
import type { Run } from "../lib/run.ts";
import { openFor } from "./access.ts";
import type { Engine, RepositoryAccess } from "./engine.ts";
import { erasureReader } from "./erasures.ts";
import { type OpenedPoint, openPoint, type PointSource } from "./open-point.ts";
import { type PointFacts, pointFacts } from "./point-facts.ts";
import { type DatabaseView, viewOf } from "./point-model.ts";
import { backupsOf, chooseCrm } from "./points.ts";

export interface HistoryInput {
  readonly repository: RepositoryAccess;
  readonly crm?: string;
  /** What the configuration here knows: for `live`. */
  readonly crms?: readonly CrmDescription[];
  /** `party/12` */
  readonly record: string;
  /** Whether the CRM as it is now is looked at as well. */
  readonly live: "with" | "without";
}

/** A point at which the record differs from the one before. */
export interface RecordVersion {
  readonly point: PointFacts;
  /** `first`: there already in the oldest point that there is. */
  readonly action: "first" | "created" | "changed" | "deleted";
  /** What changed; of one that is new, all that has a value. */
  readonly fields: readonly FieldChange[];
  /** Fields among them that a CRM writes by itself. */
  readonly noise: readonly string[];
}

export interface HistoryReport {
  readonly type: "history";
  readonly handle: string;
  readonly title?: string;
  readonly table: string;
  readonly entity?: string;
  readonly label?: string;
  /** Oldest first. */
  readonly versions: readonly RecordVersion[];
  /** The first point in which it is no more; absent: it is there. */
  readonly deletedSince?: PointFacts;
  /** How many points were looked at. */
  readonly points: number;
}

/** A record's line of versions over all recovery points. */
export async function history(engine: Engine, input: HistoryInput, run: Run): Promise<HistoryReport> {
  await using repository = await openFor(engine, input.repository, run);
  const snapshots = await repository.snapshots(run.signal);
  const reader = await repository.index(run.signal);
  const source = {
    engine,
    reader,
    snapshots,
    crms: input.crms,
    run,
    schemas: schemaReader(),
    erasures: erasureReader(),
  };
  const crm = chooseCrm(snapshots, input.crm);
  const backups = backupsOf(snapshots, crm);
  if (backups.length === 0) throw new HoldfastError("snapshot-none", { crm });
  const subject = await findSubject(source, crm, input.record);
  const line = new VersionLine(subject);
  for (const { id } of backups) {
    run.signal.throwIfAborted();
    await using point = await openPoint(source, crm, { kind: "id", prefix: id });
    await line.add(point, run.signal);
  }
  if (input.live === "with") {
    await using point = await openPoint(source, crm, { kind: "live" });
    await line.add(point, run.signal);
  }
  const report = line.report();
  if (report.versions.length === 0) throw new HoldfastError("nothing-matched", { path: input.record });
  return report;
}

interface Subject {
  readonly record: string;
  readonly database: string;
  readonly view: DatabaseView;
  readonly handle: RecordHandle;
}

/** What is meant, as the newest point understands it that knows such an entity or table. */
async function findSubject(source: PointSource, crm: string, record: string): Promise<Subject> {
  for (const { id } of backupsOf(source.snapshots, crm).toReversed()) {
    await using point = await openPoint(source, crm, { kind: "id", prefix: id });
    for (const database of point.databases) {
      const view = await viewOf(point, database, source.run.signal);
      const handle = parseHandle(view.relations, record, database.engine);
      if (handle) return { record, database: database.name, view, handle };
    }
  }
  throw new HoldfastError("nothing-matched", { path: record });
}

/** The record at one point. */
interface Seen {
  readonly state: "there" | "absent" | "flagged";
  readonly fields: readonly FieldValue[];
}

class VersionLine {
  readonly #subject: Subject;
  readonly #versions: RecordVersion[] = [];
  #before: Seen = { state: "absent", fields: [] };
  #trees = "";
  #points = 0;
  #about: Pick<HistoryReport, "handle" | "title" | "entity" | "label">;
  #deletedSince: PointFacts | undefined;

  constructor(subject: Subject) {
    this.#subject = subject;
    this.#about = { handle: subject.record };
  }

  async add(point: OpenedPoint, signal: AbortSignal): Promise<void> {
    const isFirst = this.#points++ === 0;
    const trees = this.#treesOf(point);
    // The same trees as in the point before: nothing to look for.
    if (trees !== "" && trees === this.#trees) return;
    this.#trees = trees;
    const now = await this.#see(point, signal);
    const before = this.#before;
    this.#before = now;
    const fields = fieldChangesOf(before.fields, now.fields);
    if (before.state === now.state && fields.length === 0) return;
    const facts = pointFacts(point);
    if (now.state === "there") this.#deletedSince = undefined;
    else this.#deletedSince ??= facts;
    // One that said that it is gone, and is now gone altogether.
    if (before.state === "flagged" && now.state === "absent") return;
    const action = actionOf(before, now, isFirst ? "first" : "created");
    const known = this.#noise();
    const noise = action === "changed" ? fields.map(({ column }) => column).filter((column) => known.has(column)) : [];
    this.#versions.push({ point: facts, action, fields: now.state === "absent" ? [] : fields, noise });
  }

  report(): HistoryReport {
    return {
      type: "history",
      ...this.#about,
      table: this.#subject.handle.table.name,
      versions: this.#versions,
      ...(this.#deletedSince && this.#versions.length > 0 && { deletedSince: this.#deletedSince }),
      points: this.#points,
    };
  }

  #noise(): ReadonlySet<string> {
    return this.#subject.view.noiseOf(this.#subject.handle.table);
  }

  /** Trees of the tables that hold the record; empty where they cannot tell. */
  #treesOf({ databases }: OpenedPoint): string {
    const { view, handle } = this.#subject;
    const database = databases.find(({ name }) => name === this.#subject.database);
    const extensions = view.relations.to(handle.table).filter(({ origin }) => origin === "extension");
    const trees: string[] = [];
    for (const wanted of [handle.table, ...extensions.map(({ from }) => from)]) {
      const table = database?.schema.tables.find((one) => sameTable(one, wanted));
      const tree = table ? database?.treeOf?.(table) : "none";
      if (tree === undefined) return "";
      trees.push(tree);
    }
    return trees.join();
  }

  async #see({ databases }: OpenedPoint, signal: AbortSignal): Promise<Seen> {
    const { handle, view } = this.#subject;
    const database = databases.find(({ name }) => name === this.#subject.database);
    if (!database) return { state: "absent", fields: [] };
    const rules = database.engine;
    const records = pointRecords(database, rules, signal);
    const row = await records.get(handle.table, handle.key);
    if (!row) return { state: "absent", fields: [] };
    const isSameSchema = database.schema === view.database.schema;
    const relations = isSameSchema ? view.relations : relationsOf(database.schema.tables, view.model);
    const scene: RecordScene = { source: database, relations, rules, signal };
    const extensions = await extensionRows(scene, records, row);
    const entity = entityOf(relations.entitiesOf(row.table), row, rules);
    const { deleted: _flag, ...named } = namedRecord(scene, row, extensions);
    this.#about = { ...named, ...entityFacts(entity) };
    return {
      state: isDeleted(entity, row, rules) === "yes" ? "flagged" : "there",
      fields: [...fieldsOf(row, rules), ...extensions.flatMap((more) => fieldsOf(more, rules, `${more.table.name}.`))],
    };
  }
}

function actionOf(before: Seen, now: Seen, fresh: "first" | "created"): RecordVersion["action"] {
  if (before.state === "absent") return fresh;
  if (now.state !== "there") return before.state === "there" ? "deleted" : "changed";
  return before.state === "there" ? "changed" : "created";
}
