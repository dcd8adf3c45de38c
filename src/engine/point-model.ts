import { relationsOf, type Relations } from "../contents/records/relations.ts";
import { rowTexts } from "../crm/column-texts.ts";
import type { CrmModel, ModelSource, TableName } from "../crm/model.ts";
import type { TableSchema } from "../database/database.ts";
import type { OpenedPoint, PointDatabase } from "./open-point.ts";

/** What the tables of a database mean at a point. */
export interface DatabaseView {
  readonly database: PointDatabase;
  readonly relations: Relations;
  /** Columns of a table that a CRM writes by itself: stamps and counters. */
  noiseOf(table: TableSchema): ReadonlySet<string>;
}

export async function viewOf(
  { platform }: OpenedPoint,
  database: PointDatabase,
  signal: AbortSignal,
): Promise<DatabaseView> {
  const model = await platform?.model?.(modelSource(database, signal));
  const relations = relationsOf(database.schema.tables, model);
  return { database, relations, noiseOf: (table) => noiseOf(model, relations, table) };
}

function noiseOf(model: CrmModel | undefined, relations: Relations, table: TableSchema): ReadonlySet<string> {
  const listed = (model?.noise ?? []).filter(({ table: name }) => isNamed(table, name));
  const stamps = relations.entitiesOf(table).flatMap(({ entity }) => entity.modified);
  return new Set([
    ...listed.flatMap(({ columns }) => columns),
    ...stamps.filter(({ extension }) => extension === undefined).map(({ column }) => column),
  ]);
}

function modelSource({ schema, engine, open }: PointDatabase, signal: AbortSignal): ModelSource {
  return {
    tables: schema.tables,
    async *rows(name, columns) {
      const table = schema.tables.find((one) => isNamed(one, name));
      if (!table) return;
      for await (const batch of (await open(table)).rows({}, signal)) {
        for (const { texts } of rowTexts(engine, table, batch, columns)) yield texts;
        batch.release?.();
      }
    },
  };
}

function isNamed(table: TableSchema, { schema, name }: TableName): boolean {
  return table.name === name && (schema === undefined || table.schema === schema);
}
