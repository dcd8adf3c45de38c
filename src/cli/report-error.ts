import { HoldfastError, isHoldfastError } from "../lib/errors.ts";
import type { Format } from "../words/format.ts";
import { type Words, sentence } from "../words/words.ts";
import { exitCodeOf } from "./exit-codes.ts";
import type { Output } from "./output.ts";

export interface ErrorReport {
  readonly type: "error";
  readonly code: string;
  readonly message: string;
  readonly hint: string;
  readonly exitCode: number;
}

/** Any failure as one of ours: a cancelled wait is `cancelled`, what nobody foresaw is `internal`. */
export function asHoldfastError(error: unknown, signal: AbortSignal): HoldfastError {
  if (error instanceof HoldfastError) return error;
  if (signal.aborted || (error instanceof Error && error.name === "AbortError")) {
    return new HoldfastError("cancelled", {}, error);
  }
  return new HoldfastError("internal", { detail: error instanceof Error ? error.message : String(error) }, error);
}

/** The sentence, the hint and the exit code of an error. */
export function describeError(error: HoldfastError, words: Words, format: Format, command: string): ErrorReport {
  const { text, hint } = words.errors[error.code];
  const { path, subject, file, table, url, location } = error.facts;
  const aliases = { path: path ?? subject ?? file, subject: subject ?? path ?? table, url: url ?? location };
  // What the error itself says goes first: which command refused what was typed, or what holds a file open.
  const named = command === "" ? {} : { command };
  const facts = { ...named, ...error.facts, ...aliases, ...innerSentence(error, words, format) };
  return {
    type: "error",
    code: error.code,
    message: format.fill(text, facts),
    hint: format.fill(hint, facts),
    exitCode: exitCodeOf(error.code),
  };
}

/** Codes that say more by a fact `problem`, which is a key of a set of its own. */
function innerSentence(error: HoldfastError, words: Words, format: Format): { readonly problem?: string } {
  const problem = error.facts["problem"];
  if (typeof problem !== "string") return {};
  const set = isHoldfastError(error, "config-invalid")
    ? words.configProblems
    : isHoldfastError(error, "config-secret")
      ? words.secretProblems
      : isHoldfastError(error, "moment-invalid")
        ? words.momentProblems
        : isHoldfastError(error, "moment-unreachable")
          ? words.gapReasons
          : isHoldfastError(error, "prune-unsafe")
            ? words.defects
            : words.usageProblems;
  const code = problem === "yaml" && error.facts["detail"] === "duplicate" ? "yaml-duplicate" : problem;
  const template = sentence(set, code);
  return { problem: template === undefined ? problem : format.fill(template, error.facts) };
}

/** One clear line and a hint on standard error; under `--json` an object as well. Never a stack, unless asked for. */
export function printError(error: HoldfastError, report: ErrorReport, output: Output, words: Words): void {
  const { label } = words;
  output.talk(`${output.paintTalk("red", `${label.error}${label.colon}`)}${report.message}`);
  if (report.hint) output.talk(`${output.paintTalk("dim", `${label.hint}${label.colon}`)}${report.hint}`);
  output.record(report);
  if (process.env["HOLDFAST_DEBUG"] === "1") {
    for (let cause: unknown = error; cause instanceof Error; cause = cause.cause)
      output.talk(cause.stack ?? cause.message);
  }
}
