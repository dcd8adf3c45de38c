import type { DatabaseEngine, RowKey, TableSchema } from "../../database/database.ts";
import { inOneLanguage } from "./one-language.ts";
import { columnOf, type Relations, type TableEntity } from "./relations.ts";
import { fieldText, type RecordRow } from "./record-row.ts";

/**
 * How a person names a record: `party/12`, by its entity, or `party_address/7`, by its table (with its schema before a
 * dot where two have the name); a key of several columns is separated by `/` too: `party_category_rel/3/8`. In a value,
 * `/` and `%` are written `%2F` and `%25`. Where a CRM has several databases and two know the name, that of the database
 * stands before it: `cms:session/1`.
 */
export interface RecordHandle {
  readonly table: TableSchema;
  readonly entity?: TableEntity;
  readonly key: RowKey;
}

export type HandleRules = Pick<DatabaseEngine, "readable" | "textOf" | "lineField" | "fitted">;

/** `undefined`: there is no such entity or table, or it has another key. */
export function parseHandle(relations: Relations, handle: string, rules: HandleRules): RecordHandle | undefined {
  const [name = "", ...values] = handle.split("/");
  const place = tableOrEntity(relations, name);
  if (!place) return undefined;
  const key = keyFrom(place.table, values.map(decoded), rules);
  return key === undefined ? undefined : { ...place, key };
}

export function tableOrEntity(
  relations: Relations,
  name: string,
): { readonly table: TableSchema; readonly entity?: TableEntity } | undefined {
  const entity = relations.entities.find((one) => one.entity.name === name);
  if (entity) return { table: entity.table, entity };
  const table = relations.tableNamed(name);
  if (table) return { table };
  const database = `${relations.home?.database}:`;
  return name.startsWith(database) ? tableOrEntity(relations, name.slice(database.length)) : undefined;
}

/** What a person calls the records of a table: by the entity where they have one. */
export function placeName(relations: Relations, table: TableSchema, entity: TableEntity | undefined): string {
  const { home } = relations;
  const isPlain =
    relations.tableNamed(table.name) === table && !relations.entities.some((one) => one.entity.name === table.name);
  const name = entity?.entity.name ?? (isPlain ? table.name : `${table.schema}.${table.name}`);
  return home && [table.name, name].some(home.isElsewhere) ? `${home.database}:${name}` : name;
}

/** The key as lines hold it, from the texts of its columns. */
export function keyFrom(table: TableSchema, texts: readonly string[], rules: HandleRules): RowKey | undefined {
  const columns = table.columns.slice(0, table.keyLength);
  if (columns.length === 0 || texts.length !== columns.length) return undefined;
  return columns.map((column, at) => rules.lineField(texts[at] ?? null, column)).join("\t");
}

/** The handle of a row: by its entity where it has one. */
export function handleOf(
  relations: Relations,
  row: RecordRow,
  entity: TableEntity | undefined,
  rules: Pick<HandleRules, "readable" | "textOf">,
): string {
  const { table } = row;
  const length = table.keyLength || table.columns.length;
  const values = table.columns.slice(0, length).map((_, at) => encoded(fieldText(row, at, rules) ?? ""));
  return [placeName(relations, table, entity), ...values].join("/");
}

/** What a person calls a record: the texts of its title's columns, from its own row and those of its extensions. */
export function titleOf(
  entity: TableEntity | undefined,
  row: RecordRow,
  rules: Pick<HandleRules, "readable" | "textOf">,
  extensions: readonly RecordRow[] = [],
): string | undefined {
  const texts = (entity?.entity.title ?? []).flatMap(({ column, extension }) => {
    const holder = extension === undefined ? row : extensions.find(({ table }) => table.name === extension);
    const at = holder ? columnOf(holder.table, column) : -1;
    const text = (holder && fieldText(holder, at, rules)) ?? "";
    const one = /json/i.test(holder?.table.columns[at]?.type ?? "") ? inOneLanguage(text) : text;
    return one.trim() === "" ? [] : [one.trim()];
  });
  return texts.length === 0 ? undefined : texts.join(" ");
}

function encoded(value: string): string {
  return value.replaceAll("%", "%25").replaceAll("/", "%2F");
}

function decoded(value: string): string {
  return value.replaceAll(/%2f/gi, "/").replaceAll("%25", "%");
}
