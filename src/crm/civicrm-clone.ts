import type { TableSchema } from "../database/database.ts";
import { type CloneTables, cloneTables } from "./clone-statements.ts";
import { definePhp, readPhp, setPhp } from "./php-data.ts";

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
  const { has, when, need } = cloneTables(tables);
  need("civicrm_job", "is_active");
  need("civicrm_mail_settings", "password");
  need("civicrm_payment_processor", "is_active", "user_name", "password", "signature");
  return [
    "UPDATE civicrm_job SET is_active=0",
    // `source` may be a folder of this machine, which the live CRM empties.
    "UPDATE civicrm_mail_settings SET password=NULL, server='127.0.0.1', port=1, source=NULL",
    "UPDATE civicrm_payment_processor SET is_active=0, user_name=NULL, password=NULL, signature=NULL",
    ...when("civicrm_payment_processor", ["subject"], "UPDATE civicrm_payment_processor SET subject=NULL"),
    ...settings({ has }),
    ...when("civicrm_sms_provider", ["is_active"], "UPDATE civicrm_sms_provider SET is_active=0"),
    ...when("civicrm_sms_provider", ["password"], "UPDATE civicrm_sms_provider SET password=NULL"),
    ...when("civicrm_sms_provider", ["api_params"], "UPDATE civicrm_sms_provider SET api_params=NULL"),
    ...when("civicrm_payment_token", ["token"], "UPDATE civicrm_payment_token SET token=''"),
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

/** Folders that are kept in settings, as PHP writes them: by their names below CiviCRM's own. */
const folders = {
  uploadDir: "upload/",
  imageUploadDir: "persist/contribute/",
  customFileUploadDir: "custom/",
};

/** What extensions keep among the settings, and keys for maps. */
const secretNames = [
  "%apikey%",
  "%api\\_key%",
  "%secret%",
  "%password%",
  "%\\_token",
  "%privatekey%",
  "%private\\_key%",
];

/** Of every domain. What has no row is as CiviCRM comes, and it comes with mail that is sent. */
function settings({ has }: Pick<CloneTables, "has">): readonly string[] {
  if (!has("civicrm_setting", "value")) return [];
  const [group, named] = has("civicrm_setting", "group_name") ? ["group_name, ", "'Mailing Preferences', "] : ["", ""];
  return [
    "DELETE FROM civicrm_setting WHERE name='mailing_backend'",
    `INSERT INTO civicrm_setting (${group}name, value, domain_id, is_domain) SELECT ${named}'mailing_backend', '${noMail}', id, 1 FROM civicrm_domain`,
    `UPDATE civicrm_setting SET value=NULL WHERE ${secretNames.map((like) => `name LIKE '${like}'`).join(" OR ")}`,
    // Those of the live CRM, written out: a clone would put its files there.
    ...Object.entries(folders).map(
      ([name, path]) =>
        `UPDATE civicrm_setting SET value='s:${path.length}:"${path}";' WHERE name='${name}' AND value LIKE 's:%:"/%'`,
    ),
  ];
}

/** Groups of settings in the file, which stand over those in the database: now, and before 4.7. */
const settingGroups = ["domain", "Mailing Preferences"];

/**
 * Mail is written to a log in place of being sent, whatever the database says, links lead to the clone, and it calls itself no
 * production, which runs no jobs.
 */
export function neutraliseConfiguration(text: string): string {
  // Where it is defined, what is logged is sent as well.
  const alone = text
    .replaceAll("CIVICRM_MAIL_LOG_AND_SEND", "CIVICRM_MAIL_LOG_ONLY")
    // A cache on a server is found by names that are the live CRM's too.
    .replaceAll(/(['"]CIVICRM_DB_CACHE_CLASS['"]\s*,\s*)(?:'[^']*'|"[^"]*")/g, "$1'ArrayCache'");
  const silent = definePhp(alone, "CIVICRM_MAIL_LOG", "/dev/null");
  const here = definePhp(silent, "CIVICRM_UF_BASEURL", "http://localhost/");
  const php = readPhp(here);
  const backends = settingGroups.filter((group) => php.keys("civicrm_setting", group).includes("mailing_backend"));
  const off = backends.reduce(
    (result, group) => setPhp(result, ["civicrm_setting", group, "mailing_backend", "outBound_option"], "2"),
    here,
  );
  return setPhp(off, ["civicrm_setting", "domain", "environment"], "Development");
}
