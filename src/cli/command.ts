import { HoldfastError } from "../lib/errors.ts";
import type { Context } from "./context.ts";

/**
 * A command: how it is called and what it does. What it is called in help, and what each option is for, stands in
 * `words` under its name: options by their name in camel case, arguments by theirs.
 */
export interface Command {
  /** `backup`, `restore plan`: a key of `words.commands`. */
  readonly name: string;
  readonly options?: readonly OptionSpec[];
  readonly arguments?: readonly ArgumentSpec[];
  /** A `stream` tells of its work under `--json`, a line an event; a `question` answers with one object. */
  readonly answers: "stream" | "question";
  /** Gives the exit code, or throws. */
  readonly run: (context: Context, invocation: Invocation) => Promise<number>;
}

/** Commands that belong together in the help; the name is a key of `words.program.groups`. */
export interface CommandGroup {
  readonly name: "begin" | "look" | "recover" | "protect" | "keep" | "repository" | "other";
  readonly commands: readonly Command[];
}

export interface OptionSpec {
  /** As commander takes them: `--dry-run`, `--wait [duration]`, `--as <purpose>`. */
  readonly flags: string;
  readonly choices?: readonly string[];
}

export interface ArgumentSpec {
  /** As commander takes them: `<plan>`, `[point]`, `[paths...]`. */
  readonly form: string;
  readonly choices?: readonly string[];
}

export interface Invocation {
  readonly arguments: readonly string[];
  /** Options by their name in camel case: `true` for a flag. */
  readonly options: Readonly<Record<string, unknown>>;
}

export function textOption(invocation: Invocation, name: string): string | undefined {
  const value = invocation.options[name];
  return typeof value === "string" ? value : undefined;
}

/** Of an option that takes several values, and may be given again. */
export function listOption(invocation: Invocation, name: string): readonly string[] {
  const value = invocation.options[name];
  return Array.isArray(value) ? value.filter((one) => typeof one === "string") : [];
}

export function hasFlag(invocation: Invocation, name: string): boolean {
  return invocation.options[name] === true;
}

/** A whole number above 0. */
export function countOption(invocation: Invocation, name: string): number | undefined {
  const text = textOption(invocation, name);
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) {
    throw new HoldfastError("usage", { problem: "bad-value", what: `--${name}`, value: text });
  }
  return value;
}
