import { isHoldfastError } from "../lib/errors.ts";
import type { RunEnd } from "./dispatcher.ts";
import type { RunError } from "./store.ts";

/** How a run ends that failed, and whether another attempt is worthwhile. */
export function failureOf(error: unknown): RunEnd {
  const code = isHoldfastError(error) ? error.code : "internal";
  const facts = isHoldfastError(error) ? factsOf(error.facts) : { detail: String(error).slice(0, 500) };
  const told = { code, facts };
  return { outcome: "failed", error: told, again: isHopeless(told) ? "useless" : "worthwhile" };
}

/** Trying again does not change what is written in the configuration, what somebody has to decide, or what was found to be wrong. */
function isHopeless({ code, facts }: RunError): boolean {
  // What a command asks for a password may be out of reach for a while, and so may the CRM's own file, or be only half written.
  if (code === "config-secret" && String(facts["problem"]).startsWith("cmd")) return false;
  if (code === "crm-configuration-unreadable") return false;
  return /^(?:config-|crm-|usage|confirm-|plan-|password-|job-unknown|copy-unknown|verify-failed|drill-failed|retention-empty|restore-(?:incomplete|lost)|follow-(?:unsupported|settings|rights))/.test(
    code,
  );
}

function factsOf(facts: Readonly<Record<string, unknown>>): Readonly<Record<string, string | number>> {
  const kept = Object.entries(facts).filter((one): one is [string, string | number | bigint] =>
    ["string", "number", "bigint"].includes(typeof one[1]),
  );
  return Object.fromEntries(kept.map(([name, value]) => [name, typeof value === "bigint" ? String(value) : value]));
}
