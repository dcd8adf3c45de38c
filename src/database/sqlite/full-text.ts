import type { DatabaseSchema } from "../database.ts";
import { quoteName } from "./identifier.ts";

/** A full-text table's own commands: it is filled from what it lies over, or emptied. */
export const fullTextCommand = /^INSERT INTO "((?:[^"]|"")*)"\("\1"\) VALUES\('(?:rebuild|delete-all)'\)$/;

export function commandTo(name: string, command: "rebuild" | "delete-all"): string {
  return `INSERT INTO ${quoteName(name)}(${quoteName(name)}) VALUES('${command}')`;
}

/** Of a `CREATE VIRTUAL TABLE`: which table it lies over. Empty: none, and it holds no texts; `undefined`: it holds them itself. */
export function contentOf(sql: string): string | undefined {
  const content = /\bcontent\s*=\s*(?:"((?:[^"]|"")*)"|'((?:[^']|'')*)'|([\w$]+))/i.exec(sql);
  return content?.slice(1).find((name) => name !== undefined);
}

/** The module of `CREATE VIRTUAL TABLE name USING module(…)`, in lower case. */
export function moduleOf(sql: string): string {
  const rest = sql.replace(/^CREATE VIRTUAL TABLE\s+("(?:[^"]|"")*"|'(?:[^']|'')*'|`[^`]*`|\[[^\]]*\]|\S+)\s+/i, "");
  return (/^USING\s+["'`[]?([\w$]+)/i.exec(rest)?.[1] ?? "").toLowerCase();
}

export function isFullText(sql: string): boolean {
  return /^fts[345]$/.test(moduleOf(sql));
}

/** Tables behind full-text ones that hold words, of all versions. */
const wordTables = ["_data", "_idx", "_docsize", "_segments", "_segdir", "_stat"];

/** Tables behind indexes that the schema's own statements build again. */
export function computedTables({ after }: Pick<DatabaseSchema, "after">): ReadonlySet<string> {
  const names = after.flatMap((statement) => fullTextCommand.exec(statement)?.[1]?.replaceAll('""', '"') ?? []);
  return new Set(names.flatMap((name) => wordTables.map((suffix) => `${name}${suffix}`)));
}

/** As `inspect.ts` writes the row of a virtual table. */
const definition = /^INSERT INTO sqlite_schema\([^)]*\) VALUES\('table','((?:[^']|'')*)','(?:[^']|'')*',0,'(.*)'\)$/s;
const ownTokenizer = /\btokenize\s*=\s*["']?\s*(?!(?:unicode61|ascii|porter|trigram|simple)\b)\w/i;

/**
 * The same schema, which builds each full-text index again from the rows that are there. One without texts is emptied, which the older
 * modules cannot, and words of one that finds them in a way that only the application has cannot be found again: with `ifPossible` such an
 * index is left as it was.
 */
export function computingAnew(schema: DatabaseSchema, how: "always" | "ifPossible"): DatabaseSchema {
  const anew = schema.after.flatMap((statement) => {
    const [, name, sql] = (definition.exec(statement) ?? []).map((text) => text.replaceAll("''", "'"));
    if (name === undefined || sql === undefined || !isFullText(sql)) return [];
    const isEmptied = contentOf(sql) === "";
    const isPossible = !ownTokenizer.test(sql) && (!isEmptied || moduleOf(sql) === "fts5");
    if (how === "ifPossible" && !isPossible) return [];
    return [commandTo(name, isEmptied ? "delete-all" : "rebuild")];
  });
  return { ...schema, after: [...schema.after.filter((statement) => !anew.includes(statement)), ...anew] };
}
