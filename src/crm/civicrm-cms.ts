import type { TableSchema } from "../database/database.ts";
import { quoteName } from "../database/mysql/identifier.ts";
import { HoldfastError } from "../lib/errors.ts";
import { cloneTables } from "./clone-statements.ts";
import { definePhp, setPhp } from "./php-data.ts";

/**
 * The CMS around CiviCRM, which sends mail and runs jobs of its own: WordPress, Drupal 7, and Drupal from 8 on; each of those
 * that share the database. Fails closed on any other, since nobody could say what it would do.
 */
export function neutraliseCms(tables: readonly TableSchema[]): readonly string[] {
  const prefixes = (name: string, ...beside: readonly string[]) =>
    tables
      .filter((table) => table.name.endsWith(name))
      .map((table) => table.name.slice(0, -name.length))
      .filter((prefix) => beside.some((other) => tables.some((table) => table.name === prefix + other)));
  const statements = [
    ...prefixes("options", "usermeta").flatMap((prefix) => neutraliseWordPress(tables, prefix)),
    ...prefixes("variable", "node", "users").flatMap((prefix) => neutraliseDrupal7(tables, prefix)),
    ...prefixes("config", "key_value", "users_field_data").flatMap((prefix) => neutraliseDrupal(tables, prefix)),
  ];
  if (statements.length === 0) throw new HoldfastError("clone-unsupported", { reason: "CMS" });
  return statements;
}

/** Of one that is several sites, each further one has tables of its own, but all have their users in common. */
function neutraliseWordPress(tables: readonly TableSchema[], prefix: string): readonly string[] {
  const numbers = tables.flatMap(({ name }) =>
    name.startsWith(prefix) ? (/^\d+_(?=options$)/.exec(name.slice(prefix.length)) ?? []) : [],
  );
  return [
    ...["", ...numbers].flatMap((number) => neutraliseSite(tables, prefix + number)),
    ...cloneTables(tables, prefix).when(
      "usermeta",
      ["meta_key"],
      `DELETE FROM ${quoteName(`${prefix}usermeta`)} WHERE meta_key='_application_passwords'`,
    ),
  ];
}

function neutraliseSite(tables: readonly TableSchema[], prefix: string): readonly string[] {
  const { need, when } = cloneTables(tables, prefix);
  need("options", "option_name", "option_value");
  const names = ["%smtp%", "%api\\_key%", "%secret%", "%\\_token", "mailserver\\_pass", "%mailgun%", "%sendgrid%"];
  const options = quoteName(`${prefix}options`);
  return [
    `UPDATE ${options} SET option_value='http://localhost' WHERE option_name IN ('siteurl','home')`,
    `DELETE FROM ${options} WHERE option_name='cron'`,
    // Written out in full they are the live one's.
    `UPDATE ${options} SET option_value='' WHERE (option_name='upload_path' AND option_value LIKE '/%') OR option_name='upload_url_path'`,
    `DELETE FROM ${options} WHERE ${names.map((name) => `option_name LIKE '${name}'`).join(" OR ")}`,
    ...when(
      "actionscheduler_actions",
      ["status"],
      `UPDATE ${quoteName(`${prefix}actionscheduler_actions`)} SET status='canceled' WHERE status='pending'`,
    ),
  ];
}

/** Values are as PHP writes them. `TestingMailSystem`, of Drupal itself, keeps mail in place of sending it. */
function neutraliseDrupal7(tables: readonly TableSchema[], prefix: string): readonly string[] {
  cloneTables(tables, prefix).need("variable", "name", "value");
  const values = {
    mail_system: 'a:1:{s:14:"default-system";s:17:"TestingMailSystem";}',
    cron_safe_threshold: 's:1:"0";',
    smtp_on: 's:1:"0";',
  };
  const secrets = ["%smtp\\_password%", "%api\\_key%", "%secret%", "%\\_token"];
  const variable = quoteName(`${prefix}variable`);
  return [
    `DELETE FROM ${variable} WHERE name IN (${Object.keys(values)
      .map((name) => `'${name}'`)
      .join(",")},'cron_key')`,
    `DELETE FROM ${variable} WHERE name IN ('file_private_path','file_temporary_path') AND value LIKE 's:%:"/%'`,
    `DELETE FROM ${variable} WHERE ${secrets.map((name) => `name LIKE '${name}'`).join(" OR ")}`,
    ...Object.entries(values).map(
      ([name, value]) => `INSERT INTO ${variable} (name, value) VALUES ('${name}', '${value}')`,
    ),
  ];
}

/** `test_mail_collector`, of Drupal itself, keeps mail in place of sending it; other mailers' own settings go. */
function neutraliseDrupal(tables: readonly TableSchema[], prefix: string): readonly string[] {
  const { need, when } = cloneTables(tables, prefix);
  need("config", "name", "data");
  const mail = 'a:1:{s:9:"interface";a:1:{s:7:"default";s:19:"test_mail_collector";}}';
  const table = (name: string) => quoteName(prefix + name);
  return [
    `UPDATE ${table("config")} SET data='${mail}' WHERE name='system.mail'`,
    `UPDATE ${table("config")} SET data='a:1:{s:8:"interval";i:0;}' WHERE name='automated_cron.settings'`,
    `DELETE FROM ${table("config")} WHERE name IN ('mailsystem.settings','smtp.settings') OR name LIKE 'symfony\\_mailer.%'`,
    ...when("queue", ["item_id"], `DELETE FROM ${table("queue")}`),
    ...when("cache_config", ["cid"], `DELETE FROM ${table("cache_config")}`),
  ];
}

/** What names in a cache begin with, whatever the program that keeps it. */
const cacheNames: readonly (readonly string[])[] = [
  ["settings", "cache_prefix"],
  ["settings", "memcache", "key_prefix"],
  ["conf", "cache_prefix"],
  ["conf", "memcache_key_prefix"],
];

/**
 * WordPress takes a `wp_mail` that is there before its own, and runs its jobs only where it is not told otherwise. A cache on a server knows
 * the clone by names of its own: else it had the live one's settings, and the other way round.
 */
export function neutraliseCmsConfiguration(name: string, text: string): string | undefined {
  if (name === "settings.php") {
    if (!/redis|memcache/i.test(text)) return text;
    return cacheNames.reduce((result, path) => setPhp(result, path, "holdfast-clone"), text);
  }
  if (name !== "wp-config.php") return undefined;
  const constants: readonly (readonly [string, string | boolean])[] = [
    ["DISABLE_WP_CRON", true],
    ["WP_HOME", "http://localhost"],
    ["WP_SITEURL", "http://localhost"],
    ["WP_REDIS_DISABLED", true],
    ["WP_CACHE_KEY_SALT", "holdfast-clone"],
  ];
  const defined = constants.reduce((result, [constant, value]) => definePhp(result, constant, value), text);
  return defined.replace(/<\?php/, (open) => `${open}\nfunction wp_mail() { return true; }`);
}
