import type { Door } from "../jobs/run.ts";
import { createFormat, type Format } from "../words/format.ts";
import { chooseLanguage } from "../words/language.ts";
import { type Words, loadWords } from "../words/words.ts";
import { commandGroups } from "./commands.ts";
import { type Surroundings, createContext } from "./context.ts";
import { type EventReader, jsonEvents, silentEvents, terminalEvents } from "./events.ts";
import { type Output, createOutput } from "./output.ts";
import { peekConfig } from "./peek-config.ts";
import { type Parsed, parseArguments } from "./program.ts";
import { asHoldfastError, describeError, printError } from "./report-error.ts";
import { typedOption } from "./typed-option.ts";
import { warningLines } from "./warnings.ts";

export interface Cli extends Surroundings {
  /** What was typed after the program's name. */
  readonly typed: readonly string[];
  readonly version: string;
  readonly door: Door;
  readonly decodePassword: (bytes: Buffer) => Promise<string>;
}

/**
 * The command line, from what was typed to the exit code: language, command, context, run, report. A command is one
 * file, listed in `commands.ts`; it asks the door (`jobs/run.ts`) for what it needs and turns the answer into lines.
 * Sentences come from `words`, exit codes from `exit-codes.ts`; a failure is one line and a hint.
 */
export async function runCli(cli: Cli): Promise<number> {
  const { typed, environment, stdout, stderr } = cli;
  const peeked = peekConfig(typed, cli.folder, environment);
  const language = chooseLanguage([typedOption(typed, "--lang"), peeked.language], environment);
  const words = await loadWords(language);
  const format = createFormat(words, language, peeked.timezone ?? Temporal.Now.timeZoneId());
  // Before anything is parsed, errors still have to know how to speak.
  const early = createOutput({ json: typed.includes("--json"), detail: "normal", stdout, stderr, environment });
  let output = early;
  let name = "";
  try {
    const columns = stdout.columns || 100;
    const print = (text: string) => void stdout.write(text);
    const talk = (text: string) => void (early.json || stderr.write(text));
    const options = { groups: commandGroups, words, version: cli.version, print, talk, columns };
    const parsed = parseArguments(typed, options);
    if (!parsed) return 0;
    name = parsed.command.name;
    const { globals } = parsed;
    const detail = globals.quiet ? "quiet" : globals.verbose ? "verbose" : "normal";
    output = createOutput({ json: globals.json === true, detail, stdout, stderr, environment });
    return await runCommand(cli, parsed, { words, format, output });
  } catch (error) {
    const failure = asHoldfastError(error, cli.signal);
    const report = describeError(failure, words, format, name);
    printError(failure, report, output, words);
    return report.exitCode;
  } finally {
    output.clearProgress();
  }
}

interface Voice {
  readonly words: Words;
  readonly format: Format;
  readonly output: Output;
}

async function runCommand(cli: Cli, { command, invocation, globals }: Parsed, voice: Voice): Promise<number> {
  const { words, format, output } = voice;
  const events = eventsFor(cli, command.answers, voice);
  const { door, decodePassword, version } = cli;
  const parts = { surroundings: cli, globals, words, format, output, events, door, decodePassword, version };
  const context = createContext(parts);
  try {
    return await command.run(context, invocation);
  } finally {
    // What no report has shown, because there is none or the run failed.
    const left = events.takeWarnings();
    for (const line of warningLines(left, output, words, format)) output.talk(line);
  }
}

function eventsFor(cli: Cli, answers: "stream" | "question", { words, format, output }: Voice): EventReader {
  if (!output.json) return terminalEvents(output, words, format, () => cli.stderr.columns || 80);
  return answers === "stream" ? jsonEvents(output) : silentEvents(output, words, format);
}
