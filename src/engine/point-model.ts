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
  /** By what names a person may ask for a table; that of the database is one for all of its tables. */
  namesOf(table: TableSchema): readonly string[];
  /** What the CRM itself calls columns of these tables; read when it is asked for first. */
  labels(tables: readonly TableSchema[]): Promise<LabelOf>;
}

export async function viewOf(point: OpenedPoint, database: PointDatabase, signal: AbortSignal): Promise<DatabaseView> {
  const { platform, description } = point;
  const source = modelSource(database, pointFiles(point, signal), database.engine, signal);
  const model = await platform?.model?.(source, description);
  const others = point.databases.filter(({ name }) => name !== database.name);
  const taken = new Set(others.flatMap(({ schema }) => schema.tables.map((table) => table.name)));
  const home = { database: database.name, isElsewhere: (name: string) => taken.has(name) };
  const relations = relationsOf(database.schema.tables, model, home);
  return {
    database,
    relations,
    model,
    noiseOf: (table) => noiseOf(model, relations, table),
    namesOf: (table) => namesOf(relations, table, database.name),
    labels: columnLabels(source, model),
  };
}

/** The views of all databases of a point. */
export async function viewsOf(point: OpenedPoint, signal: AbortSignal): Promise<readonly DatabaseView[]> {
  const views: DatabaseView[] = [];
  for (const database of point.databases) views.push(await viewOf(point, database, signal));
  return views;
}

function namesOf(relations: Relations, table: TableSchema, database: string): readonly string[] {
  const entities = relations.entitiesOf(table).map(({ entity }) => entity.name);
  const names = [table.name, `${table.schema}.${table.name}`, ...entities];
  return [...names, ...names.map((name) => `${database}:${name}`), database];
}

function noiseOf(model: CrmModel | undefined, relations: Relations, table: TableSchema): ReadonlySet<string> {
  const listed = (model?.noise ?? []).filter(({ table: name }) => isTable(table, name));
  const stamps = relations.entitiesOf(table).flatMap(({ entity }) => entity.modified);
  return new Set([
    ...listed.flatMap(({ columns }) => columns),
    ...stamps.filter(({ extension }) => extension === undefined).map(({ column }) => column),
  ]);
}
