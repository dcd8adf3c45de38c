import type { DoctorInput, DoctorReport } from "../engine/doctor.ts";
import { type ErrorCode, HoldfastError, errorCodes, isHoldfastError } from "../lib/errors.ts";
import type { Command } from "./command.ts";
import type { Context } from "./context.ts";
import { exitCodes } from "./exit-codes.ts";
import { paintOutcome } from "./paint.ts";
import { describeError } from "./report-error.ts";
import { sentence } from "../words/words.ts";

/** A check of the engine's, or of what comes before the engine: reading the password. */
interface Check {
  readonly state: DoctorReport["checks"][number]["state"];
  readonly code: string;
  readonly facts: Readonly<Record<string, string | number>>;
  readonly crm?: string;
}

export const doctorCommand: Command = {
  name: "doctor",
  answers: "question",
  async run(context) {
    const config = await context.config();
    const named = context.globals.crm;
    const crms = (config?.crms ?? []).filter((one) => named === undefined || one.name === named);
    if (named !== undefined && config && crms.length === 0) await context.crm(); // says which there are
    const { location, password } = await context.repository();
    const { repository, problem } = await openPassword(context);
    const input: DoctorInput = {
      crms,
      ...(config ? { configFile: config.file, copies: config.copies.map((copy) => copy.location) } : {}),
      ...(repository ? { repository } : {}),
      ...(password.kind === "file" ? { passwordFile: password.target } : {}),
    };
    const { checks } = await context.door.doctor(input, context.run);
    context.events.takeWarnings(); // the checks say the same
    const all: readonly Check[] = problem ? [problem, ...checks] : checks;
    context.output.record({ type: "doctor", location, checks: all });
    context.output.lines(doctorLines(context, all));
    if (all.some((check) => check.state === "failed")) return exitCodes.failed;
    return all.some((check) => check.state === "warning") ? exitCodes.warnings : exitCodes.done;
  },
};

async function openPassword(context: Context) {
  try {
    return { repository: await context.access() };
  } catch (error) {
    if (!isHoldfastError(error, "config-secret") && !isHoldfastError(error, "password-empty")) throw error;
    const { message } = describeError(error, context.words, context.format, "doctor");
    const problem: Check = { state: "failed", code: "password-unreadable", facts: { problem: message } };
    return { problem };
  }
}

function doctorLines(context: Context, checks: readonly Check[]): string[] {
  const { words, format, output } = context;
  const lines = checks.flatMap((check) => {
    const { text, hint } = checkWords(context, check);
    const state = paintOutcome(output, check.state, signs[check.state]);
    const line = `${state} ${check.crm === undefined ? "" : `${check.crm}${words.label.colon}`}${text}`;
    return check.state === "ok" || hint === "" ? [line] : [line, `  → ${hint}`];
  });
  const failed = checks.filter((check) => check.state === "failed").length;
  const warnings = checks.filter((check) => check.state === "warning").length;
  const summary = format.fill(words.doctorReport.summary, { failed, warnings });
  return [...lines, "", failed + warnings === 0 ? words.doctorReport.sound : summary];
}

const signs = { ok: "✓", warning: "!", failed: "✗" } as const;

function checkWords({ words, format }: Context, check: Check): { readonly text: string; readonly hint: string } {
  const all: Readonly<Record<string, { readonly text: string; readonly hint: string }>> = words.doctor;
  const template = all[check.code] ?? { text: check.code, hint: "" };
  const { because, reason, error } = check.facts;
  const why = because === undefined ? reason : because;
  const inner = errorCodes.find((code: ErrorCode) => code === error);
  const failure = inner && describeError(new HoldfastError(inner, check.facts), words, format, "");
  const facts = {
    ...check.facts,
    problem: check.facts["problem"] ?? failure?.message,
    solution: failure?.hint,
    use: ofWords(words.keyUses, check.facts["use"]),
    how: ofWords(words.maintenance, check.facts["how"]),
    why: typeof why === "string" ? (sentence(words.unkeyed, why) ?? sentence(words.uncovered, why) ?? why) : undefined,
  };
  return { text: format.fill(template.text, facts), hint: format.fill(template.hint, facts) };
}

/** A fact that is a key of some words. */
function ofWords(set: Readonly<Record<string, unknown>>, fact: string | number | undefined): string | undefined {
  return typeof fact === "string" ? (sentence(set, fact) ?? fact) : undefined;
}
