import type { TableSchema } from "../database/database.ts";
import { quoteName } from "../database/sqlite/identifier.ts";
import { HoldfastError } from "../lib/errors.ts";
import { readEnv, setEnv } from "./env-file.ts";

/** What a clone of Twenty is stopped from doing: keys of `words` under `neutralised`. */
export const neutraliseSummary: readonly string[] = [
  "mail",
  "scheduled-jobs",
  "mail-collectors",
  "webhooks",
  "payment-credentials",
  "program-keys",
  "sessions",
  "hostname",
];

/** What is done to a table of this name that has these columns: in `core`, or in each workspace as older versions have it. */
const changes: readonly { readonly table: string; readonly columns: readonly string[]; readonly sql: string }[] = [
  { table: "webhook", columns: ["targetUrl"], sql: `UPDATE {} SET "targetUrl"='http://127.0.0.1:9'` },
  { table: "webhook", columns: ["secret"], sql: `UPDATE {} SET "secret"=''` },
  { table: "connectedAccount", columns: ["accessToken"], sql: `UPDATE {} SET "accessToken"=NULL` },
  { table: "connectedAccount", columns: ["refreshToken"], sql: `UPDATE {} SET "refreshToken"=NULL` },
  { table: "connectedAccount", columns: ["connectionParameters"], sql: `UPDATE {} SET "connectionParameters"=NULL` },
  { table: "messageChannel", columns: ["isSyncEnabled"], sql: `UPDATE {} SET "isSyncEnabled"=false` },
  { table: "calendarChannel", columns: ["isSyncEnabled"], sql: `UPDATE {} SET "isSyncEnabled"=false` },
  { table: "apiKey", columns: ["revokedAt"], sql: `UPDATE {} SET "revokedAt"=now()` },
  { table: "appToken", columns: ["id"], sql: `DELETE FROM {}` },
  { table: "workflowAutomatedTrigger", columns: ["id"], sql: `DELETE FROM {}` },
  { table: "cronTrigger", columns: ["id"], sql: `DELETE FROM {}` },
  {
    table: "keyValuePair",
    columns: ["key", "type"],
    sql: `DELETE FROM {} WHERE "type"::text='CONFIG_VARIABLE' AND "key" ~ '(^EMAIL_|SECRET|TOKEN|PASSWORD|API_KEY|^MESSAGING_|^CALENDAR_|^BILLING_|^STORAGE_)'`,
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
      .map((table) => sql.replace("{}", `${quoteName(table.schema)}.${quoteName(table.name)}`)),
  );
}

const secretNames =
  /(SECRET_ACCESS_KEY|CLIENT_SECRET|SMTP_PASSWORD|API_KEY|WEBHOOK_SECRET|STRIPE_.*|LICENSE_KEY|ENTERPRISE_KEY)$/;
const keptKeys = /^(ENCRYPTION_KEY|FALLBACK_ENCRYPTION_KEY|APP_SECRET|PG_DATABASE_.*)$/;

/** Mail goes to the log, nothing is fetched, no scheduled jobs are registered, and keys of other services are blank. */
export function neutraliseConfiguration(text: string): string {
  const values = readEnv(text);
  const blank = [...values.keys()].filter((name) => secretNames.test(name) && !keptKeys.test(name));
  const switches: readonly (readonly [string, string])[] = [
    ["SERVER_URL", "http://localhost:3000"],
    ["EMAIL_DRIVER", "logger"],
    ["DISABLE_CRON_JOBS_REGISTRATION", "true"],
    ["MESSAGING_PROVIDER_GMAIL_ENABLED", "false"],
    ["CALENDAR_PROVIDER_GOOGLE_ENABLED", "false"],
    ["MESSAGING_PROVIDER_MICROSOFT_ENABLED", "false"],
    ["CALENDAR_PROVIDER_MICROSOFT_ENABLED", "false"],
    ...blank.map((name) => [name, ""] as const),
  ];
  return switches.reduce((result, [name, value]) => setEnv(result, name, value), text);
}
