import type { Warning } from "../lib/events.ts";
import type { Format } from "../words/format.ts";
import { type Words, sentence } from "../words/words.ts";
import type { Output } from "./output.ts";

/** How many warnings of one kind are listed before they are only counted. */
const listed = 10;

export function warningText(warning: Warning, words: Words, format: Format): string {
  const template = sentence(words.warnings, warning.code) ?? `${warning.code}: {subject}[[ ({detail})]]`;
  if (warning.about) {
    const detail = aboutText(warning.about, words, format);
    return format.fill(template, { subject: warning.subject, detail });
  }
  const detail =
    warning.detail === undefined
      ? undefined
      : (sentence(words.uncovered, warning.detail) ??
        sentence(words.keyUses, warning.detail) ??
        sentence(words.lockProblems, warning.detail) ??
        warning.detail);
  return format.fill(template, { subject: warning.subject, detail });
}

/** With what a recovery point ended: how many, and the first of them. */
export function aboutText({ count, first }: NonNullable<Warning["about"]>, words: Words, format: Format): string {
  return format.fill(words.warningsAbout, { count, first: warningText(first, words, format) });
}

/** Warnings as lines, the first ten of each kind; `--verbose` shows all. */
export function warningLines(warnings: readonly Warning[], output: Output, words: Words, format: Format): string[] {
  const byCode = Map.groupBy(warnings, (warning) => warning.code);
  return [...byCode.values()].flatMap((group) => {
    const shown = output.detail === "verbose" ? group : group.slice(0, listed);
    const lines = shown.map((warning) => `  ${output.paint("yellow", "!")} ${warningText(warning, words, format)}`);
    const more = group.length - shown.length;
    return more > 0 ? [...lines, `    ${format.fill(words.moreWarnings, { count: more })}`] : lines;
  });
}
