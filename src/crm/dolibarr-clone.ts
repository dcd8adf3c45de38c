import type { TableSchema } from "../database/database.ts";
import { HoldfastError } from "../lib/errors.ts";
import { cloneTables } from "./clone-statements.ts";
import { setPhp } from "./php-data.ts";

/** What a clone of Dolibarr is stopped from doing: keys of `words` under `neutralised`. */
export const neutraliseSummary: readonly string[] = [
  "mail",
  "scheduled-jobs",
  "mail-collectors",
  "messages",
  "webhooks",
  "payment-credentials",
  "program-keys",
  "hostname",
];

/** Settings that hold what is needed to act outside: sign in to a payment provider, a mail server, a directory. */
const secretSettings = [
  ...["STRIPE%", "PAYPAL%", "PAYBOX%", "SIPS%", "PAYMENT_SECURITY%", "PAYPLUG%", "MOLLIE%", "GOCARDLESS%"],
  ...["%API%KEY%", "%SECRET%", "%TOKEN%", "%\\_PASS", "%\\_PASSWORD", "%\\_PW", "%WEBHOOK%", "WEBSERVICES\\_KEY"],
  ...[
    "%CRON\\_KEY",
    "MAIN\\_MAIL\\_SMTP%",
    "MAIN\\_MAIL\\_EMAIL\\_DKIM%",
    "LDAP\\_SERVER%",
    "LDAP\\_ADMIN%",
    "OVHSMS%",
    // Where calls are made, errors are told, and invoices' seals are kept.
    "CLICKTODIAL\\_URL",
    "SYSLOG\\_SENTRY%",
    "BLOCKEDLOG\\_AUTHORITY\\_URL",
    // What is kept there is found by names that are the live CRM's too.
    "MEMCACHED\\_SERVER",
  ],
];

/**
 * Of each Dolibarr in the database. Fails closed: without the tables of settings and of scheduled jobs this is none that we
 * know. Users keep their passwords, so that people can sign in to the clone; their keys for other programs go.
 */
export function neutraliseStatements(tables: readonly TableSchema[]): readonly string[] {
  const prefixes = tables
    .flatMap(({ name }) => /^(\w*_)cronjob$/.exec(name)?.[1] ?? [])
    .filter((prefix) => ["const", "societe"].every((name) => tables.some((table) => table.name === prefix + name)));
  if (prefixes.length === 0) throw new HoldfastError("clone-unsupported", { reason: "llx_const, llx_cronjob" });
  return prefixes.flatMap((prefix) => neutraliseOne(tables, prefix));
}

function neutraliseOne(tables: readonly TableSchema[], prefix: string): readonly string[] {
  const { need, when: whenThere } = cloneTables(tables, prefix);
  need("const", "value");
  need("cronjob", "status");
  const table = (name: string): string => `${prefix}${name}`;
  const when = (name: string, column: string, statement: string): readonly string[] =>
    whenThere(name, [column], statement);
  const switches = ["MAIN_DISABLE_ALL_MAILS", "MAIN_DISABLE_ALL_SMS"];
  return [
    `DELETE FROM ${table("const")} WHERE ${secretSettings.map((like) => `name LIKE '${like}'`).join(" OR ")}`,
    `DELETE FROM ${table("const")} WHERE name IN (${switches.map((name) => `'${name}'`).join(",")})`,
    ...switches.map(
      (name) => `INSERT INTO ${table("const")} (name,entity,value,type,visible) VALUES ('${name}',0,'1','chaine',0)`,
    ),
    // Written out in full it is the live CRM's.
    `UPDATE ${table("const")} SET value='DOL_DATA_ROOT/dolibarr.log' WHERE name='SYSLOG_FILE' AND value LIKE '/%'`,
    `UPDATE ${table("cronjob")} SET status=0`,
    ...when("emailcollector_emailcollector", "status", `UPDATE ${table("emailcollector_emailcollector")} SET status=0`),
    ...when(
      "emailcollector_emailcollector",
      "password",
      `UPDATE ${table("emailcollector_emailcollector")} SET password=NULL`,
    ),
    ...when("webhook_target", "status", `UPDATE ${table("webhook_target")} SET status=0`),
    ...when("user_clicktodial", "url", `UPDATE ${table("user_clicktodial")} SET url=NULL`),
    ...when("user_clicktodial", "pass", `UPDATE ${table("user_clicktodial")} SET pass=NULL`),
    ...when("oauth_token", "rowid", `DELETE FROM ${table("oauth_token")}`),
    ...when("oauth_state", "rowid", `DELETE FROM ${table("oauth_state")}`),
    ...when("user", "api_key", `UPDATE ${table("user")} SET api_key=NULL`),
  ];
}

/** Links in the clone lead to the clone, and the command line starts no jobs. */
export function neutraliseConfiguration(text: string): string {
  const here = setPhp(text, ["dolibarr_main_url_root"], "http://localhost");
  return setPhp(here, ["dolibarr_cron_allow_cli"], "0");
}
