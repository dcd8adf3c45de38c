import type { TableSchema } from "../database/database.ts";
import { cloneTables } from "./clone-statements.ts";
import { definePhp } from "./php-data.ts";

/** What a clone of CiviCRM is stopped from doing: keys of `words` under `neutralised`. */
export const neutraliseSummary: readonly string[] = [
  "mail",
  "scheduled-jobs",
  "queued-tasks",
  "mail-collectors",
  "messages",
  "payment-credentials",
  "program-keys",
  "hostname",
];

/** 2 of `outBound_option`: mail is switched off. As PHP writes it. */
const noMail = 'a:1:{s:15:"outBound_option";i:2;}';

/** Fails closed: without scheduled jobs, mail accounts and payment processors this is no CiviCRM that we know. */
export function neutraliseStatements(tables: readonly TableSchema[]): readonly string[] {
  const { when, need } = cloneTables(tables);
  need("civicrm_job", "is_active");
  need("civicrm_mail_settings", "password");
  need("civicrm_payment_processor", "is_active", "user_name", "password", "signature");
  return [
    "UPDATE civicrm_job SET is_active=0",
    "UPDATE civicrm_mail_settings SET password=NULL, server='127.0.0.1', port=1",
    "UPDATE civicrm_payment_processor SET is_active=0, user_name=NULL, password=NULL, signature=NULL",
    ...when("civicrm_payment_processor", ["subject"], "UPDATE civicrm_payment_processor SET subject=NULL"),
    ...when(
      "civicrm_setting",
      ["name", "value"],
      `UPDATE civicrm_setting SET value='${noMail}' WHERE name='mailing_backend'`,
    ),
    // What extensions keep among the settings, and keys for maps.
    ...when(
      "civicrm_setting",
      ["name", "value"],
      `UPDATE civicrm_setting SET value=NULL WHERE ${["%apikey%", String.raw`%api\_key%`, "%secret%", "%password%", String.raw`%\_token%`].map((like) => `name LIKE '${like}'`).join(" OR ")}`,
    ),
    ...when("civicrm_sms_provider", ["is_active"], "UPDATE civicrm_sms_provider SET is_active=0"),
    ...when("civicrm_sms_provider", ["password"], "UPDATE civicrm_sms_provider SET password=NULL"),
    ...when("civicrm_sms_provider", ["api_params"], "UPDATE civicrm_sms_provider SET api_params=NULL"),
    ...when("civicrm_cxn", ["id"], "DELETE FROM civicrm_cxn"),
    ...when(
      "civicrm_mailing_job",
      ["status"],
      "UPDATE civicrm_mailing_job SET status='Canceled' WHERE status IN ('Scheduled','Running','Paused')",
    ),
    ...when("civicrm_action_schedule", ["is_active"], "UPDATE civicrm_action_schedule SET is_active=0"),
    ...when("civicrm_queue_item", ["id"], "DELETE FROM civicrm_queue_item"),
    ...when("civicrm_contact", ["api_key"], "UPDATE civicrm_contact SET api_key=NULL WHERE api_key IS NOT NULL"),
    ...when("civicrm_oauth_client", ["secret"], "UPDATE civicrm_oauth_client SET secret=NULL"),
    ...when("civicrm_oauth_systoken", ["id"], "DELETE FROM civicrm_oauth_systoken"),
    ...when("civicrm_oauth_contact_token", ["id"], "DELETE FROM civicrm_oauth_contact_token"),
    ...when("civicrm_domain", ["config_backend"], "UPDATE civicrm_domain SET config_backend=NULL"),
  ];
}

/** Mail is written to a log in place of being sent, whatever the database says, and links lead to the clone. */
export function neutraliseConfiguration(text: string): string {
  const silent = definePhp(text, "CIVICRM_MAIL_LOG", "/dev/null");
  return definePhp(silent, "CIVICRM_UF_BASEURL", "http://localhost/");
}
