import { readFileSync } from "node:fs";
import { findConfig } from "../config/find.ts";
import { isTimeZone } from "../config/time-zone.ts";
import { typedOption } from "./typed-option.ts";

export interface Peeked {
  readonly language?: string;
  readonly timezone?: string;
}

/**
 * Language and time zone of the configuration, read without parsing it: help and the message that the configuration
 * is wrong must speak before, and without, a configuration that is right. Only keys at the left margin count.
 */
export function peekConfig(
  typed: readonly string[],
  folder: string,
  environment: Readonly<Record<string, string | undefined>>,
): Peeked {
  const text = peekText(typed, folder, environment)?.text ?? "";
  const value = (key: string) =>
    new RegExp(`^${key}:\\s*["']?([A-Za-z0-9_+/-]+)["']?\\s*(?:#.*)?$`, "m").exec(text)?.[1];
  const language = value("language");
  const timezone = value("timezone");
  return {
    ...(language === undefined ? {} : { language }),
    ...(timezone !== undefined && isTimeZone(timezone) ? { timezone } : {}),
  };
}

/** The configuration as it is written; `undefined` where there is none: whoever needs it says so. */
export function peekText(
  typed: readonly string[],
  folder: string,
  environment: Readonly<Record<string, string | undefined>>,
): { readonly file: string; readonly text: string } | undefined {
  const file = findConfig(folder, environment, typedOption(typed, "--config"));
  if (file === undefined) return undefined;
  try {
    return { file, text: readFileSync(file, "utf8") };
  } catch {
    return undefined;
  }
}
