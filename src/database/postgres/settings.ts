import { HoldfastError } from "../../lib/errors.ts";
import type { DatabaseSchema } from "../database.ts";
import { quoteName, quoteText } from "./identifier.ts";

export interface Settings {
  readonly encoding: string;
  readonly collate: string;
  readonly ctype: string;
  /** `c` of the C library, `i` ICU, `b` PostgreSQL's own. */
  readonly provider: string;
  readonly locale: string;
  /** What `ALTER DATABASE … SET` had given. */
  readonly own: readonly (readonly [name: string, value: string])[];
}

/** From a schema, which may come from anywhere. */
export function readSettings({ settings }: DatabaseSchema): Settings {
  const text = (name: string) => String(settings[name] ?? "");
  const own = Object.entries(settings).flatMap(([key, value]) =>
    key.startsWith("set ") ? [[key.slice(4), String(value)] as const] : [],
  );
  const wrong =
    own.find(([name]) => !/^[\w.]+$/.test(name)) ?? (/^\w+$/.test(text("encoding")) ? undefined : ["encoding"]);
  if (wrong) throw new HoldfastError("restore-mismatch", { subject: wrong[0] });
  return {
    encoding: text("encoding"),
    collate: text("collate"),
    ctype: text("ctype"),
    provider: text("localeProvider"),
    locale: text("locale"),
    own,
  };
}

export function createDatabaseSql(database: string, { encoding, collate, ctype, provider, locale }: Settings): string {
  const options = [`TEMPLATE template0`, `ENCODING ${quoteText(encoding)}`];
  if (collate !== "") options.push(`LC_COLLATE ${quoteText(collate)}`);
  if (ctype !== "") options.push(`LC_CTYPE ${quoteText(ctype)}`);
  if (provider === "i") options.push(`LOCALE_PROVIDER icu ICU_LOCALE ${quoteText(locale)}`);
  if (provider === "b") options.push(`LOCALE_PROVIDER builtin BUILTIN_LOCALE ${quoteText(locale)}`);
  return `CREATE DATABASE ${quoteName(database)} ${options.join(" ")}`;
}

/**
 * Searches the schemas that a database's own functions were written for: theirs, and those of extensions, whose operators and functions
 * they use. Of what we name ourselves, the server's own comes first.
 */
export function dailyPathSql(path: string, lasts: "session" | "transaction" = "session"): string {
  const extensions =
    "(SELECT string_agg(DISTINCT quote_ident(n.nspname), ', ') FROM pg_catalog.pg_extension e " +
    "JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace WHERE n.nspname <> 'pg_catalog')";
  const all = `concat_ws(', ', 'pg_catalog', nullif(${quoteText(path)}, ''), ${extensions})`;
  return `SELECT pg_catalog.set_config('search_path', ${all}, ${lasts === "transaction"})`;
}

/** Where a new database's functions look: `ALTER DATABASE … SET search_path`, or what is usual. */
export function dailyPath({ own }: Settings): string {
  return own.find(([name]) => name.toLowerCase() === "search_path")?.[1] ?? '"$user", public';
}

/** Settings whose value is a list of names, which are quoted one by one: https://github.com/postgres/postgres, `GUC_LIST_QUOTE`. */
const lists = new Set([
  "search_path",
  "temp_tablespaces",
  "local_preload_libraries",
  "session_preload_libraries",
  "shared_preload_libraries",
  "unix_socket_directories",
  "createrole_self_grant",
]);

/** `SET search_path TO 'a', 'b'`, from what `pg_db_role_setting` has of it. */
export function settingSql(name: string, value: string): string {
  const names = lists.has(name.toLowerCase()) ? value.match(/"(?:[^"]|"")*"|[^\s,"]+/g) : undefined;
  const texts = names?.map((one) => (one.startsWith('"') ? one.slice(1, -1).replaceAll('""', '"') : one)) ?? [value];
  return `SET ${name} TO ${texts.map(quoteText).join(", ")}`;
}
