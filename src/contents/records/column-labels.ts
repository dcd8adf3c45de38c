import type { CrmModel, ModelSource } from "../../crm/model.ts";
import type { TableSchema } from "../../database/database.ts";
import { inOneLanguage } from "./one-language.ts";

/** What people call a column of a table; `undefined`: the CRM does not say. */
export type LabelOf = (table: TableSchema, column: string) => string | undefined;

/** Reads what the CRM itself calls columns: what its database says at once, what files say as tables are asked for. */
export function columnLabels(
  source: ModelSource,
  model: CrmModel | undefined,
): (tables: readonly TableSchema[]) => Promise<LabelOf> {
  let reading: Promise<Labels> | undefined;
  const inFiles = new Map<string, ReadonlyMap<string, string>>();
  return async (tables) => {
    const inDatabase = await (reading ??= databaseLabels(source, model));
    for (const table of model?.fileLabels ? tables : []) {
      if (inFiles.has(table.name)) continue;
      const found = await model?.fileLabels?.(table, inDatabase.get(table.name) ?? new Map());
      if (found) inFiles.set(table.name, found);
    }
    return ({ name }, column) => (inFiles.get(name) ?? inDatabase.get(name))?.get(column);
  };
}

/** By table and column. */
type Labels = ReadonlyMap<string, ReadonlyMap<string, string>>;

async function databaseLabels(source: ModelSource, model: CrmModel | undefined): Promise<Labels> {
  const found = new Map<string, Map<string, string>>();
  for (const { from, columns, tables: byWord, except } of model?.labels ?? []) {
    for await (const [word = "", column, label] of source.rows(from, columns)) {
      const table = byWord.get(word);
      const text = label === undefined || except?.test(label) ? "" : inOneLanguage(label);
      if (table === undefined || column === undefined || text === "") continue;
      const ofTable = found.get(table) ?? new Map<string, string>();
      found.set(table, ofTable.set(column, text));
    }
  }
  return found;
}

/** With what people call each of these columns, where the CRM says so. */
export function labelled<T extends { readonly column: string }>(
  fields: readonly T[],
  table: TableSchema,
  labelOf: LabelOf,
): readonly (T & { readonly label?: string })[] {
  return fields.map((field) => {
    const label = labelOf(table, field.column);
    return label === undefined ? field : { ...field, label };
  });
}
