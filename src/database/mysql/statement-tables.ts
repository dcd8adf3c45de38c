export interface TableInDatabase {
  readonly database: string;
  readonly table: string;
}

export interface StatementTables {
  /** By `TRUNCATE`: no row is left. */
  readonly emptied: readonly TableInDatabase[];
  /**
   * What rows are in it after the statement nobody can tell by the rows of the log: it, or a partition, went, or another came in its place.
   * Or it takes rows from here on that it did not take before, and will not when it is built as it was.
   */
  readonly replaced: readonly TableInDatabase[];
  /** A database that went, with all its tables. */
  readonly dropped?: string;
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
const otherRows =
  /\b(?:(?:TRUNCATE|DROP|EXCHANGE|CONVERT)\s+(?:SUB)?PARTITION\b|(?:DISCARD|IMPORT)\s|CONVERT\s+TABLE\b|RENAME\s+(?!COLUMN\b|INDEX\b|KEY\b))/i;
/**
 * Of a column, or of a key that was unique maybe: rows may come then that the table does not take as a backup before has it, and what a
 * column held is gone, though there be one of that name again.
 */
const dropped = /\bDROP\s+(?!FOREIGN\s+KEY\b|DEFAULT\b)/i;
/** Values are written anew, as the new type or character set has them, be it for a moment. */
const rewritten = /\b(?:MODIFY|CHANGE|CONVERT\s+TO)\b/i;
const droppedIndex = new RegExp(
  String.raw`^DROP\s+INDEX\b\s*(?:IF\s+EXISTS\b\s*)?(?:\`(?:[^\`]|\`\`)+\`|\S+)\s+ON\s+${table}`,
  "i",
);
/** Rows that a new unique key does not allow are removed. */
const ignore = /^ALTER(?:\s+ONLINE)?\s+IGNORE\b/i;
const exchanged = new RegExp(String.raw`\bWITH\s+TABLE\s+${table}`, "i");
const droppedDatabase = new RegExp(
  String.raw`^(?:DROP|CREATE\s+OR\s+REPLACE)\s+(?:DATABASE|SCHEMA)\b\s*(?:IF\s+EXISTS\b\s*)?${name}`,
  "i",
);

/**
 * Tables whose rows go by a statement and by no row of the log.
 *
 * @param text without comments
 * @param current where a table is whose name stands alone
 */
export function statementTables(text: string, current: string): StatementTables {
  const emptied = truncate.exec(text);
  if (emptied) return { emptied: named(emptied, current), replaced: [] };
  const altered = alter.exec(text);
  if (altered) {
    const rest = altered.groups?.["rest"] ?? "";
    const isReplaced = [otherRows, dropped, rewritten].some((one) => one.test(rest)) || ignore.test(text);
    if (!isReplaced) return { emptied: [], replaced: [] };
    const other = exchanged.exec(rest);
    return { emptied: [], replaced: [...named(altered, current), ...(other ? named(other, current) : [])] };
  }
  const index = droppedIndex.exec(text);
  if (index) return { emptied: [], replaced: named(index, current) };
  const base = droppedDatabase.exec(text);
  if (base) return { emptied: [], replaced: [], dropped: nameIn(base, 1) ?? "" };
  const found = gone.exec(text);
  if (!found) return { emptied: [], replaced: [] };
  const isList = !/^CREATE/i.test(text);
  const tables = [...(found.groups?.["rest"] ?? "").matchAll(new RegExp(table, "g"))];
  return { emptied: [], replaced: (isList ? tables : tables.slice(0, 1)).flatMap((one) => named(one, current)) };
}

/** Whether a statement may change tables of a database. */
export function touches(text: string, current: string, database: string): boolean {
  const inDatabase = new RegExp(String.raw`(?:^|[^\w$])["\`]?${RegExp.escape(database)}["\`]?\s*\.`);
  return current === database || inDatabase.test(text);
}

/** The table of which a statement removes all rows, if that is all that it says. */
export function deletedWhole(text: string, current: string): TableInDatabase | undefined {
  const found = new RegExp(String.raw`^DELETE\s+FROM\s+${table}\s*;?\s*$`, "i").exec(text);
  return found ? named(found, current)[0] : undefined;
}

function named(found: RegExpExecArray, database: string): readonly TableInDatabase[] {
  const [first, second] = [nameIn(found, 1), nameIn(found, 4)];
  if (first === undefined) return [];
  return [second === undefined ? { database, table: first } : { database: first, table: second }];
}

function nameIn(found: RegExpExecArray, group: number): string | undefined {
  return found[group]?.replaceAll("``", "`") ?? found[group + 1]?.replaceAll('""', '"') ?? found[group + 2];
}
