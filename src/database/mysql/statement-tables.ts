export interface TableInDatabase {
  readonly database: string;
  readonly table: string;
}

export interface StatementTables {
  /** By `TRUNCATE`: no row is left. */
  readonly emptied: readonly TableInDatabase[];
  /** What rows are in it after the statement nobody can tell by the rows of the log: it, or a partition, went, or another came in its place. */
  readonly replaced: readonly TableInDatabase[];
}

const name = '(?:`((?:[^`]|``)+)`|"((?:[^"]|"")+)"|([^\\s`".,;()]+))';
const table = String.raw`${name}(?:\s*\.\s*${name})?`;
const truncate = new RegExp(String.raw`^TRUNCATE(?:\s+TABLE\b)?\s*${table}`, "i");
/** That it was, and is as it was defined, shows in nothing else once both are done. */
const gone =
  /^(?:DROP\s+TABLE|CREATE\s+OR\s+REPLACE\s+TABLE|RENAME\s+TABLES?)\b(?:\s+IF\s+(?:NOT\s+)?EXISTS\b)?(?<rest>.*)/is;
const alter = new RegExp(
  String.raw`^ALTER(?:\s+(?:ONLINE|IGNORE)\b)*\s+TABLE\b\s*(?:IF\s+EXISTS\b\s*)?${table}(?<rest>.*)`,
  "is",
);
const otherRows = /\b(?:(?:TRUNCATE|DROP|EXCHANGE)\s+(?:SUB)?PARTITION\b|RENAME\s+(?!COLUMN\b|INDEX\b|KEY\b))/i;

/**
 * Tables whose rows go by a statement and by no row of the log, where it stands as somebody typed it.
 *
 * @param database where a table is whose name stands alone
 */
export function statementTables(sql: string, database: string): StatementTables {
  const text = withoutComments(sql);
  const emptied = truncate.exec(text);
  if (emptied) return { emptied: named(emptied, database), replaced: [] };
  const altered = alter.exec(text);
  if (altered) {
    return { emptied: [], replaced: otherRows.test(altered.groups?.["rest"] ?? "") ? named(altered, database) : [] };
  }
  const found = gone.exec(text);
  if (!found) return { emptied: [], replaced: [] };
  const isList = !/^CREATE/i.test(text);
  const tables = [...(found.groups?.["rest"] ?? "").matchAll(new RegExp(table, "g"))];
  return { emptied: [], replaced: (isList ? tables : tables.slice(0, 1)).flatMap((one) => named(one, database)) };
}

/** The first two words of a statement, in capital letters. */
export function firstWords(sql: string): { readonly word: string; readonly next: string } {
  const found = /^[\s(]*(\w+)(?:\s+(\w+))?/.exec(withoutComments(sql));
  return { word: found?.[1]?.toUpperCase() ?? "", next: found?.[2]?.toUpperCase() ?? "" };
}

/** Whether a statement that begins with this word changes rows, by what it calls maybe: in a log of rows there is none. */
export function changesRows(word: string): boolean {
  return /^(?:INSERT|UPDATE|DELETE|REPLACE|LOAD|WITH|SELECT|DO|CALL)$/.test(word);
}

/** Whether a statement may change tables of a database. */
export function touches(sql: string, current: string, database: string): boolean {
  const inDatabase = new RegExp(String.raw`(?:^|[^\w$])["\`]?${RegExp.escape(database)}["\`]?\s*\.`);
  return current === database || inDatabase.test(sql);
}

/** The table of which a statement removes all rows, if that is all that it says. */
export function deletedWhole(sql: string, database: string): TableInDatabase | undefined {
  const found = new RegExp(String.raw`^DELETE\s+FROM\s+${table}\s*;?\s*$`, "i").exec(withoutComments(sql));
  return found ? named(found, database)[0] : undefined;
}

function withoutComments(sql: string): string {
  return sql.replaceAll(/\/\*(?:(?!\*\/).)*\*\//gs, " ").trim();
}

function named(found: RegExpExecArray, database: string): readonly TableInDatabase[] {
  const [first, second] = [nameIn(found, 1), nameIn(found, 4)];
  if (first === undefined) return [];
  return [second === undefined ? { database, table: first } : { database: first, table: second }];
}

function nameIn(found: RegExpExecArray, group: number): string | undefined {
  return found[group]?.replaceAll("``", "`") ?? found[group + 1]?.replaceAll('""', '"') ?? found[group + 2];
}
