import type { TableSchema } from "../database/database.ts";
import { cloneTables } from "./clone-statements.ts";
import { readPhp, setPhp } from "./php-data.ts";

/** What a clone of EspoCRM is stopped from doing: keys of `words` under `neutralised`. */
export const neutraliseSummary: readonly string[] = [
  "mail",
  "scheduled-jobs",
  "queued-tasks",
  "mail-collectors",
  "webhooks",
  "payment-credentials",
  "program-keys",
  "sessions",
  "hostname",
];

/** Good for MariaDB and PostgreSQL. Fails closed: without accounts and scheduled jobs this is no EspoCRM that we know. */
export function neutraliseStatements(tables: readonly TableSchema[]): readonly string[] {
  const { when, need } = cloneTables(tables);
  need("scheduled_job", "status");
  need("email_account", "status");
  need("inbound_email", "status");
  const account = (table: string): readonly string[] => [
    `UPDATE ${table} SET status='Inactive'`,
    ...["password", "smtp_password"].flatMap((column) => when(table, [column], `UPDATE ${table} SET ${column}=NULL`)),
    ...when(table, ["use_smtp"], `UPDATE ${table} SET use_smtp=FALSE`),
  ];
  return [
    "UPDATE scheduled_job SET status='Inactive'",
    ...account("email_account"),
    ...account("inbound_email"),
    ...when("job", ["status"], "DELETE FROM job WHERE status IN ('Pending','Ready','Running')"),
    ...when("email", ["status"], "UPDATE email SET status='Draft' WHERE status='Sending'"),
    ...when("email_queue_item", ["status"], "DELETE FROM email_queue_item WHERE status='Pending'"),
    ...when("webhook", ["is_active"], "UPDATE webhook SET is_active=FALSE"),
    ...when("webhook_event_queue_item", ["id"], "DELETE FROM webhook_event_queue_item"),
    ...when("webhook_queue_item", ["id"], "DELETE FROM webhook_queue_item"),
    ...when("integration", ["enabled", "data"], "UPDATE integration SET enabled=FALSE, data=NULL"),
    ...when("external_account", ["enabled", "data"], "UPDATE external_account SET enabled=FALSE, data=NULL"),
    ...when("o_auth_account", ["access_token"], "UPDATE o_auth_account SET access_token=NULL"),
    ...when("o_auth_account", ["refresh_token"], "UPDATE o_auth_account SET refresh_token=NULL"),
    ...when("o_auth_provider", ["client_secret"], "UPDATE o_auth_provider SET client_secret=NULL"),
    ...when("app_secret", ["value"], "UPDATE app_secret SET value=''"),
    ...["o_auth_access_token", "o_auth_refresh_token", "o_auth_authorization_code"].flatMap((table) =>
      when(table, ["id"], `DELETE FROM ${table}`),
    ),
    ...["o_auth_client_secret", "api_app_client_secret"].flatMap((table) =>
      when(table, ["id"], `DELETE FROM ${table}`),
    ),
    ...["auth_token", "password_change_request", "two_factor_code"].flatMap((table) =>
      when(table, ["id"], `DELETE FROM ${table}`),
    ),
    ...userKeys(tables),
  ];
}

/** `user` is a word of SQL, which MariaDB and PostgreSQL quote differently. */
function userKeys(tables: readonly TableSchema[]): readonly string[] {
  const user = tables.find(({ name }) => name === "user");
  if (user?.columns.every(({ name }) => name !== "api_key") ?? true) return [];
  const isPostgres = user?.columns.some(({ type }) => /^(character varying|boolean)/i.test(type)) === true;
  return [`UPDATE ${isPostgres ? '"user"' : "`user`"} SET api_key=NULL`];
}

/** The clone starts no jobs by itself, its links lead to itself, it knows no mail server, and writes files here only. */
export function neutraliseConfiguration(name: string, text: string): string | undefined {
  if (!/^(config|config-internal|config-override|config-internal-override|state)\.php$/.test(name)) return undefined;
  const php = readPhp(text);
  const values: readonly (readonly [path: readonly string[], value: string | boolean])[] = [
    [["siteUrl"], "http://localhost"],
    [["cronDisabled"], true],
    [["defaultFileStorage"], "EspoUploadDir"],
    // It would tell the live CRM's users, whose program listens on this machine.
    [["useWebSocket"], false],
    ...["smtpServer", "smtpUsername", "smtpPassword"].map((key) => [[key], ""] as const),
    ...["key", "secret"].map((key) => [["awsS3Storage", "credentials", key], ""] as const),
  ];
  const isNeeded = (path: readonly string[]): boolean =>
    name === "config.php" && /^(?:siteUrl|cronDisabled)$/.test(path[0] ?? "");
  return values
    .filter(([path]) => isNeeded(path) || php.get("return", ...path) !== undefined)
    .reduce((result, [path, value]) => setPhp(result, ["return", ...path], value), text);
}
