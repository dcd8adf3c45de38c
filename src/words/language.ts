import { type Language, languages } from "./words.ts";

/**
 * The language to speak: what was asked for (`--lang`, then the configuration), else the first of `LC_ALL`,
 * `LC_MESSAGES` and `LANG` that says one, else English. Output is UTF-8 whatever the locale: under `LANG=C` as well.
 */
export function chooseLanguage(
  asked: readonly (string | undefined)[],
  environment: Readonly<Record<string, string | undefined>>,
): Language {
  for (const name of asked) {
    const language = name === undefined ? undefined : languageNamed(name);
    if (language) return language;
  }
  const locale = environment["LC_ALL"] || environment["LC_MESSAGES"] || environment["LANG"] || "";
  return languageNamed(locale) ?? "en";
}

/** `zh-CN`, `zh_CN.UTF-8`, `zh`, `en_GB`: the nearest language that there is; `undefined` for others. */
function languageNamed(name: string): Language | undefined {
  const exact = languages.find((one) => one.toLowerCase() === name.toLowerCase());
  if (exact) return exact;
  const base = /^([a-z]{2})(?:[-_.@]|$)/i.exec(name)?.[1]?.toLowerCase();
  if (base === "zh") return "zh-CN";
  return base === "en" ? "en" : undefined;
}
