import * as z from "zod";
import { hasPort } from "./service-schema.ts";
import { parseSecretReference, secretPattern } from "./secret-reference.ts";
import { type AlertsConfig, type RouteConfig, alertEvents } from "./service-config.ts";

/** `alerts:` as it is written: who is told of what. */
const problem = (code: string) => ({ params: { problem: code } });

const secret = z.string().refine((value) => secretPattern.test(value), problem("plain-secret"));

/** A web address without a password in it, or a reference to one. */
const address = z
  .string()
  .refine((text) => secretPattern.test(text) || isWebAddress(text), problem("web-address"))
  .meta({ examples: ["https://hooks.example.com/backups", "file:./webhook.txt"] });

const mail = z.string().regex(/^[^\s@<>]+@[^\s@<>]+$/, { error: "mail-address" });

const route = z.strictObject({
  name: z.string().regex(/^[a-z0-9][a-z0-9-]{0,31}$/, { error: "schedule-name" }),
  kind: z.enum(["email", "webhook"]),
  on: z
    .array(z.enum(alertEvents))
    .min(1)
    .optional()
    .meta({ description: "Absent: failed, warning, missed, recovered and anomaly. What ended ok is never told." }),
  crms: z.array(z.string().min(1)).min(1).optional().meta({ description: "Only these CRMs; absent: all." }),
  server: z
    .string()
    .regex(/^(?:smtps?|smtp\+plain):\/\/(?:[^\s@/:]+@)?[^\s@/:]+(?::\d{1,5})?$/, { error: "smtp-address" })
    .refine((text) => hasPort(text) && isEncoded(text), problem("smtp-address"))
    .optional()
    .meta({
      description: "Of e-mail: smtps:// (TLS), smtp:// (STARTTLS), smtp+plain:// (without, for this machine).",
      examples: ["smtp://alerts@mail.example.com:587", "smtp+plain://localhost:25"],
    }),
  password: secret.optional().meta({ description: "Of the mail server's user." }),
  from: mail.optional(),
  to: z.array(mail).min(1).optional(),
  url: address.optional().meta({ description: "Of a webhook." }),
  secret: secret.optional().meta({ description: "Signs what the webhook is sent." }),
});

export const alertsSchema = z.strictObject({
  routes: z.array(route).optional(),
  ping: address
    .optional()
    .meta({ description: "Called after each job that ended well, for a service that tells you when nobody calls." }),
});

type WrittenRoute = z.infer<typeof route>;

const needed = { email: ["server", "from", "to"], webhook: ["url"] } as const;
const ofKind = { email: ["server", "password", "from", "to"], webhook: ["url", "secret"] } as const;

/** The key that is missing, or that belongs to the other kind of route. */
export function routeProblem(written: WrittenRoute): { readonly problem: string; readonly key: string } | undefined {
  const missing = needed[written.kind].find((key) => written[key] === undefined);
  if (missing !== undefined) return { problem: "missing", key: missing };
  const other = ofKind[written.kind === "email" ? "webhook" : "email"].find((key) => written[key] !== undefined);
  return other === undefined ? undefined : { problem: "only-for", key: other };
}

export function resolveAlerts(written: z.infer<typeof alertsSchema> | undefined, folder: string): AlertsConfig {
  return {
    routes: (written?.routes ?? []).map((one) => resolveRoute(one, folder)),
    ...(written?.ping !== undefined && { ping: resolveAddress(written.ping, folder) }),
  };
}

const defaultPorts = { required: 465, starttls: 587, none: 25 } as const;

function resolveRoute(written: WrittenRoute, folder: string): RouteConfig {
  const { name, crms } = written;
  const match = { name, on: written.on ?? alertEvents, ...(crms && { crms }) };
  if (written.kind === "webhook") {
    const { secret: signing } = written;
    const url = resolveAddress(written.url ?? "", folder);
    return { ...match, kind: "webhook", url, ...(signing && { secret: parseSecretReference(signing, folder) }) };
  }
  const [, scheme, user, host = "", port] =
    /^(smtps?|smtp\+plain):\/\/(?:([^@]+)@)?([^:]+)(?::(\d+))?$/.exec(written.server ?? "") ?? [];
  const tls = scheme === "smtps" ? "required" : scheme === "smtp" ? "starttls" : "none";
  return {
    ...match,
    kind: "email",
    host,
    port: port === undefined ? defaultPorts[tls] : Number(port),
    tls,
    ...(user !== undefined && { user: decodeURIComponent(user) }),
    ...(written.password !== undefined && { password: parseSecretReference(written.password, folder) }),
    from: written.from ?? "",
    to: written.to ?? [],
  };
}

function resolveAddress(text: string, folder: string): NonNullable<AlertsConfig["ping"]> {
  return secretPattern.test(text) ? parseSecretReference(text, folder) : { kind: "url", target: text };
}

function isEncoded(text: string): boolean {
  try {
    return decodeURIComponent(text) !== "";
  } catch {
    return false;
  }
}

function isWebAddress(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, username, password } = new URL(text);
  return (protocol === "https:" || protocol === "http:") && username === "" && password === "";
}
