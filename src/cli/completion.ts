import type { Command } from "./command.ts";
import { exitCodes } from "./exit-codes.ts";

const shells = ["bash", "zsh", "fish"] as const;
const globalFlags =
  "--config --repository --password-file --crm --as-of --json --lang --no-cache --verbose --quiet --help --version";

/** Prints a script that completes commands, subcommands and options. `all` is asked late: the list holds this one. */
export function completionCommand(all: () => readonly Command[]): Command {
  return {
    name: "completion",
    answers: "question",
    arguments: [{ form: "<shell>", choices: shells }],
    run: async ({ output }, { arguments: [shell] }) => {
      const script = shell === "fish" ? fishScript(all()) : bashScript(all(), shell === "zsh" ? "zsh" : "bash");
      output.record({ type: "completion", shell, script });
      output.line(script);
      return exitCodes.done;
    },
  };
}

/** What may follow each beginning: of nothing, the commands; of `restore`, its subcommands; else options and choices. */
function following(commands: readonly Command[]): ReadonlyMap<string, readonly string[]> {
  const result = new Map<string, string[]>();
  const add = (before: string, words: readonly string[]) => {
    const known = result.get(before) ?? [];
    result.set(before, [...known, ...words.filter((word) => !known.includes(word))]);
  };
  for (const command of commands) {
    const [first = "", second] = command.name.split(" ");
    add("", [first]);
    if (second !== undefined) add(first, [second]);
    add(
      command.name,
      (command.options ?? []).map(({ flags }) => flags.split(" ")[0] ?? ""),
    );
    add(
      command.name,
      (command.arguments ?? []).flatMap(({ choices }) => choices ?? []),
    );
  }
  return result;
}

function bashScript(commands: readonly Command[], shell: "bash" | "zsh"): string {
  const cases = [...following(commands)].map(
    ([before, words]) => `    ${before === "" ? '""' : `"${before}"`}) words="${words.join(" ")}" ;;`,
  );
  return [
    ...(shell === "zsh" ? ["autoload -U +X bashcompinit && bashcompinit"] : []),
    "_holdfast() {",
    '  local word before="" words=""',
    // Only words that are part of a command's name count; options and values in between do not.
    '  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do',
    '    case "$before $word" in',
    ...[...following(commands).keys()]
      .filter(Boolean)
      .map((name) => `      "${name.includes(" ") ? name : ` ${name}`}") before="${name}" ;;`),
    "    esac",
    "  done",
    '  case "$before" in',
    ...cases,
    "  esac",
    `  COMPREPLY=($(compgen -W "$words ${globalFlags}" -- "\${COMP_WORDS[COMP_CWORD]}"))`,
    "}",
    "complete -o default -F _holdfast holdfast",
  ].join("\n");
}

function fishScript(commands: readonly Command[]): string {
  const lines = [...following(commands)].map(([before, words]) => {
    const condition =
      before === ""
        ? "__fish_use_subcommand"
        : before
            .split(" ")
            .map((word) => `__fish_seen_subcommand_from ${word}`)
            .join("; and ");
    return `complete -c holdfast -n '${condition}' -a '${words.join(" ")}'`;
  });
  return [...lines, `complete -c holdfast -a '${globalFlags}'`].join("\n");
}
