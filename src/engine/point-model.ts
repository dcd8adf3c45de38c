import { columnLabels, type LabelOf } from "../contents/records/column-labels.ts";
import { isTable, relationsOf, type Relations } from "../contents/records/relations.ts";
import { modelSource } from "../contents/records/point-records.ts";
import type { CrmModel } from "../crm/model.ts";
import type { TableSchema } from "../database/database.ts";
import type { OpenedPoint, PointDatabase } from "./open-point.ts";
import { pointFiles } from "./point-files.ts";

/** What the tables of a database mean at a point. */
export interface DatabaseView {
  readonly database: PointDatabase;
  readonly relations: Relations;
  /** `undefined`: the platform has none. */
  readonly model: CrmModel | undefined;
  /** Columns of a table that a CRM writes by itself: stamps and counters. */
  noiseOf(table: TableSchema): ReadonlySet<string>;
  /** What the CRM itself calls columns of these tables; read when it is asked for first. */
  labels(tables: readonly TableSchema[]): Promise<LabelOf>;
}

export async function viewOf(point: OpenedPoint, database: PointDatabase, signal: AbortSignal): Promise<DatabaseView> {
  const { platform, description } = point;
  const source = modelSource(database, pointFiles(point, signal), database.engine, signal);
  const model = await platform?.model?.(source, description);
  const relations = relationsOf(database.schema.tables, model);
  return {
    database,
    relations,
    model,
    noiseOf: (table) => noiseOf(model, relations, table),
    labels: columnLabels(source, model),
  };
}

function noiseOf(model: CrmModel | undefined, relations: Relations, table: TableSchema): ReadonlySet<string> {
  const listed = (model?.noise ?? []).filter(({ table: name }) => isTable(table, name));
  const stamps = relations.entitiesOf(table).flatMap(({ entity }) => entity.modified);
  return new Set([
    ...listed.flatMap(({ columns }) => columns),
    ...stamps.filter(({ extension }) => extension === undefined).map(({ column }) => column),
  ]);
}
