import { randomInt } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { dirname, join, relative, resolve, sep } from "node:path";
import { chooseRepository, type ChosenRepository, findConfig } from "../config/find.ts";
import type { ConfigDraft } from "../config/write.ts";
import type { DetectedCrm } from "../crm/platform.ts";
import type { RepositoryAccess } from "../engine/engine.ts";
import { HoldfastError, isHoldfastError } from "../lib/errors.ts";
import { shellCommand } from "../lib/shell-command.ts";
import { ask, canAsk } from "./ask.ts";
import { type Command, hasFlag } from "./command.ts";
import type { Context } from "./context.ts";
import { exitCodes } from "./exit-codes.ts";
import { kitLines } from "./kit.ts";

/**
 * From a folder to the first backup: recognise the CRM, make the password, make the repository, write `holdfast.yaml`.
 * In this order, so that a failure leaves no configuration that names what is not there. Where the file is already
 * there, it is left as it is, and what it names is made.
 */
export const initCommand: Command = {
  name: "init",
  answers: "question",
  arguments: [{ form: "[folder]" }],
  options: [{ flags: "--yes" }],
  async run(context, invocation) {
    const { surroundings, globals, output } = context;
    const folder = resolve(surroundings.folder, invocation.arguments[0] ?? ".");
    const file = resolve(surroundings.folder, globals.config ?? join(folder, "holdfast.yaml"));
    const plan = existsSync(file) ? await fromFile(context, file) : await fromFolder(context, folder, file, invocation);
    const made = await makeRepository(context, plan);
    if (plan.draft) await writeDraft(context, file, plan.draft);
    const reach = await context.reach(plan.credentials);
    const access = { location: plan.location, password: made.password, keeping: plan.keeping, reach };
    output.record({
      type: "init",
      configFile: file,
      configWritten: plan.draft !== undefined,
      ...(plan.draft ? { crm: plan.draft.crm } : {}),
      repository: { location: plan.location, ...(made.id === undefined ? {} : { id: made.id }) },
      repositoryMade: made.id !== undefined,
      ...(plan.password.kind === "file" ? { passwordFile: plan.password.target } : {}),
      passwordMade: made.passwordMade,
    });
    printSummary(context, file, plan, made);
    await offerKit(context, access, plan.crms, file);
    return exitCodes.done;
  },
};

interface InitPlan extends ChosenRepository {
  /** Names. */
  readonly crms: readonly string[];
  /** What to write; absent where the configuration exists. */
  readonly draft?: ConfigDraft;
}

interface Made {
  readonly password: string;
  readonly passwordMade: boolean;
  /** Absent: the repository was there already, and the password opens it. */
  readonly id?: string;
}

async function fromFile(context: Context, file: string): Promise<InitPlan> {
  const { loadConfig } = await import("../config/load.ts");
  const { folder, environment } = context.surroundings;
  const config = await loadConfig(file);
  const chosen = chooseRepository(folder, environment, context.globals, config, "none");
  return { ...chosen, crms: config.crms.map(({ name }) => name) };
}

async function fromFolder(
  context: Context,
  folder: string,
  file: string,
  invocation: Parameters<Command["run"]>[1],
): Promise<InitPlan> {
  const { words, format, output, globals, surroundings } = context;
  const asking = !hasFlag(invocation, "yes") && canAsk(context);
  if (!hasFlag(invocation, "yes") && !asking) throw new HoldfastError("usage", { problem: "not-a-terminal" });
  const detected = await context.door.detectCrm(folder);
  const [best, ...others] = detected;
  if (!best) throw new HoldfastError("crm-not-detected", { folder });
  output.line(foundText(context, best, folder));
  if (others.length > 0) {
    const named = others.map((one) => `${one.platform} (${one.name})`).join(", ");
    output.line(format.fill(words.init.choose, { others: named }));
  }
  if (best.unasked) {
    output.line(format.fill(words.init.unasked, { databases: best.unasked.join(", "), platform: best.platform }));
  }
  const home = dirname(file);
  const written = (path: string) => pathBelow(home, path);
  const proposed = {
    name: best.name,
    location:
      // Not in the CRM's folder: whoever removes that, or writes it anew, would take the backups along.
      globals.repository === undefined
        ? pathBelow(home, `${folder}-backups`)
        : locationBelow(home, surroundings.folder, globals.repository),
  };
  const chosen = asking
    ? {
        name: await askFor(context, words.init.askName, proposed.name),
        location: await askFor(context, words.init.askRepository, proposed.location),
      }
    : proposed;
  // Nor the password: a CRM's folder is often what a web server gives out.
  const isOutside = pathBelow(folder, home) === home;
  const ownPasswordFile = isOutside ? join(home, "password.txt") : `${folder}-password.txt`;
  const passwordFile = resolve(surroundings.folder, globals.passwordFile ?? ownPasswordFile);
  const draft = {
    crm: crmDraft(best, chosen.name, written),
    repository: { location: chosen.location, password: `file:${written(passwordFile)}` },
  };
  const { resolveLocation } = await import("../config/location.ts");
  const password = { kind: "file" as const, target: passwordFile };
  const location = resolveLocation(chosen.location, home);
  return { location, password, keeping: {}, credentials: {}, draft, crms: [chosen.name] };
}

/** Of a CRM that no platform knows, what it was taken to consist of. */
function foundText({ words, format }: Context, { platform, version, database, files }: DetectedCrm, folder: string) {
  if (platform !== "custom") return format.fill(words.init.found, { platform, version, folder });
  const inside = (path: string): string => relative(folder, path);
  const places = files.map((file) => `${inside(file)}/`).join(words.label.comma);
  return format.fill(words.init.foundCustom, { database: inside(database.replace(/^sqlite:/, "")), places, folder });
}

function crmDraft(detected: DetectedCrm, name: string, written: (path: string) => string): ConfigDraft["crm"] {
  const { platform, database, configuration, files, attachments } = detected;
  // A known platform finds database and folders again by its own configuration, and follows it when it changes.
  if (configuration !== undefined) return { name, platform, configuration: written(configuration), ...sqlite() };
  return { name, platform, ...sqlite(), files: files.map(written), ...(attachments.length > 0 ? { attachments } : {}) };

  function sqlite() {
    const path = /^sqlite:(\/.*)$/s.exec(database)?.[1];
    return { database: path === undefined ? database : `sqlite:${written(path)}` };
  }
}

async function askFor(context: Context, question: string, proposal: string): Promise<string> {
  return (await ask(context, `${question} [${proposal}]${context.words.label.colon}`)) || proposal;
}

/** Below `home` as `./…`, elsewhere absolute: a file that moves with its folder stays right. */
function pathBelow(home: string, path: string): string {
  const below = relative(home, path);
  return below === "" ? "." : below.startsWith(`..${sep}`) || below === ".." ? path : `./${below}`;
}

function locationBelow(home: string, folder: string, location: string): string {
  return /^[a-z][a-z0-9+-]+:/i.test(location) ? location : pathBelow(home, resolve(folder, location));
}

/** The password where there is none yet, then the repository. What was made is taken away again when it fails. */
async function makeRepository(context: Context, plan: InitPlan): Promise<Made> {
  const { door, run } = context;
  const { location, password: reference, keeping, credentials, draft } = plan;
  const passwordMade = reference.kind === "file" && !existsSync(reference.target);
  if (passwordMade) await writePassword(reference.target);
  try {
    const password = await context.password(reference);
    // What is only to be written has no limits yet, and cannot be read.
    const reach = draft === undefined ? await context.reach(credentials) : {};
    const repository = { location, password, keeping, reach };
    try {
      const { id } = await door.createRepository(repository, run);
      return { password, passwordMade, id };
    } catch (error) {
      if (!isHoldfastError(error, "repository-exists") || passwordMade) throw error;
      await door.snapshots({ repository }, run); // says so when the password is another
      return { password, passwordMade };
    }
  } catch (error) {
    if (passwordMade) await rm(reference.target, { force: true });
    throw error;
  }
}

/** No digits and letters that look alike, in groups: a person may have to type it from paper. About 123 bits. */
const passwordLetters = "abcdefghjkmnpqrstuvwxyz23456789";

async function writePassword(path: string): Promise<void> {
  const letter = () => passwordLetters[randomInt(passwordLetters.length)] ?? "";
  const group = () => Array.from({ length: 5 }, letter).join("");
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await writeFile(path, `${Array.from({ length: 5 }, group).join("-")}\n`, { mode: 0o600, flag: "wx" });
  } catch (error) {
    throw new HoldfastError("storage-denied", { path, reason: (error as NodeJS.ErrnoException).code }, error);
  }
}

async function writeDraft(context: Context, file: string, draft: ConfigDraft): Promise<void> {
  const { writeConfig } = await import("../config/write.ts");
  const text = writeConfig(draft, context.words.configFile, context.surroundings.schemaFile);
  try {
    await writeFile(file, text, { flag: "wx" });
  } catch (error) {
    throw new HoldfastError("storage-denied", { path: file, reason: (error as NodeJS.ErrnoException).code }, error);
  }
}

function printSummary({ words, format, output }: Context, file: string, plan: InitPlan, made: Made): void {
  const { init } = words;
  output.line(format.fill(plan.draft ? init.config : init.existing, { file }));
  if (plan.password.kind === "file") {
    output.line(format.fill(made.passwordMade ? init.password : init.passwordExisting, { file: plan.password.target }));
  }
  const repository = made.id === undefined ? init.repositoryExisting : init.repository;
  output.line(format.fill(repository, { location: plan.location, id: made.id?.slice(0, 8) }));
}

/** A kit at minute one: without it, the password lies only where the CRM does. */
async function offerKit(
  context: Context,
  repository: RepositoryAccess,
  configured: readonly string[],
  file: string,
): Promise<void> {
  const { words, output, door, run, surroundings } = context;
  const found = findConfig(surroundings.folder, surroundings.environment, undefined) === file;
  const command = (name: string) => `  ${shellCommand(["holdfast", name, ...(found ? [] : ["--config", file])])}`;
  const wanted = canAsk(context) && /^(?:y|yes|是|好|)$/i.test(await ask(context, words.init.askKit));
  if (wanted) output.lines(["", ...kitLines(context, await door.kit({ repository, configured }, run)), ""]);
  else output.lines(["", words.init.kitLater, command("kit")]);
  output.lines([words.init.next, command("doctor"), command("backup")]);
}
