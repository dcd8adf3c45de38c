import { StringDecoder } from "node:string_decoder";
import { HoldfastError } from "../lib/errors.ts";
import type { Context } from "./context.ts";

/** What a terminal sends for Enter and Ctrl-D, Ctrl-C, Ctrl-U, and Backspace. */
const endOfLine = "\r\n\u0004";
const interrupt = "\u0003";
const eraseLine = "\u0015";
const eraseCharacter = "\b\u007f";

/** Asks for a password on the terminal: what is typed is not shown. `canAsk` tells whether there is one. */
export async function askPassword({ surroundings, output }: Context, question: string): Promise<string> {
  const { stdin, stderr, signal } = surroundings;
  output.clearProgress();
  // Before the question: who answers at once must not be shown either.
  stdin.setRawMode(true);
  stderr.write(question);
  try {
    return await readHidden(stdin, signal);
  } finally {
    stdin.setRawMode(false);
    stdin.pause();
    stderr.write("\n");
  }
}

/** Asks until both answers are the same, so that a slip of the finger locks nobody out. */
export async function askNewPassword(context: Context): Promise<string> {
  const { words, output } = context;
  for (;;) {
    const first = await askPassword(context, words.password.askNew);
    if (first === "") throw new HoldfastError("password-empty");
    if ((await askPassword(context, words.password.askAgain)) === first) return first;
    output.talk(words.password.differ);
  }
}

/** One line in raw mode: the terminal hands over each key, so erasing and Ctrl-C are ours to do. */
function readHidden(stdin: NodeJS.ReadStream, signal: AbortSignal): Promise<string> {
  const decoder = new StringDecoder("utf8");
  let typed: string[] = [];
  return new Promise((resolve, reject) => {
    const end = (finish: () => void): void => {
      stdin.off("data", read);
      stdin.off("end", closed);
      signal.removeEventListener("abort", cancelled);
      finish();
    };
    const cancelled = (): void => end(() => reject(new HoldfastError("cancelled")));
    const closed = (): void => end(() => resolve(typed.join("").trim()));
    const read = (bytes: Buffer): void => {
      for (const character of decoder.write(bytes)) {
        if (character === interrupt) return cancelled();
        if (endOfLine.includes(character)) return closed();
        if (character === eraseLine) typed = [];
        else if (eraseCharacter.includes(character)) typed.pop();
        else typed.push(character);
      }
    };
    if (signal.aborted) return cancelled();
    signal.addEventListener("abort", cancelled, { once: true });
    stdin.on("data", read).on("end", closed).resume();
  });
}
