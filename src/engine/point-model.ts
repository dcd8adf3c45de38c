import { relationsOf, type Relations } from "../contents/records/relations.ts";
import { modelSource } from "../contents/records/point-records.ts";
import type { CrmModel, TableName } from "../crm/model.ts";
import type { TableSchema } from "../database/database.ts";
import type { OpenedPoint, PointDatabase } from "./open-point.ts";

/** What the tables of a database mean at a point. */
export interface DatabaseView {
  readonly database: PointDatabase;
  readonly relations: Relations;
  /** `undefined`: the platform has none. */
  readonly model: CrmModel | undefined;
  /** Columns of a table that a CRM writes by itself: stamps and counters. */
  noiseOf(table: TableSchema): ReadonlySet<string>;
}

export async function viewOf(
  { platform, description }: OpenedPoint,
  database: PointDatabase,
  signal: AbortSignal,
): Promise<DatabaseView> {
  const model = await platform?.model?.(modelSource(database, database.engine, signal), description);
  const relations = relationsOf(database.schema.tables, model);
  return { database, relations, model, noiseOf: (table) => noiseOf(model, relations, table) };
}

function noiseOf(model: CrmModel | undefined, relations: Relations, table: TableSchema): ReadonlySet<string> {
  const listed = (model?.noise ?? []).filter(({ table: name }) => isNamed(table, name));
  const stamps = relations.entitiesOf(table).flatMap(({ entity }) => entity.modified);
  return new Set([
    ...listed.flatMap(({ columns }) => columns),
    ...stamps.filter(({ extension }) => extension === undefined).map(({ column }) => column),
  ]);
}

function isNamed(table: TableSchema, { schema, name }: TableName): boolean {
  return table.name === name && (schema === undefined || table.schema === schema);
}
