import type { TableSchema } from "../database/database.ts";
import { quoteName } from "../database/sqlite/identifier.ts";
import { cloneTables } from "./clone-statements.ts";
import { readIni, setIniOption } from "./ini.ts";

/** What a clone of Odoo is stopped from doing: keys of `words` under `neutralised`. */
export const neutraliseSummary: readonly string[] = [
  "mail",
  "scheduled-jobs",
  "queued-tasks",
  "mail-collectors",
  "webhooks",
  "payment-credentials",
  "program-keys",
  "hostname",
];

/** Text columns of modules that talk to payment, shipping, calendar and other services, wherever they are. */
const secretColumns =
  /(^|_)(secret|secret_key|client_secret|api_key|webhook_secret|private_key|rtoken|refresh_token|server_key|passphrase)$/;

/**
 * What Odoo's own `neutralize` does for its base modules, and the secrets of all others. Fails closed: without mail
 * servers, scheduled actions and parameters this is no Odoo that we know. Users keep their passwords.
 */
export function neutraliseStatements(tables: readonly TableSchema[]): readonly string[] {
  const { has, when, need } = cloneTables(tables);
  need("ir_mail_server", "active", "smtp_host", "smtp_port");
  need("ir_cron", "active");
  need("ir_config_parameter", "key", "value");
  const parameter = (key: string, value: string): readonly string[] => [
    `DELETE FROM ir_config_parameter WHERE key='${key}'`,
    `INSERT INTO ir_config_parameter (key, value${has("ir_config_parameter", "type") ? ", type" : ""}) VALUES ('${key}', ${value}${has("ir_config_parameter", "type") ? ", 'str'" : ""})`,
  ];
  const sign = has("ir_mail_server", "smtp_authentication");
  return [
    "UPDATE ir_mail_server SET active=false",
    ...when("ir_mail_server", ["smtp_pass"], "UPDATE ir_mail_server SET smtp_pass=NULL"),
    // Without any server Odoo takes the one of its command line, or the machine's own.
    `INSERT INTO ir_mail_server (name, smtp_host, smtp_port, smtp_encryption, active${sign ? ", smtp_authentication" : ""}) VALUES ('clone: no mail', 'invalid', 1025, 'none', true${sign ? ", 'login'" : ""})`,
    "UPDATE ir_cron SET active=false",
    "DELETE FROM ir_config_parameter WHERE key ~ '(secret|token|password|api_key|apikey)' AND key <> 'database.secret'",
    ...parameter("database.is_neutralized", "'true'"),
    ...parameter("database.uuid", "md5(random()::text)::uuid::text"),
    ...parameter("database.secret", "md5(random()::text) || md5(random()::text)"),
    ...parameter("web.base.url", "'http://localhost:8069'"),
    ...when("fetchmail_server", ["active"], "UPDATE fetchmail_server SET active=false"),
    ...when("fetchmail_server", ["password"], "UPDATE fetchmail_server SET password=NULL"),
    ...when("mail_template", ["mail_server_id"], "UPDATE mail_template SET mail_server_id=NULL"),
    ...when("mail_mail", ["state"], "UPDATE mail_mail SET state='cancel' WHERE state='outgoing'"),
    ...when("sms_sms", ["state"], "UPDATE sms_sms SET state='canceled' WHERE state='outgoing'"),
    ...when(
      "mailing_mailing",
      ["state"],
      "UPDATE mailing_mailing SET state='draft' WHERE state IN ('in_queue','sending')",
    ),
    ...when(
      "queue_job",
      ["state"],
      "UPDATE queue_job SET state='failed' WHERE state IN ('pending','enqueued','started')",
    ),
    ...when(
      "ir_act_server",
      ["webhook_url"],
      "UPDATE ir_act_server SET webhook_url='http://127.0.0.1:9' WHERE webhook_url IS NOT NULL",
    ),
    ...when("payment_provider", ["state"], "UPDATE payment_provider SET state='disabled' WHERE state='enabled'"),
    ...when("payment_provider", ["is_live"], "UPDATE payment_provider SET is_live=false"),
    ...when("payment_acquirer", ["state"], "UPDATE payment_acquirer SET state='disabled' WHERE state='enabled'"),
    ...when("delivery_carrier", ["prod_environment"], "UPDATE delivery_carrier SET prod_environment=false"),
    ...when("iap_account", ["account_token"], "UPDATE iap_account SET account_token='disabled-' || id"),
    ...when("auth_oauth_provider", ["enabled"], "UPDATE auth_oauth_provider SET enabled=false"),
    ...when("res_users_apikeys", ["id"], "DELETE FROM res_users_apikeys"),
    ...when("mail_push_device", ["id"], "DELETE FROM mail_push_device"),
    ...tables
      .filter(({ name }) => !["ir_config_parameter", "res_users_apikeys"].includes(name))
      .flatMap((table) =>
        table.columns
          .filter(({ name, type }) => secretColumns.test(name) && /^(character varying|text)/i.test(type))
          .map(({ name }) => `UPDATE ${quoteName(table.name)} SET ${quoteName(name)}='' WHERE ${quoteName(name)}<>''`),
      ),
  ];
}

/** No scheduled actions at all, and no mail server of the machine where the database names none. */
export function neutraliseConfiguration(text: string): string {
  const quiet = setIniOption(text, "options", "max_cron_threads", "0");
  const named = readIni(text).get("options", "smtp_server") !== undefined;
  return named ? setIniOption(quiet, "options", "smtp_server", "invalid") : quiet;
}
