import type { DrillCheck } from "../engine/drill-checks.ts";
import type { DrillReport } from "../engine/drill.ts";
import { printable } from "../words/format.ts";
import { sentence } from "../words/words.ts";
import type { Context } from "./context.ts";

/** One check in a sentence. */
export function checkSentence({ words, format }: Context, { kind, state, subject, detail }: DrillCheck): string {
  const texts = words.drill;
  const facts = {
    ...(subject !== undefined && { subject: printable(subject) }),
    ...(detail !== undefined && { detail: printable(detail) }),
  };
  if (state !== "skipped") return format.fill(texts.checks[kind][state], facts);
  const why = sentence(texts.why, detail ?? "") ?? detail ?? "";
  return format.fill(texts.checks[kind].skipped, { ...facts, detail: why });
}

/** Where the copy's database was. */
export function placeSentence({ words, format }: Context, { database }: DrillReport): string | undefined {
  if (!database) return undefined;
  const { place, ...facts } = database;
  const text = words.drill.places[place];
  return format.fill(text, textFacts(facts));
}

/** Why the drill ended before all checks were made. */
export function failureSentence({ words, format }: Context, { failure }: DrillReport): string | undefined {
  if (!failure) return undefined;
  const known: Readonly<Record<string, { readonly text: string }>> = words.errors;
  return format.fill(known[failure.code]?.text ?? failure.code, textFacts(failure.facts));
}

function textFacts(facts: Readonly<Record<string, unknown>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(facts).flatMap(([name, value]) =>
      typeof value === "string" || typeof value === "number" ? [[name, printable(String(value))]] : [],
    ),
  );
}
