import type { Gap } from "../jobs/gaps.ts";
import type { Format } from "../words/format.ts";
import { sentence, type Words } from "../words/words.ts";

/** A gap as it was told when it began. */
export function gapText({ of, subject, reason, since }: Gap, words: Words, format: Format): string {
  const template = words.notes[of === "files" ? "follow-files-gap" : "follow-gap"];
  return format.fill(template, { subject, path: subject, reason, time: since, ...reasonInWords({ reason }, words) });
}

/** Why there is a gap in the journal, as a person reads it. */
export function reasonInWords(
  { reason }: Readonly<Record<string, string | number>>,
  words: Words,
): { readonly reason?: string } {
  const known = typeof reason === "string" ? sentence(words.gapReasons, reason) : undefined;
  return known === undefined ? {} : { reason: known };
}
