import type { TableSchema } from "../database/database.ts";
import { type AnonymiseKind, anonymiseKinds } from "../lib/anonymise-kinds.ts";
import type { CrmModel, Entity, ModelColumn, PersonalData, Reference, TableName } from "./model.ts";

/** What the platforms' models are written with: a table and its columns, in as few words as can be. */

export interface EntityParts {
  /** Columns; `extension.column` for one of an extension. */
  readonly title: readonly string[];
  readonly label?: string;
  readonly schema?: string;
  readonly where?: Entity["where"];
  /** `table.column`: the column that has the record's key. */
  readonly extensions?: readonly string[];
  readonly created?: string;
  readonly modified?: readonly string[];
  readonly deleted?: { readonly column: string; readonly when: "true" | "set"; readonly along?: readonly string[] };
  readonly archived?: { readonly column: string; readonly when: "true" | "false" };
}

/** `label` is the name unless it is another one. */
export function entity(name: string, table: string, parts: EntityParts): Entity {
  const { title, label = name, schema, where, extensions = [], created, modified = [], deleted, archived } = parts;
  const place = (column: string): ModelColumn => {
    const [extension, own] = splitAtDot(column);
    return own === undefined ? { column } : { column: own, extension };
  };
  return {
    name,
    label,
    table: tableName(table, schema),
    ...(where && { where }),
    title: title.map(place),
    extensions: extensions.map((text) => {
      const [other, key = ""] = splitAtDot(text);
      return { table: tableName(other, schema), key };
    }),
    ...(created !== undefined && { created: place(created) }),
    modified: modified.map(place),
    ...(deleted && { deleted: { ...deleted, ...place(deleted.column) } }),
    ...(archived && { archived: { ...place(archived.column), when: archived.when } }),
  };
}

/** `from` and `to` as `table.column`. */
export function reference(
  kind: Reference["kind"],
  from: string,
  to: string,
  more: Pick<Reference, "when" | "prefix"> & { readonly schema?: string } = {},
): Reference {
  const [table, column = ""] = splitAtDot(from);
  const [target, key = ""] = splitAtDot(to);
  const { schema, ...rest } = more;
  return {
    from: tableName(table, schema),
    columns: [column],
    to: tableName(target, schema),
    referenced: [key],
    ...rest,
    kind,
  };
}

/** One reference for each kind of record that a pair of columns may name: its word in the column, and its table's key. */
export function polymorphic(
  kind: Reference["kind"],
  from: string,
  typeColumn: string,
  targets: Iterable<readonly [word: string, to: string]>,
  schema?: string,
): readonly Reference[] {
  return [...targets].map(([equals, to]) =>
    reference(kind, from, to, { when: { column: typeColumn, equals }, ...(schema !== undefined && { schema }) }),
  );
}

/** The model without what this schema does not have: versions and modules differ. */
export function inSchema(model: CrmModel, tables: readonly TableSchema[]): CrmModel {
  const lacks = lackingIn(tables);
  const entities = model.entities
    .filter(({ table, where }) => !lacks(table, ...(where ? [where.column] : [])))
    .map((one) => {
      const extensions = one.extensions.filter(({ table, key }) => !lacks(table, key));
      const isThere = ({ column, extension }: ModelColumn): boolean =>
        extension === undefined
          ? !lacks(one.table, column)
          : extensions.some(({ table }) => table.name === extension && !lacks(table, column));
      const { created, deleted, archived, ...rest } = one;
      return {
        ...rest,
        extensions,
        title: one.title.filter(isThere),
        modified: one.modified.filter(isThere),
        ...(created && isThere(created) && { created }),
        ...(deleted && isThere(deleted) && { deleted }),
        ...(archived && isThere(archived) && { archived }),
      };
    });
  return {
    entities,
    references: model.references.filter(
      ({ from, columns, to, referenced, when }) =>
        !lacks(from, ...columns, ...(when ? [when.column] : [])) && !lacks(to, ...referenced),
    ),
    noise: model.noise.flatMap(({ table, columns }) => {
      const there = columns.filter((column) => !lacks(table, column));
      return there.length > 0 ? [{ table, columns: there }] : [];
    }),
    ...(model.flags && { flags: model.flags.filter(({ table, column }) => !lacks(table, column)) }),
    ...(model.derived && { derived: model.derived.filter((table) => !lacks(table)) }),
    ...(model.personal && { personal: model.personal.filter(({ table }) => !lacks(table)) }),
    ...(model.labels && { labels: model.labels.filter(({ from, columns }) => !lacks(from, ...columns)) }),
    ...(model.fileLabels && { fileLabels: model.fileLabels }),
  };
}

/** Whether a table, or one of its columns, is not there. */
export function lackingIn(tables: readonly TableSchema[]) {
  const byName = new Map<string, Set<string>>();
  for (const { schema, name, columns } of tables) {
    const names = new Set(columns.map((column) => column.name));
    byName.set(`${schema}.${name}`, names);
    if (!byName.has(name)) byName.set(name, names);
  }
  return ({ schema, name }: TableName, ...columns: readonly string[]): boolean => {
    const found = byName.get(schema === undefined ? name : `${schema}.${name}`);
    return !found || columns.some((column) => !found.has(column));
  };
}

/** Every table with such a column that is no entity's. */
export function flagsBeside(
  entities: readonly Entity[],
  tables: readonly TableSchema[],
  column: string,
): NonNullable<CrmModel["flags"]> {
  const own = new Set(entities.map(({ table }) => table.name));
  return tables
    .filter(({ name, columns }) => !own.has(name) && columns.some((one) => one.name === column))
    .map(({ schema, name }) => ({ table: { schema, name }, column, when: "true" }));
}

/** Columns of each of these tables. */
export function noiseOf(tables: readonly string[], columns: readonly string[], schema?: string): CrmModel["noise"] {
  return tables.map((name) => ({ table: tableName(name, schema), columns }));
}

/** By table, and what is put there: the columns, separated by a space. */
export type PersonalColumns = Readonly<Record<string, Partial<Readonly<Record<AnonymiseKind, string>>>>>;

/** The same columns of several tables. */
export function perTable(tables: readonly string[], columns: PersonalColumns[string]): PersonalColumns {
  return Object.fromEntries(tables.map((table) => [table, columns]));
}

/** Tables that are called as if they were somebody's, and are the program's: their names are words, which may name somebody. */
export function programWords(tables: readonly TableSchema[], names: RegExp): readonly PersonalData[] {
  return tables
    .filter(({ name }) => names.test(name))
    .map(({ schema, name }) => ({ table: { schema, name }, columns: { name: "mentions", display_name: "mentions" } }));
}

/** `nobody`: by table, names of the program's own users. */
export function personalData(
  written: PersonalColumns,
  {
    prefix = "",
    schema,
    nobody = {},
  }: {
    readonly prefix?: string;
    readonly schema?: string;
    readonly nobody?: Readonly<Record<string, readonly string[]>>;
  } = {},
): readonly PersonalData[] {
  return Object.entries(written).map(([table, kinds]) => ({
    table: tableName(prefix + table, schema),
    columns: Object.fromEntries(
      anonymiseKinds.flatMap((kind) => (kinds[kind]?.split(" ") ?? []).map((column) => [column, kind] as const)),
    ),
    ...(nobody[table] && { nobody: nobody[table] }),
  }));
}

function tableName(name: string, schema: string | undefined): TableName {
  return schema === undefined ? { name } : { schema, name };
}

function splitAtDot(text: string): readonly [string, string | undefined] {
  const at = text.lastIndexOf(".");
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}
