import { pointRecords } from "../contents/records/point-records.ts";
import type { RecordScene } from "../contents/records/record-details.ts";
import type { RecordRow } from "../contents/records/record-row.ts";
import { layout } from "../contents/layout.ts";
import type { AttachmentRule, OwnedFile } from "../crm/platform.ts";
import { addAll } from "../lib/add-all.ts";
import { nameText } from "../lib/byte-name.ts";
import { isHoldfastError } from "../lib/errors.ts";
import { learnPlaces } from "./attachments.ts";
import type { OpenedPoint, PointDatabase } from "./open-point.ts";

/** Files that a record's rows own, and those of rows that belong to it (its attachments), as `browse` shows their paths. */
export async function ownedFiles(
  point: OpenedPoint,
  database: PointDatabase,
  scene: RecordScene,
  rows: readonly RecordRow[],
): Promise<readonly string[]> {
  const rule = await attachmentRule(point, database, scene.signal);
  if (!rule) return [];
  const records = pointRecords(database, database.engine, scene.signal);
  const owners = [...rows];
  const [own] = rows;
  const belonging = own ? scene.relations.to(own.table).filter((one) => one.kind === "belongs") : [];
  for (const [table, relations] of Map.groupBy(belonging, ({ from }) => from)) {
    if (!own || !rule.ownsFiles(table)) continue;
    addAll(
      owners,
      (await records.naming(relations, [own])).map(({ row }) => row),
    );
  }
  const paths = new Set<string>();
  for (const { table, line } of owners) {
    if (!rule.ownsFiles(table)) continue;
    const batch = { lines: Buffer.from(`${line}\n`, "latin1"), rows: 1 };
    for (const { folder, path } of rule.files(table, batch, database.engine)) {
      paths.add(`/${layout.files}/${folder}/${nameText(path)}`);
    }
  }
  return [...paths];
}

/** The files that rows of a recovery point own. */
export async function filesOfRows(
  { platform, snapshot }: OpenedPoint,
  database: PointDatabase,
  rows: readonly RecordRow[],
  signal: AbortSignal,
): Promise<readonly OwnedFile[]> {
  const parts = snapshot && (await platform?.parts(snapshot.manifest.description).catch(() => undefined));
  const rule = parts?.attachments;
  const files: OwnedFile[] = [];
  if (!rule) return files;
  await learn(rule, database, signal);
  for (const [table, ofTable] of Map.groupBy(rows, (row) => row.table)) {
    signal.throwIfAborted();
    if (!rule.ownsFiles(table)) continue;
    const lines = Buffer.from(ofTable.map(({ line }) => `${line}\n`).join(""), "latin1");
    addAll(files, rule.files(table, { lines, rows: ofTable.length }, database.engine));
  }
  return files;
}

/** As the live CRM has it, or as the snapshot described it; a CRM that is not there any more cannot tell. */
async function attachmentRule(
  { live, snapshot, platform }: OpenedPoint,
  database: PointDatabase,
  signal: AbortSignal,
): Promise<AttachmentRule | undefined> {
  const rule = live
    ? live.attachments
    : snapshot && (await platform?.parts(snapshot.manifest.description).catch(unlessOurs))?.attachments;
  if (rule) await learn(rule, database, signal);
  return rule;
}

function unlessOurs(error: unknown): undefined {
  if (!isHoldfastError(error)) throw error;
}

async function learn(
  rule: AttachmentRule,
  { schema, engine, open }: PointDatabase,
  signal: AbortSignal,
): Promise<void> {
  await learnPlaces(rule, schema.tables, engine, async function* (table) {
    yield* (await open(table)).rows({}, signal);
  });
}
