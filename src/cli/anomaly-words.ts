import type { Format } from "../words/format.ts";
import { type Words, sentence } from "../words/words.ts";

/** An anomaly as a sentence. It may come from a report in a repository, so only what is text or a number is shown. */
export function anomalyText(anomaly: unknown, words: Words, format: Format): string {
  if (typeof anomaly !== "object" || anomaly === null) return "?";
  const facts = Object.fromEntries(
    Object.entries(anomaly).filter(
      (one): one is [string, string | number] => typeof one[1] === "string" || typeof one[1] === "number",
    ),
  );
  const kind = String(facts["kind"] ?? "");
  return format.fill(sentence(words.anomalies, kind) ?? `${kind} {subject}`, facts);
}
