import { shellCommand } from "../lib/shell-command.ts";
import type { Context } from "./context.ts";

/** A command to type next, with the options that chose configuration and repository in this one. */
export function nextCommand({ globals }: Context, ...rest: readonly string[]): string {
  const { config, repository, passwordFile, asOf } = globals;
  const options = [
    ...(config === undefined ? [] : ["--config", config]),
    ...(repository === undefined ? [] : ["--repository", repository]),
    ...(passwordFile === undefined ? [] : ["--password-file", passwordFile]),
    ...(asOf === undefined ? [] : ["--as-of", asOf]),
  ];
  return shellCommand(["holdfast", ...rest, ...options]);
}

/** The same about the CRM that was named in this one. */
export function nextAboutCrm(context: Context, ...rest: readonly string[]): string {
  const { crm } = context.globals;
  return nextCommand(context, ...rest, ...(crm === undefined ? [] : ["--crm", crm]));
}
