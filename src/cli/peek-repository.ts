import { statSync } from "node:fs";
import { dirname } from "node:path";
import type { SecretReference } from "../config/config.ts";
import { chooseRepository, type PasswordSource } from "../config/find.ts";
import { isPath, resolveLocation } from "../config/location.ts";
import { parseSecretReference } from "../config/secret-reference.ts";
import { readSecret } from "../config/secrets.ts";
import { peekText } from "./peek-config.ts";
import { typedOption } from "./typed-option.ts";

/** Commands, by their last word, that open the repository of the configuration with its password. */
export const openingCommands: ReadonlySet<string> = new Set([
  ...["backup", "snapshots", "browse", "search", "compare", "history", "transactions", "plan", "apply", "run", "drill"],
  ...["copy", "export", "forget", "hold", "release", "prune", "verify", "repair", "kit", "status", "serve", "advise"],
]);

interface PeekOptions {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Working directory. */
  readonly folder: string;
  readonly signal: AbortSignal;
  readonly decodePassword: (bytes: Buffer) => Promise<string>;
}

/**
 * The repository that a command is likely to open, and its password: read without parsing what was typed and the
 * configuration, and before those who do that are loaded, so that scrypt can begin. A guess that serves nothing else: it
 * is good where what is read properly afterwards says the same. Only for what may be done in vain without a trace: with a
 * password that is in a plain file or the environment, and without asking a repository elsewhere. `undefined` for anything else, and for
 * what fails, which is told by whoever fails again.
 */
export async function peekRepository(
  typed: readonly string[],
  { environment, folder, signal, decodePassword }: PeekOptions,
): Promise<{ readonly location: string; readonly password: string } | undefined> {
  if (!typed.some((word) => openingCommands.has(word))) return undefined;
  try {
    const repository = typedOption(typed, "--repository");
    const passwordFile = typedOption(typed, "--password-file");
    const flags = {
      ...(repository !== undefined && { repository }),
      ...(passwordFile !== undefined && { passwordFile }),
    };
    const written = peekText(typed, folder, environment);
    const config = written && writtenRepository(written.text, dirname(written.file));
    const { location, password } = chooseRepository(folder, environment, flags, config, "none");
    if (!mayBeReadTwice(password) || (!isPath(location) && typed.includes("--no-cache"))) return undefined;
    return { location, password: await decodePassword(await readSecret(password, { signal, environment })) };
  } catch {
    return undefined;
  }
}

/** A pipe gives its bytes once, and a command may ask somebody. */
function mayBeReadTwice(password: PasswordSource): password is SecretReference {
  return password.kind === "env" || (password.kind === "file" && statSync(password.target).isFile());
}

function writtenRepository(text: string, folder: string): Parameters<typeof chooseRepository>[3] {
  const [, block = ""] = /^repository:[ \t]*(?:#.*)?\n((?:[ \t].*\n?|[ \t]*\n)*)/m.exec(text) ?? [];
  const location = value(block, "location");
  const password = value(block, "password");
  if (location === undefined || password === undefined) return undefined;
  const repository = {
    location: resolveLocation(location, folder),
    password: parseSecretReference(password, folder),
    keeping: {},
    credentials: {},
  };
  return { repository, copies: [] };
}

/** Of a scalar on one line, plain or in quotes, without escapes. */
function value(block: string, key: string): string | undefined {
  const scalar = `(?:"([^"\\\\]*)"|'([^']*)'|([^\\s"'#&*!|>][^#\\n]*?))`;
  const [, double, single, plain] =
    new RegExp(`^[ \\t]+${key}:[ \\t]+${scalar}[ \\t]*(?:[ \\t]#.*)?$`, "m").exec(block) ?? [];
  return double ?? single ?? plain;
}
