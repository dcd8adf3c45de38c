import type { Erasure } from "../contents/erasure.ts";
import { mappedLine, mapRow, mapTable, type TableMapping } from "../contents/records/map-table.ts";
import { planRows } from "../contents/records/plan-rows.ts";
import { isChange, type WantedRow } from "../contents/records/planned-row.ts";
import { handleOf } from "../contents/records/record-handle.ts";
import { recordRow } from "../contents/records/record-row.ts";
import { relationsOf, sameTable } from "../contents/records/relations.ts";
import { imagesFiles, parseImages, serialiseImages, type RowImages } from "../contents/records/row-images.ts";
import { runSteps } from "../contents/records/order-changes.ts";
import { settleRows } from "../contents/records/settle-rows.ts";
import type { TableSchema } from "../database/database.ts";
import { HoldfastError } from "../lib/errors.ts";
import type { Run } from "../lib/run.ts";
import type { BlobReader, StoredSnapshot, Upload } from "../repository/repository.ts";
import type { AddressOf } from "./database-address.ts";
import { openFor } from "./access.ts";
import { crmOf } from "./points.ts";
import { databaseEngineFor, type Engine } from "./engine.ts";
import { openRecordSnapshot, saveRecordSnapshot } from "./record-snapshot.ts";
import { readErasures } from "./erasures.ts";
import { stepsOf } from "./records-prepare.ts";
import { keptOfRecords, type RestoreRecord } from "./restore-record.ts";

/** What restores of records replaced is kept as snapshots under `/<crm>.undo`, one a restore. */
const undoSuffix = ".undo";

/** What `forget` takes away: of restores of records that are too old to be taken back. */
export function oldImages(snapshots: readonly StoredSnapshot[]): readonly StoredSnapshot[] {
  const images = snapshots.filter((stored) => crmOf(stored).endsWith(undoSuffix));
  return [...Map.groupBy(images, crmOf).values()].flatMap((ofCrm) => ofCrm.slice(0, -keptOfRecords));
}

export async function saveImages(engine: Engine, upload: Upload, images: RowImages): Promise<StoredSnapshot> {
  const { about, rows } = serialiseImages(images);
  return await saveRecordSnapshot(engine, upload, {
    folder: `${images.crm}${undoSuffix}`,
    time: images.time,
    tags: ["holdfast-undo", images.restore],
    files: [
      { name: imagesFiles.about, bytes: about },
      { name: imagesFiles.rows, bytes: rows },
    ],
  });
}

async function loadImages(reader: BlobReader, stored: StoredSnapshot, signal: AbortSignal): Promise<RowImages> {
  const read = await openRecordSnapshot(reader, stored, signal);
  return parseImages(await read(imagesFiles.about), await read(imagesFiles.rows));
}

/** What became of the rows of a restore when it was taken back, or done again after it was cut off. */
export interface ImagesApplied {
  readonly rows: number;
  readonly failed: readonly { readonly path: string; readonly reason: string }[];
}

/**
 * Puts rows back as they were before (`back`), or makes them once more what they became (`forward`), in one transaction.
 * What somebody changed since stays, and is told. Rows that are as they should be are left alone, so that this may be done
 * again after it was cut off.
 */
async function applyImages(
  engine: Engine,
  images: RowImages,
  direction: "back" | "forward",
  erasures: readonly Erasure[],
  addressOf: AddressOf,
  run: Run,
): Promise<ImagesApplied> {
  const database = databaseEngineFor(engine, images.target);
  return await database.rows(addressOf(images.target), "change", run.signal, async (rows) => {
    const { derived = [] } = images;
    const relations = relationsOf(rows.tables, { entities: [], references: [], noise: [], derived });
    const mappings: MappedImages[] = [];
    for (const table of images.tables) {
      const from = { ...table, foreignKeys: [], fingerprint: "" };
      const to = rows.tables.find((one) => sameTable(one, table));
      mappings.push({ from, ...(to && { to, mapping: mapTable(from, to, await rows.facts(to), []) }) });
    }
    const wanted = images.rows.flatMap((image): WantedRow[] => {
      const { from, to, mapping } = mappings[image.table] ?? {};
      const [is, was] = direction === "back" ? [image.before, image.after] : [image.after, image.before];
      const line = is ?? was;
      if (!from || line === undefined) return [];
      const fields = (text: string | undefined) => {
        if (text === undefined) return undefined;
        const row = recordRow(from, text);
        return mapping ? mapRow(mapping, row, database) : row.fields;
      };
      const row = recordRow(from, line);
      if (is !== undefined && isErased(erasures, images, from, row.key)) return [];
      const key = from.keyLength === 0 && mapping ? mappedLine(mapping, mapRow(mapping, row, database)) : row.key;
      const one = {
        ...{ table: to ?? from, key: key ?? row.key, fields: fields(is) },
        ...{ base: { fields: fields(was) }, why: "chosen" as const },
      };
      if (key === undefined) return [{ ...one, refused: { reason: "no-key" } }];
      return [to ? one : { ...one, refused: { reason: "table-gone" } }];
    });
    const plan = await planRows(wanted, {
      relations,
      rows,
      rules: database,
      switches: { createMissing: true, updateChanged: true, removeNewer: true },
      noise: () => new Set(),
      signal: run.signal,
    });
    await runSteps(rows, stepsOf({ ...plan, relations }, database));
    await settleRows(rows, plan.rows.filter(isChange), database);
    const failed = plan.rows
      // A plan shows what merely links stay away; of what was there, all that does is told.
      .filter(({ action, reason }) => action === "conflict" || reason === "other-side-gone")
      .map(({ table, key, reason, detail }) => ({
        path: handleOf(relations, recordRow(table, key), undefined, database),
        reason: detail === undefined ? (reason ?? "") : `${reason ?? ""} ${detail}`,
      }));
    return { rows: plan.rows.filter(isChange).length, failed };
  });
}

/** A row that was erased since does not come back by an undo either. */
function isErased(
  erasures: readonly Erasure[],
  { time }: RowImages,
  { schema, name }: TableSchema,
  key: string,
): boolean {
  return erasures
    .filter((erasure) => time <= erasure.time)
    .flatMap(({ tables }) => tables)
    .some((one) => one.schema === schema && one.table === name && one.rows.some((row) => row.key === key));
}

/** A table of the images, and what it is now. */
interface MappedImages {
  readonly from: TableSchema;
  readonly to?: TableSchema;
  readonly mapping?: TableMapping;
}

/** The same for the record of a restore, whose rows are kept in the repository that it came from. */
export async function applyRows(
  engine: Engine,
  record: Pick<RestoreRecord, "id" | "location" | "rows">,
  password: string,
  direction: "back" | "forward",
  addressOf: AddressOf,
  run: Run,
): Promise<ImagesApplied> {
  if (!record.rows) return { rows: 0, failed: [] };
  const { snapshot } = record.rows;
  await using repository = await openFor(engine, { location: record.location, password }, run);
  await using lock = await repository.lock("shared", { signal: run.signal, now: run.now, waitMs: 0 });
  const signal = AbortSignal.any([run.signal, lock.lost]);
  const snapshots = await repository.snapshots(signal);
  const stored = snapshots.find(({ id }) => id === snapshot);
  if (!stored) throw new HoldfastError("undo-lost", { id: record.id, path: `snapshots/${snapshot.slice(0, 8)}` });
  const reader = await repository.index(signal);
  const images = await loadImages(reader, stored, signal);
  const erasures = await readErasures(reader, snapshots, images.crm, signal);
  return await applyImages(engine, images, direction, erasures, addressOf, { ...run, signal });
}
