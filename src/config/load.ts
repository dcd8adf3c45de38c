import { readFile } from "node:fs/promises";
import { basename, dirname, resolve } from "node:path";
import { LineCounter, parseDocument } from "yaml";
import type { CrmDescription, FilesDescription } from "../crm/platform.ts";
import { type CacheChoice, defaultCache } from "../lib/cache-choice.ts";
import { closest } from "../lib/closest.ts";
import { parseDuration } from "../lib/duration.ts";
import { HoldfastError } from "../lib/errors.ts";
import type { JobName } from "../lib/job-names.ts";
import type { Limits } from "../lib/limits.ts";
import { type WrittenConfig, type WrittenCrm, configSchema } from "./config-schema.ts";
import { credentialNames, type StorageTraffic } from "../lib/storage-reach.ts";
import type { Config, CredentialSource, FollowConfig, RepositoryConfig } from "./config.ts";
import { defaultFollow } from "./default-follow.ts";
import { defaultLimits } from "./default-limits.ts";
import { resolveLocation } from "./location.ts";
import { resolveAlerts, routeProblem } from "./alerts-schema.ts";
import { type ConfigProblem, problemAt, problemsOf } from "./problems.ts";
import { parseSecretReference } from "./secret-reference.ts";
import { resolveRetention } from "./retention-schema.ts";
import { endlessBlackout, followsItself, resolveService, scheduleName, scheduleProblem } from "./service-schema.ts";
import { parseRate } from "./size.ts";

/**
 * `holdfast.yaml`: one file that says what is backed up and where to. It is read in three steps, each with an end of
 * its own: YAML (`yaml`), shape (`config-schema.ts`, closed), meaning (here: names that are used twice, folders that
 * nobody named). Every mistake has a line, a column and, where a word is near, what was probably meant
 * (`problems.ts`). What comes out has absolute paths, bytes and defaults, and never a secret: a password is a
 * reference (`secrets.ts` follows it).
 */
export async function loadConfig(file: string): Promise<Config> {
  const path = resolve(file);
  return configFromText(await readConfigText(path), path);
}

export async function readConfigText(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code;
    throw new HoldfastError("config-missing", { file, ...(reason === "ENOENT" ? {} : { reason }) }, error);
  }
}

/** `file` is where the text was read from: paths in it are relative to its folder. */
export function configFromText(text: string, file: string): Config {
  const checked = checkConfig(text, file);
  const [first] = checked.problems;
  if (first === undefined && checked.config) return checked.config;
  const more = checked.problems.length - 1;
  throw new HoldfastError("config-invalid", { file, ...first, ...(more > 0 ? { more } : {}) });
}

export interface CheckedConfig {
  /** Absent when there are problems. */
  readonly config?: Config;
  /** In the order of the file. */
  readonly problems: readonly ConfigProblem[];
}

export function checkConfig(text: string, file: string): CheckedConfig {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const [broken] = document.errors;
  if (broken) {
    const { line, col } = lines.linePos(broken.pos[0]);
    const detail = broken.code === "DUPLICATE_KEY" ? "duplicate" : broken.message;
    return { problems: [{ problem: "yaml", line: Math.max(1, line), column: Math.max(1, col), path: "", detail }] };
  }
  let written: unknown;
  try {
    written = document.toJS({ maxAliasCount: 100 });
  } catch (error) {
    return { problems: [{ problem: "yaml", line: 1, column: 1, path: "", detail: (error as Error).message }] };
  }
  const parsed = configSchema.safeParse(written, { reportInput: false });
  if (!parsed.success) return { problems: problemsOf(parsed.error.issues, document, lines) };
  const problems = meaningProblems(parsed.data).map(({ path, spot, ...facts }) =>
    problemAt(document, lines, path, spot, facts),
  );
  return problems.length > 0 ? { problems } : { config: resolveConfig(parsed.data, file), problems };
}

type MeaningProblem = Omit<ConfigProblem, "line" | "column" | "path"> & {
  readonly path: readonly (string | number)[];
  readonly spot: "key" | "value";
};

function meaningProblems(config: WrittenConfig): MeaningProblem[] {
  if (config.crm && config.crms) return [{ problem: "crm-and-crms", path: ["crms"], spot: "key" }];
  if (!config.crm && !config.crms) return [{ problem: "missing", key: "crm", path: [], spot: "key" }];
  const placed = config.crm
    ? [{ crm: config.crm, path: ["crm"] as (string | number)[] }]
    : (config.crms ?? []).map((crm, index) => ({ crm, path: ["crms", index] as (string | number)[] }));
  const copies = (config.copies ?? []).map((copy, index) => ({ ...copy, path: ["copies", index] }));
  const crms = placed.map(({ crm, path }) => ({ name: crm.name, path }));
  return [
    ...placed.flatMap(({ crm, path }) => crmProblems(crm, path)),
    ...namesTwice(crms),
    ...namesTwice(copies),
    ...serviceProblems(config, new Set(crms.map(({ name }) => name))),
  ];
}

function serviceProblems(config: WrittenConfig, crms: ReadonlySet<string>): MeaningProblem[] {
  const { service, alerts } = config;
  const schedules = (service?.schedules ?? []).map((one, index) => ({
    name: scheduleName(one),
    crms: one.crms,
    fault: scheduleProblem(one),
    path: ["service", "schedules", index],
  }));
  const routes = (alerts?.routes ?? []).map((one, index) => ({
    name: one.name,
    crms: one.crms,
    fault: routeProblem(one),
    path: ["alerts", "routes", index],
  }));
  const found: MeaningProblem[] = [...namesTwice(schedules), ...namesTwice(routes)];
  if (schedules.every(({ fault }) => fault === undefined)) {
    const resolved = resolveService(service, (job) => hasWorkFor(job, config));
    const all = resolved.schedules;
    const at = (service?.schedules ?? []).findLastIndex(({ job, after }) => after && followsItself(all, job));
    if (at >= 0) found.push({ problem: "after-itself", path: ["service", "schedules", at, "after"], spot: "key" });
    const endless = endlessBlackout(resolved);
    if (endless) {
      const path = ["service", "blackouts", endless.index];
      found.push({ problem: "blackout-endless", key: endless.job, path, spot: "value" });
    }
  }
  for (const { crms: named, fault, path } of [...schedules, ...routes]) {
    if (fault) {
      const { problem, key } = fault;
      found.push({ problem, key, path: problem === "missing" ? path : [...path, key], spot: "key" });
    }
    for (const [index, name] of (named ?? []).entries()) {
      if (crms.has(name)) continue;
      const suggestion = closest(name, crms);
      const facts = { problem: "crm-unknown", key: name, ...(suggestion !== undefined && { suggestion }) };
      found.push({ ...facts, path: [...path, "crms", index], spot: "value" });
    }
  }
  return found;
}

function namesTwice(
  named: readonly { readonly name: string; readonly path: readonly (string | number)[] }[],
): MeaningProblem[] {
  const names = new Set<string>();
  return named.flatMap(({ name, path }) => {
    if (names.has(name)) return [{ problem: "name-twice", key: name, path: [...path, "name"], spot: "value" as const }];
    names.add(name);
    return [];
  });
}

function crmProblems(crm: WrittenCrm, path: readonly (string | number)[]): MeaningProblem[] {
  const found: MeaningProblem[] = [];
  const folders = new Set<string>();
  for (const [index, folder] of folderEntries(crm).entries()) {
    const at = Array.isArray(crm.files) ? index : folder.name;
    if (folders.has(folder.name)) {
      found.push({ problem: "folder-twice", key: folder.name, path: [...path, "files", at], spot: "value" });
    }
    if (folder.name === "") found.push({ problem: "folder-unnamed", path: [...path, "files", at], spot: "value" });
    folders.add(folder.name);
  }
  for (const [index, { folder }] of (crm.attachments ?? []).entries()) {
    if (folders.has(folder)) continue;
    const suggestion = closest(folder, folders);
    const facts = { problem: "folder-unknown", key: folder, expected: [...folders].join(", ") };
    const place = { path: [...path, "attachments", index, "folder"], spot: "value" as const };
    found.push({ ...facts, ...(suggestion === undefined ? {} : { suggestion }), ...place });
  }
  return found;
}

/** A list gives each folder its own last name. */
function folderEntries(crm: WrittenCrm): FilesDescription[] {
  if (Array.isArray(crm.files)) return crm.files.map((path) => ({ name: basename(path), path }));
  return Object.entries(crm.files ?? {}).map(([name, path]) => ({ name, path }));
}

function resolveConfig(written: WrittenConfig, file: string): Config {
  const folder = dirname(file);
  const crms = written.crms ?? (written.crm ? [written.crm] : []);
  return {
    file,
    crms: crms.map((crm) => resolveCrm(crm, folder)),
    repository: resolveRepository(written.repository, folder),
    copies: (written.copies ?? []).map((copy) => ({
      name: copy.name,
      ...resolveRepository(copy, folder),
      ...(copy.retention === undefined ? {} : { retention: resolveRetention(copy.retention) }),
    })),
    retention: {
      byCrm: Object.fromEntries(
        crms.flatMap(({ name, retention }) => (retention ? [[name, resolveRetention(retention)]] : [])),
      ),
      ...(written.retention === undefined ? {} : { others: resolveRetention(written.retention) }),
    },
    limits: resolveLimits(written.limits),
    service: resolveService(written.service, (job) => hasWorkFor(job, written)),
    alerts: resolveAlerts(written.alerts, folder),
    cache: resolveCache(written.cache),
    traffic: resolveTraffic(written.limits),
    follow: resolveFollow(written, crms),
    drills: Object.fromEntries(
      crms.flatMap(({ name, drill }) =>
        drill
          ? [[name, { ...(drill.database !== undefined && { database: drill.database }), checks: drill.checks ?? [] }]]
          : [],
      ),
    ),
    ...(written.language === undefined ? {} : { language: written.language }),
    ...(written.search === undefined ? {} : { search: written.search }),
    ...(written.timezone === undefined ? {} : { timezone: written.timezone }),
  };
}

function hasWorkFor(job: JobName, { copies, retention, crm, crms }: WrittenConfig): boolean {
  if (job === "copy") return (copies ?? []).length > 0;
  if (job !== "forget") return true;
  return [{ retention }, crm, ...(crms ?? [])].some((one) => one?.retention !== undefined);
}

function resolveRepository(written: WrittenConfig["repository"], folder: string): RepositoryConfig {
  const { price } = written;
  const capacityBytes = written.capacity === undefined ? undefined : parseRate(written.capacity);
  return {
    location: resolveLocation(written.location, folder),
    password: parseSecretReference(written.password, folder),
    credentials: resolveCredentials(written.credentials ?? {}, folder),
    keeping: {
      ...(written.lock && { lock: written.lock }),
      ...(written.cold !== undefined && { coldClass: written.cold }),
      ...(written.parity && { parity: written.parity }),
    },
    ...(price && {
      price: {
        gbMonth: price.gbMonth,
        thousandRequests: price.thousandRequests ?? 0,
        currency: price.currency ?? "USD",
      },
    }),
    ...(capacityBytes !== undefined && { capacityBytes }),
  };
}

function resolveCrm(crm: WrittenCrm, folder: string): CrmDescription {
  return {
    name: crm.name,
    platform: crm.platform ?? "custom",
    ...(crm.configuration === undefined ? {} : { configuration: resolve(folder, crm.configuration) }),
    ...(crm.database === undefined ? {} : { database: resolveDatabase(crm.database, folder) }),
    ...(crm.databasePassword === undefined
      ? {}
      : { databasePassword: absoluteReference(crm.databasePassword, folder) }),
    files: folderEntries(crm).map(({ name, path }) => ({ name, path: resolve(folder, path) })),
    excludes: crm.exclude ?? [],
    attachments: crm.attachments ?? [],
    neutralise: crm.neutralise ?? [],
    ...(crm.anonymise && { anonymise: crm.anonymise }),
    ...resolveModel(crm),
  };
}

/** What tables mean, where the file says it. */
function resolveModel({ entities, references }: WrittenCrm): Pick<CrmDescription, "entities" | "references"> {
  return {
    ...(entities && {
      entities: entities.map(({ table, title, name, deleted }) => ({
        table,
        title,
        ...(name === undefined ? {} : { name }),
        ...(deleted === undefined ? {} : { deleted }),
      })),
    }),
    ...(references && {
      references: references.map(({ from, to, kind }) => ({ from, to, ...(kind === undefined ? {} : { kind }) })),
    }),
  };
}

/** The same reference, its path absolute. */
function absoluteReference(reference: string, folder: string): string {
  const { kind, target } = parseSecretReference(reference, folder);
  return `${kind}:${target}`;
}

/** `sqlite:crm.db` names a file; other databases are no paths. */
function resolveDatabase(url: string, folder: string): string {
  const path = /^sqlite:(?!\/\/)(.+)$/s.exec(url)?.[1];
  return path === undefined ? url : `sqlite:${resolve(folder, path)}`;
}

function resolveCache(written: WrittenConfig["cache"]): CacheChoice {
  const { use, maxBytes } = defaultCache;
  const size = written?.size === undefined ? undefined : parseRate(written.size);
  return { use: written?.use ?? use, maxBytes: size ?? maxBytes };
}

function resolveFollow({ rpo, limits }: WrittenConfig, crms: readonly WrittenCrm[]): FollowConfig {
  const own = crms.flatMap((crm) => {
    const ms = crm.rpo === undefined ? undefined : parseDuration(crm.rpo);
    return ms === undefined ? [] : [[crm.name, ms] as const];
  });
  return {
    rpoMs: (rpo === undefined ? undefined : parseDuration(rpo)) ?? defaultFollow.rpoMs,
    rpoMsByCrm: Object.fromEntries(own),
    logBytes: (limits?.log === undefined ? undefined : parseRate(limits.log)) ?? defaultFollow.logBytes,
  };
}

function resolveCredentials(
  written: Readonly<Record<string, string | undefined>>,
  folder: string,
): Readonly<Record<string, CredentialSource>> {
  const { plain, path } = credentialNames;
  const isOf = (names: readonly string[], name: string): boolean => names.includes(name);
  const found: Record<string, CredentialSource> = {};
  for (const [name, value] of Object.entries(written)) {
    if (value === undefined) continue;
    if (isOf(plain, name)) found[name] = { kind: "plain", target: value };
    else if (isOf(path, name)) found[name] = { kind: "plain", target: resolve(folder, value) };
    else found[name] = parseSecretReference(value, folder);
  }
  return found;
}

function resolveTraffic(written: WrittenConfig["limits"]): StorageTraffic {
  const upload = written?.upload === undefined ? undefined : parseRate(written.upload);
  const download = written?.download === undefined ? undefined : parseRate(written.download);
  return {
    ...(upload !== undefined && { uploadBytesPerSecond: upload }),
    ...(download !== undefined && { downloadBytesPerSecond: download }),
    ...(written?.requests !== undefined && { requests: written.requests }),
    ...(written?.timeout !== undefined && { silentMs: written.timeout * 1000 }),
  };
}

function resolveLimits(written: WrittenConfig["limits"]): Limits {
  const read = written?.read === undefined ? undefined : parseRate(written.read);
  const write = written?.write === undefined ? undefined : parseRate(written.write);
  const { workers, priority } = defaultLimits();
  return {
    ...(read === undefined ? {} : { readBytesPerSecond: read }),
    ...(write === undefined ? {} : { writeBytesPerSecond: write }),
    ...(written?.rows === undefined ? {} : { rowsPerSecond: written.rows }),
    ...(written?.connections === undefined ? {} : { connections: written.connections }),
    ...(written?.busy === undefined ? {} : { whenBusy: written.busy }),
    workers: written?.workers ?? workers,
    priority: written?.priority ?? priority,
  };
}
