import type { TableSchema } from "../database/database.ts";
import { cloneTables } from "./clone-statements.ts";
import { readPhp, setPhp } from "./php-data.ts";

/** What a clone of Vtiger is stopped from doing: keys of `words` under `neutralised`. */
export const neutraliseSummary: readonly string[] = [
  "mail",
  "scheduled-jobs",
  "queued-tasks",
  "mail-collectors",
  "calendars",
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
    ...["vtiger_mailer_queue", "vtiger_mailer_queueinfo", "vtiger_mailer_queueattachments"].flatMap((table) =>
      when(table, ["id"], `DELETE FROM ${table}`),
    ),
    ...when("com_vtiger_workflows", ["status"], "UPDATE com_vtiger_workflows SET status=0"),
    ...when("com_vtiger_workflowtask_queue", ["task_id"], "DELETE FROM com_vtiger_workflowtask_queue"),
    ...when(
      "vtiger_smsnotifier_servers",
      ["isactive", "password"],
      "UPDATE vtiger_smsnotifier_servers SET isactive=0, password=''",
    ),
    // Newer providers have all that opens them there.
    ...when("vtiger_smsnotifier_servers", ["parameters"], "UPDATE vtiger_smsnotifier_servers SET parameters=''"),
    ...when("vtiger_asterisk", ["server", "password"], "UPDATE vtiger_asterisk SET server='127.0.0.1', password=''"),
    ...when("vtiger_pbxmanager_gateway", ["parameters"], "UPDATE vtiger_pbxmanager_gateway SET parameters=NULL"),
    ...when("vtiger_google_oauth2", ["service"], "DELETE FROM vtiger_google_oauth2"),
    ...when("vtiger_google_oauth", ["service"], "DELETE FROM vtiger_google_oauth"),
    ...when("vtiger_google_sync_settings", ["enabled"], "UPDATE vtiger_google_sync_settings SET enabled=0"),
    // The login for the shop of extensions, and who is signed in by the interface for programs.
    ...when("vtiger_extnstore_users", ["password"], "DELETE FROM vtiger_extnstore_users"),
    ...when("vtiger_ws_userauthtoken", ["token"], "DELETE FROM vtiger_ws_userauthtoken"),
    ...when("vtiger_soapservice", ["sessionid"], "DELETE FROM vtiger_soapservice"),
    // MySQL has no MD5 any more.
    ...when("vtiger_users", ["accesskey"], "UPDATE vtiger_users SET accesskey=SUBSTRING(SHA2(RAND(),256), 1, 16)"),
  ];
}

export function neutraliseConfiguration(text: string): string {
  const here = setPhp(text, ["site_URL"], "http://localhost/");
  // Mostly it is put together from the other.
  const portal = readPhp(text).get("PORTAL_URL") !== undefined;
  return portal ? setPhp(here, ["PORTAL_URL"], "http://localhost/portal") : here;
}
