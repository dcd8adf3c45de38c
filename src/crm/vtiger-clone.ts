import type { TableSchema } from "../database/database.ts";
import { cloneTables } from "./clone-statements.ts";
import { setPhp } from "./php-data.ts";

/** What a clone of Vtiger is stopped from doing: keys of `words` under `neutralised`. */
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

/** Fails closed: without scheduled tasks and outgoing servers this is no Vtiger that we know. */
export function neutraliseStatements(tables: readonly TableSchema[]): readonly string[] {
  const { when, need } = cloneTables(tables);
  need("vtiger_cron_task", "status");
  need("vtiger_systems", "server", "server_password");
  return [
    "UPDATE vtiger_cron_task SET status=0",
    "UPDATE vtiger_systems SET server='127.0.0.1:1', server_password=''",
    ...when("vtiger_mailscanner", ["isvalid", "password"], "UPDATE vtiger_mailscanner SET isvalid=0, password=''"),
    ...when("vtiger_mail_accounts", ["mail_password"], "UPDATE vtiger_mail_accounts SET mail_password='', status=0"),
    ...when("com_vtiger_workflows", ["status"], "UPDATE com_vtiger_workflows SET status=0"),
    ...when("com_vtiger_workflowtask_queue", ["task_id"], "DELETE FROM com_vtiger_workflowtask_queue"),
    ...when(
      "vtiger_smsnotifier_servers",
      ["isactive", "password"],
      "UPDATE vtiger_smsnotifier_servers SET isactive=0, password=''",
    ),
    ...when("vtiger_pbxmanager_gateway", ["parameters"], "UPDATE vtiger_pbxmanager_gateway SET parameters=NULL"),
    ...when("vtiger_google_oauth2", ["service"], "DELETE FROM vtiger_google_oauth2"),
    ...when("vtiger_google_oauth", ["service"], "DELETE FROM vtiger_google_oauth"),
    ...when("vtiger_users", ["accesskey"], "UPDATE vtiger_users SET accesskey=SUBSTRING(MD5(RAND()), 1, 16)"),
  ];
}

export function neutraliseConfiguration(text: string): string {
  return setPhp(text, ["site_URL"], "http://localhost/");
}
