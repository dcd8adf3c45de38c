import type { TableSchema } from "../database/database.ts";
import { quoteName } from "../database/sqlite/identifier.ts";
import { HoldfastError } from "../lib/errors.ts";
import { readIni, setIniOption } from "./ini.ts";

/** What a clone of Tryton is stopped from doing: keys of `words` under `neutralised`. */
export const neutraliseSummary: readonly string[] = [
  "scheduled-jobs",
  "queued-tasks",
  "mail",
  "webhooks",
  "sessions",
  "hostname",
];

/** Nobody listens there, and no name has to be looked up: mail ends in the log as "fail to connect". */
const mailSink = "smtp://127.0.0.1:1";

/** Sections of trytond itself, in which a web address reaches nobody outside by itself. */
const ownSections = new Set([
  ...["web", "database", "request", "cache", "queue", "ssl", "email", "session", "password", "bus", "html"],
  ...["attachment", "table", "error", "product", "ldap_authentication"],
]);

const secretNames = /(^|_)(key|privatekey|certificate|secret|token|password|bind_pass|credentials?|function)$/;

/** Text columns of modules that talk to payment, shipping or other services, wherever they are. */
const secretColumns =
  /(^|_)(secret|token|api_key|secret_key|private_key|access_key|passphrase|server_key)$|_secret$|_token$/;

/**
 * Fails closed: without the table of scheduled jobs this is no Tryton that we know. Users keep their passwords, so that
 * people can sign in to the clone; their keys for other programs (`res_user_application`) go.
 */
export function neutraliseStatements(tables: readonly TableSchema[]): readonly string[] {
  const columns = new Map(tables.map((table) => [table.name, table.columns]));
  const has = (table: string, column: string) => columns.get(table)?.some(({ name }) => name === column) === true;
  if (!has("ir_cron", "active")) throw new HoldfastError("clone-unsupported", { reason: "ir_cron.active" });
  const emptied = ["ir_queue", "ir_session", "ir_session_wizard", "res_user_application"];
  return [
    `UPDATE "ir_cron" SET "active" = FALSE`,
    ...emptied.filter((table) => columns.has(table)).map((table) => `DELETE FROM "${table}"`),
    ...(has("ir_configuration", "hostname") ? [`UPDATE "ir_configuration" SET "hostname" = NULL`] : []),
    ...tables
      .filter(({ name }) => name !== "res_user")
      .flatMap((table) =>
        table.columns
          .filter(({ name, type }) => secretColumns.test(name) && /^(VARCHAR|CHARACTER VARYING|TEXT)/i.test(type))
          .map(({ name }) => `UPDATE ${quoteName(table.name)} SET ${quoteName(name)} = ''`),
      ),
  ];
}

/** Mail goes nowhere, and modules lose the addresses and keys of the services that they talk to. */
export function neutraliseConfiguration(text: string): string {
  const ini = readIni(text);
  const outside = ini.sections
    .filter((section) => !ownSections.has(section) && !section.startsWith("wsgi "))
    .flatMap((section) =>
      ini.options(section).map((option) => ({ section, option, value: ini.get(section, option) ?? "" })),
    )
    .filter(({ option, value }) => secretNames.test(option) || /^[a-z][a-z0-9+.-]*:\/\//i.test(value));
  const blanked = outside.reduce((result, { section, option }) => setIniOption(result, section, option, ""), text);
  return setIniOption(blanked, "email", "uri", mailSink);
}
