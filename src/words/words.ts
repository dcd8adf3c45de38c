import type { en } from "./en.ts";

/**
 * The one catalogue of sentences, in two languages of the same shape: a key that one of them lacks does not compile,
 * and `words.test.ts` compares keys and placeholders. Codes (of errors, warnings, notes, checks, defects) are keys;
 * whoever finds a fact throws or reports the code, and here is what a person reads. `format.ts` fills in the facts.
 */
export type Translated<T> = T extends string ? string : { readonly [K in keyof T]: Translated<T[K]> };

export type Words = Translated<typeof en>;

export const languages = ["en", "zh-CN"] as const;
export type Language = (typeof languages)[number];

/** Loads one language only: a command speaks one. */
export async function loadWords(language: Language): Promise<Words> {
  switch (language) {
    case "en":
      return (await import("./en.ts")).en;
    case "zh-CN":
      return (await import("./zh-cn.ts")).zhCn;
  }
}

/** A sentence from a set that is open (codes of checks, defects, platforms): `undefined` when there is none. */
export function sentence(set: Readonly<Record<string, unknown>>, code: string): string | undefined {
  const found = Object.hasOwn(set, code) ? set[code] : undefined;
  return typeof found === "string" ? found : undefined;
}
