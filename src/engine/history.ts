import type { JournalTransaction } from "../contents/journal/transactions.ts";
import { schemaReader } from "../contents/stored-database.ts";
import type { CrmDescription } from "../crm/platform.ts";
import { HoldfastError } from "../lib/errors.ts";
import type { Run } from "../lib/run.ts";
import { openFor } from "./access.ts";
import type { Engine, RepositoryAccess } from "./engine.ts";
import { erasureReader } from "./erasures.ts";
import { openPoint, type PointSource } from "./open-point.ts";
import type { PointFacts } from "./point-facts.ts";
import { recordNamed } from "./find-record.ts";
import { viewsOf } from "./point-model.ts";
import { backupsOf, chooseCrm } from "./points.ts";
import { heldBy, recordTransactions } from "./record-transactions.ts";
import { extensionsOf, type RecordVersion, VersionLine, type VersionSubject } from "./version-line.ts";

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
  /** The newest recovery point before that: the last that holds it, with all that belonged to it by then. */
  readonly lastPoint?: PointFacts;
  /** How many points were looked at. */
  readonly points: number;
}

/** A record's line of versions over all recovery points and, where the database is followed, over the transactions between them. */
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
  return await historyFrom(source, input);
}

/** The same, for whoever has the repository open. */
export async function historyFrom(
  source: PointSource,
  input: Pick<HistoryInput, "crm" | "record" | "live">,
): Promise<HistoryReport> {
  const { snapshots, run } = source;
  const crm = chooseCrm(snapshots, input.crm);
  const backups = backupsOf(snapshots, crm);
  if (backups.length === 0) throw new HoldfastError("snapshot-none", { crm });
  const subject = await findSubject(source, crm, input.record);
  const line = new VersionLine(subject);
  let coming = await transactionsAbout(source, crm, subject, backups[0]?.snapshot.time ?? "");
  for (const [at, { id }] of backups.entries()) {
    run.signal.throwIfAborted();
    await using point = await openPoint(source, crm, { kind: "id", prefix: id });
    const isHeld = heldBy(source, point, subject.database);
    // What happened before the oldest point began from something that is nowhere any more.
    if (at > 0) for (const one of coming.filter(isHeld)) line.apply(one);
    coming = coming.filter((one) => !isHeld(one));
    await line.add(point, run.signal);
  }
  for (const one of coming) line.apply(one);
  if (input.live === "with") {
    await using point = await openPoint(source, crm, { kind: "live" });
    await line.add(point, run.signal);
  }
  const report = line.report();
  if (report.versions.length === 0) throw new HoldfastError("nothing-matched", { path: input.record });
  const { deletedSince } = report;
  const sinceMs = deletedSince && Date.parse(deletedSince.time);
  const last = backups.findLast(({ snapshot }) => sinceMs !== undefined && Date.parse(snapshot.time) < sinceMs);
  return last ? { ...report, lastPoint: { crm, time: last.snapshot.time, snapshot: last.id } } : report;
}

/** What the journal tells of the record's rows. */
async function transactionsAbout(
  source: PointSource,
  crm: string,
  { database, view, handle }: VersionSubject,
  since: string,
): Promise<readonly JournalTransaction[]> {
  if (handle.table.keyLength === 0) return [];
  const { engine, schema } = view.database;
  const more = extensionsOf(view.relations, handle.table).map(({ from }) => from);
  const wanted = [handle.table, ...more];
  return await recordTransactions(source, {
    crm,
    database,
    engine,
    tables: schema.tables,
    wanted,
    key: handle.key,
    since,
  });
}

/** What is meant, as the newest point understands it that knows such an entity or table. */
async function findSubject(source: PointSource, crm: string, record: string): Promise<VersionSubject> {
  for (const { id } of backupsOf(source.snapshots, crm).toReversed()) {
    await using point = await openPoint(source, crm, { kind: "id", prefix: id });
    const { signal } = source.run;
    const found = await recordNamed(await viewsOf(point, signal), record, signal);
    if (!found) continue;
    const { view, ...handle } = found;
    const more = extensionsOf(view.relations, handle.table).map(({ from }) => from);
    const labelOf = await view.labels([handle.table, ...more]);
    return { crm, record, database: view.database.name, view, handle, labelOf };
  }
  throw new HoldfastError("nothing-matched", { path: record });
}
