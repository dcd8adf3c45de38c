import type { PersonalData } from "../../crm/model.ts";
import type { ColumnSchema, DatabaseEngine, TableSchema } from "../../database/database.ts";
import { type AnonymiseKind, anonymiseKinds } from "../../lib/anonymise-kinds.ts";
import { HoldfastError } from "../../lib/errors.ts";
import { columnOf, isTable, type Relations, sameTable } from "../records/relations.ts";

/** One column of a database, and what is put in place of its values. */
export interface AnonymiseRule {
  readonly database: string;
  readonly schema: string;
  readonly table: string;
  readonly column: string;
  readonly kind: AnonymiseKind;
  /** What the column's domain is made of; absent: its type is none. */
  readonly type?: string;
  /** Values that are nobody's, and stay. */
  readonly nobody?: readonly string[];
}

/** From the configuration: by entity or table, and column. */
export type WrittenRules = Readonly<Record<string, Readonly<Record<string, string>>>>;

type Rules = Pick<DatabaseEngine, "searchable">;

/** What names of columns say, in any table. */
const anywhere: readonly (readonly [RegExp, AnonymiseKind])[] = [
  [
    /(?:^|_)e_?mails?(?:$|_(?:address|1|2|3|primary|work|home|private|other|from|to|cc|bcc))|(?:^|_)mail$|^email\d?$/,
    "email",
  ],
  [/phone|mobile|(?:^|_)fax(?:$|_)|(?:^|_)tel(?:$|_)|whatsapp/, "phone"],
  [/^(?:first|last|middle|full|given|family|maiden|nick|sur)_?name$|^(?:firstname|lastname|prenom|surname)$/, "name"],
  [/birth(?:day|date|_date)?$|^dob$/, "date"],
  [
    /iban|(?:^|_)bic(?:$|_)|swift|(?:tax|vat|tva)_?(?:id|number|identifier|intra)|(?:^|_)(?:siren|siret|ssn|passport)(?:$|_)/,
    "code",
  ],
];

/** In tables of people and companies, and those that belong to them. */
const ofPeople: readonly (readonly [RegExp, AnonymiseKind])[] = [
  [
    /^(?:name|nom|name_alias|nom_alias|display_name|company|company_name|account_name|societe|login|user_?name|signature)$/,
    "name",
  ],
  [/(?:^|_)(?:zip|postal|postcode)|(?:^|_)(?:zip|postal)_?code/, "code"],
  [/(?:^|_)(?:city|town|ville|municipality)(?:$|_)/, "place"],
  [/(?:address|(?:^|_)street)(?!.*(?:country|state|region|county))/, "address"],
  [/(?:^|_)(?:website|url|homepage|linkedin|facebook|twitter|skype)(?:$|_)/, "url"],
  [/(?:^|_)(?:bio|body|content|message)(?:$|_)/, "text"],
];

/** What people write about themselves and others; elsewhere, about goods and work, in which others may be named. */
const freeText =
  /(?:^|_)(?:note|notes|comment|comments|description|remark|remarks|memo|subject)(?:$|_)|^(?:body|message|content)$/;

const people =
  /part(?:y|ies|ner)|compan|account|contact|lead|person|people|customer|client|third|societe|socpeople|user|employee|member|adherent|prospect|organi[sz]ation|candidate|donor/;

/**
 * What is anonymised: what the configuration says, then what the platform knows, and for all else what the columns are
 * called. Columns that name a ruled one by value get its rule. Keys are left alone. Fails with `anonymise-column` when a
 * rule of the configuration names nothing, or a key.
 */
export function anonymiseRules(
  database: string,
  relations: Relations,
  rules: Rules,
  written: WrittenRules,
  personal: readonly PersonalData[] = [],
  madeOf: (type: string) => string = (type) => type,
): readonly AnonymiseRule[] {
  const found = new Map<string, AnonymiseRule>();
  const nameOf = (table: TableSchema, column: string): string => JSON.stringify([table.schema, table.name, column]);
  const put = (table: TableSchema, column: ColumnSchema, kind: AnonymiseKind, nobody?: readonly string[]): void => {
    const { name } = column;
    const type = madeOf(column.type);
    found.set(nameOf(table, name), {
      ...{ database, schema: table.schema, table: table.name, column: name },
      // A list has no value of its own that another could stand for.
      kind: isList(type) && kind !== "keep" ? "empty" : kind,
      ...(type !== column.type && { type }),
      ...(nobody && { nobody }),
    });
  };
  for (const table of relations.tables) {
    const known = personal.find((one) => isTable(table, one.table));
    const isPeoples = isOfPeople(table, relations);
    const naming = new Set(relations.from(table).flatMap(({ columns }) => columns));
    for (const [at, declared] of table.columns.entries()) {
      if (at < table.keyLength) continue;
      const column = { ...declared, type: madeOf(declared.type) };
      const means = { isPeoples, namesRow: naming.has(at) };
      const kind = knownKind(column, known?.columns[column.name], rules) ?? kindOf(column, means, rules);
      if (kind) put(table, declared, kind, known?.nobody);
    }
  }
  for (const [name, columns] of Object.entries(written)) {
    const entity = relations.entities.find((one) => one.entity.name === name);
    const table = entity?.table ?? relations.tableNamed(name);
    for (const [written_, kind] of Object.entries(columns)) {
      const at = table ? columnOf(table, written_) : -1;
      const column = table?.columns[at];
      const known = anonymiseKinds.find((one) => one === kind);
      if (!table || !column || !known || (at < table.keyLength && known !== "keep")) {
        throw new HoldfastError("anonymise-column", { column: `${name}.${written_}`, kind });
      }
      put(table, column, known);
    }
  }
  for (const table of relations.tables) {
    for (const { columns, to, referenced } of relations.from(table)) {
      for (const [at, place] of columns.entries()) {
        const [own, theirs] = [table.columns[place], to.columns[referenced[at] ?? -1]];
        const rule = theirs && found.get(nameOf(to, theirs.name));
        if (own && rule && !found.has(nameOf(table, own.name))) put(table, own, rule.kind, rule.nobody);
      }
    }
  }
  return [...found.values()];
}

/** Keys stay, as rows are known by them. These say who somebody is, unless the configuration keeps them: `table.column`. */
export function personalKeys(
  relations: Relations,
  rules: Rules,
  written: WrittenRules,
  madeOf: (type: string) => string = (type) => type,
): readonly string[] {
  return relations.tables.flatMap((table) => {
    const naming = new Set(relations.from(table).flatMap(({ columns }) => columns));
    const names = [table.name, ...relations.entitiesOf(table).map(({ entity }) => entity.name)];
    return table.columns.slice(0, table.keyLength).flatMap(({ name, type, nullable }, at) => {
      const means = { isPeoples: false, namesRow: naming.has(at) };
      const kind = kindOf({ name, type: madeOf(type), nullable }, means, rules);
      const isKept = names.some((one) => written[one]?.[name] === "keep");
      return (kind === "email" || kind === "phone") && !isKept ? [`${table.name}.${name}`] : [];
    });
  });
}

/** What a platform says of a column that may be of another type in other versions. */
function knownKind(column: ColumnSchema, kind: AnonymiseKind | undefined, rules: Rules): AnonymiseKind | undefined {
  return kind === "keep" || kind === "empty" || kind === "date" || holdsText(column, rules) ? kind : undefined;
}

function kindOf(
  column: ColumnSchema,
  { isPeoples, namesRow }: { readonly isPeoples: boolean; readonly namesRow: boolean },
  rules: Rules,
): AnonymiseKind | undefined {
  const name = column.name.replaceAll(/([a-z0-9])([A-Z])/g, "$1_$2").toLowerCase();
  if (/_(?:id|ids|count|type|status|state|opt_out|optout|enabled|template|at|on)$|^(?:is|has|fk)_/.test(name))
    return undefined;
  if (isPeoples && /blob|bytea|binary/i.test(column.type)) return "empty";
  // The words of other columns, by which the database searches them.
  if (/^tsvector$/i.test(column.type)) return "empty";
  const patterns = isPeoples ? [...anywhere, ...ofPeople] : anywhere;
  const kindNamed = (one: string) => patterns.find(([pattern]) => pattern.test(one))?.[1];
  if (isList(column.type)) {
    const some = [name, name.replace(/s$/, "")];
    return some.some((one) => kindNamed(one) || freeText.test(one)) ? "empty" : undefined;
  }
  const kind = kindNamed(name);
  if (kind === "date") return kind;
  const isMixed = rules.searchable(column) === "mixed";
  // One of numbers is somebody's number, or names a row: `company` is then no company's name.
  if (isMixed ? /int|real|floa|doub|numeric|decimal|bool/i.test(column.type) : isOfNumbers(column.type)) {
    return !namesRow && (kind === "phone" || kind === "code") ? kind : undefined;
  }
  if (!holdsText(column, rules)) return undefined;
  return kind ?? (freeText.test(name) ? (isPeoples ? "text" : "mentions") : undefined);
}

/** Of PostgreSQL: several values in one. */
export function isList(type: string): boolean {
  return type.endsWith("[]");
}

/**
 * A value of an enumeration, a UUID or an address of the network can be nothing else than such a one. Texts that are not in UTF-8
 * cannot be searched, and are texts.
 */
function holdsText(column: ColumnSchema, rules: Rules): boolean {
  return rules.searchable(column) === "mixed" || texts.test(column.type);
}

/** Of servers, whatever its length: `character varying(20)`, `longtext character set gbk …`, `public.citext`. */
const texts = /^(?:\w+\.)?(?:(?:var|bp)?char|character|(?:tiny|medium|long|ci)?text|jsonb?)\b/i;

/** In which a telephone number has room. */
export function isOfNumbers(type: string): boolean {
  return /^(?:big)?int(?:eger)?\b|^(?:numeric|decimal)\b/i.test(type);
}

function isOfPeople(table: TableSchema, relations: Relations): boolean {
  const entities = relations.entitiesOf(table).map(({ entity }) => entity.name);
  const isPeople = (names: readonly string[]): boolean => names.some((name) => people.test(name.toLowerCase()));
  if (isPeople([table.name, ...entities])) return true;
  if (table.columns.some(({ name }) => anywhere.some(([pattern]) => pattern.test(name.toLowerCase())))) return true;
  return relations
    .from(table)
    .some(
      ({ kind, to }) =>
        kind === "belongs" && (isPeople([to.name]) || relations.entitiesOf(to).length > 0) && !sameTable(to, table),
    );
}
