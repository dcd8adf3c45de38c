import { basename, posix } from "node:path";
import type { RowBatch, TableSchema } from "../database/database.ts";
import { HoldfastError } from "../lib/errors.ts";
import { nameFromText } from "../lib/byte-name.ts";
import { columnTexts, type FieldRules } from "./column-texts.ts";
import { detectCustom } from "./detect-custom.ts";
import type { CrmModel } from "./model.ts";
import { entity, inSchema, reference } from "./model-parts.ts";
import type { AttachmentRule, CrmDescription, CrmParts, CustomEntity, OwnedFile, Platform } from "./platform.ts";

/**
 * A CRM that no platform knows: everything about it stands in `holdfast.yaml`. Nothing is assumed: without attachment
 * rules rows own no files, without statements that make a clone harmless there are no clones.
 */
export const custom: Platform = {
  name: "custom",
  title: "Custom",
  detect: detectCustom,
  parts: async (description) => partsOf(description),
  neutralise: ({ neutralise }) =>
    neutralise.length === 0 ? undefined : { statements: () => neutralise, summary: ["custom-statements"] },
  model: async ({ tables }, description) => modelOf(tables, description),
  afterRestore: ["start-crm"],
};

/** Entities and references of `holdfast.yaml`; with references alone, every table is an entity. */
function modelOf(
  tables: readonly TableSchema[],
  { entities = [], references = [] }: Partial<CrmDescription> = {},
): CrmModel | undefined {
  if (entities.length + references.length === 0) return undefined;
  const typeOf = (table: string, column: string): string =>
    tables.find(({ name }) => name === table)?.columns.find(({ name }) => name === column)?.type ?? "";
  const described = entities.length > 0 ? entities : tables.map(({ name }) => ({ table: name, title: [] }));
  return inSchema(
    {
      entities: described.map(({ table, name = table, title, deleted }: CustomEntity) => {
        const { label: _, ...one } = entity(name, table, {
          title,
          ...(deleted !== undefined && {
            deleted: { column: deleted, when: /int|bool|bit|num/i.test(typeOf(table, deleted)) ? "true" : "set" },
          }),
        });
        return one;
      }),
      references: references.map(({ from, to, kind = "refers" }) => reference(kind, from, to)),
      noise: [],
    },
    tables,
  );
}

function partsOf(description: CrmDescription): CrmParts {
  const { database, configuration, files, excludes } = description;
  if (database === undefined && files.length === 0) throw new HoldfastError("crm-empty", { crm: description.name });
  return {
    databases: database === undefined ? [] : [{ name: "main", url: database }],
    folders: files.map(({ name, path }) => ({ name, path, excludes })),
    config: configuration === undefined ? [] : [{ name: basename(configuration), path: configuration }],
    emptyTables: [],
    uncovered: [],
    ...(description.attachments.length === 0 ? {} : { attachments: attachmentRule(description) }),
  };
}

function attachmentRule({ attachments }: CrmDescription): AttachmentRule {
  const rulesFor = (table: TableSchema) => attachments.filter((rule) => rule.table === table.name);
  return {
    ownsFiles: (table) => rulesFor(table).length > 0,
    *files(table: TableSchema, batch: RowBatch, rules: FieldRules): Iterable<OwnedFile> {
      for (const { column, folder } of rulesFor(table)) {
        for (const { text, row } of columnTexts(rules, table, batch, column)) {
          const path = relativePath(text);
          if (path !== undefined) yield { folder, path: nameFromText(path), row };
        }
      }
    },
    ownable: (folder, path) =>
      attachments.some((rule) => rule.folder === folder) && !path.split("/").some((part) => part.startsWith(".")),
  };
}

/** The column's text as a path below the folder; `undefined` when it names no file there (empty, a web address). */
function relativePath(text: string): string | undefined {
  if (text === "" || /^[a-z][a-z0-9+.-]*:\/\//i.test(text)) return undefined;
  return posix.normalize(text).replace(/^\/+/, "");
}
