import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { Config, SecretReference } from "../config/config.ts";
import { noConfig } from "../config/find.ts";
import { readSecret } from "../config/secrets.ts";
import type { AlertsConfig } from "../config/service-config.ts";
import { type AlertingOptions, openRoute, pingAt } from "../jobs/alerting.ts";
import type { JobWorld } from "../jobs/job-kinds.ts";
import { JobStore } from "../jobs/store.ts";
import { describeAlert } from "./alert-words.ts";
import type { Context } from "./context.ts";

/** What the service and the commands about it work with, from the configuration of this command. */
export async function neededConfig(context: Context): Promise<Config> {
  const config = await context.config();
  if (!config) throw noConfig(context.surroundings.folder, context.surroundings.environment);
  return config;
}

export async function jobWorld(context: Context, config: Config): Promise<Omit<JobWorld, "earlier" | "request">> {
  return {
    door: context.door,
    config,
    zone: context.format.zone,
    access: async (of) => {
      if (of === config.repository) return context.access();
      return {
        location: of.location,
        password: await context.password(of.password),
        cache: await context.cache(),
        keeping: of.keeping,
        reach: await context.reach(of.credentials),
      };
    },
  };
}

/** Where the service of this configuration keeps its books. */
export async function servicePlace(context: Context, config: Config) {
  const { location } = await context.repository();
  return context.door.servicePlace(config.file, location);
}

/** The books, as a scope; `undefined` where there are none yet. */
export async function openBooks(context: Context, config: Config): Promise<JobStore | undefined> {
  const { file } = await servicePlace(context, config);
  return existsSync(file) ? new JobStore(file) : undefined;
}

/** A service writes down each minute that it lives. */
export function isServing(store: JobStore | undefined, nowMs: number): boolean {
  const alive = store?.fact("alive");
  return alive !== undefined && alive !== "" && Math.abs(nowMs - Date.parse(alive)) < 150_000;
}

export function alertingFor(context: Context, { routes }: AlertsConfig, store: JobStore): AlertingOptions {
  const { version, surroundings } = context;
  return {
    routes,
    open: (config) => openRoute(config, { secret: (reference) => secretText(context, reference), version }),
    describe: (alert) => describeAlert(context, alert),
    newId: randomUUID,
    now: surroundings.now,
    pause: (ms, signal) => sleep(ms, undefined, { signal }),
    log: (delivery) => store.addDelivery(delivery),
  };
}

export function pingFor(
  context: Context,
  { ping }: AlertsConfig,
): ((signal: AbortSignal) => Promise<void>) | undefined {
  if (ping === undefined) return undefined;
  const options = { secret: (reference: SecretReference) => secretText(context, reference), version: context.version };
  return (signal) => pingAt(ping, options, signal);
}

async function secretText({ surroundings }: Context, reference: SecretReference): Promise<string> {
  const { signal, environment } = surroundings;
  const bytes = await readSecret(reference, { signal, environment });
  return bytes.toString("utf8").replace(/\r?\n$/, "");
}
