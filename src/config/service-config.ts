import type { Calendar } from "../lib/calendar.ts";
import type { JobName } from "../lib/job-names.ts";
import type { SecretReference } from "./config.ts";

/** `service:`, resolved: what `holdfast serve` does when. */
export interface ServiceConfig {
  /** `default`: the file says nothing of a service. */
  readonly origin: "written" | "default";
  readonly schedules: readonly ScheduleConfig[];
  readonly blackouts: readonly BlackoutConfig[];
  readonly jobsAtOnce: number;
  readonly retry: { readonly times: number; readonly firstMs: number; readonly longestMs: number };
  /** Absent: nothing is served. */
  readonly listen?: { readonly host: string; readonly port: number };
}

export interface ScheduleConfig {
  /** Unique. */
  readonly name: string;
  readonly job: JobName;
  /** Of a backup; absent: full when there is nothing to start from, else incremental. */
  readonly kind?: "full" | "incremental" | "differential";
  readonly when:
    | { readonly at: string; readonly calendar: Calendar }
    | { readonly after: JobName }
    /** As long as the service runs. */
    | { readonly always: true };
  /** Absent: all. */
  readonly crms?: readonly string[];
  readonly spreadMs: number;
  readonly missed: "catch-up" | "skip";
  /** Of a verification: 0 … 100 per cent of the stored bytes are read. */
  readonly readPercent: number;
}

export interface BlackoutConfig {
  /** 1 Monday … 7 Sunday: of the day on which it begins. */
  readonly days: ReadonlySet<number>;
  /** Minutes since midnight; with `to` at or before `from` it ends on the next day. */
  readonly fromMinute: number;
  readonly toMinute: number;
  /** Absent: no job begins. */
  readonly jobs?: readonly JobName[];
}

export const alertEvents = ["failed", "warning", "missed", "recovered", "anomaly"] as const;
export type AlertEvent = (typeof alertEvents)[number];

/** `alerts:`, resolved. */
export interface AlertsConfig {
  readonly routes: readonly RouteConfig[];
  /** Called after each job that ended ok or with warnings, so that somebody else notices when nothing calls. */
  readonly ping?: SecretReference | { readonly kind: "url"; readonly target: string };
}

export interface RouteMatch {
  readonly name: string;
  readonly on: readonly AlertEvent[];
  /** Absent: all. */
  readonly crms?: readonly string[];
}

export type RouteConfig = RouteMatch & (EmailConfig | WebhookConfig);

export interface EmailConfig {
  readonly kind: "email";
  readonly host: string;
  readonly port: number;
  /** `required`: TLS from the first byte; `starttls`: not without it; `none`: for a server on this machine. */
  readonly tls: "required" | "starttls" | "none";
  readonly user?: string;
  readonly password?: SecretReference;
  readonly from: string;
  readonly to: readonly string[];
}

export interface WebhookConfig {
  readonly kind: "webhook";
  /** Such an address is often a secret by itself. */
  readonly url: SecretReference | { readonly kind: "url"; readonly target: string };
  /** Signs each body: `X-Holdfast-Signature: sha256=…` (HMAC-SHA-256, hexadecimal). */
  readonly secret?: SecretReference;
}

/** What storing costs, for `holdfast advise`. */
export interface PriceConfig {
  /** For a GB (10⁹ bytes) a month. */
  readonly gbMonth: number;
  /** For a thousand requests that write. */
  readonly thousandRequests: number;
  readonly currency: string;
}
