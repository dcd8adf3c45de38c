import type { TableSchema } from "../database/database.ts";
import { quoteName } from "../database/sqlite/identifier.ts";
import { HoldfastError } from "../lib/errors.ts";
import { readEnv, setEnv } from "./env-file.ts";

/** What a clone of Twenty is stopped from doing: keys of `words` under `neutralised`. */
export const neutraliseSummary: readonly string[] = [
  "mail",
  "scheduled-jobs",
  "mail-collectors",
  "calendars",
  "webhooks",
  "payment-credentials",
  "program-keys",
  "sessions",
  "hostname",
];

/**
 * What is done to a table of this name that has these columns: in `core`, or in each workspace as older versions have it. From
 * 2.x on the database itself holds to it that what is encrypted is, so that such a value is nothing, or its row goes.
 */
const changes: readonly { readonly table: string; readonly columns: readonly string[]; readonly sql: string }[] = [
  { table: "webhook", columns: ["targetUrl"], sql: `UPDATE {} SET "targetUrl"='http://127.0.0.1:9'` },
  { table: "webhook", columns: ["secret"], sql: `UPDATE {} SET "secret"=''` },
  { table: "connectedAccount", columns: ["accessToken"], sql: `UPDATE {} SET "accessToken"=NULL` },
  { table: "connectedAccount", columns: ["refreshToken"], sql: `UPDATE {} SET "refreshToken"=NULL` },
  { table: "connectedAccount", columns: ["connectionParameters"], sql: `UPDATE {} SET "connectionParameters"=NULL` },
  { table: "messageChannel", columns: ["isSyncEnabled"], sql: `UPDATE {} SET "isSyncEnabled"=false` },
  { table: "calendarChannel", columns: ["isSyncEnabled"], sql: `UPDATE {} SET "isSyncEnabled"=false` },
  // What Google and Microsoft were told to call; whoever takes one of them back takes it from the CRM that this is a clone of.
  { table: "connectedAccountWebhookSubscription", columns: ["id"], sql: `DELETE FROM {}` },
  { table: "apiKey", columns: ["revokedAt"], sql: `UPDATE {} SET "revokedAt"=now()` },
  { table: "appToken", columns: ["id"], sql: `DELETE FROM {}` },
  { table: "workflowAutomatedTrigger", columns: ["id"], sql: `DELETE FROM {}` },
  { table: "workflowEventListener", columns: ["id"], sql: `DELETE FROM {}` },
  { table: "cronTrigger", columns: ["id"], sql: `DELETE FROM {}` },
  { table: "databaseEventTrigger", columns: ["id"], sql: `DELETE FROM {}` },
  ...["cronTriggerSettings", "databaseEventTriggerSettings"].map((column) => ({
    table: "logicFunction",
    columns: [column],
    sql: `UPDATE {} SET "${column}"=NULL`,
  })),
  { table: "applicationVariable", columns: ["value", "isSecret"], sql: `DELETE FROM {} WHERE "isSecret"` },
  ...["applicationVariableUserValue", "applicationRegistrationVariable", "whatsAppConnection"].map((table) => ({
    table,
    columns: ["id"],
    sql: `DELETE FROM {}`,
  })),
  ...["accessToken", "refreshToken", "clientSecret"].map((column) => ({
    table: "mcpServerConnection",
    columns: [column],
    sql: `UPDATE {} SET "${column}"=NULL`,
  })),
  // Whoever is signed in at the clone is not at the CRM that it is one of: it makes a key of its own.
  { table: "signingKey", columns: ["id"], sql: `DELETE FROM {}` },
  // From 2.20 on workflows lie in `core` as well, with what starts them.
  {
    table: "workflowVersion",
    columns: ["triggers", "status"],
    sql: `UPDATE {} SET "status"='DEACTIVATED' WHERE "status"='ACTIVE'`,
  },
  // Links lead to a workspace's own domain where it has one.
  { table: "workspace", columns: ["customDomain"], sql: `UPDATE {} SET "customDomain"=NULL` },
  { table: "workspace", columns: ["isCustomDomainEnabled"], sql: `UPDATE {} SET "isCustomDomainEnabled"=false` },
  {
    table: "keyValuePair",
    columns: ["key", "type"],
    sql: `DELETE FROM {} WHERE "type"::text='CONFIG_VARIABLE' AND "key" ~ '(^EMAIL_|SECRET|TOKEN|PASSWORD|_KEY|^MESSAGING_|^CALENDAR_|^BILLING_|^STORAGE_|STRIPE|^SENTRY_|CLICKHOUSE|^AI_PROVIDERS$|^AWS_|^CLOUDFLARE_|^(LOGIC_FUNCTION|SERVERLESS|CODE_INTERPRETER|SUPPORT|TELEMETRY|ANALYTICS|PUBLIC_DOMAIN|INBOUND_EMAIL|IS_IMAP)_)'`,
  },
  { table: "workspaceSSOIdentityProvider", columns: ["clientSecret"], sql: `UPDATE {} SET "clientSecret"=NULL` },
  { table: "postgresCredentials", columns: ["id"], sql: `DELETE FROM {}` },
];

/** Fails closed: without workspaces and webhooks this is no Twenty that we know. */
export function neutraliseStatements(tables: readonly TableSchema[]): readonly string[] {
  for (const name of ["workspace", "webhook"]) {
    if (!tables.some((table) => table.name === name)) throw new HoldfastError("clone-unsupported", { reason: name });
  }
  return changes.flatMap(({ table: name, columns, sql }) =>
    tables
      .filter(
        (table) => table.name === name && columns.every((column) => table.columns.some((one) => one.name === column)),
      )
      .map((table) => sql.replace("{}", () => `${quoteName(table.schema)}.${quoteName(table.name)}`)),
  );
}

/** Keys of other services, and where they are told of what happens. */
const secretNames =
  /(ACCESS_KEY(_ID)?|CLIENT_SECRET|SMTP_PASSWORD|API_KEY|(API|SESSION|VALIDITY|REGISTRY)_TOKEN|WEBHOOK_SECRET|CAPTCHA_SECRET_KEY|HMAC_KEY|CREDENTIALS|STRIPE_.*|LICENSE_KEY|ENTERPRISE_KEY|SENTRY_.*DSN|CLICKHOUSE_URL|OTLP_COLLECTOR_ENDPOINT_URL)$/;
const keptKeys = /^(ENCRYPTION_KEY|FALLBACK_ENCRYPTION_KEY|APP_SECRET|PG_DATABASE_.*)$/;
/** What a clone has otherwise, where it is said at all. */
const ifSaid: readonly (readonly [name: string, value: string])[] = [
  ["STORAGE_TYPE", "local"],
  ["FRONTEND_URL", "http://localhost:3000"],
  ["PUBLIC_DOMAIN_URL", "http://localhost:3000"],
  // Functions lie in a cloud by their names: the clone's would take the place of the CRM's.
  ["SERVERLESS_TYPE", "LOCAL"],
  ["LOGIC_FUNCTION_TYPE", "DISABLED"],
  ["CODE_INTERPRETER_TYPE", "DISABLED"],
  ["EXCEPTION_HANDLER_DRIVER", "CONSOLE"],
  ["METER_DRIVER", "console"],
  ["SUPPORT_DRIVER", "NONE"],
  ["AI_PROVIDERS", "{}"],
];
/** Its queue is worked off by whoever is at it: a clone has one of its own, or none. */
const queueNames = ["REDIS_URL", "REDIS_QUEUE_URL"];

/**
 * Mail goes to the log, nothing is fetched, no scheduled jobs are registered, files are written here only, and keys of other
 * services are blank.
 */
export function neutraliseConfiguration(text: string): string {
  const values = readEnv(text);
  const blank = [...values.keys()].filter((name) => secretNames.test(name) && !keptKeys.test(name));
  const project = values.get("COMPOSE_PROJECT_NAME");
  const switches: readonly (readonly [string, string])[] = [
    ["SERVER_URL", "http://localhost:3000"],
    ["EMAIL_DRIVER", "logger"],
    ["DISABLE_CRON_JOBS_REGISTRATION", "true"],
    ["TELEMETRY_ENABLED", "false"],
    ["ANALYTICS_ENABLED", "false"],
    ["MESSAGING_PROVIDER_GMAIL_ENABLED", "false"],
    ["CALENDAR_PROVIDER_GOOGLE_ENABLED", "false"],
    ["MESSAGING_PROVIDER_MICROSOFT_ENABLED", "false"],
    ["CALENDAR_PROVIDER_MICROSOFT_ENABLED", "false"],
    ...ifSaid.filter(([name]) => values.has(name)),
    ...queueNames.filter((name) => values.has(name)).map((name) => [name, "redis://127.0.0.1:1"] as const),
    // Docker Compose takes containers and volumes of this name for its own. Twenty's own file says `name: twenty`, over which this one stands.
    ["COMPOSE_PROJECT_NAME", `${project || "twenty"}-clone`],
    ...blank.map((name) => [name, ""] as const),
  ];
  return switches.reduce((result, [name, value]) => setEnv(result, name, value), text);
}
