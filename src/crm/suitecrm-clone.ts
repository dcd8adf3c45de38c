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
  "payment-credentials",
  "program-keys",
  "hostname",
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
    ...when("eapm", ["password"], "UPDATE eapm SET password=NULL"),
    ...when("oauth_tokens", ["id"], "DELETE FROM oauth_tokens"),
    ...when("oauth2tokens", ["id"], "DELETE FROM oauth2tokens"),
    ...when("external_oauth_connections", ["access_token"], "UPDATE external_oauth_connections SET access_token=NULL"),
    ...when(
      "external_oauth_connections",
      ["refresh_token"],
      "UPDATE external_oauth_connections SET refresh_token=NULL",
    ),
    ...when("external_oauth_providers", ["client_secret"], "UPDATE external_oauth_providers SET client_secret=NULL"),
    ...when(
      "config",
      ["category", "name", "value"],
      "UPDATE config SET value='' WHERE name LIKE '%password%' OR name LIKE '%api\\_key%' OR name LIKE '%secret%' OR name LIKE '%smtppass%'",
    ),
  ];
}

/** Links lead to the clone itself; SuiteCRM 8 sends its own mail to nowhere. */
export function neutraliseConfiguration(name: string, text: string): string | undefined {
  if (name === ".env.local") {
    const here = setEnv(text, "MAILER_DSN", "null://null");
    return readEnv(text).has("SITE_URL") ? setEnv(here, "SITE_URL", "http://localhost") : here;
  }
  const isOverride = name === "config_override.php";
  if (name !== "config.php" && !isOverride) return undefined;
  const php = readPhp(text);
  return [
    ["site_url", "http://localhost"],
    ["host_name", "localhost"],
  ]
    .filter(([key = ""]) => !isOverride || php.get("sugar_config", key) !== undefined)
    .reduce((result, [key = "", value = ""]) => setPhp(result, ["sugar_config", key], value), text);
}
