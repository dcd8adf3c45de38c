import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { HoldfastError } from "../lib/errors.ts";
import type { Keeping } from "../lib/keeping.ts";
import type { Config, RepositoryConfig, SecretReference } from "./config.ts";
import { resolveLocation } from "./location.ts";

type Environment = Readonly<Record<string, string | undefined>>;

export interface RepositoryFlags {
  readonly repository?: string;
  readonly passwordFile?: string;
}

/** Where a password comes from: `terminal` where nothing says so, and there is one to type it on. */
export type PasswordSource = SecretReference | { readonly kind: "terminal" };

/**
 * The configuration to use: `--config FILE`, else `holdfast.yaml` in the working directory, else the user's own
 * (`$XDG_CONFIG_HOME/holdfast/holdfast.yaml`). `undefined` when there is none; a file that was named need not exist
 * here: reading it says so.
 */
export function findConfig(folder: string, environment: Environment, named: string | undefined): string | undefined {
  if (named !== undefined) return resolve(folder, named);
  const { here, own } = placesOf(folder, environment);
  return [here, own].find((place) => place !== undefined && existsSync(place));
}

/** For whoever cannot do without: there is none in any of the places. */
export function noConfig(folder: string, environment: Environment): HoldfastError {
  const { here, own } = placesOf(folder, environment);
  return new HoldfastError("config-missing", { file: here, ...(own !== undefined && { other: own }) });
}

function placesOf(folder: string, environment: Environment): { readonly here: string; readonly own?: string } {
  const home = environment["HOME"];
  const userFolder = nonEmpty(environment["XDG_CONFIG_HOME"]) ?? (home ? join(home, ".config") : undefined);
  const here = join(folder, "holdfast.yaml");
  return { here, ...(userFolder && { own: join(userFolder, "holdfast", "holdfast.yaml") }) };
}

export interface ChosenRepository {
  readonly location: string;
  readonly password: PasswordSource;
  /** What the configuration says of the repository at this place; of another it says nothing. */
  readonly keeping: Keeping;
  readonly credentials: RepositoryConfig["credentials"];
}

/**
 * Which repository, and where its password is: flags before the environment (`HOLDFAST_REPOSITORY`,
 * `HOLDFAST_PASSWORD_FILE`) before the configuration. Paths of flags and environment are relative to `folder`. One of
 * the configured copies may be meant, by its name or by its location: it then brings its own password.
 */
export function chooseRepository(
  folder: string,
  environment: Environment,
  flags: RepositoryFlags,
  config: Pick<Config, "repository" | "copies"> | undefined,
  terminal: "there" | "none",
): ChosenRepository {
  const named = flags.repository ?? nonEmpty(environment["HOLDFAST_REPOSITORY"]);
  const resolved = named === undefined ? undefined : resolveLocation(named, folder);
  const copy = config?.copies.find(({ name, location }) => name === named || location === resolved);
  const configured = copy ?? config?.repository;
  const location = copy?.location ?? resolved ?? configured?.location;
  if (location === undefined) throw noConfig(folder, environment);
  const file = flags.passwordFile ?? nonEmpty(environment["HOLDFAST_PASSWORD_FILE"]);
  const password = file === undefined ? configured?.password : fileReference(resolve(folder, file));
  const its = configured?.location === location ? configured : undefined;
  const { keeping, credentials } = { keeping: {}, credentials: {}, ...its };
  if (password !== undefined) return { location, password, keeping, credentials };
  if (terminal === "none") throw new HoldfastError("config-secret", { problem: "none" });
  return { location, password: { kind: "terminal" }, keeping, credentials };
}

function fileReference(target: string): SecretReference {
  return { kind: "file", target };
}

function nonEmpty(value: string | undefined): string | undefined {
  return value === "" ? undefined : value;
}
