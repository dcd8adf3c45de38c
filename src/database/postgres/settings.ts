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
