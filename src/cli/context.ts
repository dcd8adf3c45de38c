import { type ChosenRepository, chooseRepository, findConfig, noConfig, type PasswordSource } from "../config/find.ts";
import { readSecret } from "../config/secrets.ts";
import type { Config, RepositoryConfig } from "../config/config.ts";
import { defaultLimits } from "../config/default-limits.ts";
import type { CrmDescription } from "../crm/platform.ts";
import type { RepositoryAccess } from "../engine/engine.ts";
import type { Door } from "../jobs/run.ts";
import { type CacheChoice, defaultCache } from "../lib/cache-choice.ts";
import { HoldfastError } from "../lib/errors.ts";
import type { Limits } from "../lib/limits.ts";
import type { StorageReach } from "../lib/storage-reach.ts";
import type { Run } from "../lib/run.ts";
import type { Format } from "../words/format.ts";
import type { Words } from "../words/words.ts";
import { canAsk } from "./ask.ts";
import { askPassword } from "./ask-password.ts";
import type { EventReader } from "./events.ts";
import { parsePoint } from "./moment.ts";
import type { Output, OutputStream } from "./output.ts";

/** What every command takes, before or after its name. */
export interface GlobalOptions {
  readonly config?: string;
  readonly repository?: string;
  readonly passwordFile?: string;
  readonly crm?: string;
  readonly json?: boolean;
  readonly lang?: string;
  /** A moment; the repository is read as it was then. */
  readonly asOf?: string;
  /** False: `--no-cache`. */
  readonly cache?: boolean;
  readonly verbose?: boolean;
  readonly quiet?: boolean;
}

/** The world around a process, as one value: so that tests can give another. */
export interface Surroundings {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Working directory. */
  readonly folder: string;
  /** Path of the JSON Schema of `holdfast.yaml` that came with this program. */
  readonly schemaFile: string;
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
  readonly now: () => Date;
  readonly signal: AbortSignal;
}

export interface ContextParts {
  readonly surroundings: Surroundings;
  readonly globals: GlobalOptions;
  readonly words: Words;
  readonly format: Format;
  readonly output: Output;
  readonly events: EventReader;
  readonly door: Door;
  /** Of this program. */
  readonly version: string;
  /** Reads a password from the bytes of its file, as restic does. */
  readonly decodePassword: (bytes: Buffer) => Promise<string>;
}

/** What a command works with. Configuration and password are read when they are first asked for. */
export interface Context extends ContextParts {
  readonly run: Run;
  /** The configuration; `undefined` when there is none. */
  config(): Promise<Config | undefined>;
  /** Location of the repository and where its password is, read from nowhere yet. `known`: where it is if not told. */
  repository(known?: string): Promise<ChosenRepository>;
  /** The same with the password itself. */
  access(known?: string): Promise<RepositoryAccess>;
  /** Reads it from where it is; asks for it where that is a terminal. */
  password(source: PasswordSource): Promise<string>;
  /** How its storage is spoken to: with this login, and as hard as `limits:` lets it. */
  reach(credentials: RepositoryConfig["credentials"]): Promise<StorageReach>;
  limits(): Promise<Limits>;
  cache(): Promise<CacheChoice>;
  /** The one CRM that is meant: `--crm`, or the only one of the configuration. */
  crm(): Promise<CrmDescription>;
  /** Its name where a name is enough; `undefined` when the repository shall decide. */
  crmName(): Promise<string | undefined>;
}

export function createContext(parts: ContextParts): Context {
  const { surroundings, globals, events } = parts;
  const { folder, environment, signal } = surroundings;
  let loading: Promise<Config | undefined> | undefined;
  let typed: string | undefined;

  async function readConfig(): Promise<Config | undefined> {
    const file = findConfig(folder, environment, globals.config);
    if (file === undefined) return undefined;
    const { loadConfig } = await import("../config/load.ts");
    return loadConfig(file);
  }

  const context: Context = {
    ...parts,
    run: { signal, now: surroundings.now, report: events.report },
    config: () => (loading ??= readConfig()),
    async repository(known) {
      const flags =
        known === undefined || globals.repository !== undefined ? globals : { ...globals, repository: known };
      const terminal = canAsk(context) ? "there" : "none";
      return chooseRepository(folder, environment, flags, await context.config(), terminal);
    },
    async access(known) {
      const { location, password, keeping, credentials } = await context.repository(known);
      const access = {
        location,
        password: await context.password(password),
        cache: await context.cache(),
        keeping,
        reach: await context.reach(credentials),
        ...(globals.asOf !== undefined && { asOf: asOfMoment(globals.asOf, surroundings.now(), parts.format.zone) }),
      };
      await parts.door.expect(access, context.run);
      return access;
    },
    async password(source) {
      if (source.kind === "terminal") return (typed ??= await askPassword(context, parts.words.password.ask));
      const bytes = await readSecret(source, {
        signal,
        environment,
        onOpenFile: (subject) => events.report({ type: "warning", warning: { code: "password-file-open", subject } }),
      });
      return parts.decodePassword(bytes);
    },
    async reach(credentials) {
      const read = async (stop: AbortSignal): Promise<Readonly<Record<string, string>>> => {
        const found: Record<string, string> = {};
        for (const [name, source] of Object.entries(credentials)) {
          const bytes =
            source.kind === "plain" ? source.target : await readSecret(source, { signal: stop, environment });
          found[name] = bytes.toString().replace(/\r?\n$/, "");
        }
        return found;
      };
      const isSecret = Object.values(credentials).some(({ kind }) => kind !== "plain");
      const traffic = (await context.config())?.traffic ?? {};
      return { credentials: await read(signal), ...(isSecret && { renewed: read }), traffic };
    },
    async cache() {
      const choice = (await context.config())?.cache ?? defaultCache;
      return globals.cache === false ? { ...choice, use: "never" } : choice;
    },
    async limits() {
      return (await context.config())?.limits ?? defaultLimits();
    },
    async crm() {
      const config = await context.config();
      if (!config) throw noConfig(folder, environment);
      return chooseCrm(config.crms, globals.crm);
    },
    async crmName() {
      if (globals.crm !== undefined || globals.repository !== undefined) return globals.crm;
      const crms = (await context.config())?.crms ?? [];
      return crms.length === 1 ? crms[0]?.name : undefined;
    },
  };
  return context;
}

/** With or without the `@` of a recovery point's moment. */
function asOfMoment(text: string, now: Date, zone: string): Date {
  const point = parsePoint(text.startsWith("@") ? text : `@${text}`, now, zone);
  if (point.kind !== "moment") throw new HoldfastError("moment-invalid", { text, problem: "form" });
  return point.time;
}

/** `--crm`, or the only one that there is. */
export function chooseCrm(crms: readonly CrmDescription[], named: string | undefined): CrmDescription {
  const known = crms.map((one) => one.name).join(", ");
  const [first, second] = crms;
  if (named === undefined && second) throw new HoldfastError("crm-ambiguous", { known });
  const found = named === undefined ? first : crms.find((one) => one.name === named);
  if (!found) throw new HoldfastError("crm-unknown", { name: named ?? "", known });
  return found;
}
