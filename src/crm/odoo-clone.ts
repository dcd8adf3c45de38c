import type { ColumnSchema, TableSchema } from "../database/database.ts";
import { quoteName } from "../database/sqlite/identifier.ts";
import { cloneTables } from "./clone-statements.ts";
import { readIni, setIniOption } from "./ini.ts";

/** What a clone of Odoo is stopped from doing: keys of `words` under `neutralised`. */
export const neutraliseSummary: readonly string[] = [
  "mail",
  "scheduled-jobs",
  "queued-tasks",
  "mail-collectors",
  "calendars",
  "messages",
  "webhooks",
  "e-invoices",
  "payment-credentials",
  "program-keys",
  "hostname",
];

/**
 * What modules that talk to payment, shipping, calendar, authorities and other services keep in columns of texts, wherever they
 * are: Odoo's own `neutralize` of 19.0 column by column, and what its modules have beside.
 */
const secrets =
  /(?:^|_)(?:secret|secret_key|ap[ip]_?key|private_key|server_key|hmac_key|passphrase|password|passwd|credential|authorization_code|[a-z]*token)$/;
/** Those of modules for a country, which write invoices in a company's name: all by which an authority or a network knows it. */
const atAuthorities = /^(?:res_company|account_journal)$/;
const ofCountries =
  /^(?:l10n_\w+_(?:key|hashkey|hash_?iv|session_id|session_iv|username|client_id|client_identifier|merchant_id|csid_json|company_ident|software_ident)|account_peppol_migration_key)$/i;
/** Of payment services all that names an account, too: a page may ask for a card with no more than a public key. */
const ofPayments =
  /key|secret|token|password|login|username|account|merchant|access|sha_|shakey|signature|hash|client|webhook|identifier|pspid|service_ref|websocket/;
const payments = /^(?:payment_(?:provider|acquirer)|pos_payment_(?:method|provider))$/;
/** Users and visitors sign in with these, or open what was shared with them: that is within the clone. */
const kept: ReadonlySet<string> = new Set([
  ...["access_token", "signup_token", "invite_token", "totp_secret", "visibility_password"],
  ...["res_users.password", "ir_config_parameter.value", "iap_account.account_token"],
  // Whether a card is remembered, what is said to whoever pays, and how somebody did.
  ...["save_token", "auth_msg", "payment_transaction.is_live"],
]);

/** Switches of modules: who sends invoices to an authority, parcels or payments does so for a test. */
const switches: readonly (readonly [pattern: RegExp, value: boolean])[] = [
  [/(?:^|_)prod(?:uction)?_env(?:ironment)?$|^is_live$|_edi_(?:register|is_production)$|^cdn_activated$/, false],
  [/(?:^|_)(?:test|demo|staging)_(?:env|environment|mode)$|(?:^|_)synchronization_stopped$/, true],
];
const modes: Readonly<Record<string, string>> = {
  l10n_sa_api_mode: "sandbox",
  l10n_hu_edi_server_mode: "test",
  l10n_my_edi_mode: "test",
  l10n_hr_mer_connection_mode: "test",
  l10n_hr_mer_connection_state: "inactive",
  l10n_ke_cu_proxy_address: "",
  mondialrelay_brand: "BDTEST  ",
  "pos_payment_provider.mode": "test",
};

/** Nobody listens there. */
const nowhere = "http://127.0.0.1:9";

/** Who asks these where to look up, to write and to sell to is answered by Odoo itself, each by a server of its own. */
const ofOdoos = ["iap", "iap.partner_autocomplete", "enrich", "reveal", "sms", "snailmail"] as const;
/** By which network invoices are sent: until 16 one for all. */
const demoModes = ["account_edi_proxy_client.demo", "account_peppol.edi.mode", "l10n_dk_nemhandel.edi.mode"] as const;

/** Rows that wait to be sent. */
const queues: readonly (readonly [table: string, from: string, to: string])[] = [
  ["mail_mail", "'outgoing'", "cancel"],
  ["sms_sms", "'outgoing','process'", "canceled"],
  ["snailmail_letter", "'pending'", "canceled"],
  ["whatsapp_message", "'outgoing'", "cancel"],
  ["mailing_mailing", "'in_queue','sending'", "draft"],
  ["queue_job", "'pending','enqueued','started'", "failed"],
];

/** Keys for other programs, and where to push to; what names rows of another stands before it. */
const emptied = [
  ...["res_users_apikeys", "mail_push", "mail_notification_web_push", "mail_push_device", "mail_partner_device"],
] as const;

/**
 * What Odoo's own `neutralize` does, module by module, and the secrets of all others. Fails closed: without mail servers,
 * scheduled actions and parameters this is no Odoo that we know. Users keep their passwords.
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
    // Until 14 what names a mail server sends by it, archived or not: campaigns and mails that wait do.
    "UPDATE ir_mail_server SET active=false, smtp_host='invalid'",
    ...when("ir_mail_server", ["smtp_pass"], "UPDATE ir_mail_server SET smtp_pass=NULL"),
    // Without any server Odoo takes the one of its command line, or the machine's own.
    `INSERT INTO ir_mail_server (name, smtp_host, smtp_port, smtp_encryption, active${sign ? ", smtp_authentication" : ""}) VALUES ('clone: no mail', 'invalid', 1025, 'none', true${sign ? ", 'login'" : ""})`,
    "UPDATE ir_cron SET active=false",
    `DELETE FROM ir_config_parameter WHERE ${otherServices}`,
    // Where nothing is said, invoices are sent in earnest.
    ...(has("account_edi_proxy_client_user") ? demoModes.flatMap((key) => parameter(key, "'demo'")) : []),
    "UPDATE ir_config_parameter SET value='test' WHERE key ~ '[.]edi[.]mode$|_edi_mode$' AND value <> 'demo'",
    ...(has("res_company", "l10n_pl_edi_access_token") ? parameter("l10n_pl_edi_ksef.mode", "'test'") : []),
    ...parameter("database.is_neutralized", "'true'"),
    ...parameter("database.uuid", "md5(random()::text)::uuid::text"),
    ...parameter("database.secret", "md5(random()::text) || md5(random()::text)"),
    ...parameter("web.base.url", "'http://localhost:8069'"),
    // Where styles and pictures of a report on paper come from, where that is not the other one: they would be the live CRM's.
    "DELETE FROM ir_config_parameter WHERE key='report.url'",
    // What is sold by Odoo itself: text messages, letters, and what companies are looked up with.
    ...ofOdoos.flatMap((name) => parameter(`${name}.endpoint`, `'${nowhere}'`)),
    ...when("fetchmail_server", ["active"], "UPDATE fetchmail_server SET active=false"),
    ...when("mail_template", ["mail_server_id"], "UPDATE mail_template SET mail_server_id=NULL"),
    ...queues.flatMap(([table, from, to]) =>
      when(table, ["state"], `UPDATE ${table} SET state='${to}' WHERE state IN (${from})`),
    ),
    ...when(
      "ir_act_server",
      ["webhook_url"],
      `UPDATE ir_act_server SET webhook_url='${nowhere}' WHERE webhook_url IS NOT NULL`,
    ),
    ...when("payment_provider", ["state"], "UPDATE payment_provider SET state='disabled' WHERE state='enabled'"),
    ...when("payment_acquirer", ["state"], "UPDATE payment_acquirer SET state='disabled' WHERE state='enabled'"),
    ...when("account_edi_proxy_client_user", ["active"], "UPDATE account_edi_proxy_client_user SET active=false"),
    ...when("iap_account", ["account_token"], "UPDATE iap_account SET account_token='disabled-' || id"),
    ...when("auth_oauth_provider", ["enabled"], "UPDATE auth_oauth_provider SET enabled=false"),
    // Those that know no more than a price stay.
    ...when(
      "delivery_carrier",
      ["active", "delivery_type"],
      "UPDATE delivery_carrier SET active=false WHERE delivery_type NOT IN ('fixed','base_on_rule')",
    ),
    ...emptied.flatMap((table) => when(table, ["id"], `DELETE FROM ${table}`)),
    // Links lead to the clone itself, nobody finds it, and its visitors are counted nowhere.
    ...when("website", ["domain"], "UPDATE website SET domain=NULL"),
    ...when("website", ["robots_txt"], String.raw`UPDATE website SET robots_txt=E'User-agent: *\nDisallow: /'`),
    ...["google_analytics_key", "plausible_shared_key"].flatMap((column) =>
      when("website", [column], `UPDATE website SET ${column}=NULL`),
    ),
    ...when(
      "ir_ui_view",
      ["key", "active"],
      "UPDATE ir_ui_view SET active=true WHERE key IN ('web.neutralize_banner','website.neutralize_ribbon')",
    ),
    ...tables.flatMap(ofColumns),
  ];
}

/** Parameters that hold somebody's key, or lead elsewhere; those of passwords that users choose are settings. */
const otherServices = [
  "key ~ 'secret|token|password|passwd|ap[ip]_?key|private_key|access_key|server_key|account_info|_key$|^cloud_storage_provider$|^report[.]url$'",
  "key <> 'database.secret'",
  "key !~ '^auth_(signup|password_policy|totp)[.]'",
].join(" AND ");

/** What the names of a table's columns say. */
function ofColumns({ name: table, columns }: TableSchema): readonly string[] {
  const changes = columns.flatMap((column): readonly (readonly [column: string, value: string])[] => {
    const value = kept.has(column.name) || kept.has(`${table}.${column.name}`) ? undefined : newValue(table, column);
    return value === undefined ? [] : [[quoteName(column.name), value]];
  });
  if (changes.length === 0) return [];
  const set = changes.map(([column, value]) => `${column}=${value}`).join(", ");
  const differs = changes.map(([column, value]) => `${column} IS DISTINCT FROM ${value}`).join(" OR ");
  return [`UPDATE ${quoteName(table)} SET ${set} WHERE ${differs}`];
}

function newValue(table: string, { name, type, nullable }: ColumnSchema): string | undefined {
  if (/^bool/i.test(type)) {
    const found = switches.find(([pattern]) => pattern.test(name));
    return found && String(found[1]);
  }
  if (!/^(?:character varying|text|bytea)/i.test(type)) return undefined;
  const mode = modes[name] ?? modes[`${table}.${name}`];
  if (mode !== undefined) return `'${mode}'`;
  const isSecret =
    secrets.test(name) ||
    (payments.test(table) && ofPayments.test(name)) ||
    (atAuthorities.test(table) && ofCountries.test(name));
  return isSecret ? (nullable ? "NULL" : "''") : undefined;
}

/**
 * No scheduled actions at all, no mail server of this machine, which archived ones may name as theirs, and nothing is written
 * to what the CRM itself writes its log and its number to.
 */
export function neutraliseConfiguration(text: string): string {
  const ini = readIni(text);
  const own = ["logfile", "log_db", "pidfile"].filter((name) => ini.get("options", name) !== undefined);
  const values: readonly (readonly [name: string, value: string])[] = [
    ["max_cron_threads", "0"],
    ["smtp_server", "invalid"],
    ...own.map((name) => [name, "False"] as const),
  ];
  return values.reduce((result, [name, value]) => setIniOption(result, "options", name, value), text);
}
