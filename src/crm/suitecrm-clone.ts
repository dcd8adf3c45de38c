import type { TableSchema } from "../database/database.ts";
import { cloneTables } from "./clone-statements.ts";
import { readEnv, setEnv } from "./env-file.ts";
import { readPhp, setPhp } from "./php-data.ts";

/** What a clone of SuiteCRM is stopped from doing: keys of `words` under `neutralised`. */
export const neutraliseSummary: readonly string[] = [
  "mail",
  "scheduled-jobs",
  "queued-tasks",
  "mail-collectors",
  "calendars",
  "payment-credentials",
  "program-keys",
  "hostname",
];

/** What opens other services. */
const secrets: readonly (readonly [table: string, columns: readonly string[]])[] = [
  ["eapm", ["password", "api_data", "consumer_secret", "oauth_token", "oauth_secret"]],
  ["external_oauth_connections", ["client_secret", "access_token", "refresh_token"]],
  ["external_oauth_providers", ["client_secret"]],
];

/** Nobody listens there: mail ends as an error, and no name has to be looked up. */
const noServer = "mail_smtpserver='127.0.0.1', mail_smtpport=1, mail_smtppass=NULL";

/** Fails closed: without schedulers and outgoing mail where they are expected this is no SuiteCRM that we know. */
export function neutraliseStatements(tables: readonly TableSchema[]): readonly string[] {
  const { when, need } = cloneTables(tables);
  need("schedulers", "status");
  need("outbound_email", "mail_smtpserver", "mail_smtpport", "mail_smtppass");
  return [
    "UPDATE schedulers SET status='Inactive'",
    `UPDATE outbound_email SET ${noServer}`,
    // Where `mail_sendtype` is sendmail, PHP sends by itself: SMTP to nowhere does not.
    ...when("outbound_email", ["mail_sendtype"], "UPDATE outbound_email SET mail_sendtype='SMTP'"),
    ...when("inbound_email", ["status"], "UPDATE inbound_email SET status='Inactive'"),
    ...when("inbound_email", ["email_password"], "UPDATE inbound_email SET email_password=NULL"),
    ...when("job_queue", ["status"], "DELETE FROM job_queue WHERE status<>'done'"),
    ...when("emailman", ["id"], "DELETE FROM emailman"),
    ...secrets.flatMap(([table, columns]) =>
      columns.flatMap((column) => when(table, [column], `UPDATE ${table} SET ${column}=NULL`)),
    ),
    // Each user's tokens for Google's calendar.
    ...when("user_preferences", ["category"], "DELETE FROM user_preferences WHERE category='GoogleSync'"),
    ...when("users_password_link", ["id"], "DELETE FROM users_password_link"),
    ...when("oauth_tokens", ["id"], "DELETE FROM oauth_tokens"),
    ...when("oauth2tokens", ["id"], "DELETE FROM oauth2tokens"),
    ...when(
      "config",
      ["category", "name", "value"],
      "UPDATE config SET value='' WHERE name LIKE '%password%' OR name LIKE '%api\\_key%' OR name LIKE '%secret%' OR name LIKE '%smtppass%'",
    ),
  ];
}

/** Links lead to the clone itself, which writes to no index of another; SuiteCRM 8 sends its own mail to nowhere. */
export function neutraliseConfiguration(name: string, text: string): string | undefined {
  if (name === ".env.local") {
    const here = setEnv(text, "MAILER_DSN", "null://null");
    return readEnv(text).has("SITE_URL") ? setEnv(here, "SITE_URL", "http://localhost") : here;
  }
  const isOverride = name === "config_override.php";
  if (name !== "config.php" && !isOverride) return undefined;
  const php = readPhp(text);
  const values: readonly (readonly [path: readonly string[], value: string | boolean])[] = [
    [["site_url"], "http://localhost"],
    [["host_name"], "localhost"],
    [["search", "ElasticSearch", "enabled"], false],
    [["google_auth_json"], ""],
    // Where PHP can speak to a cache on a server, it does, by names that are the live CRM's too.
    [["external_cache_disabled"], true],
  ];
  const isNeeded = (path: readonly string[]): boolean =>
    !isOverride && /^(?:site_url|host_name|external_cache_disabled)$/.test(path[0] ?? "");
  return values
    .filter(([path]) => isNeeded(path) || php.get("sugar_config", ...path) !== undefined)
    .reduce((result, [path, value]) => setPhp(result, ["sugar_config", ...path], value), text);
}
