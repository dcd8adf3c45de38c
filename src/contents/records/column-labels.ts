import type { CrmModel, ModelSource } from "../../crm/model.ts";
import type { TableSchema } from "../../database/database.ts";

/** What people call a column of a table; `undefined`: the CRM does not say. */
export type LabelOf = (table: TableSchema, column: string) => string | undefined;

/** Reads what the CRM itself calls its columns. */
export async function columnLabels(source: ModelSource, model: CrmModel | undefined): Promise<LabelOf> {
  const found = new Map<string, string>();
  for (const { from, columns, tables: byWord, except } of model?.labels ?? []) {
    for await (const [word = "", column, label] of source.rows(from, columns)) {
      const table = byWord.get(word);
      const text = label === undefined || except?.test(label) ? "" : inOneLanguage(label);
      if (table !== undefined && column !== undefined && text !== "") found.set(`${table}.${column}`, text);
    }
  }
  return (table, column) => found.get(`${table.name}.${column}`);
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

/** Of `{"en_US": "Name", "zh_CN": "名称"}` the English one, else the first. */
function inOneLanguage(label: string): string {
  if (!label.startsWith("{")) return label;
  try {
    const texts = JSON.parse(label) as Readonly<Record<string, unknown>>;
    const text = texts["en_US"] ?? Object.values(texts)[0];
    return typeof text === "string" ? text : "";
  } catch {
    return label;
  }
}
