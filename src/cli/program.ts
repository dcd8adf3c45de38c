import { Argument, Command as Commander, CommanderError, Option } from "commander";
import { closest } from "../lib/closest.ts";
import { HoldfastError } from "../lib/errors.ts";
import { type Words, languages, sentence } from "../words/words.ts";
import { displayWidth, wrap } from "../words/width.ts";
import type { Command, CommandGroup, Invocation } from "./command.ts";
import type { GlobalOptions } from "./context.ts";

export interface Parsed {
  readonly command: Command;
  readonly invocation: Invocation;
  readonly globals: GlobalOptions;
}

export interface ProgramOptions {
  readonly groups: readonly CommandGroup[];
  readonly words: Words;
  readonly version: string;
  /** Help and version go here. */
  readonly print: (text: string) => void;
  /** The help of who typed no command at all goes here: nothing was asked for, so it is no answer. */
  readonly talk: (text: string) => void;
  readonly columns: number;
}

/**
 * What was typed, as a command and its options; `undefined` when help or the version was asked for and printed.
 * commander parses; its words are replaced by ours, and what it refuses becomes `usage`, with what was meant.
 */
export function parseArguments(typed: readonly string[], options: ProgramOptions): Parsed | undefined {
  let parsed: Parsed | undefined;
  const program = buildProgram(options, (found) => (parsed = found));
  try {
    program.parse(typed, { from: "user" });
  } catch (error) {
    if (error instanceof CommanderError && isAnswered(error)) return undefined;
    throw error;
  }
  return parsed;
}

function buildProgram(options: ProgramOptions, chosen: (parsed: Parsed) => void): Commander {
  const { words, version } = options;
  const program = new Commander("holdfast");
  settle(program, options);
  program.description(words.program.summary).version(version, "-V, --version", words.program.version);
  program.addHelpText("after", `\n${words.program.after}`);
  for (const option of globalOptions(words)) program.addOption(option);
  const groups = new Map<string, Commander>();

  for (const { name, commands } of options.groups) {
    program.commandsGroup(words.program.groups[name]);
    for (const command of commands) add(command);
  }
  return program;

  function add(command: Command): void {
    const [first = "", second] = command.name.split(" ");
    const parent = second === undefined ? program : groupNamed(first);
    const built = parent.command(second ?? first);
    describe(built, command, options);
    built.action(() => {
      const given = built.processedArgs as (string | readonly string[] | undefined)[];
      const invocation = { arguments: given.flat().filter((one) => one !== undefined), options: built.opts() };
      chosen({ command, invocation, globals: program.opts() });
    });
  }

  function groupNamed(name: string): Commander {
    const known = groups.get(name);
    if (known) return known;
    const group = program.command(name).description(commandWords(words, name).summary);
    settle(group, options);
    // What a group has is its commands: they are not to be looked for below what goes for every command.
    group.configureHelp({ ...group.configureHelp(), showGlobalOptions: false });
    groups.set(name, group);
    return group;
  }
}

function describe(built: Commander, command: Command, options: ProgramOptions): void {
  const texts = commandWords(options.words, command.name);
  built.description(texts.summary);
  settle(built, options);
  for (const { flags, choices } of command.options ?? []) {
    const option = new Option(flags);
    option.description = sentence(texts.options, option.attributeName()) ?? "";
    built.addOption(choices ? option.choices(choices) : option);
  }
  for (const { form, choices } of command.arguments ?? []) {
    const argument = new Argument(form);
    argument.description = sentence(texts.arguments, argument.name()) ?? "";
    built.addArgument(choices ? argument.choices(choices) : argument);
  }
}

interface CommandWords {
  readonly summary: string;
  readonly options: Readonly<Record<string, string>>;
  readonly arguments: Readonly<Record<string, string>>;
}

function commandWords(words: Words, name: string): CommandWords {
  const all: Readonly<Record<string, CommandWords>> = words.commands;
  return all[name] ?? { summary: "", options: {}, arguments: {} };
}

function globalOptions({ options }: Words): Option[] {
  return [
    new Option("--config <file>", options.config),
    new Option("--repository <location>", options.repository),
    new Option("--password-file <file>", options.passwordFile),
    new Option("--crm <name>", options.crm),
    new Option("--as-of <moment>", options.asOf),
    new Option("--json", options.json),
    // As it is typed: there is one Chinese here.
    new Option("--lang <language>", options.lang).choices([...languages, "zh"]),
    new Option("--no-cache", options.noCache),
    new Option("-v, --verbose", options.verbose).conflicts("quiet"),
    new Option("-q, --quiet", options.quiet),
  ];
}

/** The same manners for every level: our words, our widths, errors thrown and not printed. */
function settle(command: Commander, { words, print, talk, columns }: ProgramOptions): void {
  const titles: Readonly<Record<string, string>> = {
    "Usage:": words.program.usage,
    "Options:": words.program.options,
    "Global Options:": words.program.globalOptions,
    "Commands:": words.program.commands,
    "Arguments:": words.program.arguments,
  };
  command
    .exitOverride((error) => {
      throw isAnswered(error) ? error : asUsageError(error, command);
    })
    .configureOutput({
      writeOut: print,
      writeErr: command.parent === null ? talk : () => {},
      outputError: () => {},
      getOutHelpWidth: () => columns,
      getErrHelpWidth: () => columns,
    })
    .configureHelp({
      showGlobalOptions: command.parent !== null,
      // Of eighty columns, what a command is called leaves fewer than commander's forty for what it does.
      minWidthToWrap: 20,
      subcommandTerm: (one) => [one.name(), ...one.registeredArguments.map(argumentForm)].join(" "),
      displayWidth: (text) => displayWidth(text),
      boxWrap: wrap,
      styleTitle: (title) => titles[title] ?? title,
      optionDescription: withChoices,
      argumentDescription: withChoices,
    })
    .helpOption("-h, --help", words.program.help)
    .helpCommand(false);
}

/** What may be given is listed, unless the description says all of it. */
function withChoices({ description, argChoices }: Option | Argument): string {
  if (!argChoices || argChoices.every((choice) => description.includes(choice))) return description;
  return `${description} (${argChoices.join(", ")})`;
}

/** `<plan>`, `[paths...]`: that there are options says every command's own help. */
function argumentForm(argument: Argument): string {
  const name = `${argument.name()}${argument.variadic ? "..." : ""}`;
  return argument.required ? `<${name}>` : `[${name}]`;
}

/** Help or the version was asked for, and printed. */
function isAnswered({ code }: CommanderError): boolean {
  return code === "commander.helpDisplayed" || code === "commander.version";
}

/** `restore plan`; of the program itself nothing. */
function pathOf(command: Commander): string | undefined {
  const above = command.parent && pathOf(command.parent);
  return command.parent ? [above, command.name()].filter(Boolean).join(" ") : undefined;
}

/** commander's refusals by their code; what it quotes in its sentence is the fact. `at`: the command that refused. */
function asUsageError(error: CommanderError, at: Commander): HoldfastError {
  const command = pathOf(at);
  const usage = (facts: Readonly<Record<string, string | undefined>>) =>
    new HoldfastError("usage", { ...facts, ...(command !== undefined && { command }) });
  const [, what = ""] = /'([^']*)'/.exec(error.message) ?? [];
  const suggestion = /\(Did you mean (?:one of )?([^?,]*)/.exec(error.message)?.[1];
  const meant = suggestion === undefined ? {} : { suggestion };
  switch (error.code) {
    case "commander.unknownOption":
      return usage({ problem: "unknown-option", what, ...meant });
    case "commander.unknownCommand":
      return usage({ problem: "unknown-command", what, ...meant });
    case "commander.missingArgument":
      return usage({ problem: "missing-argument", what });
    case "commander.optionMissingArgument":
      return usage({ problem: "missing-value", what });
    case "commander.excessArguments":
      return usage({ problem: "extra-argument" });
    case "commander.help":
      return usage({ problem: "missing-command", expected: command && namesOf(at) });
    case "commander.conflictingOption":
      return usage({ problem: "conflict", what, other: /with option '([^']*)'/.exec(error.message)?.[1] });
    case "commander.invalidArgument":
      return usage({ problem: "bad-value", ...badValue(error.message) });
    default:
      return usage({ problem: error.message.replace(/^error: /, "") });
  }
}

/** `option '--as <purpose>' argument 'x' is invalid. Allowed choices are …`, and the like of an argument. */
function badValue(message: string): Readonly<Record<string, string | undefined>> {
  const expected = /Allowed choices are (.*)\.$/s.exec(message)?.[1];
  const [, option, given] = /option '([^']*)' argument '([^']*)'/.exec(message) ?? [];
  const [, other, argument] = /value '([^']*)' is invalid for argument '([^']*)'/.exec(message) ?? [];
  const value = given ?? other;
  const suggestion = closest(value ?? "", expected?.split(", ") ?? []);
  return { what: option ?? argument, value, expected, suggestion };
}

function namesOf({ commands }: Commander): string {
  return commands.map((one) => one.name()).join(", ");
}
