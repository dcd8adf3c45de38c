import { hostname } from "node:os";
import type { AlertMessage, AlertRoute } from "../alerts/route.ts";
import type { SecretReference } from "../config/config.ts";
import type { AlertEvent, AlertsConfig, RouteConfig } from "../config/service-config.ts";
import { isHoldfastError } from "../lib/errors.ts";
import { gapOfReport, type GapSubject } from "./gaps.ts";
import type { Report } from "../engine/reports.ts";
import type { Delivery, JobRun, JobStore } from "./store.ts";

/** Something to be told, before it is put into words. */
export interface Alert {
  readonly event: AlertEvent | "test";
  readonly crm?: string;
  /** A job item's key; for a test the route's name. */
  readonly subject: string;
  readonly timeMs: number;
  /** The run that it is about. */
  readonly run?: JobRun;
  /** When a missed one was due; what was found by the statistics; … */
  readonly facts: Readonly<Record<string, unknown>>;
}

export interface OpenedRoute {
  readonly config: RouteConfig;
  readonly route: AlertRoute;
}

export interface AlertingOptions {
  /** Opens what the configuration names, with its secrets read anew. */
  readonly open: (config: RouteConfig) => Promise<OpenedRoute>;
  readonly routes: readonly RouteConfig[];
  /** Puts an alert into words. */
  readonly describe: (alert: Alert) => { readonly title: string; readonly text: string };
  readonly newId: () => string;
  readonly now: () => Date;
  readonly pause: (ms: number, signal: AbortSignal) => Promise<void>;
  /** Is told of each delivery: the log. */
  readonly log: (delivery: Delivery) => void;
}

export interface RouteOptions {
  readonly secret: (reference: SecretReference) => Promise<string>;
  readonly version: string;
}

/** A kind of route is a case here and a file in `alerts/`. */
export async function openRoute(config: RouteConfig, options: RouteOptions): Promise<OpenedRoute> {
  const { secret } = options;
  switch (config.kind) {
    case "email": {
      const { emailRoute } = await import("../alerts/email.ts");
      const password = config.password && (await secret(config.password));
      return { config, route: emailRoute(config, password, hostname()) };
    }
    case "webhook": {
      const { webhookRoute } = await import("../alerts/webhook.ts");
      const signing = config.secret && (await secret(config.secret));
      return { config, route: webhookRoute(await addressOf(config.url, options), signing, programOf(options)) };
    }
  }
}

export async function pingAt(
  ping: NonNullable<AlertsConfig["ping"]>,
  options: RouteOptions,
  signal: AbortSignal,
): Promise<void> {
  const { callPing } = await import("../alerts/webhook.ts");
  await callPing(await addressOf(ping, options), programOf(options), signal);
}

async function addressOf(at: NonNullable<AlertsConfig["ping"]>, { secret }: RouteOptions): Promise<string> {
  return at.kind === "url" ? at.target : (await secret(at)).trim();
}

function programOf({ version }: RouteOptions): string {
  return `holdfast/${version}`;
}

/** Pauses before the second and the third attempt. */
const pausesMs = [5_000, 30_000];

/** Which try of an alert it is. */
export interface AlertTry {
  /** Of the message, the same each time. */
  readonly id: string;
  /** Names of the routes that lack it still, each of which is tried once more; absent: it is the first time. */
  readonly again?: readonly string[];
  /** Names of the routes that are not to get it yet. */
  readonly behind?: readonly string[];
}

/** Sends an alert to every route that wants it; gives the names of those that lack it, and may get it later. */
export async function deliver(
  options: AlertingOptions,
  alert: Alert,
  signal: AbortSignal,
  { id, again, behind = [] }: AlertTry,
): Promise<readonly string[]> {
  const wanted = options.routes.filter(
    (route) => wants(route, alert) && (again === undefined || again.includes(route.name)),
  );
  if (wanted.length === 0) return [];
  const message = messageOf(options, alert, id);
  const pauses = again === undefined ? pausesMs : [];
  const lacking = await Promise.all(
    wanted.map(async (route) => {
      if (behind.includes(route.name)) return [route.name];
      const { later } = await deliverTo(options, route, message, pauses, signal);
      return later === "worthwhile" ? [route.name] : [];
    }),
  );
  return lacking.flat();
}

/** An alert that says nothing is wrong, by the way of all others. */
export async function deliverTest(
  options: AlertingOptions,
  route: RouteConfig,
  signal: AbortSignal,
): Promise<Delivery> {
  const alert: Alert = { event: "test", subject: route.name, timeMs: options.now().getTime(), facts: {} };
  const { delivery } = await deliverTo(options, route, messageOf(options, alert, options.newId()), pausesMs, signal);
  return delivery;
}

function wants(route: RouteConfig, { event, crm }: Alert): boolean {
  if (event === "test" || !route.on.includes(event)) return false;
  // What concerns the whole repository concerns every CRM in it.
  return route.crms === undefined || crm === undefined || route.crms.includes(crm);
}

function messageOf({ describe }: AlertingOptions, alert: Alert, id: string): AlertMessage {
  const { event, subject, timeMs, facts, run } = alert;
  const ofRun = run && { job: run.job, outcome: run.outcome, run: run.id, ...(run.error && { error: run.error.code }) };
  const all = { ...(alert.crm !== undefined && { crm: alert.crm }), ...ofRun, ...facts };
  return { id, event, subject, time: new Date(timeMs).toISOString(), ...describe(alert), facts: all };
}

async function deliverTo(
  options: AlertingOptions,
  route: RouteConfig,
  message: AlertMessage,
  pauses: readonly number[],
  signal: AbortSignal,
): Promise<{ readonly delivery: Delivery; readonly later: "worthwhile" | "useless" }> {
  const { open, now, pause, log } = options;
  const told = { route: route.name, event: message.event, subject: message.subject };
  for (let attempt = 0; ; attempt++) {
    try {
      const opened = await open(route);
      await opened.route.send(message, signal);
      return { delivery: logged({ ...told, timeMs: now().getTime(), outcome: "sent" }), later: "useless" };
    } catch (error) {
      signal.throwIfAborted();
      const pauseMs = pauses[attempt];
      const isLasting = isHoldfastError(error, "alert-failed") && error.facts["lasting"] !== undefined;
      const passing = isHoldfastError(error, "alert-failed") && !isLasting;
      if (passing && pauseMs !== undefined) {
        await pause(pauseMs, signal);
        continue;
      }
      const reason = isHoldfastError(error) ? String(error.facts["reason"] ?? error.code) : String(error);
      const delivery = logged({ ...told, timeMs: now().getTime(), outcome: "failed", detail: reason });
      return { delivery, later: isLasting ? "useless" : "worthwhile" };
    }
  }

  function logged(delivery: Delivery): Delivery {
    log(delivery);
    return delivery;
  }
}

/**
 * What of a run that is over is told: that it failed, that it has warnings, that all is well again. Once: the same is not
 * told again before something else was. What is cancelled by hand is nobody's news.
 */
export function alertOfRun(run: JobRun, crm: string | undefined, store: JobStore): Alert | undefined {
  const { item, outcome, endedMs, error, facts } = run;
  const before = store.told(item);
  const about = { subject: item, ...(crm !== undefined && { crm }), timeMs: endedMs ?? run.dueMs, run, facts: {} };
  if (outcome === "ok") {
    store.setTold(item, undefined);
    return before === undefined ? undefined : { ...about, event: "recovered" };
  }
  if (outcome !== "failed" && outcome !== "warning") return undefined;
  const what = outcome === "failed" ? `failed ${error?.code ?? ""}` : `warning ${JSON.stringify(facts?.["warnings"])}`;
  if (what === before) return undefined;
  store.setTold(item, what);
  return { ...about, event: outcome };
}

/** What the statistics found in a run that is over. */
export function anomaliesIn(run: JobRun, crm: string | undefined): readonly Alert[] {
  const found = run.facts?.["anomalies"];
  if (!Array.isArray(found) || found.length === 0) return [];
  return [alertOfAnomalies(run, crm, run.endedMs ?? run.dueMs, found)];
}

/** What they found in a run, which may still go on. */
export function alertOfAnomalies(
  run: JobRun,
  crm: string | undefined,
  timeMs: number,
  anomalies: readonly unknown[],
): Alert {
  return { subject: run.item, ...(crm !== undefined && { crm }), timeMs, run, event: "anomaly", facts: { anomalies } };
}

/** The same for what should have run and did not. */
export function alertOfMissed(
  { item, job, missed }: { readonly item: string; readonly job: string; readonly missed: string },
  crm: string | undefined,
  nowMs: number,
  store: JobStore,
): Alert | undefined {
  const dueMs = Date.parse(missed);
  const what = `missed ${dueMs}`;
  if (store.told(item)?.startsWith("missed")) return undefined;
  store.setTold(item, what);
  const facts = { job, due: new Date(dueMs).toISOString() };
  return { event: "missed", subject: item, ...(crm !== undefined && { crm }), timeMs: nowMs, facts };
}

/** What is well again by what others did: a backup by hand, say, where the scheduled one failed. */
export function alertOfRecovered(
  { item, job }: { readonly item: string; readonly job: string },
  crm: string | undefined,
  nowMs: number,
  store: JobStore,
): Alert | undefined {
  if (store.told(item) === undefined) return undefined;
  store.setTold(item, undefined);
  return { event: "recovered", subject: item, ...(crm !== undefined && { crm }), timeMs: nowMs, facts: { job } };
}

/** A gap, once as long as it is told for the same reason, and that it ended. `run` follows the CRM. */
export function alertOfGap(report: Report, run: JobRun, store: JobStore): Alert | undefined {
  const { item, job, subject: crm } = run;
  const gap = gapOfReport(report);
  const about = { subject: item, crm, timeMs: Date.parse(report.time) };
  if (gap === undefined) {
    if (store.told(gapsTold("files", crm)) === undefined) return undefined;
    store.setTold(gapsTold("files", crm), undefined);
    return { ...about, event: "recovered", facts: { job } };
  }
  const { of, subject, reason, since } = gap;
  const what = of === "files" ? subject : `${reason} ${since}`;
  if (store.told(gapsTold(of, crm)) === what) return undefined;
  store.setTold(gapsTold(of, crm), what);
  return { ...about, event: "warning", facts: { job, gap } };
}

/**
 * That no gap of rows is open any more. One that a restart makes, where there is no log, says all at once: the backup that closes it
 * is begun in the same moment, and one that fails is told by itself.
 */
export function alertOfGapsClosed(crm: string, nowMs: number, store: JobStore): Alert | undefined {
  const item = gapsTold("rows", crm);
  const isOfRestart = store.told(item)?.startsWith("unwatched ") === true;
  const alert = alertOfRecovered({ item, job: "follow" }, crm, nowMs, store);
  return isOfRestart ? undefined : alert;
}

/** No item of a job is called so. */
function gapsTold(of: GapSubject, crm: string): string {
  return `gap of ${of}/${crm}`;
}
