import { readFileSync } from "node:fs";
import { findConfig } from "../config/find.ts";
import { isTimeZone } from "../config/time-zone.ts";

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
  const index = typed.findIndex((one) => one === "--config" || one.startsWith("--config="));
  const option = typed[index];
  const named = option === "--config" ? typed[index + 1] : option?.slice("--config=".length);
  const file = findConfig(folder, environment, named);
  if (file === undefined) return {};
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch {
    return {}; // whoever needs the configuration says so
  }
  const value = (key: string) =>
    new RegExp(`^${key}:\\s*["']?([A-Za-z0-9_+/-]+)["']?\\s*(?:#.*)?$`, "m").exec(text)?.[1];
  const language = value("language");
  const timezone = value("timezone");
  return {
    ...(language === undefined ? {} : { language }),
    ...(timezone !== undefined && isTimeZone(timezone) ? { timezone } : {}),
  };
}
