/** A code block of a Markdown document. */
export interface CodeBlock {
  /** What stands behind the fence: `sh`, `yaml`, nothing. */
  readonly language: string;
  readonly text: string;
  /** Line of the opening fence, from 1. */
  readonly line: number;
}

export function codeBlocks(markdown: string): readonly CodeBlock[] {
  const blocks: CodeBlock[] = [];
  let open: { readonly language: string; readonly line: number; readonly lines: string[] } | undefined;
  for (const [index, line] of markdown.split("\n").entries()) {
    const fence = /^\s*```(\w*)\s*$/.exec(line);
    if (fence === null) {
      open?.lines.push(line);
    } else if (open === undefined) {
      open = { language: fence[1] ?? "", line: index + 1, lines: [] };
    } else {
      blocks.push({ language: open.language, line: open.line, text: `${open.lines.join("\n")}\n` });
      open = undefined;
    }
  }
  if (open !== undefined) throw new Error(`line ${open.line}: this code block is never closed`);
  return blocks;
}

export interface DocumentedCommand {
  /** The whole line as it stands there, without a prompt: `holdfast backup full`. */
  readonly command: string;
  readonly line: number;
}

/**
 * Every line of a `sh` block that runs `holdfast` (or `npx holdfast`) or makes a password file (`umask 077 && …`), in
 * the order of the page: what a reader copies and runs. Blocks without a language (crontabs, output) are not run.
 */
export function holdfastCommands(markdown: string): readonly DocumentedCommand[] {
  return codeBlocks(markdown)
    .filter(({ language }) => language === "sh")
    .flatMap(({ text, line }) =>
      text.split("\n").flatMap((found, index) => {
        const command = found.replace(/^\s*\$ /, "").trim();
        return /^(npx )?holdfast( |$)|^umask 077 && /.test(command) ? [{ command, line: line + 1 + index }] : [];
      }),
    );
}

/** What a page tells its reader to add to `holdfast.yaml`: `yaml` blocks that begin with that comment. */
export function configAdditions(markdown: string): readonly { readonly text: string; readonly line: number }[] {
  return codeBlocks(markdown).filter(({ language, text }) => language === "yaml" && text.startsWith(addToConfig));
}

const addToConfig = "# add to holdfast.yaml\n";
